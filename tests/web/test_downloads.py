"""A file is streamed to whoever holds its ticket, for a while, and to nobody else."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from core.people import Person, Role
from core.web import downloads
from core.web.downloads import ROUTE, Tickets, send_file
from tests.signing import AUTH, NO_ROLE, ROLES, claims_of, secrets, signed_cookie


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[Route(ROUTE, send_file)]))


def test_a_ticket_brings_its_file_whole_and_as_a_download(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b'{"a": 1}\n' * 100_000)
    address = downloads.TICKETS.offer(path, "chosen.jsonl")
    answer = client.get("/" + address)
    assert answer.content == path.read_bytes()
    assert answer.headers["content-disposition"] == 'attachment; filename="chosen.jsonl"'
    assert answer.headers["cache-control"] == "no-store"


def test_a_name_with_other_letters_is_quoted(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b"x")
    answer = client.get("/" + downloads.TICKETS.offer(path, 'ö"; x=.jsonl').replace("\n", ""))
    assert answer.status_code == 200
    assert "\n" not in answer.headers["content-disposition"]


@pytest.mark.parametrize("address", ["/downloads/x/a", "/downloads/../../etc/passwd", "/downloads/%2e%2e/passwd"])
def test_nothing_is_sent_without_a_ticket(client: TestClient, address: str) -> None:
    assert client.get(address).status_code in (404, 410)


def test_tickets_are_unguessable_and_end(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b"x")
    tickets = Tickets(lifetime=0.0)
    first, second = (tickets.offer(path, "a").split("/")[1] for _ in range(2))
    assert first != second
    assert len(first) >= 43
    assert tickets.find(second) is None
    lasting = Tickets()
    ticket = lasting.offer(path, "a").split("/")[1]
    found = lasting.find(ticket)
    assert found is not None
    assert (found.path, found.name) == (path, "a")
    path.unlink()
    assert lasting.find(ticket) is None


def test_a_ticket_is_worth_something_only_to_the_curator_it_was_offered_to(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b"x")
    ada, cora = (Person(f"{name}@example.org", Role.CURATOR, is_account=True) for name in ("ada", "cora"))
    with secrets(auth=AUTH, roles=ROLES | {"curator": [ada.name, cora.name]}):
        address, unowned = (downloads.TICKETS.offer(path, "a", person) for person in (ada, None))

        def ask(email: str | None, of: str = address) -> int:
            client.cookies = signed_cookie(claims_of(email)) if email else {}
            return client.get("/" + of).status_code

        assert [ask(email) for email in (ada.name, "ADA@example.org", cora.name)] == [200, 200, 410]
        assert [ask(email) for email in ("bea@example.org", NO_ROLE, None)] == [403, 403, 403]
        assert ask(ada.name, unowned) == 410
    with secrets(auth=AUTH, roles=ROLES | {"curator": [cora.name]}):
        assert ask(ada.name) == 403, "she is no curator any more"
