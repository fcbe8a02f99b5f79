"""Compare tells what two choices share, what each has alone, and lets one lasso count on both maps."""

from pathlib import Path

import numpy as np
import pytest

from core.choices import WhatIf
from core.web.scatter import points_inside
from core.web.scatter.points import fingerprint_positions
from core.web.theme import format_sig
from core.workbench import Workbench
from tests.conftest import Scored, core_json
from tests.pages.conftest import Open, links, texts


def selected(workspace: Path, *criteria: str) -> list[str]:
    with Workbench(workspace) as bench:
        return [bench.select("chats", name, "6").selection for name in criteria]


def rows(workspace: Path, selection: str) -> list[int]:
    with Workbench(workspace) as bench:
        return [pick.row for pick in bench.selections.picks(selection)]


def test_one_selection_has_nothing_to_be_compared_with(open_app: Open, workspace: Path) -> None:
    selected(workspace, "fisher")
    app = open_app(workspace, "compare")
    assert not app.exception
    assert "There is only one selection" in texts(app)
    assert "Choose examples" in links(app)


def test_what_each_side_has_alone_stands_in_its_order(open_app: Open, workspace: Path) -> None:
    a, b = selected(workspace, "fisher", "ppl")
    in_a, in_b = rows(workspace, a), rows(workspace, b)
    app = open_app(workspace, "compare", selection=a, **{"with": b})
    assert not app.exception
    shared = len({*in_a} & {*in_b})
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Shared examples"] == str(shared)
    assert shown["Of the smaller"].startswith(f"{100 * shared / 6:.0f}")
    assert app.dataframe[-1].value["Row"].tolist() == [row for row in in_a if row not in in_b]
    app.segmented_control(key="part").set_value("Only B").run()
    table = app.dataframe[-1].value
    assert table["Row"].tolist() == [row for row in in_b if row not in in_a]
    assert table["#"].tolist() == [in_b.index(row) + 1 for row in table["Row"]]
    app.segmented_control(key="part").set_value("Disagreement").run()
    assert not app.exception
    assert "Both orders place 23 examples, 23 of them exactly in both." in texts(app)
    assert "Without a place in A: 1 not scored." in texts(app)


def test_a_link_shows_the_same_comparison_and_a_choice_that_is_gone_falls_back(open_app: Open, workspace: Path) -> None:
    a, b, c = selected(workspace, "fisher", "ppl", "random")
    app = open_app(workspace, "compare", selection=a, **{"with": b})
    assert app.selectbox(key="with").value == b
    app.selectbox(key="with").set_value(c).run()
    assert list(app.query_params["with"]) in ([c], list(c))  # AppTest hands out either
    app.sidebar.selectbox(key="selection").set_value(c).run()
    assert not app.exception
    assert app.selectbox(key="with").value in (a, b)


def test_the_budget_slider_s_cut_is_what_is_compared(open_app: Open, workspace: Path) -> None:
    a, b = selected(workspace, "fisher", "ppl")
    with Workbench(workspace) as bench:
        seen = bench.what_if(a, "9")
    app = open_app(workspace, "compare", selection=a, budget="9", **{"with": b})
    assert not app.exception
    figures = app.dataframe[0].value.set_index("Figure")
    assert figures.loc["Examples", "A"] == "9"
    assert figures.loc["Budget", "A"] == "cut to 9"
    assert figures.loc["Information (nats)", "A"] == format_sig(seen.information)


def test_two_runs_are_compared_by_a_score(open_app: Open, scored: Scored, workspace: Path) -> None:
    words = ("--model", str(scored.model), "--no-calibration", "--max-length", "128", "--set", "shard_rows=8")
    other = core_json(workspace, "score", "chats", *words)["run"]
    app = open_app(workspace, "compare", run=other)
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown == {"Ordered by both": "23", "Rank correlation": "1.00"}  # the base pass is the same
    assert "prove no disagreement" in texts(app)
    assert app.selectbox(key="order").options == ["NLL, highest first", "Entropy H, highest first",
                                                  "Response tokens, highest first"]  # fmt: skip


@pytest.mark.parametrize("by", ["A", "B"])
def test_a_lasso_on_one_map_counts_on_both(by: str, open_app: Open, workspace: Path) -> None:
    a, b = selected(workspace, "fisher", "ppl")
    points = np.random.default_rng(0).uniform(size=(23, 2)).astype(np.float32)
    with Workbench(workspace) as bench:
        bench.runs.store_map(bench.selections.get(a).run, "points", np.arange(23), points)
    in_a, in_b = rows(workspace, a), rows(workspace, b)
    app = open_app(workspace, "compare", selection=a, part="Maps", **{"with": b})
    assert not app.exception
    assert "Draw a lasso on either map" in texts(app)
    polygon = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.6), (0.0, 0.6)]
    x, y = points.T.copy()
    corners = {"x": [x for x, _ in polygon], "y": [y for _, y in polygon]}
    lasso = corners | {"fingerprint": fingerprint_positions(x, y)}
    app.session_state[f"compare.map.{a}.{b}.{by}"] = {"lasso": lasso}
    app.run()
    assert not app.exception
    inside = set(points_inside(x, y, polygon).tolist())
    only_a = [row for row in in_a if row in inside and row not in in_b]
    assert f"{len(inside)} examples in the lasso on {by}" in texts(app)
    assert f"{len(only_a)} only in A" in texts(app)
    assert app.dataframe[-1].value["Row"].tolist() == only_a


def test_a_link_opens_with_the_lasso_and_the_class_that_was_shown(open_app: Open, workspace: Path) -> None:
    a, b = selected(workspace, "fisher", "ppl")
    points = np.random.default_rng(0).uniform(size=(23, 2)).astype(np.float32)
    with Workbench(workspace) as bench:
        bench.runs.store_map(bench.selections.get(a).run, "points", np.arange(23), points)
    polygon = "0_0~1_0~1_0.6~0_0.6"
    chosen = {*rows(workspace, a), *rows(workspace, b)}
    view = {"selection": a, "with": b, "part": "Maps", "lasso_b": polygon, "shown": "neither"}
    app = open_app(workspace, "compare", **view)
    for name, value in view.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    inside = {row for row in range(23) if points[row, 1] < 0.6}
    neither = inside - chosen
    assert f"{len(inside)} examples in the lasso on B" in texts(app)
    assert set(app.dataframe[-1].value["Row"]) == neither
    assert app.query_params["lasso_b"] == polygon
    app.segmented_control(key="shown").set_value("only_b").run()
    assert app.query_params["shown"] == "only_b"


def test_a_cut_that_holds_nothing_is_not_taken_for_the_stored_selection(open_app: Open, workspace: Path) -> None:
    a, b = selected(workspace, "fisher", "ppl")
    seen = WhatIf([], 0, 0.0, is_exact=True, entered=[], displaced=[])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workbench, "what_if", lambda *_: seen)
        app = open_app(workspace, "compare", selection=a, budget="1", **{"with": b})
    assert not app.exception
    figures = app.dataframe[0].value.set_index("Figure")
    assert figures.loc["Budget", "A"] == "cut to 0"
    assert figures.loc["Information (nats)", "A"] == format_sig(0.0)
