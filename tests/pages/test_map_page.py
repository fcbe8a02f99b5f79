"""The Map: what lies where, what a click and a lasso tell, and what an address brings back."""

import json
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.jobs.folder import JobFolder
from core.records import JobProgress
from core.selection.registry import find_criterion
from core.web.map.panel import CLICKED
from core.web.session import open_bench
from core.workbench import Workbench
from tests.conftest import core_json
from tests.pages.conftest import Open, button, links, texts

FIRST_NINE = "-0.5_-1~8.5_-1~8.5_1~-0.5_1"


@pytest.fixture
def mapped(workspace: Path) -> Path:
    """The scored workspace with a selection of six and a map on which each example lies at (row, 0)."""
    with Workbench(workspace) as bench:
        run = bench.finished_run("chats")
        bench.select("chats", "fisher", "6")
        rows = bench.pool(run).scored
        folder = bench.folder.run(run.run).map
        JobFolder(folder).create("core.tasks:project", {"settings": {"neighbors": 15, "min_dist": 0.1, "seed": 0}})
        JobFolder(folder).write(JobProgress("done"))
        points = np.column_stack([rows, np.zeros(len(rows))]).astype(np.float32)
        named = {"terms": np.array(["tin, owl"]), "places": np.array([[3.0, 0.0]]), "counts": np.array([23])}
        np.savez(folder / "points.npz", rows=rows, points=points, **named)
    return workspace


def open_map(open_app: Open, workspace: Path, **query: str) -> AppTest:
    app = open_app(workspace, "map")
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def open_coloured(open_app: Open, workspace: Path, colour: str) -> AppTest:
    app = open_app(workspace)
    app.session_state["colour"] = colour
    return app.switch_page("../../pages/map.py").run()


def table(app: AppTest) -> list[int]:
    return [int(row) for row in app.dataframe[0].value["Row"]]


def test_without_a_map_the_page_says_what_it_would_show_and_how_long_it_takes(open_app: Open, workspace: Path) -> None:
    app = open_map(open_app, workspace)
    assert not app.exception
    assert "alike responses lie together" in texts(app)
    assert "23 examples take about 15 s" in texts(app)
    assert button(app, "Draw the map")


def test_nothing_lassoed_tells_how_to_read_the_map(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped)
    assert not app.exception
    assert not app.error
    assert "How to read this map" in texts(app)
    assert "1 row that could not be scored" in texts(app)


def test_what_is_held_out_is_told_apart_from_what_could_not_be_scored(open_app: Open, mapped: Path) -> None:
    with Workbench(mapped) as bench, bench.database.writing() as cursor:
        cursor.execute(
            "UPDATE scores SET nll = NULL, unscorable_reason = 'it is held out for a proof' "
            "WHERE pass = 'base' AND row_number < 2"
        )
        cursor.execute("DELETE FROM map_points WHERE row_number < 2")
    told = texts(open_map(open_app, mapped))
    assert "3 rows that could not be scored or are held out for a proof" in told
    with open_bench().database.writing() as cursor:
        cursor.execute("UPDATE scores SET unscorable_reason = 'it is held out for a proof' WHERE nll IS NULL")
    st.cache_resource.clear()
    assert "3 rows that are held out for a proof" in texts(open_map(open_app, mapped))


def test_a_lasso_in_the_address_shows_its_group(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped, lasso=FIRST_NINE)
    with_selection = texts(app)
    assert "9 examples in the lasso" in with_selection
    assert "What is special about these" in with_selection
    assert "nats, " in with_selection
    assert " a token" in with_selection
    assert sorted(table(app)) == list(range(9))
    assert app.query_params["lasso"] == FIRST_NINE


@pytest.mark.parametrize(
    "lasso", ["", "1_2", "a_b~c_d~e_f", "1_2~3_4~nan_1", "1_2~3_4~1e300_1", "1_2_3~4_5~6_7", "_~_~_"]
)
def test_a_lasso_that_is_none_is_passed_over(lasso: str, open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped, lasso=lasso)
    assert not app.exception
    assert "How to read this map" in texts(app)


def test_a_whole_group_is_banned_with_one_reason(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped, lasso=FIRST_NINE)
    why = next(field for field in app.text_input if field.label == "Why, for 9 examples")
    why.set_value("too plain").run()
    button(app, "Ban").click().run()
    assert not app.exception
    assert "Banned 9 examples" in texts(app)
    made = open_bench().history("chats")
    assert sorted(one.row for one in made) == list(range(9))
    assert {(one.kind, one.why) for one in made} == {("ban", "too plain")}


def test_the_group_is_sorted_as_asked(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped, lasso=FIRST_NINE)
    gains = app.dataframe[0].value["Gain"].dropna()
    assert gains.is_monotonic_decreasing
    app.selectbox(key="sort").set_value("nll").run()
    app.toggle(key="rising").set_value(True).run()
    assert app.dataframe[0].value["NLL"].is_monotonic_increasing
    assert app.query_params["sort"] == "nll"


def test_a_link_opens_with_the_clicked_example_and_the_group_sorted(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped, lasso="-0.50_-1~8.50_-1~8.5_1~-0.5_1", at_row="4", sort="response_tokens")
    assert "**Row 4**" in texts(app)
    assert "Back to the 9 lassoed" in [one.label for one in app.button]
    assert app.selectbox(key="sort").value == "response_tokens"
    assert app.dataframe[0].value["Tokens"].is_monotonic_decreasing
    button(app, "Back to the 9 lassoed").click().run()
    assert "at_row" not in app.query_params
    assert "9 examples in the lasso" in texts(app)
    app.session_state[CLICKED] = (app.session_state["run"], 7)
    app.run()
    assert app.query_params["at_row"] == "7"


@pytest.mark.parametrize("row", ["999", "-1", "x", "9" * 40])
def test_a_row_in_the_address_that_is_not_on_the_map_is_passed_over(row: str, open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped, at_row=row)
    assert not app.exception
    assert "How to read this map" in texts(app)
    assert "at_row" not in app.query_params


def test_two_selections_of_the_same_rows_tell_their_own_worth_and_a_ban_counts_at_once(
    open_app: Open, mapped: Path
) -> None:
    settings = find_criterion("fisher").settings
    with Workbench(mapped) as bench:
        names = [
            bench.select("chats", "fisher", "1", settings=settings.checked(ridge=ridge)).selection
            for ridge in (1.0, 1.1)
        ]
        rows = [[pick.row for pick in bench.selections.picks(name)] for name in names]
    assert rows[0] == rows[1]
    app, told = open_map(open_app, mapped, lasso=FIRST_NINE), []
    for name in names:
        app.sidebar.selectbox(key="selection").set_value(name).run()
        told.append(next(text for text in texts(app).splitlines() if text.startswith("Adding the ")))
    assert told[0].split(". The")[0] != told[1].split(". The")[0]
    button(app, "Ban").click().run()
    assert not app.exception
    assert "Adding the " not in texts(app)


def test_a_click_shows_the_example_with_its_way_on(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped)
    app.session_state[CLICKED] = (app.session_state["run"], 4)
    app.run()
    assert "Row 4" in texts(app)
    assert "Say ash." in texts(app)
    assert "Read the whole example" in links(app)
    button(app, "Close").click().run()
    assert "How to read this map" in texts(app)


def test_a_mark_without_a_place_says_why(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped)
    app.session_state[CLICKED] = (app.session_state["run"], 23)
    app.run()
    assert "Row 23, not scored" in texts(app)
    assert "max_length" in texts(app)


def test_a_mark_without_a_place_and_without_a_reason_says_so_in_words(open_app: Open, mapped: Path) -> None:
    with Workbench(mapped) as bench, bench.database.writing() as cursor:
        cursor.execute("UPDATE scores SET unscorable_reason = NULL WHERE row_number = 23")
    app = open_map(open_app, mapped, at_row="23")
    assert "It has no feature to place it by." in texts(app)
    assert "nan" not in texts(app)


def test_a_quarantined_row_shows_its_line_and_reason(open_app: Open, mapped: Path) -> None:
    with Workbench(mapped) as bench, bench.database.writing() as cursor:
        cursor.execute(
            "INSERT INTO quarantine (dataset, entry, file, line, byte_offset, reason, raw) "
            "VALUES ('chats', 24, '/data/chats.jsonl', 25, 900, 'not a JSON object', '[1]')"
        )
        cursor.execute("UPDATE datasets SET rows_read = 25, rows_quarantined = 1")
    app = open_map(open_app, mapped)
    assert "1 row in quarantine" in texts(app)
    app.session_state[CLICKED] = (app.session_state["run"], 24)
    app.run()
    assert "chats.jsonl, line 25" in texts(app)
    assert "not a JSON object" in texts(app)
    assert "Mend it on the Dataset page" in links(app)


def test_search_tells_how_many_it_found(open_app: Open, mapped: Path) -> None:
    app = open_map(open_app, mapped)
    app.text_input(key="find").set_value("OWL").run()
    assert "2 examples found" in texts(app)
    app.text_input(key="find").set_value("nowhere").run()
    assert "0 examples found, 0 selected" in texts(app)


@pytest.mark.parametrize("colour", ["NLL", "ΔH", "topic", "output"])
def test_every_score_and_column_can_colour_the_map(colour: str, open_app: Open, mapped: Path) -> None:
    app = open_coloured(open_app, mapped, colour)
    assert app.selectbox(key="colour").value == colour
    assert not app.exception
    assert not app.error


def test_a_column_that_is_not_there_is_named(open_app: Open, mapped: Path) -> None:
    app = open_coloured(open_app, mapped, "flavour")
    assert not app.exception
    assert "'flavour'" in texts(app)
    assert "How to read this map" in texts(app)


def test_a_failed_drawing_says_why_and_keeps_the_map(open_app: Open, mapped: Path) -> None:
    folder = next(mapped.glob("runs/*/map"))
    JobFolder(folder).write(JobProgress("failed", error="KeyError: `x` (the job's log.txt has the details)"))
    (folder / "log.txt").write_text("Traceback\nKeyError: '<b>x</b>'\n\n")
    app = open_map(open_app, mapped)
    assert "KeyError: `x`" in texts(app)
    assert "Traceback\nKeyError: '<b>x</b>'" in [code.value for code in app.code]
    assert "How to read this map" in texts(app)


def test_a_map_without_a_selection_leads_to_the_desk(open_app: Open, mapped: Path) -> None:
    with Workbench(mapped) as bench, bench.database.writing() as cursor:
        cursor.execute("DELETE FROM selections")
    app = open_map(open_app, mapped, lasso=FIRST_NINE)
    assert not app.exception
    assert "9 examples in the lasso" in texts(app)


def test_dataset_text_is_never_markdown(open_app: Open, workspace: Path, tmp_path: Path, tiny_model: Path) -> None:
    source = tmp_path / "bad.jsonl"
    row = {"instruction": "![x](http://evil/a.png)", "output": "**bold** $x$", "topic": "![y](http://evil/b.png)"}
    rows = [row | {"topic": f"{row['topic']}{i % 2}", "output": f"{row['output']} {i}"} for i in range(6)]
    source.write_text("\n".join(json.dumps(row) for row in rows))
    core_json(workspace, "ingest", str(source), "--name", "bad")
    core_json(workspace, "score", "bad", "--model", str(tiny_model), "--no-calibration")
    with Workbench(workspace) as bench:
        run = bench.finished_run("bad")
        folder = bench.folder.run(run.run).map
        folder.mkdir()
        points = np.column_stack([np.arange(6), np.zeros(6)]).astype(np.float32)
        np.savez(folder / "points.npz", rows=np.arange(6), points=points)
    app = open_app(workspace, "map", dataset="bad")
    app.query_params["lasso"] = "-0.5_-1~3.5_-1~3.5_1~-0.5_1"
    app.run()
    app.session_state[CLICKED] = (run.run, 2)
    app.run()
    app.selectbox(key="colour").set_value("topic").run()
    assert not app.exception
    interpreted = [*app.markdown, *app.caption, *app.error, *app.button]
    assert not [element for element in interpreted if "evil" in str(element.value) + str(getattr(element, "label", ""))]
    assert "![x](http://evil/a.png)" in [element.value for element in app.text]
