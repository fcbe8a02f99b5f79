"""What may a browser do with what this server sends, and by which names may it ask?

Dataset text can neither run nor fetch anything: scripts, styles, pictures and connections are the server's own, no
other site may frame a page or read an answer, and what is no part of the app itself is kept in no cache. A request
for another host than `server.allowedHosts` names is refused: a foreign name that was made to lead here (DNS
rebinding) gets no page.
"""

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STREAMLIT_START = "'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='"
"""The one script that Streamlit 1.67 has in its page."""

STREAMLIT_COMPONENTS = "blob:"
"""It gives a component's script to the browser as a blob."""

STREAMLIT_NUMBERS = "'wasm-unsafe-eval'"
"""Its messages' 64-bit numbers are counted in WebAssembly."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' {STREAMLIT_START} {STREAMLIT_COMPONENTS} {STREAMLIT_NUMBERS}",
        "worker-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "media-src 'none'",
        "frame-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'none'",
        "object-src 'none'",
        "base-uri 'self'",
    )
)
NOT_USED = ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{name}=()" for name in NOT_USED),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class SecurityHeaders:
    """Adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the headers put into the answer's start."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def guards() -> list[Middleware]:
    """The headers, and the names that a request may be for; every name where `server.allowedHosts` is empty."""
    hosts = st.get_option("server.allowedHosts") or ["*"]
    return [Middleware(SecurityHeaders), Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)]
