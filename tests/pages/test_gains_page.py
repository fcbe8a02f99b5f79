"""The Gains page shows what is stored, follows the budget, and leads to each pick."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.choices import Pick
from core.web.session import open_bench
from core.web.theme import format_sig
from core.workbench import Workbench
from tests.conftest import ROOT, core_json

Open = Callable[..., AppTest]


@pytest.fixture
def open_gains(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the page over the scored workspace, which is let go of at the end."""
    monkeypatch.setenv("GLEANER_WORKSPACE", str(workspace))

    def open_page(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "core" / "web" / "frame.py"), default_timeout=180)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        return app.switch_page("../../pages/gains.py").run()

    yield open_page
    open_bench().close()
    st.cache_resource.clear()


def select(workspace: Path, *words: str) -> str:
    return str(core_json(workspace, "select", "chats", *words)["selection"])


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def tables(app: AppTest) -> list:
    return [frame.value for frame in app.dataframe]


def captions(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in [*app.caption, *app.markdown])


def test_the_figures_are_those_of_the_ledger(open_gains: Open, workspace: Path) -> None:
    name = select(workspace, "--criterion", "fisher", "--budget", "8")
    with Workbench(workspace) as bench:
        picks = bench.selections.picks(name)
    app = open_gains()
    assert not app.exception
    assert not app.error
    held = [pick.cumulative for pick in picks]
    half = int(np.argmax(np.array(held) >= held[-1] / 2)) + 1
    shown = metrics(app)
    assert shown["Information"] == f"{format_sig(held[-1])} nats"
    assert shown["First pick"] == f"{format_sig(picks[0].gain)} nats"
    assert shown["Last pick"] == f"{format_sig(picks[-1].gain)} nats"
    assert shown["Half is held by"] == f"the first {half}"
    ledger = tables(app)[-1]
    assert ledger["Row"].tolist() == [pick.row for pick in picks]
    assert ledger["Gain"].tolist() == [pick.gain for pick in picks]
    assert ledger["Reason"].tolist() == [pick.reason for pick in picks]


@pytest.mark.parametrize("criterion", ["random", "ppl", "instructdiff", "ioptimal"])
def test_the_page_reads_well_for_other_criteria(criterion: str, open_gains: Open, workspace: Path) -> None:
    select(workspace, "--criterion", criterion, "--budget", "6")
    app = open_gains(by="tokens", log="true")
    assert not app.exception
    assert not app.error
    ledger = tables(app)[-1]
    assert ledger["Gain"].notna().all()
    assert ("Own gain" in ledger) == (criterion == "ioptimal")


def test_the_whole_page_follows_a_budget_that_is_tried(open_gains: Open, workspace: Path) -> None:
    name = select(workspace, "--criterion", "fisher", "--budget", "6")
    app = open_gains(budget="3")
    picks = open_bench().selections.picks(name)
    assert metrics(app)["Information"] == f"{format_sig(picks[2].cumulative)} nats"
    assert metrics(app)["Last pick"] == f"{format_sig(picks[2].gain)} nats"
    assert tables(app)[-1]["Row"].tolist() == [pick.row for pick in picks[:3]]
    assert "Of the selection as it is stored, 6 examples." in captions(app)
    app.slider[0].set_value(9).run()
    assert not app.exception
    ledger = tables(app)[-1]
    assert len(ledger) == 9
    assert ledger["Gain"].notna().tolist() == [True] * 6 + [False] * 3
    assert "no gains yet" in captions(app)
    assert metrics(app)["Last pick"] == "–"
    next(b for b in app.button if b.label == "Measure the tried budget").click().run()
    assert not app.exception
    coverage = tables(app)[0]
    assert int(coverage["Selected"].sum()) == 9
    assert coverage["Random, lowest"].notna().all()


def test_a_pick_named_in_the_address_is_shown_with_its_story(open_gains: Open, workspace: Path) -> None:
    name = select(workspace, "--criterion", "fisher", "--budget", "6")
    app = open_gains(pick="2")
    pick = open_bench().selections.picks(name)[1]
    (text,) = open_bench().datasets.texts("chats", [pick.row])
    assert f"row {pick.row}: {pick.reason}" in captions(app)
    assert f"It brought {format_sig(pick.gain)} nats with {pick.response_tokens} tokens" in captions(app)
    assert text.response.strip() in [str(one.value) for one in app.text]
    app.number_input(key="pick").set_value(5).run()
    assert "**Pick #5**" in captions(app)


def test_a_click_on_a_dot_shows_its_pick(open_gains: Open, workspace: Path) -> None:
    name = select(workspace, "--criterion", "fisher", "--budget", "6")
    app = open_gains()
    from core.web.gains.picks import _take_click

    assert app.number_input(key="pick").value is None
    key = f"gains.plot.{name}"
    state = {key: {"selection": {"points": [{"customdata": 4}]}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.web.gains.picks.st.session_state", state)
        _take_click(key)
        assert state["pick"] == 4
        state[key] = {"selection": {"points": []}}
        _take_click(key)
        assert state["pick"] == 4


def test_who_covers_whom_adds_up_and_can_be_asked_of_a_group(open_gains: Open, workspace: Path) -> None:
    name = select(workspace, "--criterion", "fisher", "--budget", "6")
    app = open_gains()
    found = open_bench().main_covers(name)
    table = tables(app)[1]
    assert table["Main cover of"].tolist() == sorted(np.bincount(found.ranks)[table["#"]], reverse=True)
    assert int(table["Main cover of"].sum()) == len(found.rows)
    codes = open_bench().groups("chats", "topic").codes[found.rows]
    app.selectbox(key="among").set_value("is:1").run()
    assert not app.exception
    assert app.query_params["among"] == "is:1"
    assert int(tables(app)[1]["Main cover of"].sum()) == int((codes == 1).sum())


def test_a_link_asks_who_covers_whom_of_the_same_group(open_gains: Open, workspace: Path) -> None:
    select(workspace, "--criterion", "fisher", "--budget", "6")
    assert open_gains(among="is:2", group="topic").selectbox(key="among").value == "is:2"
    assert open_gains(among="is:none such", group="topic").selectbox(key="among").value == "all"


def test_a_rerun_makes_no_object_of_each_pick(
    open_gains: Open, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    select(workspace, "--criterion", "fisher", "--budget", "23")
    monkeypatch.setattr("core.web.gains.picks.PAGE_ROWS", 3)
    app, made = open_gains(), list[int]()
    monkeypatch.setattr("core.store.selections.Pick", lambda *values: made.append(1) or Pick(*values))
    app.number_input(key="pick").set_value(9).run()
    assert not app.exception
    assert 1 <= len(made) <= 1 + 3 + 3 * 3  # the pick, the page's rows, and what covers them


def test_without_columns_and_map_the_way_to_a_map_is_shown(
    open_gains: Open, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    select(workspace, "--criterion", "fisher", "--budget", "6")
    monkeypatch.setattr(Workbench, "group_columns", lambda *_: [])
    app = open_gains()
    assert not app.exception
    assert "No column of these rows has from 2 to 60 values" in captions(app)


def test_what_takes_long_waits_for_a_button(open_gains: Open, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    select(workspace, "--criterion", "fisher", "--budget", "6")
    monkeypatch.setattr("core.web.gains.coverage.AT_ONCE_SECONDS", 0.0)
    app = open_gains()
    assert "stand for most of the examples left out" in captions(app)
    next(b for b in app.button if b.label == "Find who covers whom").click().run()
    assert not app.exception
    assert "one pick alone covers" in captions(app)
    app.run()
    assert "one pick alone covers" in captions(app)
