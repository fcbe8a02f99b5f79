"""No request reads what it should not, comes from another site, or passes for another server's."""

from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.attacks.client import dial, request
from tests.attacks.conftest import Target
from tests.attacks.routes import READS, REBINDING, SOCKETS, TICKETS, UPLOADS, Request

NEVER = (b"root:x:", b"[server]", b"st.App", b"torch==", b"[core]")


@pytest.mark.parametrize("attack", [*READS, *TICKETS, *REBINDING], ids=lambda each: f"{each.method}-{each.path[:40]}")
def test_a_request_is_refused(attack: Request, target: Target) -> None:
    answer = request(target.address, attack.method, attack.path, attack.headers)
    is_start_page = "Host" not in attack.headers and answer.content == request(target.address, "GET", "/").content
    assert answer.status in attack.refused or is_start_page, answer.status
    assert not [word for word in NEVER if word in answer.content]


@pytest.mark.parametrize("attack", UPLOADS, ids=range(len(UPLOADS)))
def test_another_sites_upload_is_refused(attack: Request, target: Target) -> None:
    with target.session() as session:
        path = attack.path.format(session=session.open().session_id)
        answer = request(target.address, attack.method, path, attack.headers, b"--x\r\n")
        assert answer.status in attack.refused, answer.status


@pytest.mark.parametrize("headers", SOCKETS, ids=str)
def test_another_sites_websocket_is_refused(headers: dict[str, str], target: Target) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(target.address, headers)
    assert refused.value.response.status_code in (400, 403)


def test_the_servers_own_page_gets_a_session(target: Target) -> None:
    dial(target.address, {"Origin": target.address}).close()


def test_a_pages_title_leads_to_the_page(target: Target) -> None:
    answer = request(target.address, "GET", "/desk?row=3&selection=//elsewhere.example")
    assert (answer.status, answer.headers["location"]) == (307, "./select?row=3&selection=//elsewhere.example")


@pytest.mark.parametrize(
    "path", ["/desk", "/", "/static/nothing.js", "/_stcore/health", "/downloads/x/y", "/media/x", "/select"]
)
def test_every_answer_carries_the_headers(path: str, target: Target) -> None:
    headers = request(target.address, "GET", path).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert (
        policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == policy["object-src"] == "'none'"
    )
    assert "'unsafe-eval'" not in policy["script-src"]
    assert "'unsafe-inline'" not in policy["script-src"]
    assert policy["connect-src"] == "'self'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cache-control"]


def test_the_server_listens_on_this_machine_alone(target: Target) -> None:
    ports = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    port = f"{int(target.address.rpartition(':')[2]):04X}"
    assert [each for each in ports if each.endswith(f":{port}")] == [f"0100007F:{port}"]
