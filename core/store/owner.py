"""Who has a workspace open? A file beside its database says it, for the next one who wants it.

The database's own lock decides; the file only gives a name to the process that holds it, and is believed only where
it names that very process.
"""

import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from core.files import replacing

NAME = "owner.json"
APP = "the app"


def write_owner(folder: Path, what: str) -> None:
    """Say that this process has the workspace, as `what`: "the app", or "the command `score`". Never fails."""
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "what": what, "since": datetime.now().isoformat()}
    with suppress(OSError), replacing(folder / NAME) as partial:
        partial.write_text(json.dumps(owner), encoding="utf-8")


def describe_owner(folder: Path, pid: int) -> str:
    """Who the process is that has the workspace, since when, and what to do, as the end of a sentence."""
    try:
        owner = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if owner["pid"] != pid:
            raise ValueError
        since, what, host = datetime.fromisoformat(owner["since"]), str(owner["what"]), str(owner["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"is open in process {pid}; use the app there, or stop it first."
    today = since.date() == datetime.now().date()
    when = since.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")
    where = "" if host == socket.gethostname() else f" on {host}"
    then = "use the app there, or stop it first" if what == APP else "wait for it, or stop it"
    return f"is open in {what} (process {pid}{where}, since {when}); {then}."
