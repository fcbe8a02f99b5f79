"""No text of a dataset, a file, a person or an address is more than text in the browser."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.web.navigation import PAGES
from tests.attacks.conftest import Target
from tests.attacks.markup import ADDRESS, COLUMNS, FILES, IN_ADDRESS, PEOPLE, REASONS, TEXTS, fill, mark, storable
from tests.attacks.watch import Watch
from tests.e2e.driving import lasso, rest, serving

pytestmark = pytest.mark.e2e
PATHS = [name for pages in PAGES.values() for name, _ in pages]
UNSAFE = """
import streamlit as st
st.title("Unsafe")
text = {texts!r}[st.query_params["payload"]]
st.markdown(text, unsafe_allow_html=True)
st.html(text, unsafe_allow_javascript=True)
"""
VISITS = 3
"""On a slow machine the tokens of an answer may come after the page was read: it is read again then."""

CAUGHT = ("0", "3", "7", "46", "54")


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that the attacks share."""
    with closing(browser.new_context(viewport={"width": 1440, "height": 2400})) as context:
        yield context


@pytest.fixture(scope="module")
def watch(context: BrowserContext, target: Target) -> Watch:
    """What listens in it."""
    return Watch(context, target.address)


@pytest.fixture(scope="module")
def page(context: BrowserContext, watch: Watch) -> Page:
    """One page for all of them."""
    return context.new_page()


def visit(page: Page, target: Target, path: str, **state: object) -> str:
    """Open a page over the hostile workspace; every text that it shows, in components too."""
    page.goto(target.server.url("" if path == "dataset" else path, **target.world.address | state))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    rest(page)
    return shown(page)


def shown(page: Page) -> str:
    """Every text of the page and of its components, what tables hold for screen readers too."""
    return str(
        page.evaluate(
            """() => {
          const roots = [document];
          for (const root of roots)
            for (const element of root.querySelectorAll("*")) if (element.shadowRoot) roots.push(element.shadowRoot);
          return roots.map(root => root === document ? document.body.textContent : root.textContent).join("\\n");
        }"""
        )
    )


@pytest.mark.parametrize("path", PATHS)
def test_nothing_comes_to_life_on_any_page(path: str, page: Page, watch: Watch, target: Target) -> None:
    visit(page, target, path, row=0)
    assert watch.alarms(page) == []
    for expander in page.locator("[data-testid=stExpander] summary").all():
        if not expander.evaluate("summary => summary.parentElement.open"):
            expander.click()
    rest(page)
    for tab in page.get_by_role("tab").all():
        tab.click()
    rest(page)
    assert watch.alarms(page) == []


def test_every_payload_is_shown_as_it_is_written(page: Page, watch: Watch, target: Target) -> None:
    """One by one, as turns of conversations: what was taken for more would not stand there letter by letter."""
    missing = set(storable())
    for row in target.world.conversations * VISITS:
        if not missing:
            break
        text = _plain(visit(page, target, "example", row=row))
        assert watch.alarms(page) == []
        missing -= {number for number in missing if _plain(fill(number)) in text}
    assert missing == set()


def _plain(text: str) -> str:
    """Without white space and the signs that the lens writes for it, and without what is not to be seen."""
    return re.sub(r"[\s\x00-\x1f\x7f·↵→]", "", text)


def test_names_of_columns_files_and_people_and_reasons_are_shown(page: Page, watch: Watch, target: Target) -> None:
    text = "".join(
        visit(page, target, path, row=row)
        for path, row in (("dataset", 0), ("gains", 0), ("example", 0), ("example", 1), ("example", 2), ("review", 0))
    )
    text += "".join(visit(page, target, "example", row=row) for row in range(3, len(PEOPLE)))
    assert watch.alarms(page) == []
    for kind, numbers in (("columns", COLUMNS[:1]), ("files", FILES[:1]), ("people", PEOPLE), ("reasons", REASONS)):
        assert [number for number in numbers if mark(number) not in text] == [], kind


def test_the_quarantine_shows_what_is_broken_as_it_is(page: Page, watch: Watch, target: Target) -> None:
    visit(page, target, "dataset")
    seen = set[int]()
    for _ in range(len(TEXTS)):
        text = shown(page)
        seen |= {number for number in range(len(TEXTS)) if mark(number) in text}
        further = page.get_by_role("button", name="Next page")
        if not further.count() or not further.last.is_enabled():
            break
        further.last.click()
        rest(page)
    assert watch.alarms(page) == []
    assert len(seen) > len(TEXTS) // 3


def test_a_lasso_shows_the_rows_as_they_are(page: Page, watch: Watch, target: Target) -> None:
    visit(page, target, "map")
    lasso(page)
    rest(page)
    assert watch.alarms(page) == []


@pytest.mark.parametrize("number", IN_ADDRESS)
def test_an_address_is_shown_as_text(number: int, page: Page, watch: Watch, target: Target) -> None:
    """On a page in turn, each time in every parameter at once."""
    state = dict.fromkeys(ADDRESS, fill(number).encode("utf-8", "replace").decode()[:2000])
    visit(page, target, PATHS[number % len(PATHS)], **state)
    assert watch.alarms(page) == []
    visit(page, target, "select", **{name: text for name, text in state.items() if name not in target.world.address})
    assert watch.alarms(page) == []


def test_the_watch_sees_what_an_unsafe_page_does(browser: Browser, target: Target, tmp_path: Path) -> None:
    """The same payloads, shown by a script without our care and without the policy: each raises an alarm."""
    script = tmp_path / "unsafe.py"
    script.write_text(UNSAFE.format(texts={number: fill(int(number)) for number in CAUGHT}))
    with serving(target.world.workspace, tmp_path / "server.log", str(script)) as server:
        for number in CAUGHT:
            context = browser.new_context()
            watch, page = Watch(context, server.address), context.new_page()
            page.goto(f"{server.address}?payload={number}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            rest(page)
            page.wait_for_timeout(500)
            assert watch.alarms(page), number
            context.close()


def test_no_other_site_can_frame_a_page(browser: Browser, target: Target) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route(
        "http://evil.example/",
        lambda route: route.fulfill(body=f"<iframe src={target.address}></iframe>", content_type="text/html"),
    )
    page.goto("http://evil.example/")
    frame = page.frames[-1]
    assert frame.url in ("about:blank", "chrome-error://chromewebdata/")
    assert frame.locator("[data-testid=stApp]").count() == 0
    context.close()
