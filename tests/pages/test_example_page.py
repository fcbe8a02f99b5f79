"""The page of one example tells its story, shades its tokens, and walks on from it."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.workbench import Workbench
from tests.conftest import Scored, core_json, write_chats
from tests.pages.conftest import Open, button, texts

UNSCORABLE = 23


@pytest.fixture
def selection(workspace: Path) -> str:
    return str(core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")["selection"])


def rows_of(workspace: Path, selection: str) -> list[int]:
    with Workbench(workspace) as bench:
        return [pick.row for pick in bench.selections.picks(selection)]


def lenses(app: AppTest) -> list[dict[str, Any]]:
    """What the page's token lenses were given."""
    parts = [part.proto for part in app.get("bidi_component")]
    return [json.loads(part.json) for part in parts if part.component_name == "gleaner_lens"]


def named(text: str) -> str:
    return text.replace("\\", "")


def test_the_response_is_shaded_by_what_the_run_has(open_app: Open, workspace: Path, scored: Scored) -> None:
    app = open_app(workspace, "example", row="6")
    (lens,) = lenses(app)
    assert lens["title"] == "ΔNLL"
    with Workbench(scored.workspace) as bench:
        known = bench.token_lens(scored.report["run"], 6)
    assert lens["pieces"] == known.turns[1].pieces
    assert lens["values"] == known.values["delta_nll"]
    app.segmented_control(key="lens").set_value("entropy").run()
    assert lenses(app)[0]["values"] == known.values["entropy"]
    assert app.query_params["lens"] == "entropy"
    app.segmented_control(key="lens").set_value("plain").run()
    assert lenses(app) == []
    assert not app.exception


def test_leverage_is_offered_with_a_selection_and_shades_the_response(
    open_app: Open, workspace: Path, selection: str
) -> None:
    app = open_app(workspace, "example", row="6", lens="leverage")
    (lens,) = lenses(app)
    assert lens["title"] == "Leverage"
    assert len(lens["values"]) == len(lens["pieces"])
    assert min(lens["values"]) > 0
    assert not app.error


def test_previous_and_next_walk_through_the_chosen_order(open_app: Open, workspace: Path, selection: str) -> None:
    picks = rows_of(workspace, selection)
    app = open_app(workspace, "example", selection=selection, row=str(picks[0]))
    assert "1 of 6" in texts(app)
    assert button(app, "Previous").disabled
    app.button(key="example.Next").click().run()
    assert app.number_input(key="row").value == picks[1]
    assert "Picked 2nd of 6 examples" in named(texts(app))
    app.selectbox(key="walk").set_value("left").run()
    assert "Not among these 18" in texts(app)
    app.button(key="example.Next").click().run()
    assert "1 of 18" in texts(app)
    assert "Left out: would enter at 7 examples" in named(texts(app))
    app.selectbox(key="walk").set_value("all").run()
    row = app.number_input(key="row").value
    app.button(key="example.Next").click().run()
    assert app.number_input(key="row").value == row + 1
    assert app.query_params["walk"] == "all"
    assert not app.warning


@pytest.mark.parametrize("asked", ["24", "-1", "x", "999999999999999999999"])
def test_a_row_that_is_not_there_is_named(asked: str, open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "example", row=asked)
    assert not app.exception
    assert "has rows 0 to 23" in app.warning[0].value


def test_a_row_that_could_not_be_scored_says_why_and_is_still_read(
    open_app: Open, workspace: Path, selection: str
) -> None:
    app = open_app(workspace, "example", selection=selection, row=str(UNSCORABLE))
    assert not app.exception
    assert not app.error
    shown = named(texts(app))
    assert "Left out: could not be scored: the prompt alone fills max_length (128 tokens)." in shown
    assert "Say bay. Say bay." in shown
    assert lenses(app) == []


def test_without_scores_and_without_a_selection_the_conversation_is_read(open_app: Open, tmp_path: Path) -> None:
    source = write_chats(tmp_path / "chats.jsonl", 3)
    core_json(tmp_path / "workspace", "ingest", str(source), "--name", "chats")
    app = open_app(tmp_path / "workspace", "example", row="1")
    assert not app.exception
    assert "Say owl." in texts(app)
    assert "has not been scored yet" in texts(app)


def test_scores_and_neighbours_are_told_before_anything_is_selected(open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "example", row="1")
    assert not app.exception
    assert "Nothing is selected from this run yet" in texts(app)
    assert "among the 23 examples that were scored" in texts(app)
    assert "**Nearest**" in texts(app)
    assert any("higher than" in part.proto.body for part in app.get("html"))


def test_links_lead_to_the_examples_that_are_named(open_app: Open, workspace: Path, selection: str) -> None:
    picks = rows_of(workspace, selection)
    app = open_app(workspace, "example", selection=selection, row=str(picks[3]))
    links = [link.proto for link in app.get("page_link") if "row=" in link.proto.query_string]
    assert any(link.label.startswith("#1, row") or link.label.startswith("#2, row") for link in links)
    assert all(f"selection={selection}" in link.query_string for link in links)
    assert len([link for link in links if "cosine" in link.label]) == 6


def test_prices_are_worked_out_only_once_somebody_asks(
    open_app: Open, workspace: Path, selection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, price = list[str](), Workbench.price
    monkeypatch.setattr(
        Workbench, "price", lambda self, name, kind, row: asked.append(kind) or price(self, name, kind, row)
    )
    app = open_app(workspace, "example", selection=selection, row=str(rows_of(workspace, selection)[0]))
    assert asked == []
    app.session_state["example.prices"] = True
    app.run()
    assert not app.exception
    assert asked == ["pin", "ban"]
    assert "Ban: loses" in named(texts(app))
