"""How does a file reach the browser without passing through the server's memory?

By a route that streams it. Its address holds a ticket: 256 random bits that are known to the page that offered the
file alone, and that are worth nothing after an hour or a restart. No path ever comes from an address.
"""

import secrets
import threading
import time
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

ROUTE = "/downloads/{ticket}/{name}"
LIFETIME_SECONDS = 3600.0
GONE = "This link has expired. Go back to the page and load it again."


class Tickets:
    """The files on offer."""

    def __init__(self, lifetime: float = LIFETIME_SECONDS) -> None:
        self._lifetime, self._lock = lifetime, threading.Lock()
        self._files: dict[str, tuple[Path, str, float]] = {}

    def offer(self, path: Path, name: str) -> str:
        """The address of a file under a name, below the server's root."""
        ticket, now = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            self._files = {kept: file for kept, file in self._files.items() if file[2] > now}
            self._files[ticket] = path, name, now + self._lifetime
        return f"downloads/{ticket}/{quote(name)}"

    def find(self, ticket: str) -> tuple[Path, str] | None:
        """The file of a ticket that is still good."""
        with self._lock:
            found = self._files.get(ticket)
        if found is None or found[2] <= time.monotonic() or not found[0].is_file():
            return None
        return found[0], found[1]


TICKETS = Tickets()


async def send_file(request: Request) -> Response:
    """Stream the file of a ticket."""
    found = TICKETS.find(request.path_params["ticket"])
    if found is None:
        return PlainTextResponse(GONE, status_code=410, headers={"cache-control": "no-store"})
    path, name = found
    return FileResponse(
        path, filename=name, media_type="application/octet-stream", headers={"cache-control": "no-store"}
    )
