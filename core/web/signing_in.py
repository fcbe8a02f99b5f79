"""Who is signed in? What Streamlit's own sign-in says of a session, and of a request by its signed cookie.

The sections `[auth]` and `[roles]` of secrets.toml switch it on. Whether somebody has to sign in is settled once, when
the server starts; who has which role is read at every call. Whatever cannot be read opens no door.
"""

import json
import os
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.auth_util import get_origin_from_redirect_uri
from streamlit.runtime.secrets import StreamlitSecretNotFoundError
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import (
    _get_signed_cookie_with_chunks,
    _parse_decoded_user_cookie,
)

from core.errors import BadInput, Forbidden, GleanerError
from core.people import Person, Role, Roles, read_roles

SECTIONS = ("auth", "roles")
PROVIDER_KEYS = ("client_id", "client_secret", "server_metadata_url")
SHORTEST_SECRET = 32
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
WITHOUT = "GLEANER_WITHOUT_SIGN_IN"
UPLOADS = "/_stcore/upload_file/"
CLOSED = {"/media/": Role.VIEWER, "/downloads/": Role.VIEWER, "/pulse/": Role.VIEWER, "/_stcore/metrics": Role.VIEWER}
"""The addresses that hold something of the workspace, or that anybody could fill, and the role that each takes."""

_ended: dict[tuple[str, ...], float] = {}
"""The sign-ins that people have ended, until they would have ended by themselves."""


@cache
def must_sign_in() -> bool:
    """Whether people have to sign in at this server. Raises BadInput for secrets that cannot be read."""
    return any(section in _read_secrets() for section in SECTIONS)


def check_sign_in() -> None:
    """Raises BadInput for a mistake in what secrets.toml says about signing in, and for a server that others reach
    without it."""
    if not must_sign_in():
        address = st.get_option("server.address")
        if address not in THIS_MACHINE and os.environ.get(WITHOUT) != "1":
            raise BadInput(
                f"Other machines would reach this server at {address or 'every address'} without signing in: set "
                f"server.address to 127.0.0.1, add [auth], or set {WITHOUT}=1 where something else keeps strangers out."
            )
        return
    secrets = _read_secrets()
    for section, other in (SECTIONS, SECTIONS[::-1]):
        if not isinstance(secrets.get(section), dict):
            raise BadInput(f"secrets.toml has [{other}] but no [{section}]; nobody can enter without both.")
    _check_auth(secrets["auth"])
    read_roles(secrets["roles"])
    if st.get_option("server.trustedUserHeaders"):
        raise BadInput("server.trustedUserHeaders cannot go with [auth]: anybody could write such a header.")


def providers() -> list[str]:
    """The names of the sign-in providers; "" for the one that stands in `[auth]` itself."""
    auth = _read_secrets()["auth"]
    named = [name for name, section in auth.items() if isinstance(section, dict) and "client_id" in section]
    return ([""] if "client_id" in auth else []) + named


def roles() -> Roles:
    """Who has which role now."""
    return _parse_roles(json.dumps(_read_secrets().get("roles", {}), default=str))


def account() -> Person | None:
    """Who is signed in, in the session of this thread; None where nobody has to. Raises Forbidden for nobody."""
    return _find_person(st.user.to_dict()) if must_sign_in() else None


def account_of(request: HTTPConnection) -> Person | None:
    """The same for a request, by the cookie that Streamlit signed for this address."""
    if not must_sign_in():
        return None
    origin, signed = get_origin_from_redirect_uri(), _get_signed_cookie_with_chunks(request.cookies, USER_COOKIE_NAME)
    return _find_person(_parse_decoded_user_cookie(signed, origin) if signed and origin else {})


def sign_out() -> None:
    """End this sign-in, in this session and wherever else its cookie is."""
    now = time.time()
    for key in [key for key, until in list(_ended.items()) if until < now]:
        _ended.pop(key, None)
    _ended[_name_sign_in(st.user.to_dict())] = now + roles().hours * 3600
    st.logout()


def home_elsewhere() -> str | None:
    """Where the sign-in leads back to, if that is not where the browser is: from here nobody would get in."""
    here, home = urlsplit(st.context.url or ""), get_origin_from_redirect_uri()
    return home if home and here.netloc and f"{here.scheme}://{here.netloc}" != home else None


class Doorkeeper:
    """Asks who is signed in before Streamlit's own addresses and ours answer, and lets cookies travel encrypted only
    where the server is reached by https."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or not must_sign_in():
            await self.app(scope, receive, send)
            return
        try:
            _open_door(HTTPConnection(scope))
        except GleanerError as error:
            await PlainTextResponse(str(error), 403, {"cache-control": "no-store"})(scope, receive, send)
            return

        async def send_with_safe_cookies(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, _make_safe(name, value)) for name, value in message.get("headers", [])]
            await send(message)

        is_https = (get_origin_from_redirect_uri() or "").startswith("https:")
        await self.app(scope, receive, send_with_safe_cookies if is_https else send)


def _open_door(request: HTTPConnection) -> None:
    """Raises Forbidden for somebody who may not go in there."""
    path: str = request.scope["path"]
    takes = Role.CURATOR if UPLOADS in path else next((role for part, role in CLOSED.items() if part in path), None)
    person = account_of(request) if takes else None
    if takes and person:
        person.insist(takes, "load data" if takes is Role.CURATOR else "see anything")


def _make_safe(name: bytes, value: bytes) -> bytes:
    is_open = name.lower() == b"set-cookie" and b"; secure" not in value.lower()
    return value + b"; Secure" if is_open else value


def _find_person(claims: Mapping[str, Any]) -> Person:
    if claims.get("is_logged_in") is not True:
        raise Forbidden("Sign in first.")
    if _name_sign_in(claims) in _ended:
        raise Forbidden("This sign-in has ended; sign in again.")
    return roles().person(claims)


def _name_sign_in(claims: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(claims.get(part)) for part in ("iss", "sub", "iat", "nonce"))


def _check_auth(auth: dict[str, Any]) -> None:
    address, secret = str(auth.get("redirect_uri", "")), str(auth.get("cookie_secret", ""))
    where = urlsplit(address.replace("{port}", "1"))
    if where.path.rpartition("/")[2] != "oauth2callback" or where.scheme not in ("http", "https"):
        raise BadInput(f"[auth] redirect_uri is {address!r}; it is this server's address with /oauth2callback behind.")
    if where.scheme == "http" and where.hostname not in THIS_MACHINE:
        raise BadInput(
            f"[auth] redirect_uri is {address!r}; give it https, or cookies go over the network in the open."
        )
    if len(secret) < SHORTEST_SECRET:
        raise BadInput(f"[auth] cookie_secret has {len(secret)} characters; give it {SHORTEST_SECRET} random ones.")
    if not providers():
        raise BadInput("[auth] names no provider: it needs client_id, client_secret and server_metadata_url.")
    for name in providers():
        section = auth[name] if name else auth
        for key in PROVIDER_KEYS:
            if not isinstance(section.get(key), str) or not section[key]:
                raise BadInput(f"[auth{'.' if name else ''}{name}] has no {key}.")


def _read_secrets() -> dict[str, Any]:
    """Streamlit itself goes on without secrets that it cannot read, and then would ask nobody to sign in."""
    try:
        return st.secrets.to_dict()
    except StreamlitSecretNotFoundError as error:
        if any(Path(file).exists() for file in st.get_option("secrets.files")):
            raise BadInput(f"The secrets cannot be read: {' '.join(str(error).split())}") from None
        return {}
    except (OSError, ValueError) as error:
        raise BadInput(f"The secrets cannot be read: {error}") from None


@lru_cache(maxsize=1)
def _parse_roles(section: str) -> Roles:
    return read_roles(json.loads(section))
