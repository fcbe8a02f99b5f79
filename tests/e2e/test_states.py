"""Every page in every state, at three widths: nothing breaks, nothing sticks out, all have a way on.

Dark is looked at in one width; where GLEANER_SCREENSHOTS names a folder in all of them, and each look is kept there.
"""

import os
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Place
from tests.e2e.driving import MAIN, SIDEBAR, Server, navigation, open_page, show_in

pytestmark = pytest.mark.e2e

SCREENSHOTS = os.environ.get("GLEANER_SCREENSHOTS")
WIDTHS = (1440, 1024, 390)
LOOKS = [*product(["light"], WIDTHS), *product(["dark"], WIDTHS if SCREENSHOTS else WIDTHS[:1])]
HEIGHT = 1100
GLANCES = 20
BROKEN = "[data-testid=stException], [data-testid=stAlertContentError]"
SIDEWAYS = """() => [document.documentElement, document.querySelector("[data-testid=stMain]")]
  .map(part => part.scrollWidth - part.clientWidth).reduce((most, over) => Math.max(most, over), 0)"""


def faults_of_pages(page: Page, server: Server, state: str, address: Mapping[str, str]) -> str:
    """What is wrong with any page in this state, in any look, a line each."""
    errors = listen(page)
    open_page(page, server, **address)
    faults = []
    for title, path in navigation(page).items():
        page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
        open_page(page, server, path, **address)
        faults += [f"{title}: {fault}" for fault in faults_in_words(page, state)]
        for scheme, width in LOOKS:
            show_in(page, scheme, width, HEIGHT)
            if SCREENSHOTS:
                page.screenshot(path=Path(SCREENSHOTS) / f"{title.lower()}-{state}-{scheme}-{width}.png")
            if (over := sideways(page)) > 0:
                faults.append(f"{title}: scrolls sideways by {over} pixels, {scheme}, {width} wide")
        faults += [f"{title}: {error}" for error in errors]
        errors.clear()
    return "\n".join(faults)


def sideways(page: Page) -> int:
    """By how many pixels a page is too wide, and stays so for as long as charts may take to follow the window."""
    for _ in range(GLANCES):
        if page.evaluate(SIDEWAYS) <= 0:
            return 0
        page.wait_for_timeout(500)
    return int(page.evaluate(SIDEWAYS))


def listen(page: Page) -> list[str]:
    """What the browser's console complains of from now on, but for Streamlit's own probing."""
    errors: list[str] = []

    def hear(message: object) -> None:
        # On every deep link Streamlit asks for its host under the page's own path first, and takes a 404 for an answer.
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):  # type: ignore[attr-defined]
            errors.append(f"console: {message.text}")  # type: ignore[attr-defined]

    page.on("console", hear)
    page.on("pageerror", lambda error: errors.append(f"script: {error}"))
    return errors


def faults_in_words(page: Page, state: str) -> list[str]:
    """What a page lacks whatever its look."""
    faults = [f"shows an error: {box.inner_text()}" for box in page.locator(BROKEN).all()]
    if (titles := page.get_by_role("heading", level=1).count()) != 1:
        faults.append(f"has {titles} headings of the first level")
    ways = page.locator(MAIN).locator("a[href]:visible, button:visible:enabled").count()
    if state == "empty" and not ways:
        faults.append("has no link or button that leads on")
    return faults


def test_every_page_of_a_fresh_workspace_leads_on(
    tab: Page, serve: Callable[[Path], Server], tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = serve(tmp_path_factory.mktemp("fresh") / "workspace")
    faults = faults_of_pages(tab, server, "empty", {})
    assert not faults, faults


def test_every_page_holds_while_jobs_work_and_says_how_far_they_are(
    tab: Page, serve: Callable[[Path], Server], working: Place
) -> None:
    server = serve(working.workspace)
    faults = faults_of_pages(tab, server, "working", working.address)
    assert not faults, faults
    tab.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    for title, path in navigation(tab).items():
        open_page(tab, server, path, **working.address)
        sidebar, main = {"Scoring": (1, 1), "Status": (2, 2)}.get(title, (2, 0))
        for part, times in ((SIDEBAR, sidebar), (MAIN, main)):
            expect(tab.locator(part).get_by_text("18 of 36 examples"), title).to_have_count(times)
    open_page(tab, server, "map", **working.address | {"run": "mapping"})
    expect(tab.locator(MAIN).get_by_text("18 of 36 examples")).to_be_visible()


def test_every_page_with_everything_there_fits_every_width_and_scheme(
    tab: Page, serve: Callable[[Path], Server], full: Place
) -> None:
    faults = faults_of_pages(tab, serve(full.workspace), "full", full.address)
    assert not faults, faults
