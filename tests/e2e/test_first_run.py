"""As a new user would, without README: from the first screen of a fresh workspace to a file, in under ten clicks."""

import importlib.util
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.driving import LOADING, SCORING, Server, rest, serving

pytestmark = [pytest.mark.e2e, pytest.mark.model]

TOPICS = ("food", "greetings")


@pytest.fixture(scope="module")
def server(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app where the demo's package has few topics, so that scoring takes seconds."""
    spec = importlib.util.find_spec("chatterbot_corpus")
    assert spec is not None
    assert spec.origin is not None
    few = tmp_path_factory.mktemp("few") / "chatterbot_corpus"
    (few / "data" / "english").mkdir(parents=True)
    (few / "__init__.py").touch()
    for topic in TOPICS:
        shutil.copy(Path(spec.origin).parent / "data" / "english" / f"{topic}.yml", few / "data" / "english")
    with serving(workspace, workspace.parent / "server.log", PYTHONPATH=str(few.parent)) as running:
        yield running


class Clicks:
    """Clicks that are counted; nothing else is touched."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def on(self, target: Locator, timeout: int = LOADING) -> None:
        """Click what is there to be seen, once the page rests."""
        expect(target).to_be_visible(timeout=timeout)
        rest(self.page)
        self.count += 1
        target.click()


def test_from_the_first_screen_to_a_file_in_under_ten_clicks(page: Page, server: Server, tmp_path: Path) -> None:
    page.goto(server.address)
    click = Clicks(page)
    click.on(page.get_by_text("The demo", exact=True))
    click.on(page.get_by_role("button", name="Load the demo"))
    click.on(page.get_by_role("link", name=re.compile("Score this dataset")))
    click.on(page.get_by_role("button", name="Start scoring"))
    click.on(page.get_by_role("link", name=re.compile("Choose examples")), SCORING)
    click.on(page.get_by_role("button", name="Select", exact=True))
    click.on(page.get_by_role("main").get_by_role("link", name=re.compile("Export")), 60_000)
    with page.expect_download() as waiting:
        click.on(page.get_by_role("link", name="Download the file"))
    waiting.value.save_as(tmp_path / "file.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "file.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines
    assert all(line["messages"][-1]["role"] == "assistant" for line in lines)
    assert click.count < 10
