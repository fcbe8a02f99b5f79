"""How does a test, or a benchmark, drive the app in a browser? A server of its own, the pages by name, and rest.

Every selector that more than one file needs stands here.
"""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from tests.conftest import PATIENCE_MS, ROOT, wait_until

LOADING, SCORING, CHARTS_FOLLOW_MS = PATIENCE_MS, 600_000, 250
MAIN, SIDEBAR = "[data-testid=stMain]", "[data-testid=stSidebar]"
NAVIGATION = "[data-testid=stSidebarNav] a"
CHARTS, TABLES, CHART_TITLES = ".js-plotly-plot", "[data-testid=stDataFrame]", ".js-plotly-plot .gtitle"
SCATTER, OVERLAY = ".scatter[data-points]", ".scatter .overlay"

expect.set_options(timeout=LOADING)

AT_REST = """quietMs => {
  const app = document.querySelector("[data-testid=stApp]");
  const isIdle = app?.getAttribute("data-test-script-state") === "notRunning"
    && !document.querySelector("[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]")
    && document.querySelector("h1");
  const now = performance.now();
  if (!isIdle) window.restSince = undefined;
  else window.restSince ??= now;
  return isIdle && now - window.restSince >= quietMs;
}"""

STILL = """() => document.getAnimations().every(
  animation => animation.playState !== "running" || animation.effect.getComputedTiming().endTime === Infinity)"""


@dataclass(frozen=True)
class Server:
    """A running app: where it is, its process, and what it wrote."""

    address: str
    process: subprocess.Popen
    log: Path

    def url(self, page: str = "", **state: object) -> str:
        """A page's address with this state in it."""
        query = urlencode({name: value for name, value in state.items() if value is not None})
        return f"{self.address}/{page}" + (f"?{query}" if query else "")

    def stop(self) -> None:
        """End it, so that a command may open its workspace."""
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def serving(workspace: Path, log: Path, script: str = "app.py", **environment: str) -> Iterator[Server]:
    """The app over this workspace on a free port, in this environment, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=stream,
            stderr=stream,
            env=os.environ | {"GLEANER_WORKSPACE": str(workspace)} | environment,
        )
        server = Server(f"http://127.0.0.1:{port}", process, log)
        try:
            wait_until(lambda: is_healthy(port) or process.poll() is not None, 240)
            assert process.poll() is None, log.read_text()
            yield server
        finally:
            server.stop()


def is_healthy(port: int) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def rest(page: Page, quiet_ms: int = 150, timeout: int = LOADING) -> None:
    """Wait until the script is done, nothing on the page is stale, and both have been so for a while."""
    page.evaluate("window.restSince = undefined")
    page.wait_for_function(AT_REST, arg=quiet_ms, timeout=timeout)


def open_page(page: Page, server: Server, name: str = "", **state: object) -> None:
    """Open an address anew, and wait until it rests."""
    page.goto(server.url(name, **state))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    rest(page)


def go(page: Page, title: str) -> None:
    """Follow a link of the navigation."""
    navigation_link(page, title).click()
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()


def navigation_link(page: Page, title: str) -> Locator:
    """A page's link in the navigation."""
    return page.locator(NAVIGATION).filter(has_text=re.compile(f"^{re.escape(title)}$"))


def navigation(page: Page) -> Mapping[str, str]:
    """Every page's title and path, in the order of the navigation."""
    links = page.locator(NAVIGATION).evaluate_all(
        "links => links.map(link => [link.innerText.trim(), new URL(link.href).pathname.slice(1)])"
    )
    return dict(links)


def read_selection(page: Page, other_than: str | None = None) -> str:
    """The selection that the address names, once it names one, and another than this."""
    page.wait_for_function(
        "not => { const at = new URL(location).searchParams.get('selection'); return at && at !== not }",
        arg=other_than,
        timeout=LOADING,
    )
    return str(page.evaluate("new URL(location).searchParams.get('selection')"))


def lasso(page: Page, share: float = 0.9, steps: int = 6) -> None:
    """Draw a lasso round so large a share of the map, by holding Shift."""
    box = page.locator(OVERLAY).bounding_box()
    assert box is not None
    left, top = (box[side] + box[size] * (1 - share) / 2 for side, size in (("x", "width"), ("y", "height")))
    right, bottom = left + share * box["width"], top + share * box["height"]
    page.keyboard.down("Shift")
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 5)):
        page.mouse.move(x, y, steps=steps)
    page.mouse.up()
    page.keyboard.up("Shift")


def wait_in(page: Page, condition: Callable[[], bool]) -> None:
    """Poll until the condition holds, while the page goes on; fail when it has not for as long as a page may take."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        page.wait_for_timeout(100)


def show_in(page: Page, scheme: Literal["light", "dark"], width: int, height: int) -> None:
    """Another colour scheme and width, without loading the page anew; charts follow within a moment."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    expect(page.locator("[data-testid=stApp]")).to_have_css("color-scheme", scheme)
    page.wait_for_timeout(CHARTS_FOLLOW_MS)
    page.wait_for_function(STILL)
