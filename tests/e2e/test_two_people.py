"""Two people in one workspace: each sees within seconds what the other decided, and nothing else of the other."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import core_json
from tests.e2e.conftest import Place
from tests.e2e.driving import MAIN, SIDEBAR, Server, open_page, rest, wait_in

pytestmark = pytest.mark.e2e


@pytest.fixture
def two(browser: Browser) -> Iterator[tuple[Page, Page]]:
    """A page in each of two browsers that share nothing."""
    contexts = [browser.new_context(viewport={"width": 1440, "height": 900}) for _ in range(2)]
    yield contexts[0].new_page(), contexts[1].new_page()
    for context in contexts:
        context.close()


def call_oneself(page: Page, name: str) -> None:
    box = page.locator(SIDEBAR).get_by_role("textbox", name="You are")
    box.fill(name)
    box.press("Enter")
    page.get_by_role("heading", level=1).click()  # keys are for the page again
    rest(page)


def test_each_sees_the_others_decisions_and_nothing_else(
    two: tuple[Page, Page], serve: Callable[[Path], Server], own: Place
) -> None:
    server, (ada, ben) = serve(own.workspace), two
    open_page(ada, server, "example", **own.address)
    open_page(ben, server, "example", **own.address)
    call_oneself(ada, "Ada Lovelace")
    call_oneself(ben, "Ben Ash")
    ada.keyboard.press("b")
    expect(ada.get_by_text(re.compile("^Banned row 4"))).to_be_visible()

    expect(ben.get_by_text("Ada Lovelace banned row 4")).to_be_visible()  # he touched nothing
    expect(ben.locator(MAIN).get_by_text(re.compile(r"^#\d+ ban, Ada Lovelace"))).to_be_visible()
    rest(ben)
    ben.keyboard.press("p")
    expect(ada.locator(MAIN).get_by_text(re.compile(r"^#\d+ pin, Ben Ash"))).to_be_visible()
    expect(ada.locator(SIDEBAR).get_by_role("textbox", name="You are")).to_have_value("Ada Lovelace")
    expect(ben.locator(SIDEBAR).get_by_role("textbox", name="You are")).to_have_value("Ben Ash")

    server.stop()
    made = core_json(own.workspace, "decisions", "slice")["decisions"]
    assert [(each["kind"], each["who"]) for each in made if each["row"] == 4] == [
        ("ban", "Ada Lovelace"),
        ("pin", "Ben Ash"),
    ]


def test_what_one_types_and_tries_stays_in_ones_own_session(
    two: tuple[Page, Page], serve: Callable[[Path], Server], own: Place
) -> None:
    server, (ada, ben) = serve(own.workspace), two
    open_page(ada, server, "", **own.address)
    search = ada.get_by_role("searchbox", name="Search prompts and responses")
    search.fill("what")
    search.press("Enter")
    rest(ada)
    open_page(ada, server, "select", **own.address | {"budget": "3"})
    open_page(ben, server, "select", **own.address)
    expect(ada.get_by_label("Budget (%)")).not_to_have_value("25")
    expect(ben.get_by_label("Budget (%)")).to_have_value("25")
    open_page(ben, server, "", **own.address)
    expect(ben.get_by_role("searchbox", name="Search prompts and responses")).to_have_value("")


def test_a_job_that_somebody_starts_appears_with_everybody(
    two: tuple[Page, Page], serve: Callable[[Path], Server], own: Place
) -> None:
    server, (ada, ben) = serve(own.workspace), two
    open_page(ada, server, "map", **own.address)
    open_page(ben, server, "", **own.address)
    ada.get_by_text("Draw again").first.click()
    ada.get_by_role("button", name="Draw again").click()
    expect(ben.locator(SIDEBAR).get_by_text("Drawing the map of slice")).to_be_visible()


def test_each_decision_draws_a_page_once_and_ones_own_not_again(
    two: tuple[Page, Page], serve: Callable[[Path], Server], own: Place
) -> None:
    """Counted by what the pages ask of the server over their websockets."""
    server, (ada, ben) = serve(own.workspace), two
    asked = {"ada": 0, "ben": 0}

    def count(name: str) -> None:
        asked[name] += 1

    for name, page in (("ada", ada), ("ben", ben)):
        page.on("websocket", lambda socket, name=name: socket.on("framesent", lambda _: count(name)))
        open_page(page, server, "example", **own.address)
    for number in range(1, 4):
        before = dict(asked)
        ada.keyboard.press("b")
        wait_in(ben, lambda before=before: asked["ben"] > before["ben"])
        ben.wait_for_timeout(6_000)  # in which a second drawing would come
        rest(ada)
        assert (asked["ada"] - before["ada"], asked["ben"] - before["ben"]) == (1, 1), number
