"""Every page says what is missing, works when nothing is, and never shows a traceback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.web.session import open_bench
from core.workbench import Workbench
from tests.conftest import ROOT, Scored, core_json, held_database, wait_until, write_chats

FRAME = ROOT / "core" / "web" / "frame.py"
PAGES = ["dataset", "scoring", "select", "map", "gains", "example", "render", "export"]
Open = Callable[..., AppTest]


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page of the app over a workspace; the workspace is let go of at the end."""

    def open_page(workspace: Path, page: str = "dataset", **query: str) -> AppTest:
        monkeypatch.setenv("GLEANER_WORKSPACE", str(workspace))
        monkeypatch.setenv("GLEANER_ROOTS", str(workspace.parent))
        app = AppTest.from_file(str(FRAME), default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page != "dataset":
            app.switch_page(f"../../pages/{page}.py").run()
        return app

    yield open_page
    open_bench().close()
    open_bench.clear()


def button(app: AppTest, label: str):
    return next(b for b in app.button if b.label == label)


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.text, *app.metric, *app.error, *app.warning, *app.success]
    return "\n".join(str(element.value) for element in shown)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_data_leads_to_what_is_missing(page: str, open_app: Open, tmp_path: Path) -> None:
    app = open_app(tmp_path / "workspace", page)
    assert not app.exception
    assert not app.error
    if page != "dataset":
        button(app, "Load a dataset").click().run()
        assert not app.exception
        assert app.title[0].value == "Dataset"


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
        "select": "Information by response tokens",
        "map": "places every example by its mean response feature",
        "gains": "Marginal gain of each pick",
        "example": "Say tin.",
        "render": "tin 0<eos>",
        "export": "The first line",
    }
    assert expected[page] in texts(app)


def test_the_desk_selects_what_the_command_selects(open_app: Open, workspace: Path) -> None:
    by_command = core_json(workspace, "select", "chats", "--criterion", "instructdiff", "--budget", "6")
    app = open_app(workspace, "select")
    app.radio(key="desk.criterion").set_value("instructdiff").run()
    app.segmented_control(key="desk.unit").set_value("examples").run()
    app.number_input(key="desk.budget.examples").set_value(6).run()
    button(app, "Select").click().run()
    assert not app.exception
    assert app.sidebar.selectbox(key="selection").value == by_command["selection"]
    assert app.metric[0].value == "6"


def test_the_desk_keeps_quotas_and_says_how_near_the_best_it_is(open_app: Open, workspace: Path) -> None:
    by_command = core_json(
        workspace, "select", "chats", "--criterion", "ioptimal", "--budget", "6", "--quota", "topic=1<=2"
    )
    app = open_app(workspace, "select")
    app.radio(key="desk.criterion").set_value("ioptimal").run()
    app.segmented_control(key="desk.unit").set_value("examples").run()
    app.number_input(key="desk.budget.examples").set_value(6).run()
    app.text_area(key="desk.quotas").set_value("topic=1<=2\n\n").run()
    button(app, "Select").click().run()
    assert not app.exception
    assert app.sidebar.selectbox(key="selection").value == by_command["selection"]
    assert float(app.metric[3].value.strip("≥ %")) == pytest.approx(100 * by_command["at_least"] - 0.05, abs=0.051)
    assert "of the mean predictive variance; random subsets" in texts(app)


@pytest.mark.parametrize(
    ("quota", "words"), [("topic=1", "is not one of"), ("colour", "has a column 'colour'"), ("topic=7<=1", "there are")]
)
def test_an_impossible_quota_is_refused_on_the_desk(quota: str, words: str, open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "select")
    app.text_area(key="desk.quotas").set_value(quota).run()
    button(app, "Select").click().run()
    assert not app.exception
    assert words in app.error[0].value.replace("\\", "")


def test_every_part_of_the_desk_can_be_looked_at(open_app: Open, workspace: Path) -> None:
    core_json(workspace, "select", "chats", "--criterion", "instructdiff", "--budget", "6")
    app = open_app(workspace, "select")
    expected = {"Against random": "Try a", "Scores": "ΔH is negative for", "Mixture": "", "Left out": "core reasons"}
    for part, words in {**expected, "Stability": "Scores depend on"}.items():
        app.segmented_control(key="desk.part").set_value(part).run()
        assert not app.exception
        assert not app.error
        shown = texts(app) + "".join(str(code.value) for code in app.code) + "".join(s.label for s in app.slider)
        assert words in shown
    button(app, "Compare with the other runs").click().run()
    assert "no other finished scoring run" in app.error[0].value.replace("\\", "")


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


def test_a_budget_is_tried_without_selecting(open_app: Open, workspace: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    app = open_app(workspace, "select")
    app.slider[0].set_value(9).run()
    assert not app.exception
    assert "9 examples:" in texts(app)
    assert "3 more and 0 fewer than selected" in texts(app)
    selections = open_bench().selections
    made = selections.of_run(selections.get(chosen["selection"]).run)
    assert [one.selection for one in made] == [chosen["selection"]]


def test_a_baseline_is_chosen_on_the_desk(open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "select")
    app.radio(key="desk.criterion").set_value("baseline").run()
    app.selectbox(key="desk.baseline").set_value("kcenter").run()
    button(app, "Select").click().run()
    assert not app.exception
    assert not app.error
    assert "kcenter" in str(app.sidebar.selectbox(key="selection").options[0])
    assert "ifd needs ifd" in texts(app)


def test_an_example_is_banned_with_its_price_and_the_ban_undone(open_app: Open, workspace: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    with Workbench(workspace) as bench:
        row = bench.selections.picks(chosen["selection"])[1].row
    app = open_app(workspace, "example", selection=chosen["selection"], row=str(row))
    assert "Ban: Loses" in texts(app)
    app.text_input(key=f"example.chats.{row}.why").set_value("off topic").run()
    button(app, "Ban").click().run()
    assert not app.exception
    assert "would leave" in texts(app)
    assert "it is banned" in texts(app)
    assert "off topic" in texts(app)
    app.switch_page("../../pages/select.py").run()
    assert "Decisions were made since this selection" in "".join(str(info.value) for info in app.info)
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


@pytest.mark.parametrize(("amount", "words"), [(0, "selects nothing"), (500, "more than there is")])
def test_an_impossible_budget_is_refused_on_the_desk(amount: int, words: str, open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "select")
    app.segmented_control(key="desk.unit").set_value("examples").run()
    app.number_input(key="desk.budget.examples").set_value(amount).run()
    button(app, "Select").click().run()
    assert not app.exception
    assert words in app.error[0].value.replace("\\", "")


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
        app = AppTest.from_file(str(FRAME), default_timeout=60).run()
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
    assert app.query_params == named


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
    app.segmented_control(key="export.trainer").set_value("openai").run()
    button(app, "Dry run").click().run()
    (job,) = (workspace / "checks").iterdir()
    wait_until(lambda: (job / "dry_run.json").exists())
    app.run()
    assert not app.exception
    assert "None of 6 rows will train" in texts(app).replace("\\", "")
    assert "OpenAI needs at least 10" in texts(app).replace("\\", "")
