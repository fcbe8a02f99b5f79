"""The way of an annotator: a link, why the example is in, its neighbours on the map, five bans, a note, and back."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.workbench import Workbench
from tests.e2e.conftest import SLICE, Place
from tests.e2e.driving import MAIN, SCATTER, Server, go, lasso, open_page, read_selection, rest

pytestmark = pytest.mark.e2e

GROUP = re.compile(r"^(\d+) examples in the lasso$")
ALREADY_BANNED = (5, 8)


def read_why(page: Page, server: Server, address: dict[str, str], row: int) -> None:
    """Open the link to a picked example, and read why it was picked."""
    open_page(page, server, "example", **address | {"row": str(row)})
    expect(page.get_by_text(re.compile(r"^Picked 2nd of 9"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"^Gained .* nats"))).to_be_visible()


def lasso_group(page: Page) -> int:
    """Draw a lasso on the map, read what is special about the group; returns how many are in it."""
    go(page, "Map")
    expect(page.locator(SCATTER)).to_have_attribute("data-points", str(SLICE))
    rest(page)
    lasso(page, 0.4)
    expect(page.get_by_text(GROUP)).to_be_visible()
    expect(page.get_by_text("What is special about these")).to_be_visible()
    found = GROUP.match(page.get_by_text(GROUP).inner_text())
    assert found is not None
    return int(found[1])


def decide_on_group(page: Page, button: str, count: int, why: str, done: str) -> None:
    """Give a reason and press a button of the group's panel."""
    box = page.locator(MAIN).get_by_role("textbox", name=f"Why, for {count} examples")
    box.fill(why)
    box.press("Enter")
    rest(page)
    page.locator(MAIN).get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(re.compile(f"^{done} {count} examples"))).to_be_visible()
    rest(page)


def test_from_a_link_to_bans_a_note_and_back(page: Page, serve: Callable[[Path], Server], own: Place) -> None:
    with Workbench(own.workspace) as bench:
        second = bench.selections.picks(own.address["selection"])[1].row
    server = serve(own.workspace)
    read_why(page, server, own.address, second)
    count = lasso_group(page)
    assert 5 <= count <= SLICE // 2
    decide_on_group(page, "Ban", count, "says nothing new", "Banned")
    decide_on_group(page, "Note", count, "ask Ada", "Noted")

    go(page, "Desk")
    page.get_by_role("button", name="Select again").click()
    chosen = read_selection(page, other_than=own.address["selection"])
    rest(page)
    go(page, "Map")
    expect(page.get_by_text(re.compile(r"^0 of them selected"))).to_be_visible()

    go(page, "Desk")
    page.get_by_text(re.compile(r"^Decisions \(\d+\)$")).click()
    expect(page.get_by_text(re.compile(f"note {count} examples, .*: ask Ada$"))).to_be_visible()
    page.get_by_role("button", name="Undo", exact=True).nth(1).click()
    expect(page.get_by_text(re.compile(f"^Undid {count} decisions"))).to_be_visible()

    server.stop()
    with Workbench(own.workspace) as bench:
        noted = {made.row for made in bench.history("slice") if made.kind == "note"}
        picked = {pick.row for pick in bench.selections.picks(chosen)}
        assert len(noted) == count
        assert not noted & picked
        assert bench.decisions.standing("slice").banned == ALREADY_BANNED


def test_a_click_on_a_point_leads_to_the_whole_example(page: Page, serve: Callable[[Path], Server], own: Place) -> None:
    server = serve(own.workspace)
    open_page(page, server, "map", **own.address)
    box = page.locator(SCATTER).locator(".overlay").bounding_box()
    assert box is not None
    read = page.get_by_role("link", name="Read the whole example")
    for step in range(400):  # a grid of clicks; the first that meets a point ends it
        x, y = (step % 20 + 0.5) / 20, (step // 20 + 0.5) / 20
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(120)
        if read.is_visible():
            break
    expect(read).to_be_visible()
    read.click()
    expect(page.get_by_role("heading", name="Example", level=1)).to_be_visible()
    expect(page.get_by_text("The row as it came")).to_be_visible()


def test_an_example_is_read_and_banned_by_keys_alone(page: Page, serve: Callable[[Path], Server], own: Place) -> None:
    with Workbench(own.workspace) as bench:
        first, second = (pick.row for pick in bench.selections.picks(own.address["selection"])[:2])
    server = serve(own.workspace)
    open_page(page, server, "example", **own.address | {"row": str(first)})
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text(re.compile(r"^Picked 2nd of 9"))).to_be_visible()
    rest(page)
    page.keyboard.press("b")
    expect(page.get_by_text(re.compile(f"^Banned row {second}"))).to_be_visible()
    server.stop()
    with Workbench(own.workspace) as bench:
        assert bench.decisions.standing("slice").banned == tuple(sorted({*ALREADY_BANNED, second}))
