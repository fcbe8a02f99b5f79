"""Nobody gets through a door of the server without a true cookie, and no mistake in the secrets opens one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from core.errors import BadInput, Forbidden
from core.people import Role
from core.web import signing_in
from core.web.session import open_bench
from core.web.signing_in import Doorkeeper, check_sign_in, providers
from tests.signing import AUTH, COOKIE_SECRET, NO_ROLE, ORIGIN, ROLES, claims_of, secrets, signed_cookie

OPEN = ["/", "/scoring", "/_stcore/health", "/static/x.js", "/auth/login", "/oauth2callback"]
CLOSED = ["/media/a.png", "/downloads/t/a.jsonl", "/pulse/k", "/_stcore/metrics", "/base/media/a.png", "/base//media/a"]
UPLOAD = "/_stcore/upload_file/session/file"


async def answer(request: Request) -> Response:
    return PlainTextResponse("in", headers={"set-cookie": "_streamlit_user=x; HttpOnly"})


@pytest.fixture
def client() -> TestClient:
    every = Route("/{path:path}", answer, methods=["GET", "PUT"])
    return TestClient(Starlette(routes=[every], middleware=[Middleware(Doorkeeper)]), raise_server_exceptions=True)


@pytest.fixture(autouse=True)
def no_sign_in_has_ended() -> Iterator[None]:
    signing_in._ended.clear()
    yield
    signing_in._ended.clear()


def visit(client: TestClient, address: str, cookies: dict[str, str] | None = None, method: str = "GET") -> int:
    client.cookies = cookies or {}
    return client.request(method, address).status_code


def test_where_nobody_signs_in_every_door_is_open_and_every_button_works(client: TestClient) -> None:
    assert not signing_in.must_sign_in()
    for address in (*OPEN, *CLOSED, UPLOAD):
        assert visit(client, address) == 200


@pytest.mark.parametrize("address", CLOSED)
def test_what_holds_something_of_the_workspace_takes_a_role(client: TestClient, address: str) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        assert visit(client, address) == 403
        assert visit(client, address, signed_cookie(claims_of("eve@example.net"))) == 200
        assert visit(client, address, signed_cookie(claims_of(NO_ROLE))) == 403


def test_only_a_curator_uploads(client: TestClient) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        for email, status in (("ada@example.org", 200), ("bea@example.org", 403), ("eve@example.net", 403)):
            assert visit(client, UPLOAD, signed_cookie(claims_of(email)), "PUT") == status
        assert visit(client, UPLOAD, method="PUT") == 403


def test_the_way_in_stays_open(client: TestClient) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        assert {visit(client, address) for address in OPEN} == {200}


def ada(**how: Any) -> dict[str, str]:
    return signed_cookie(claims_of("ada@example.org"), **how)


def swapped() -> dict[str, str]:
    """The claims of one cookie with the signature of another."""
    theirs, own = ada()[USER_COOKIE_NAME], signed_cookie(claims_of("eve@example.net"))[USER_COOKIE_NAME]
    return {USER_COOKIE_NAME: ".".join([*theirs.split(".")[:-2], *own.split(".")[-2:]])}


@pytest.mark.parametrize(
    "forge",
    [
        lambda: {USER_COOKIE_NAME: '{"email": "ada@example.org", "is_logged_in": true}'},
        lambda: {USER_COOKIE_NAME: ""},
        lambda: {USER_COOKIE_NAME: "chunks-999999999"},
        lambda: {USER_COOKIE_NAME: ada()[USER_COOKIE_NAME][:-1]},
        lambda: {"_streamlit_user_tokens": ada()[USER_COOKIE_NAME]},
        swapped,
        lambda: ada(secret="another secret of forty characters, too."),
        lambda: ada(secret=""),
        lambda: ada(origin="http://evil.example"),
        lambda: ada(age_seconds=32 * 86_400),
        lambda: signed_cookie(claims_of("ada@example.org", iat=0)),
        lambda: signed_cookie({"email": "ada@example.org", "sub": "ada"}),
    ],
)
def test_a_forged_or_an_old_cookie_is_nobodys(client: TestClient, forge: Any) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        assert visit(client, "/media/a.png", ada()) == 200
        assert visit(client, "/media/a.png", forge()) == 403


def test_who_is_taken_off_the_list_is_out_at_once(client: TestClient) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        cookie = signed_cookie(claims_of("eve@example.net"))
        assert visit(client, "/media/a.png", cookie) == 200
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr(secrets_singleton, "_secrets", {"auth": AUTH, "roles": ROLES | {"viewer": []}})
            assert visit(client, "/media/a.png", cookie) == 403
            changed.setattr(secrets_singleton, "_secrets", {"auth": AUTH, "roles": {"viewr": []}})
            assert visit(client, "/media/a.png", ada()) == 403


def test_secrets_that_are_taken_away_open_no_door(client: TestClient) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        assert signing_in.must_sign_in()
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr(secrets_singleton, "_secrets", {})
            assert visit(client, "/media/a.png") == 403
            assert visit(client, "/media/a.png", ada()) == 403


def test_signing_out_ends_the_cookie_wherever_it_is(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        here, elsewhere = claims_of("ada@example.org", nonce="a"), claims_of("ada@example.org", nonce="b")
        cookies = [signed_cookie(claims) for claims in (here, elsewhere)]
        assert [visit(client, "/media/a.png", cookie) for cookie in cookies] == [200, 200]
        monkeypatch.setattr(type(st.user), "to_dict", lambda _: here)
        signing_in.sign_out()
        assert [visit(client, "/media/a.png", cookie) for cookie in cookies] == [403, 200]


def test_cookies_travel_encrypted_only_where_the_server_has_https(client: TestClient) -> None:
    with secrets(auth=AUTH, roles=ROLES):
        assert "Secure" not in client.get("/").headers["set-cookie"]
    with secrets(auth=AUTH | {"redirect_uri": "https://gleaner.example.org/oauth2callback"}, roles=ROLES):
        assert client.get("/").headers["set-cookie"].endswith("; Secure")


def test_the_one_way_to_the_workbench_is_closed_to_a_thread_without_a_person() -> None:
    with secrets(auth=AUTH, roles=ROLES), pytest.raises(Forbidden, match="Sign in first"):
        open_bench()


PROVIDER = {name: AUTH[name] for name in ("client_id", "client_secret", "server_metadata_url")}
SHARED = {name: AUTH[name] for name in ("redirect_uri", "cookie_secret")}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"auth": AUTH}, r"\[auth\] but no \[roles\]"),
        ({"roles": ROLES}, r"\[roles\] but no \[auth\]"),
        ({"auth": {}, "roles": ROLES}, "redirect_uri is ''"),
        ({"auth": "on", "roles": ROLES}, r"no \[auth\]"),
        ({"auth": AUTH, "roles": {}}, "gives nobody a role"),
        ({"auth": AUTH, "roles": {"curator": ["ada"]}}, "'ada' is no email"),
        ({"auth": AUTH | {"cookie_secret": "xxx"}, "roles": ROLES}, "cookie_secret has 3 characters"),
        ({"auth": AUTH | {"redirect_uri": f"{ORIGIN}/"}, "roles": ROLES}, "with /oauth2callback behind"),
        (
            {"auth": AUTH | {"redirect_uri": "http://gleaner.example.org/oauth2callback"}, "roles": ROLES},
            "give it https",
        ),
        ({"auth": SHARED, "roles": ROLES}, "names no provider"),
        ({"auth": AUTH | {"client_secret": ""}, "roles": ROLES}, r"\[auth\] has no client_secret"),
        ({"auth": SHARED | {"okta": {"client_id": "x"}}, "roles": ROLES}, r"\[auth.okta\] has no client_secret"),
    ],
)
def test_a_mistake_in_the_secrets_stops_the_server(sections: dict, said: str) -> None:
    with secrets(**sections), pytest.raises(BadInput, match=said) as told:
        check_sign_in()
    assert COOKIE_SECRET not in str(told.value)


def test_a_server_that_others_reach_needs_a_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    before = config.get_option("server.address")
    try:
        for address in ("0.0.0.0", "::", "192.168.1.7", None):
            config.set_option("server.address", address)
            monkeypatch.delenv("GLEANER_WITHOUT_SIGN_IN", raising=False)
            with secrets(), pytest.raises(BadInput, match="without signing in"):
                check_sign_in()
            with secrets(auth=AUTH, roles=ROLES):
                check_sign_in()
            monkeypatch.setenv("GLEANER_WITHOUT_SIGN_IN", "1")
            with secrets():
                check_sign_in()
    finally:
        config.set_option("server.address", before)


def test_headers_that_anybody_could_write_say_nothing_about_a_person() -> None:
    config.set_option("server.trustedUserHeaders", {"X-Email": "email"})
    try:
        with secrets(auth=AUTH, roles=ROLES), pytest.raises(BadInput, match="trustedUserHeaders"):
            check_sign_in()
    finally:
        config.set_option("server.trustedUserHeaders", {})


def test_good_secrets_name_one_provider_or_several() -> None:
    with secrets(auth=AUTH, roles=ROLES):
        check_sign_in()
        assert providers() == [""]
        assert signing_in.roles().person(claims_of("ada@example.org")).role is Role.CURATOR
    with secrets(auth=SHARED | {"okta": PROVIDER, "google": PROVIDER}, roles=ROLES):
        check_sign_in()
        assert providers() == ["okta", "google"]


def test_secrets_that_cannot_be_read_stop_the_server_where_streamlit_would_go_on(tmp_path: Path) -> None:
    broken = tmp_path / "secrets.toml"
    broken.write_text("[auth\n")
    before = config.get_option("secrets.files")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(secrets_singleton, "_secrets", None)
        config.set_option("secrets.files", [str(broken)])
        signing_in.must_sign_in.cache_clear()
        try:
            with pytest.raises(BadInput, match="The secrets cannot be read"):
                check_sign_in()
        finally:
            config.set_option("secrets.files", before)
            signing_in.must_sign_in.cache_clear()
