"""What every part of the workbench may use."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core.errors import BadInput
from core.files import user_path
from core.jobs.launcher import Launcher
from core.store import Database, Datasets, Decisions, Loads, Orders, Repairs, Runs, Selections
from core.workspace import WorkspaceFolder

K = TypeVar("K")
V = TypeVar("V")


class Bench:
    """The parts that `Workbench` assembles."""

    folder: WorkspaceFolder
    database: Database
    datasets: Datasets
    runs: Runs
    selections: Selections
    orders: Orders
    decisions: Decisions
    loads: Loads
    repairs: Repairs
    launcher: Launcher
    taking: threading.RLock


def keep_last(kept: dict[K, V], key: K, most: int, make: Callable[[], V]) -> V:
    """What is kept in memory under a key, made where it is not there; the oldest beyond `most` are let go of.

    Two threads may both make it; each gets one.
    """
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
