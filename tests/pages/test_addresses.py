"""An address that cannot be shown as it says never breaks a page, and what it names in vain is said once."""

from pathlib import Path

import pytest

from core.web.linked import read_number
from core.workbench import Workbench
from tests.conftest import held_database, write_chats
from tests.pages.conftest import Open, texts

ENDLESS = "9" * 4_400


@pytest.fixture
def chosen(workspace: Path) -> str:
    with Workbench(workspace) as bench:
        return bench.select("chats", "fisher", "6").selection


@pytest.mark.parametrize("page", ["dataset", "example", "review", "gains", "select"])
@pytest.mark.parametrize("number", [ENDLESS, "1e999"])
def test_numbers_without_end_are_dropped(number: str, page: str, open_app: Open, workspace: Path, chosen: str) -> None:
    names = ("row", "at", "pick", "length", "seed", "pool", "price")
    app = open_app(workspace, page, selection=chosen, **dict.fromkeys(names, number))
    assert not app.exception
    assert not app.error
    assert not any(number in app.query_params.get(name, []) for name in names)
    if page == "dataset":
        assert "The link's row and at and pick and length and seed and pool and price cannot be used" in texts(app)
        app.run()
        assert "cannot be used" not in texts(app)


def test_numbers_that_a_field_cannot_hold_leave_the_page_whole(open_app: Open, workspace: Path, chosen: str) -> None:
    app = open_app(workspace, "review", selection=chosen, queue="random", at="9" * 30, length="0", seed="-1")
    assert not app.exception
    assert app.number_input(key="length").value == 50


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("0", 0), (None, None), ("", None), ("-1", None), ("1.5", None), ("x", None), (ENDLESS, None)],
)
def test_a_number_is_read_or_is_none(text: str | None, number: int | None) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize("name", ["dataset", "run", "selection"])
def test_a_link_to_what_is_not_here_says_so_once(name: str, open_app: Open, workspace: Path, chosen: str) -> None:
    label = "scoring run" if name == "run" else name
    rest = {"budget": "3", "lasso": "0_0~1_0~1_1", "row": "5", "pick": "2"}
    app = open_app(workspace, "dataset", **{**rest, name: "*gone*" + "x" * 5_000})
    assert not app.exception
    (warning,) = [str(element.value) for element in app.warning]
    assert f"The link names {label} \\*gone\\*xxx" in warning
    assert "which is not here; shown is" in warning.replace("\\", "")
    assert len(warning) < 300
    assert not {*rest} & {*app.query_params}
    assert app.sidebar.selectbox(key="selection").value == chosen
    app.run()
    assert not app.warning


def test_a_link_to_a_selection_that_is_here_is_followed(open_app: Open, workspace: Path, chosen: str) -> None:
    with Workbench(workspace) as bench:
        other = bench.select("chats", "random", "6").selection
    for name in (chosen, other):
        app = open_app(workspace, "example", selection=name, row="5")
        assert app.sidebar.selectbox(key="selection").value == name
        assert app.number_input(key="row").value == 5
        assert not app.warning


def test_a_link_into_an_empty_workspace_says_that_nothing_is_there(open_app: Open, tmp_path: Path) -> None:
    app = open_app(tmp_path / "workspace", dataset="gone", run="gone", selection="gone")
    assert not app.exception
    (warning,) = [str(element.value).replace("\\", "") for element in app.warning]
    assert warning == "The link names dataset gone, which is not here; there is none yet."


def test_choosing_another_dataset_is_no_missing_link(open_app: Open, workspace: Path, chosen: str) -> None:
    with Workbench(workspace) as bench:
        bench.ingest(write_chats(workspace.parent / "more.jsonl", 3), "more")
    app = open_app(workspace, dataset="chats", selection=chosen)
    for name in ("more", "chats"):
        app.sidebar.selectbox(key="dataset").set_value(name).run()
        assert not app.exception
        assert not app.warning


def test_a_column_of_too_many_values_to_group_by_is_named(
    open_app: Open, workspace: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.workbench.pools.MOST_VALUES", 20)
    app = open_app(workspace, "select", selection=chosen, mix="output")
    assert not app.exception
    assert "Column 'output' has 24 values; a column with at most 20 can be grouped by." in texts(app)


def test_a_dataset_that_was_just_loaded_brings_no_word_about_a_link(
    open_app: Open, workspace: Path, chosen: str, tmp_path: Path
) -> None:
    with Workbench(workspace) as bench:
        bench.ingest(write_chats(tmp_path / "others.jsonl", 5), "others")
    app = open_app(workspace, "dataset", selection=chosen, dataset="chats")
    assert app.query_params["selection"]
    app.session_state["next_choice"] = {"dataset": "others", "run": None, "selection": None}
    app.run()
    assert app.sidebar.selectbox(key="dataset").value == "others"
    assert not app.warning


def test_a_page_that_met_a_workspace_in_use_opens_once_it_is_free(open_app: Open, workspace: Path) -> None:
    with held_database(workspace / "curation.duckdb") as holder:
        app = open_app(workspace)
        assert f"process {holder}" in texts(app)
        assert "looks again by itself" in texts(app)
        assert [title.value for title in app.title] == ["Dataset"]
    app.run()
    assert not app.error
    assert app.sidebar.selectbox(key="dataset").value == "chats"
