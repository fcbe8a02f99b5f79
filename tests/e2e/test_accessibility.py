"""Can everybody use the pages? axe-core finds no serious fault on any of them, empty or full, light or dark."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.conftest import Place
from tests.e2e.driving import Server, navigation, open_page, show_in

pytestmark = pytest.mark.e2e

SERIOUS = {"serious", "critical"}
NOT_OURS = {
    # Streamlit draws the groups of its navigation as <ul><div><li>; nothing that an app can say changes that.
    "list": "[data-testid=stSidebarNav]",
    "listitem": "[data-testid=stSidebarNav]",
}


def faults_of_pages(page: Page, server: Server, address: Mapping[str, str]) -> str:
    """What axe-core finds on any page, a line each."""
    open_page(page, server, **address)
    faults = []
    for title, path in navigation(page).items():
        open_page(page, server, path, **address)
        for scheme in ("light", "dark"):
            show_in(page, scheme, 1440, 1100)
            faults += [f"{title}, {scheme}: {fault}" for fault in serious_faults(page)]
    return "\n".join(faults)


def serious_faults(page: Page) -> Iterator[str]:
    """Rule, element and reason of each serious fault that is ours."""
    for violation in Axe().run(page).response["violations"]:
        for node in violation["nodes"]:
            target = node["target"][0]
            if violation["impact"] in SERIOUS and not is_not_ours(page, violation["id"], target):
                yield f"{violation['id']}: {node['html'][:160]} ({node['failureSummary']})"


def is_not_ours(page: Page, rule: str, target: str | list[str]) -> bool:
    """Whether the element lies in a part of the page that Streamlit draws alone, known to break this rule."""
    if rule not in NOT_OURS or not isinstance(target, str):
        return False
    return bool(page.locator(target).first.evaluate("(node, part) => !!node.closest(part)", NOT_OURS[rule]))


def test_no_page_of_a_fresh_workspace_has_a_serious_fault(
    tab: Page, serve: Callable[[Path], Server], tmp_path_factory: pytest.TempPathFactory
) -> None:
    faults = faults_of_pages(tab, serve(tmp_path_factory.mktemp("fresh") / "workspace"), {})
    assert not faults, faults


def test_no_page_with_everything_there_has_a_serious_fault(
    tab: Page, serve: Callable[[Path], Server], full: Place
) -> None:
    faults = faults_of_pages(tab, serve(full.workspace), full.address)
    assert not faults, faults
