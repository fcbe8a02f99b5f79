"""Are the pages as quick as a local program?

    python benchmarks/ui.py [--rows 100000] [--points 1000000] [--source FILE] [--quick]

A workspace of so many rows (`ui_pool.py`), the app as a child process, and a Chromium that does thirty times each
what a curator does. The clock (`ui_clock.js`) starts with the input event's own time stamp, in the browser, and stops
with the frame after the last change in the page's main part or, where that is later, when the server's script is
done; the map's first drawing stops with the first frame that shows all points. The first time of each is for warming
up and not counted, except where it says cold. Then the map with `--points`, and the server's resident memory with
one session and with ten more. The last line is one JSON object.
"""

import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.ui_pool import PoolShape, build_pool  # noqa: E402
from tests.conftest import CHROMIUM_FLAGS, installed_chromium  # noqa: E402
from tests.e2e.driving import (  # noqa: E402
    MAIN,
    SCATTER,
    Server,
    go,
    lasso,
    navigation,
    navigation_link,
    open_page,
    rest,
    serving,
)

REPEATS, QUICK_REPEATS = 30, 2
SESSIONS, QUICK_SESSIONS = 10, 1
CLOCK = (Path(__file__).parent / "ui_clock.js").read_text(encoding="utf-8")
BOUNDS = {
    "budget": 300,
    "page": 500,
    "map_first": 2_000,
    "lasso": 500,
    "example": 300,
    "search_dataset": 500,
    "search_map": 500,
    "large_map_first": 4_000,
    "large_lasso": 1_000,
}
SESSION_BOUND_MB = 50
TITLES = {
    "budget": "Budget slider to all views of the Desk",
    "page": "Page change",
    "map_first": "Map's first drawing",
    "lasso": "Lasso to table",
    "example": "Next example",
    "search_dataset": "Search on Dataset",
    "search_map": "Search on Map",
    "large_map_first": "Map's first drawing, {points:,} points",
    "large_lasso": "Lasso to table, {points:,} points",
}
WORDS = ("people", "computer", "music", "water", "money", "history", "world", "food", "robot", "love", "war", "city")
ADDRESS = {"dataset": "pool", "run": "synthetic"}


@dataclass
class Measured:
    """Milliseconds by what was done, until when the server's script ran of these, and which views changed then."""

    times: dict[str, list[float]] = field(default_factory=dict)
    script: dict[str, list[float]] = field(default_factory=dict)
    views: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, name: str, read: dict[str, Any], key: str = "ms") -> None:
        """One more time of this."""
        self.times.setdefault(name, []).append(read[key])
        self.script.setdefault(name, []).append(read["script_ms"] or 0.0)
        self.views[name] = Counter(read["views"])


def main(
    rows: Annotated[int, typer.Option(help="Examples in the pool.")] = 100_000,
    points: Annotated[int, typer.Option(help="Points of the large map; 0 leaves it out.")] = 1_000_000,
    source: Annotated[str, typer.Option(help="A dataset whose texts are put together anew; the demo if none.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="A small pool and few repeats, under a minute.")] = False,
) -> None:
    """Build the workspaces, do what a curator does, and print how long each took."""
    rows, points = (2_000, 5_000) if quick else (rows, points)
    repeats, measured = QUICK_REPEATS if quick else REPEATS, Measured()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=installed_chromium(), args=CHROMIUM_FLAGS)
        small = Path(folder) / "small"
        chosen = build(small, PoolShape(rows), source)
        with serving(small, Path(folder) / "small.log") as server:
            measure_maps(browser, server, rows, repeats, measured, "map_first", "lasso")
            measure_answers(browser, server, chosen, repeats, measured)
        with serving(small, Path(folder) / "memory.log") as server:
            memory = measure_memory(browser, server, QUICK_SESSIONS if quick else SESSIONS)
        if points:
            large = Path(folder) / "large"
            build(large, PoolShape(points, rank=2, d=32, criteria=("random",)), source)
            with serving(large, Path(folder) / "large.log") as server:
                measure_maps(browser, server, points, repeats, measured, "large_map_first", "large_lasso")
        browser.close()
    report(measured, memory, rows, points)


def build(folder: Path, shape: PoolShape, source: str) -> list[str]:
    """A workspace, told about on stderr, since a large one takes minutes."""
    folder.mkdir()
    started = time.perf_counter()
    chosen = build_pool(folder, shape, source)
    print(f"Built a pool of {shape.rows:,} rows in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return chosen


@contextmanager
def session(browser: Browser) -> Iterator[Page]:
    """A browser of its own for the time of the block, with the clock in every page."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(CLOCK)
    try:
        yield context.new_page()
    finally:
        context.close()


def clocked(page: Page, event: str, act: Callable[[], object], points: int | None = None) -> dict[str, Any]:
    """Do it, and read the clock when the page rests."""
    page.evaluate("([event, points]) => clock.arm(event, points)", [event, points])
    act()
    read: dict[str, Any] = page.wait_for_function("() => clock.read()", timeout=120_000).json_value()
    return read


def measure_maps(
    browser: Browser, server: Server, points: int, repeats: int, measured: Measured, first: str, group: str
) -> None:
    """The map's first drawing in sessions of their own, from the click that leads there; then lassos of many sizes."""
    for time_round in range(repeats + 1):
        with session(browser) as page:
            open_page(page, server, "scoring", **ADDRESS)
            read = clocked(page, "click", lambda page=page: navigation_link(page, "Map").click(), points)
            measured.add(first if time_round else f"{first}_cold", read, "drawn_ms")
    with session(browser) as page:
        open_page(page, server, "map", **ADDRESS)
        page.locator(f"{SCATTER}[data-points='{points}']").wait_for()
        for time_round, share in enumerate(np.linspace(0.2, 0.9, repeats + 1)):
            read = clocked(page, "pointerup", lambda share=share: lasso(page, share))
            if time_round:
                measured.add(group, read)


def measure_answers(browser: Browser, server: Server, chosen: list[str], repeats: int, measured: Measured) -> None:
    """Budget, page changes, examples and searches, in one session."""
    with session(browser) as page:
        open_page(page, server, "select", **ADDRESS, selection=chosen[0])
        slider = budget_slider(page)
        repeat(page, measured, "budget", "keydown", lambda turn: press(slider, "ArrowRight", turn), repeats)
        titles = list(navigation(page))
        for title in titles:
            go(page, title)
            rest(page)
        for _ in range(max(1, repeats // len(titles))):
            for title in titles:
                read = clocked(page, "click", lambda title=title: navigation_link(page, title).click())
                measured.add("page", read)
                measured.add(f"page_{title.lower()}", read)
        open_page(page, server, "example", **ADDRESS, selection=chosen[0])
        following = next_example(page)
        repeat(page, measured, "example", "click", lambda _: following.click(), repeats)
        for name, path in {"search_dataset": "", "search_map": "map"}.items():
            open_page(page, server, path, **ADDRESS, selection=chosen[0])
            repeat(page, measured, name, "keydown", lambda turn: search(page, WORDS[turn % len(WORDS)]), repeats)


def repeat(page: Page, measured: Measured, name: str, event: str, act: Callable[[int], object], times: int) -> None:
    """Do the same often; the first time warms up and is not counted."""
    for turn in range(times + 1):
        read = clocked(page, event, lambda turn=turn: act(turn))
        if turn:
            measured.add(name, read)


def budget_slider(page: Page) -> Locator:
    """The Desk's budget slider."""
    return page.locator(MAIN).get_by_role("slider", name=re.compile("budget", re.IGNORECASE)).first


def press(slider: Locator, key: str, turn: int) -> None:
    """Move the slider by a step: two forth, one back."""
    slider.press(key if turn % 3 else "ArrowLeft")


def next_example(page: Page) -> Locator:
    """What leads to the following example."""
    return page.get_by_role("button", name=re.compile("next", re.IGNORECASE)).first


def search(page: Page, word: str) -> None:
    """Put a word into the page's search box; the clock starts with the key that sends it off."""
    named, main = re.compile("search", re.IGNORECASE), page.locator(MAIN)
    box = main.get_by_role("textbox", name=named).or_(main.get_by_role("searchbox", name=named)).first
    box.evaluate("box => { box.focus(); box.select(); }")
    page.keyboard.insert_text(word)
    box.press("Enter")


def measure_memory(browser: Browser, server: Server, sessions: int) -> dict[str, float]:
    """The server's resident memory with one session that has seen Desk, Map and Example, and with so many more."""
    process, opened = psutil.Process(server.process.pid), []
    resident = []
    for wanted in (1, sessions):
        for _ in range(wanted):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            opened.append(context)
            page = context.new_page()
            open_page(page, server, "select", **ADDRESS)
            for title in ("Map", "Example"):
                go(page, title)
                rest(page)
        time.sleep(2)
        resident.append(process.memory_info().rss / 1e6)
    for context in opened:
        context.close()
    return {"one_session_mb": resident[0], "session_mb": (resident[1] - resident[0]) / sessions}


def report(measured: Measured, memory: dict[str, float], rows: int, points: int) -> None:
    """A table for people, and a line for programs; `script` is the median time until the server's script was done."""
    figures: dict[str, Any] = {"rows": rows, "points": points, **memory}
    table = Table("what", "times", "median ms", "95 % ms", "script ms", "bound ms", "")
    for name, times in measured.times.items():
        median, most = float(np.median(times)), float(np.percentile(times, 95))
        figures |= {f"{name}_median_ms": median, f"{name}_p95_ms": most}
        bound = BOUNDS.get(name)
        told = TITLES.get(name, name.replace("_", " ").capitalize()).format(points=points)
        script = f"{np.median(measured.script[name]):,.0f}"
        table.add_row(told, str(len(times)), f"{median:,.0f}", f"{most:,.0f}", script, *verdict(median, most, bound))
    told = f"{memory['session_mb']:,.1f}", "", "", f"{SESSION_BOUND_MB}", tell(memory["session_mb"] <= SESSION_BOUND_MB)
    table.add_row("Server memory a session (MB)", "1", *told)
    figures["views_of_budget"] = dict(measured.views["budget"])
    Console().print(table)
    print(json.dumps(figures))


def verdict(median: float, most: float, bound: int | None) -> tuple[str, str]:
    """The bound, and whether the median and the 95th percentile keep it."""
    if bound is None:
        return "", ""
    return f"{bound:,}", "met by the median only" if median <= bound < most else tell(most <= bound)


def tell(is_met: bool) -> str:
    """The verdict in words."""
    return "met" if is_met else "not met"


if __name__ == "__main__":
    typer.run(main)
