"""The pulse changes when something that others see does, is told to pages of this server alone, and names who."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from core.choices import Made
from core.web import pulse
from core.web.pulse import ROUTE, answer_pulse, tell_made
from core.workbench import Workbench


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
