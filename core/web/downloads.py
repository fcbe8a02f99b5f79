"""How does a file reach the browser without passing through the server's memory?

By a route that streams it. Its address holds a ticket: 256 random bits that are known to the page that offered the
file alone, and that are worth nothing after an hour or a restart. Where people sign in, a ticket is worth something
only for whom it was offered to, and while they are a curator. No path ever comes from an address.
"""

import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from core.errors import GleanerError
from core.people import Person, Role
from core.web.signing_in import account_of

ROUTE = "/downloads/{ticket}/{name}"
LIFETIME_SECONDS = 3600.0
NO_STORE = {"cache-control": "no-store"}
GONE = "This link has expired. Go back to the page and load it again."


@dataclass(frozen=True, slots=True)
class Offer:
    """A file under a name, for one person (anybody where nobody signs in), until a time of this process's clock."""

    path: Path
    name: str
    person: str | None
    until: float


class Tickets:
    """The files on offer."""

    def __init__(self, lifetime: float = LIFETIME_SECONDS) -> None:
        self._lifetime, self._lock = lifetime, threading.Lock()
        self._offers: dict[str, Offer] = {}

    def offer(self, path: Path, name: str, person: Person | None = None) -> str:
        """The address of a file under a name, for this person, below the server's root."""
        ticket, now = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            self._offers = {kept: offer for kept, offer in self._offers.items() if offer.until > now}
            self._offers[ticket] = Offer(path, name, person.name if person else None, now + self._lifetime)
        return f"downloads/{ticket}/{quote(name)}"

    def find(self, ticket: str, person: Person | None = None) -> Offer | None:
        """What a ticket that is still good offers this person."""
        with self._lock:
            found = self._offers.get(ticket)
        if found is None or found.until <= time.monotonic() or not found.path.is_file():
            return None
        return found if found.person == (person.name if person else None) else None


TICKETS = Tickets()


async def send_file(request: Request) -> Response:
    """Stream the file of a ticket."""
    try:
        person = account_of(request)
        if person:
            person.insist(Role.CURATOR, "download an export")
    except GleanerError as error:
        return PlainTextResponse(str(error), status_code=403, headers=NO_STORE)
    found = TICKETS.find(request.path_params["ticket"], person)
    if found is None:
        return PlainTextResponse(GONE, status_code=410, headers=NO_STORE)
    return FileResponse(found.path, filename=found.name, media_type="application/octet-stream", headers=NO_STORE)
