"""The way of an engineer: load, score, select, tune, save, compare, export; and the commands do the very same."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.workbench import Workbench
from tests.conftest import core_json
from tests.e2e.conftest import SLICE
from tests.e2e.driving import MAIN, SCORING, Server, go, read_selection, rest

pytestmark = [pytest.mark.e2e, pytest.mark.model]

SAVED = SLICE // 4 + 2


def load_slice(page: Page, path: Path) -> None:
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("Found: messages")).to_be_visible()
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text(f"Loaded {SLICE} of {SLICE} rows")).to_be_visible()


def score_slice(page: Page) -> None:
    """Start scoring, reload the page while it runs, and wait for its end."""
    page.get_by_role("link", name=re.compile("Score this dataset")).click()
    page.get_by_role("button", name="Start scoring").click()
    expect(page.get_by_text("Scoring with the base model").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Cancel").first).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Choose examples"))).to_be_visible(timeout=SCORING)
    expect(page.get_by_text("ΔH of the examples").first).to_be_visible()


def select_quarter(page: Page) -> str:
    """Select a quarter by information, and return the selection's name from the address."""
    page.get_by_role("link", name=re.compile("Choose examples")).click()
    budget = page.get_by_role("spinbutton", name=re.compile("^Budget"))
    expect(budget).to_be_visible()
    rest(page)
    budget.fill("25")
    budget.press("Enter")
    rest(page)
    page.get_by_role("button", name="Select", exact=True).click()
    made = read_selection(page)
    expect(page.get_by_text("Information held").first).to_be_visible()
    return made


def tune_and_save(page: Page, made: str) -> str:
    """Move the budget to two more examples by the slider's keys, see the figures follow, and save it."""
    rest(page)
    page.locator(MAIN).get_by_role("radiogroup").get_by_text("Examples", exact=True).click()
    rest(page)
    slider = page.locator(MAIN).get_by_role("slider", name="Budget")
    for examples in (SLICE // 4 + 1, SAVED):
        slider.press("ArrowRight")
        expect(page.locator("[data-testid=stMetricValue]").first).to_have_text(str(examples))
    rest(page)
    page.get_by_role("button", name="Save this budget").click()
    return read_selection(page, other_than=made)


def compare(page: Page) -> None:
    """What is saved against the quarter that it grew from: all of that, and two more."""
    rest(page)
    go(page, "Compare")
    rest(page)
    expect(page.locator(MAIN).get_by_text("Only A", exact=True).first).to_be_visible()


def download(page: Page, shape: str, target: Path) -> list[dict]:
    page.get_by_text(shape, exact=True).click()
    expect(page.get_by_text("The first line")).to_be_visible()
    rest(page, 500)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the file").click()
    waiting.value.save_as(target)
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_from_an_upload_to_a_file_to_train_on(
    page: Page, server: Server, workspace: Path, demo_slice: Path, tmp_path: Path
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.address)
    load_slice(page, demo_slice)
    score_slice(page)
    quarter = select_quarter(page)
    saved = tune_and_save(page, quarter)
    compare(page)
    go(page, "Export")
    originals = download(page, "Original", tmp_path / "original.jsonl")
    messages = download(page, "Messages", tmp_path / "messages.jsonl")
    assert errors == []

    source = [json.loads(line) for line in demo_slice.read_text(encoding="utf-8").splitlines()]
    assert len(originals) == SAVED
    assert all(row in source for row in originals)
    assert [row["messages"] for row in originals] == [row["messages"] for row in messages]

    server.stop()
    with Workbench(workspace) as bench:
        few, more = ([pick.row for pick in bench.selections.picks(name)] for name in (quarter, saved))
        assert more[: len(few)] == few
    by_command = core_json(workspace, "select", "slice", "--criterion", "fisher", "--budget", str(SAVED))
    assert by_command["selection"] == saved
    core_json(workspace, "export", saved, "--format", "messages", "-o", str(tmp_path / "command.jsonl"))
    assert (tmp_path / "command.jsonl").read_bytes() == (tmp_path / "messages.jsonl").read_bytes()
