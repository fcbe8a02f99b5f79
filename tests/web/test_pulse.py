"""The pulse changes when something that others see does, is told to pages of this server alone, and names who."""

from itertools import pairwise
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from core.choices import Made
from core.web import pulse
from core.web.navigation import PAGES
from core.web.pulse import ROUTE, answer_pulse, tell_made
from core.workbench import Workbench
from core.workbench.pulsing import COUNTED, changed, decisions_of


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[Route(ROUTE, answer_pulse)]))


def test_every_kind_of_change_is_felt_once(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        felt = [bench.pulse("chats", bench.working_jobs())]
        bench.decide("chats", [1], "ban")
        felt.append(bench.pulse("chats", bench.working_jobs()))
        bench.judge("chats", 2, "random", "keep")
        felt.append(bench.pulse("chats", bench.working_jobs()))
        bench.select("chats", "random", "3")
        felt.append(bench.pulse("chats", bench.working_jobs()))
        assert len(set(felt)) == len(felt)
        assert bench.pulse("chats", bench.working_jobs()) == felt[-1]


def test_a_page_of_this_server_is_answered_and_nobody_else(
    client: TestClient, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench(workspace) as bench:
        monkeypatch.setitem(pulse._watched, "a-key", (bench, "chats"))
        answer = client.get("/pulse/a-key")
        assert answer.text == bench.pulse("chats")
        assert answer.headers["cache-control"] == "no-store"
    assert client.get("/pulse/another").status_code == 410


def test_what_others_did_is_told_by_name() -> None:
    assert tell_made(Made("Ada", "ban", 1, 1_234)) == "Ada banned row 1,234"
    assert tell_made(Made("Ben", "pin", 2_000, 0)) == "Ben pinned 2,000 examples"


def test_decisions_are_counted_by_person_and_kind_since_the_last_look(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        last = bench.decide("chats", [1], "ban", who="Ada")[-1]
        bench.decide("chats", [2, 5, 3], "pin", who="Ben")
        bench.decide("chats", [4], "ban", who="Ada")
        assert bench.made_since("chats", last) == [Made("Ben", "pin", 3, 2), Made("Ada", "ban", 1, 4)]


def test_what_changed_is_named(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        before = bench.pulse("chats", bench.working_jobs())
        (made,) = bench.decide("chats", [1], "ban")
        now = bench.pulse("chats", bench.working_jobs())
        assert (changed(before, before), changed(before, now), decisions_of(now)) == (set(), {"decisions"}, made)
        assert bench.decisions.rows_since("chats", decisions_of(before)) == {1}
        assert bench.decisions.rows_since("chats", made) == set()
        bench.judge("chats", 2, "random", "keep")
        bench.select("chats", "random", "3")
        assert changed(now, bench.pulse("chats", bench.working_jobs())) == {"judgements", "selections"}
        assert changed(now, f"{now}.scoring-r") == {"jobs"}


def test_what_is_seldom_made_is_told_apart_too(workspace: Path, tmp_path: Path) -> None:
    source = tmp_path / "more.jsonl"
    source.write_text('{"prompt": "p", "completion": "c"}\nbroken\n')
    with Workbench(workspace) as bench:
        seen = [bench.pulse("chats", [])]
        bench.runs.add("another", "chats", "{}", "model")
        seen.append(bench.pulse("chats", []))
        bench.ingest(source, "more")
        seen.append(bench.pulse("chats", []))
        assert [changed(*pair) for pair in pairwise(seen)] == [{"runs"}, {"datasets"}]
        before = bench.pulse("more", [])
        (entry,) = bench.repairs.entries("more")
        bench.fix("more", entry.entry, '{"prompt": "p", "completion": "d"}')
        assert changed(before, bench.pulse("more", [])) == {"repairs"}


@pytest.mark.parametrize(
    ("page", "news", "is_tried", "is_read", "is_shown"),
    [
        ("select", {"decisions"}, False, False, True),
        ("dataset", {"decisions"}, True, True, False),
        ("dataset", {"repairs"}, False, False, True),
        ("gains", {"decisions"}, False, True, False),
        ("gains", {"decisions"}, True, False, True),
        ("example", {"decisions"}, False, False, False),
        ("example", {"decisions"}, False, True, True),
        ("example", {"judgements"}, True, True, False),
        ("status", {"jobs"}, False, False, True),
        ("example", {"decisions", "selections"}, False, False, True),
    ],
)
def test_a_page_is_drawn_again_only_for_what_it_shows(
    page: str, news: set[str], is_tried: bool, is_read: bool, is_shown: bool
) -> None:
    assert pulse.concerns(page, news, is_tried=is_tried, is_read=is_read) is is_shown


def test_what_is_shown_is_shown_by_pages_that_there_are() -> None:
    pages = {name for group in PAGES.values() for name, _ in group}
    assert {page for shown in pulse.SHOWN_BY.values() for page in shown} <= pages
    assert set(pulse.SHOWN_BY) <= set(COUNTED)
