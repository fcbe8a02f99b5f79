"""What every part of the workbench may use."""

import logging
import os
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import pyarrow as pa
from safetensors import SafetensorError

from core.errors import BadInput, GleanerError
from core.files import user_path
from core.jobs.launcher import Launcher
from core.jobs.queue import Queue
from core.people import Person
from core.store import Database, Datasets, Decisions, Judgements, Loads, Orders, Repairs, Runs, Selections
from core.workspace import WorkspaceFolder

K = TypeVar("K")
V = TypeVar("V")
LONGEST_NAME = 200
_asking = threading.Lock()
_being_made: WeakValueDictionary[tuple[int, Any], Any] = WeakValueDictionary()
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SafetensorError, zipfile.BadZipFile, zlib.error,
    pa.ArrowException, GleanerError,
)  # fmt: skip
"""What libraries raise for a file whose bytes are not what was written: a flipped bit may look like anything."""


class Bench:
    """The parts that `Workbench` assembles."""

    folder: WorkspaceFolder
    database: Database
    datasets: Datasets
    runs: Runs
    selections: Selections
    orders: Orders
    decisions: Decisions
    judgements: Judgements
    loads: Loads
    repairs: Repairs
    launcher: Launcher
    queue: Queue
    taking: threading.RLock
    is_served: bool
    who: Callable[[], Person]
    _reported: set[str]

    def allowed_roots(self, guarded: bool) -> list[Path] | None:
        """Where files may be read: below the folders that GLEANER_ROOTS names, and the workspace. Where it names none,
        the pages read below the home folder and the one that the server was started in, and None is no limit."""
        named = [Path(root).resolve() for root in os.environ.get("GLEANER_ROOTS", "").split(os.pathsep) if root]
        if not named and not guarded:
            return None
        return [*(named or [Path.home().resolve(), Path.cwd().resolve()]), self.folder.path]

    def sign(self, name: str | None) -> str:
        """Whose name stands on a change: the account's, whatever name is given; without an account the one given, or
        that of whoever sits at this machine."""
        person = self.who()
        given = "" if person.is_account else check_text(name or "", "name", LONGEST_NAME)
        return given or check_text(person.name, "name", LONGEST_NAME)

    def _report(self, what: str, error: Exception) -> None:
        """Log what cannot be taken in, once: it is tried again every second."""
        if (told := f"{what} cannot be read: {error}") not in self._reported:
            self._reported.add(told)
            logging.getLogger("gleaner").error("%s cannot be read: %s", what, error)


def keep_last(kept: dict[K, V], key: K, most: int, make: Callable[[], V]) -> V:
    """What is kept in memory under a key, made where it is not there; the oldest beyond `most` are let go of.

    Who asks for what another thread is making waits for that: after a start everybody asks for the same.
    """
    if (found := kept.get(key)) is not None:
        return found
    with _asking:
        making = _being_made.setdefault((id(kept), key), threading.RLock())
    with making:
        found = kept.get(key)
        if found is None:
            found = make()
            for oldest in list(kept)[: max(0, len(kept) + 1 - most)]:
                kept.pop(oldest, None)
            kept[key] = found
    return found


def check_text(text: str, what: str, longest: int) -> str:
    """A text that people typed, without blanks at its ends. Raises BadInput for one too long or not UTF-8."""
    if len(text) > longest:
        raise BadInput(f"This {what} has {len(text):,} characters; {longest:,} are kept at most.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput(f"This {what} is not UTF-8: {text[:80]!r}.") from None
    return text.strip()


def check_target(path: Path | str, *suffixes: str) -> Path:
    """A path to write to. Raises BadInput for another suffix or a folder that is not there."""
    target = user_path(path)
    if target.suffix.lower() not in suffixes:
        raise BadInput(f"{str(path)!r} must end in {' or '.join(suffixes)}.")
    if not target.parent.is_dir():
        raise BadInput(f"{str(path)!r}: the folder {str(target.parent)!r} does not exist; make it first.")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise BadInput(f"{str(path)!r} cannot be written; name a file in a folder that is yours.")
    return target
