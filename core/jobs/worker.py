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
from pathlib import Path
from types import FrameType

from core.errors import GleanerError
from core.jobs.folder import JobFolder
from core.jobs.progress import Cancelled, Progress

TASKS = "core.tasks:"
NICENESS = 10


def main(path: Path) -> int:
    """Run the job in `path` to its end; 0 when it is done."""
    folder = JobFolder(path)
    with (path / "worker.lock").open("w") as lock:
        if not _take_lock(lock.fileno()):
            print(f"Another worker has {path}.", file=sys.stderr)
            return 1
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
        signal.signal(signal.SIGTERM, _raise_cancelled)
        return _run(folder)


def run_here(path: Path) -> int:
    """Run the job in this process, for work so short that starting another would take longer; 0 when it is done."""
    folder = JobFolder(path)
    with (path / "worker.lock").open("w") as lock:
        if not _take_lock(lock.fileno()):
            return 1
        folder.clear_cancel()
        return 0 if folder.progress().state == "done" else _run(folder)


def _take_lock(descriptor: int) -> bool:
    """Whoever asks whether we live holds the lock for an instant, so one refusal means nothing."""
    for _ in range(20):
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.1)
    return False


def _run(folder: JobFolder) -> int:
    progress = Progress(folder)
    progress.begin("Starting", 0, "")
    name, arguments = folder.request()
    try:
        if not name.startswith(TASKS):
            raise ValueError(f"not a task: {name}")
        result = pkgutil.resolve_name(name)(folder.path, progress, **arguments)
    except Cancelled:
        progress.end("cancelled")
        return 3
    except GleanerError as error:
        progress.end("failed", error=str(error))
        return 2
    except MemoryError:
        progress.end("failed", error="Out of memory; choose a smaller model, max_length or batch_tokens.")
        return 2
    except Exception as error:
        traceback.print_exc()
        progress.end("failed", error=f"{type(error).__name__}: {error} (the job's log.txt has the details)")
        return 1
    progress.end("done", result=result)
    return 0


def _raise_cancelled(_signal: int, _frame: FrameType | None) -> None:
    raise Cancelled


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
