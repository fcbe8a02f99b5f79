"""Answer: what does another process ask of the one that has the workspace open? A copy of the database.

Who asks leaves `requests/<ticket>.json` in the workspace, and a folder of its own for the copy with the ticket in it:
nothing is written into a folder that nobody made for it. Whoever may write into the workspace may ask.
"""

import json
import logging
import time
from pathlib import Path

import psutil

from core.errors import BadInput, GleanerError, explain_fault
from core.jobs.folder import write_atomically
from core.store.keeping import Keeping
from core.workbench.base import Bench

TICKET = "ticket"
TAKEN, ANSWERED = ".taken", ".answer"


class Answering(Bench):
    """Requests that lie in the workspace's folder."""

    beaten = 0.0
    """When the thread that looks after the workspace was last heard of, by the monotonic clock."""

    def beat(self) -> None:
        """Say that the thread that looks after the workspace lives."""
        self.beaten = time.monotonic()

    def forget_requests(self) -> None:
        """Remove those that a process took which had the workspace before, and died over."""
        for path in self.folder.requests.glob(f"*{TAKEN}"):
            path.unlink(missing_ok=True)

    def answer_requests(self) -> None:
        """Answer every request, each once, whatever thread looks first."""
        for path in sorted(self.folder.requests.glob("*.json")):
            taken = path.with_suffix(TAKEN)
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue
            write_atomically(path.with_suffix(ANSWERED), json.dumps({"error": self._answer(taken)}))
            taken.unlink(missing_ok=True)

    def _answer(self, request: Path) -> str | None:
        """Copy the database to where a request wants it; what went wrong, if anything did."""
        try:
            asked = json.loads(request.read_text(encoding="utf-8"))
            target, is_waiting = Path(asked["target"]), psutil.pid_exists(int(asked["pid"]))
            if not is_waiting:
                return "Who asked is gone."
            if (target / TICKET).read_text(encoding="utf-8") != request.stem:
                raise BadInput(f"{str(target)!r} was not made for this request.")
            copy = target / self.folder.database.name
            if copy.exists() or copy.is_symlink():
                raise BadInput(f"{str(copy)!r} is there already.")
            Keeping(self.database, self.folder.database).copy_to(copy, self.beat)
        except OSError as error:
            return f"{str(error.filename or request.name)!r} cannot be used there: {error.strerror or error}."
        except GleanerError as error:
            return str(error)
        except (ValueError, KeyError, TypeError):
            return "The request cannot be read."
        except Exception as error:  # who asked waits for an answer, whatever it is
            logging.getLogger("gleaner").error("a copy of the database failed", exc_info=error)
            return explain_fault(error) or f"{type(error).__name__}; the log of that process has the details."
        return None
