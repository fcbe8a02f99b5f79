"""Whoever watches over the server is told whether it lives, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from core.web.health import ROUTE, tell_health
from core.web.session import open_workspace
from core.workbench import status
from tests.conftest import held_database, wait_until


@pytest.fixture
def client(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("GLEANER_WORKSPACE", str(workspace))
    yield TestClient(Starlette(routes=[Route(ROUTE, tell_health)]))
    open_workspace().close()
    st.cache_resource.clear()


def test_a_server_that_lives_says_so_and_no_more(client: TestClient) -> None:
    wait_until(lambda: client.get("/health").status_code == 200)
    answer = client.get("/health")
    assert answer.json() == {"status": "ok", "database": True, "supervisor": True}
    assert answer.headers["cache-control"] == "no-store"


def test_a_supervisor_that_stands_still_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_until(lambda: client.get("/health").status_code == 200)
    monkeypatch.setattr(status, "STUCK_SECONDS", -1.0)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing", "database": True, "supervisor": False})


def test_a_database_that_does_not_answer_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_until(lambda: client.get("/health").status_code == 200)
    open_workspace().close()
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["database"]) == (503, False)


def test_a_workspace_that_another_process_has_is_told_without_its_name(client: TestClient, workspace: Path) -> None:
    with held_database(workspace / "curation.duckdb"):
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["database"]) == (503, False)
        assert str(workspace) not in answer.text
    wait_until(lambda: client.get("/health").status_code == 200)
