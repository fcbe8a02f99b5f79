"""`python -m core.jobs.worker FOLDER`: run one job's task in a process of its own.

It reads and writes files alone and never opens the database. It runs at low priority, so the
pages stay quick, and holds the folder's lock for as long as it lives.
"""

import contextlib
import fcntl
import os
import pkgutil
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TextIO

from core.errors import MEMORY, GleanerError, explain_fault
from core.jobs.folder import JobFolder
from core.jobs.processes import forget_bounds
from core.jobs.progress import Cancelled, Progress, peak_memory_mb

TASKS = "core.tasks:"
NICENESS = 10


def main(path: Path) -> int:
    """Run the job in `path` to its end; 0 when it is done."""
    folder = JobFolder(path)
    try:
        lock = _take_lock(path, signed=str(os.getpid()))
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.write(replace(folder.progress(), state="interrupted", error=_tell(error)))
        return 2
    if lock is None:
        print(f"Another worker has {path}.", file=sys.stderr)
        return 1
    with lock:
        with contextlib.suppress(OSError, ValueError):
            os.nice(NICENESS)
        forget_bounds()
        signal.signal(signal.SIGTERM, _raise_cancelled)
        return _run(folder)


def run_here(path: Path) -> int:
    """Run the job in this process, for work so short that starting another would take longer; 0 when it is done.

    No process id is left in the lock: nobody shall end this process for the job's sake.
    """
    folder = JobFolder(path)
    lock = _take_lock(path)
    if lock is None:
        return 1
    with lock:
        folder.clear_cancel()
        return 0 if folder.progress().state == "done" else _run(folder)


def _take_lock(path: Path, signed: str = "") -> TextIO | None:
    """The job's open lock file, whose closing lets go of it; None where another worker has it. Raises OSError where
    nothing can be written.

    Whoever asks whether we live holds the lock for an instant, so one refusal means nothing; and a folder that was
    made anew meanwhile has another lock than the one that we waited for.
    """
    for _ in range(20):
        with contextlib.ExitStack() as opened, contextlib.suppress(BlockingIOError, FileNotFoundError):
            lock = opened.enter_context((path / "worker.lock").open("a+"))
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), (path / "worker.lock").stat()):
                lock.truncate(0)
                os.write(lock.fileno(), signed.encode())
                opened.pop_all()
                return lock
        time.sleep(0.1)
    return None


def _run(folder: JobFolder) -> int:
    progress = Progress(folder)
    try:
        progress.begin("Starting", 0, "")
        progress.check()
        name, arguments = folder.request()
        if not name.startswith(TASKS):
            raise ValueError(f"not a task: {name}")
        result = pkgutil.resolve_name(name)(folder.path, progress, **arguments)
    except Cancelled:
        progress.end("cancelled")
        return 3
    except GleanerError as error:
        progress.end("failed", error=str(error))
        return 2
    except Exception as error:
        is_fault = explain_fault(error) is not None  # of the machine: what was done waits to be gone on with
        progress.end("interrupted" if is_fault else "failed", error=_tell(error))
        with contextlib.suppress(OSError):  # on a full disk nothing can be added to the log
            traceback.print_exc()
        return 2 if is_fault else 1
    progress.end("done", result=result)
    return 0


def _tell(error: Exception) -> str:
    told = explain_fault(error)
    if told is None:
        return f"{type(error).__name__}: {error} (the job's log.txt has the details)"
    return f"{told} The worker had {peak_memory_mb() / 1000:,.1f} GB at most." if told.startswith(MEMORY) else told


def _raise_cancelled(_signal: int, _frame: FrameType | None) -> None:
    raise Cancelled


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
