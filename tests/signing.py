"""What tests of signing in share: secrets of a server, and cookies as Streamlit signs them, true and forged."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from core.web import signing_in

COOKIE_SECRET = "a secret of forty characters for the tests"
ORIGIN = "http://127.0.0.1:8501"
AUTH = {
    "redirect_uri": f"{ORIGIN}/oauth2callback",
    "cookie_secret": COOKIE_SECRET,
    "client_id": "gleaner",
    "client_secret": "known to the provider",
    "server_metadata_url": "http://localhost:1/.well-known/openid-configuration",
}
ROLES = {
    "claim": "groups",
    "curator": ["ada@example.org", "group:data-team"],
    "annotator": ["*@example.org"],
    "viewer": ["eve@example.net"],
    "ask": "the data team",
}
NO_ROLE = "mallory@example.com"


@contextmanager
def secrets(**sections: Any) -> Iterator[None]:
    """A server with these sections in its secrets.toml."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(secrets_singleton, "_secrets", sections)
        signing_in.must_sign_in.cache_clear()
        yield
    signing_in.must_sign_in.cache_clear()


def claims_of(email: str, **more: Any) -> dict[str, Any]:
    """What a provider says of somebody who signed in now."""
    name = email.partition("@")[0]
    return {
        "iss": "http://localhost",
        "sub": name,
        "email": email,
        "email_verified": True,
        "iat": int(time.time()),
        "nonce": "n",
    } | more


def signed_cookie(
    claims: Mapping[str, Any], secret: str = COOKIE_SECRET, origin: str = ORIGIN, age_seconds: float = 0
) -> dict[str, str]:
    """The cookie that Streamlit sets for somebody who signed in so long ago."""
    said = json.dumps({**claims, "origin": origin, "is_logged_in": True, "provider": "default"})
    made = time.time() - age_seconds
    with patch("itsdangerous.timed.time.time", return_value=made):
        return {USER_COOKIE_NAME: create_signed_value(secret, USER_COOKIE_NAME, said).decode()}
