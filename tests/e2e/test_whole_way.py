"""The whole way in a real browser: load, score, select, map, gains, example, export."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.data.demo import write_demo
from tests.conftest import ROOT, core_json, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.model]

SLICE = 36
LOADING, SCORING = 20_000, 300_000


@pytest.fixture(scope="module")
def demo_slice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every 56th chat of the demo: all topics, a few repeats."""
    folder = tmp_path_factory.mktemp("slice")
    lines = write_demo(folder / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    path = folder / "slice.jsonl"
    path.write_text("\n".join(lines[:: len(lines) // SLICE][:SLICE]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Path:
    """An empty workspace that shares the unpacked embedded model with the other tests."""
    folder = tmp_path_factory.mktemp("e2e") / "workspace"
    folder.mkdir()
    (folder / "models").symlink_to(models_folder, target_is_directory=True)
    return folder


@dataclass(frozen=True)
class Server:
    """A running app: where it is, and its process."""

    address: str
    process: subprocess.Popen

    def stop(self) -> None:
        """End it, so that a command may open its workspace."""
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def server(workspace: Path) -> Iterator[Server]:
    """The app on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with (workspace.parent / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"GLEANER_WORKSPACE": str(workspace)}
        )
        running = Server(f"http://127.0.0.1:{port}", process)
        try:
            wait_until(lambda: is_healthy(port) or process.poll() is not None, 60)
            assert process.poll() is None, (workspace.parent / "server.log").read_text()
            yield running
        finally:
            running.stop()


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def go(page: Page, title: str) -> None:
    """Follow a link of the navigation."""
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=LOADING)


def load_slice(page: Page, path: Path) -> None:
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("Found: messages")).to_be_visible(timeout=LOADING)
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text(f"Loaded {SLICE} of {SLICE} rows")).to_be_visible(timeout=LOADING)


def score_slice(page: Page) -> None:
    """Start scoring, reload the page while it runs, and wait for its end."""
    page.get_by_role("button", name="Score this dataset").click()
    page.get_by_role("button", name="Start scoring").click()
    expect(page.get_by_text("Scoring with the base model").first).to_be_visible(timeout=60_000)
    page.reload()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=LOADING)
    expect(page.get_by_role("button", name="Choose examples")).to_be_visible(timeout=SCORING)
    expect(page.get_by_text("ΔH", exact=True)).to_be_visible()


def select_quarter(page: Page) -> str:
    """Select a quarter by information, and return the selection's name from the address."""
    page.get_by_role("button", name="Choose examples").click()
    budget = page.get_by_role("spinbutton", name=re.compile("^Budget"))
    expect(budget).to_be_visible(timeout=LOADING)
    budget.fill("25")
    budget.press("Enter")
    page.get_by_role("button", name="Select", exact=True).click()
    expect(page.get_by_text("Information by response tokens")).to_be_visible(timeout=60_000)
    page.wait_for_url(re.compile("selection="))
    found = re.search(r"selection=([0-9a-f]{12})", page.url)
    assert found is not None
    return found[1]


def ban_and_undo(page: Page) -> None:
    """Ban an example with a reason, read it in the history, take it back."""
    go(page, "Example")
    page.get_by_label(re.compile("^Why, for row")).fill("not for us")
    page.get_by_label(re.compile("^Why, for row")).press("Enter")
    page.get_by_role("button", name="Ban", exact=True).click()
    expect(page.get_by_text(re.compile("^Banned row"))).to_be_visible(timeout=LOADING)
    expect(page.get_by_text("not for us")).to_be_visible()
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("Undid #1.", exact=True)).to_be_visible(timeout=LOADING)


def draw_and_click_map(page: Page) -> None:
    go(page, "Map")
    page.get_by_role("button", name="Draw the map").click()
    scatter = page.locator(".scatter[data-points]")
    expect(scatter).to_have_attribute("data-points", str(SLICE), timeout=SCORING)
    box = page.locator(".overlay").bounding_box()
    assert box is not None
    read = page.get_by_role("link", name="Read the whole example")
    for step in range(400):  # a grid of clicks; the first that meets a point ends it
        x, y = (step % 20 + 0.5) / 20, (step // 20 + 0.5) / 20
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(120)
        if read.is_visible():
            break
    expect(read).to_be_visible(timeout=LOADING)
    read.click()
    expect(page.get_by_text("The row as it came")).to_be_visible(timeout=LOADING)


def download(page: Page, shape: str, target: Path) -> list[dict]:
    page.get_by_text(shape, exact=True).click()
    expect(page.get_by_text("The first line")).to_be_visible(timeout=LOADING)
    page.wait_for_timeout(1000)
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
    selection = select_quarter(page)
    draw_and_click_map(page)
    ban_and_undo(page)
    go(page, "Rendering")
    expect(page.get_by_text("Scored", exact=True).first).to_be_visible(timeout=LOADING)
    expect(page.get_by_text("<|im_end|>").first).to_be_visible()
    go(page, "Gains")
    expect(page.get_by_text("Marginal gain of each pick")).to_be_visible(timeout=LOADING)
    go(page, "Export")
    originals = download(page, "Original", tmp_path / "original.jsonl")
    messages = download(page, "Messages", tmp_path / "messages.jsonl")
    assert errors == []

    source = [json.loads(line) for line in demo_slice.read_text(encoding="utf-8").splitlines()]
    assert len(originals) == SLICE // 4
    assert all(row in source for row in originals)
    assert [row["messages"] for row in originals] == [row["messages"] for row in messages]

    server.stop()
    by_command = core_json(workspace, "select", "slice", "--criterion", "fisher", "--budget", "25%")
    assert by_command["selection"] == selection
    core_json(workspace, "export", selection, "--format", "messages", "-o", str(tmp_path / "command.jsonl"))
    assert (tmp_path / "command.jsonl").read_bytes() == (tmp_path / "messages.jsonl").read_bytes()
