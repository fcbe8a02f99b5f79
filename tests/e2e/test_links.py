"""A link sent to a colleague shows the same view: budget, colour, search, lasso and choosers stand in it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Place
from tests.e2e.driving import LOADING, MAIN, SCATTER, SIDEBAR, Server, lasso, open_page, rest

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(serve: Callable[[Path], Server], full: Place) -> Server:
    return serve(full.workspace)


def budget_of(page: Page) -> str:
    return page.locator(MAIN).get_by_role("slider", name="Budget").input_value()


def view_of_map(page: Page) -> dict[str, object]:
    """What a person sees on the map page, as far as words and numbers tell it."""
    main = page.locator(MAIN)
    return {
        "choosers": page.locator(SIDEBAR).get_by_role("combobox").evaluate_all("all => all.map(one => one.value)"),
        "budget": budget_of(page),
        "search": main.get_by_role("textbox", name="Search").input_value(),
        "colour": main.get_by_role("combobox", name="Colour by").input_value(),
        "legend": page.locator(SCATTER).locator(".legend").inner_text(),
        "found": main.get_by_text(re.compile("found, ")).inner_text(),
        "group": main.get_by_text(re.compile("in the lasso$")).inner_text(),
        "group_selected": main.get_by_text(re.compile("of them selected")).inner_text(),
    }


def test_a_link_to_the_map_shows_what_its_sender_saw(page: Page, browser: Browser, server: Server, full: Place) -> None:
    open_page(page, server, "map", **full.address)
    before = budget_of(page)
    slider = page.locator(MAIN).get_by_role("slider", name="Budget")
    for _ in range(3):
        slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("budget="))
    colour = page.locator(MAIN).get_by_role("combobox", name="Colour by")
    colour.click()
    page.get_by_role("option", name="NLL", exact=True).click()
    search = page.locator(MAIN).get_by_role("textbox", name="Search")
    search.fill("what")
    search.press("Enter")
    expect(page.get_by_text(re.compile("found, "))).to_be_visible()
    lasso(page, 0.6)
    expect(page).to_have_url(re.compile("lasso="))
    rest(page, 500)
    seen = view_of_map(page)
    assert seen["budget"] != before

    other = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    other.goto(page.url)
    expect(other.get_by_text(re.compile("in the lasso$"))).to_be_visible()
    rest(other, 500)
    assert view_of_map(other) == seen
    other.context.close()


def test_a_link_to_the_desk_shows_the_budget_that_was_tried(
    page: Page, browser: Browser, server: Server, full: Place
) -> None:
    figures = "[data-testid=stMetric]"
    open_page(page, server, "select", **full.address)
    before = page.locator(figures).all_inner_texts()
    page.locator(MAIN).get_by_role("slider", name="Budget").press("ArrowRight")
    expect(page).to_have_url(re.compile("budget="))
    rest(page, 500)
    seen = page.locator(figures).all_inner_texts()
    assert seen != before

    other = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    other.goto(page.url)
    expect(other.locator(figures).first).to_be_visible()
    rest(other, 500)
    assert other.locator(figures).all_inner_texts() == seen
    other.context.close()


def test_a_person_s_name_outlives_a_reload(page: Page, server: Server, full: Place) -> None:
    open_page(page, server, "review", **full.address)
    name = page.locator(SIDEBAR).get_by_role("textbox", name="You are")
    name.fill("Grace Hopper & Ada")
    name.press("Enter")
    page.wait_for_function("() => document.cookie.includes('gleaner_person=Grace')", timeout=LOADING)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    rest(page)
    expect(page.locator(SIDEBAR).get_by_role("textbox", name="You are")).to_have_value("Grace Hopper & Ada")
