"""Every page says what is missing, works when nothing is, and never shows a traceback."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.web.navigation import PAGES as NAVIGATION
from core.web.session import open_bench
from core.workbench import Workbench
from tests.conftest import Scored, core_json, held_database, wait_until, write_chats
from tests.pages.conftest import FRAME, Open, button, links, texts

PAGES = [name for pages in NAVIGATION.values() for name, _ in pages]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_data_leads_to_what_is_missing(page: str, open_app: Open, tmp_path: Path) -> None:
    app = open_app(tmp_path / "workspace", page)
    assert not app.exception
    assert not app.error
    if page not in ("dataset", "status"):
        assert links(app) == ["Load a dataset"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_a_selection_works(page: str, open_app: Open, workspace: Path) -> None:
    core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "25%")
    app = open_app(workspace, page)
    assert not app.exception
    assert not app.error
    assert app.sidebar.selectbox(key="dataset").value == "chats"
    expected = {
        "dataset": "24",
        "scoring": "23",
        "plan": "Nothing is kept of it but the figures",
        "select": "Tick lines to read",
        "map": "places every example by its mean response feature",
        "gains": "examples left out, one pick alone covers",
        "example": "Say tin.",
        "render": "tin 0<eos>",
        "proof": "This run set none aside",
        "export": "The first line",
        "compare": "Choose by another goal, budget or seed",
        "review": "Who has judged how much",
        "status": "This server takes",
    }
    assert expected[page] in texts(app)


@pytest.mark.parametrize("page", ["select", "gains", "example", "map", "export"])
def test_a_selection_of_an_older_version_can_still_be_read(page: str, open_app: Open, workspace: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")["selection"]
    with Workbench(workspace) as bench, bench.database.writing() as cursor:
        cursor.execute("UPDATE selections SET order_name = NULL, curve = NULL, comparison = NULL")
        cursor.execute("DELETE FROM outcomes")
    with Workbench(workspace) as bench:
        left = bench.selections.left_out(chosen)[0].row
    app = open_app(workspace, page, selection=chosen, row=str(left))
    assert not app.exception
    assert not app.error
    if page == "example":
        assert "the selection already holds" in texts(app)
        assert "made by an older version" in texts(app).replace("\\", "")


def test_an_example_is_banned_with_its_price_and_the_ban_undone(open_app: Open, workspace: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    with Workbench(workspace) as bench:
        row = bench.selections.picks(chosen["selection"])[1].row
    app = open_app(workspace, "example", selection=chosen["selection"], row=str(row))
    app.session_state["example.prices"] = True
    app.run()
    assert "Ban: loses" in texts(app)
    app.text_input(key="example.0.why").set_value("off topic")
    button(app, "Ban").click().run()
    assert not app.exception
    assert "would leave" in texts(app)
    assert "it is banned" in texts(app)
    assert "off topic" in texts(app)
    app.switch_page("../../pages/select.py").run()
    assert "decisions since this selection together" in "".join(str(info.value) for info in app.info)
    app.switch_page("../../pages/example.py").run()
    button(app, "Undo").click().run()
    assert not app.exception
    assert open_bench().decisions.standing("chats").banned == ()
    button(app, "Note").click().run()
    assert "A note needs words" in "".join(str(error.value) for error in app.error).replace("\\", "")


def test_an_example_says_which_picks_cover_it(open_app: Open, workspace: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    with Workbench(workspace) as bench:
        left = bench.selections.left_out(chosen["selection"])[0]
        cover = bench.covers(chosen["selection"], [left.row])[left.row][0]
        rank = next(p.rank for p in bench.selections.picks(chosen["selection"]) if p.row == cover.row)
    app = open_app(workspace, "example", selection=chosen["selection"], row=str(left.row))
    assert not app.exception
    assert f"the selection already holds {100 * left.covered:.0f} % of it" in texts(app)
    assert f"#{rank} alone covers {100 * cover.share:.0f} % of it" in texts(app)


def test_a_file_is_previewed_and_loaded_from_its_path(open_app: Open, tmp_path: Path) -> None:
    source = write_chats(tmp_path / "chats.jsonl", 5)
    app = open_app(tmp_path / "workspace")
    app.segmented_control(key="load.kind").set_value("Path, URL or hub id").run()
    app.text_area(key="load.path").set_value(str(source)).run()
    assert "Found: alpaca" in texts(app).replace("\\", "")
    button(app, "Load").click().run()
    assert not app.exception
    assert app.sidebar.selectbox(key="dataset").value == "chats"
    assert [metric.value for metric in app.metric][:4] == ["5", "5", "0", "alpaca"]


def test_an_upload_is_loaded_and_its_bad_rows_are_shown(open_app: Open, tmp_path: Path) -> None:
    app = open_app(tmp_path / "workspace")
    content = b'{"prompt": "p", "completion": "c"}\nno json\n{"prompt": "p", "completion": ""}\n'
    app.file_uploader(key="load.upload").upload("mine.jsonl", content, "application/jsonl").run()
    button(app, "Load").click().run()
    assert not app.exception
    assert [metric.value for metric in app.metric][:3] == ["3", "1", "2"]
    reasons = [text.value for text in app.text]
    assert any(reason.startswith("not JSON") for reason in reasons)
    assert "`completion` is empty" in reasons


def test_bad_rows_are_mended_kept_and_admitted_on_the_page(open_app: Open, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"prompt": "p", "completion": "c"}\nno json\n{"prompt": "q", "completion": ""}\n')
    core_json(tmp_path / "workspace", "ingest", str(source), "--name", "rows")
    app = open_app(tmp_path / "workspace")
    button(app, "Keep").click().run()
    assert "1 row waits to be admitted, at the end of the dataset" in texts(app)
    button(app, "Admit").click().run()
    assert not app.exception
    assert [metric.value for metric in app.metric][:3] == ["3", "2", "1"]
    button(app, "Ignore").click().run()
    assert "left out on purpose" in texts(app)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no file"),
        (b"", "is empty"),
        (b"\x89PNG\0\1\2\xff\xfe", "is binary"),
        (b"a,b\n1,2\n", "is not of a known shape"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_on_the_page(
    content: bytes | None, words: str, open_app: Open, tmp_path: Path
) -> None:
    source = tmp_path / "rows.csv"
    if content is not None:
        source.write_bytes(content)
    app = open_app(tmp_path / "workspace")
    app.segmented_control(key="load.kind").set_value("Path, URL or hub id").run()
    app.text_area(key="load.path").set_value(str(source)).run()
    assert not app.exception
    assert words in app.error[0].value.replace("\\", "")


def test_an_unknown_model_is_refused_on_the_page(open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "scoring")
    app.text_input(key="score.model").set_value("./no-such-model").run()
    button(app, "Start scoring").click().run()
    assert not app.exception
    assert "no-such-model" in app.error[0].value.replace("\\", "")


def test_a_workspace_that_is_open_elsewhere_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_WORKSPACE", str(workspace))
    with held_database(workspace / "curation.duckdb") as holder:
        app = AppTest.from_file(str(FRAME), default_timeout=180).run()
    assert not app.exception
    assert f"is open in process {holder}" in app.error[0].value.replace("\\", "")


def test_the_address_names_dataset_run_and_selection(open_app: Open, workspace: Path, scored: Scored) -> None:
    first = core_json(workspace, "select", "chats", "--criterion", "random", "--budget", "3")
    core_json(workspace, "select", "chats", "--criterion", "random", "--budget", "4")
    with Workbench(workspace) as bench:
        assert bench.selections.of_run(scored.report["run"])[0].budget == "4"
    app = open_app(workspace, "dataset", selection=first["selection"])
    assert app.sidebar.selectbox(key="selection").value == first["selection"]
    app.switch_page("../../pages/gains.py").run()
    named = {"dataset": "chats", "run": scored.report["run"], "selection": first["selection"]}
    assert named.items() <= dict(app.query_params).items()


def test_dataset_text_is_never_markdown(open_app: Open, tmp_path: Path) -> None:
    evil = '![x](http://evil/beacon) <img src="http://evil/x"> $x$ :red[y]'
    source = tmp_path / "evil.jsonl"
    source.write_text(json.dumps({"prompt": evil, "completion": evil}) + "\n")
    core_json(tmp_path / "workspace", "ingest", str(source), "--name", "evil")
    app = open_app(tmp_path / "workspace", "example")
    assert [element.value for element in app.text] == [evil, evil]
    assert "evil/beacon" not in "\n".join(str(element.value) for element in [*app.markdown, *app.caption])


def test_the_dry_run_says_how_many_rows_will_train(open_app: Open, workspace: Path) -> None:
    core_json(workspace, "select", "chats", "--criterion", "random", "--budget", "6")
    app = open_app(workspace, "export")
    app.segmented_control(key="trainer").set_value("openai").run()
    button(app, "Dry run").click().run()
    (job,) = (workspace / "checks").iterdir()
    wait_until(lambda: (job / "dry_run.json").exists())
    app.run()
    assert not app.exception
    assert "None of 6 rows will train" in texts(app).replace("\\", "")
    assert "OpenAI needs at least 10" in texts(app).replace("\\", "")
