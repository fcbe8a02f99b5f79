"""How does a job start, and who looks after it?"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from core.jobs.folder import JobFolder
from core.records import JobProgress

LEAVING_SECONDS = 20.0
REPOSITORY = Path(__file__).resolve().parents[2]


class Launcher:
    """Starts workers and remembers them, so that ended ones are reaped."""

    def __init__(self) -> None:
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        self._ended: set[Path] = set()
        self._lock = threading.Lock()

    def start(self, folder: JobFolder) -> None:
        """Start or resume a job; one that is alive, or done, is left alone."""
        with self._lock:
            _let_it_leave(folder)
            self._reap()
            progress = folder.progress()
            is_starting = progress.is_working and folder.path not in self._ended  # one that died at once is not
            folder.clear_cancel()
            if folder.is_alive() or is_starting or progress.state == "done":
                return
            self._ended.discard(folder.path)
            now, worked = time.time(), folder.progress().seconds
            folder.write(JobProgress("starting", started=now, updated=now, seconds=worked))
            with (folder.path / "log.txt").open("ab") as log:
                self._processes[folder.path] = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", "core.jobs.worker", str(folder.path.resolve())],
                    cwd=REPOSITORY,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
                )

    def reap(self) -> None:
        """Collect the exit status of workers that ended."""
        with self._lock:
            self._reap()

    def _reap(self) -> None:
        for path, process in list(self._processes.items()):
            if process.poll() is not None:
                del self._processes[path]
                self._ended.add(path)


def _let_it_leave(folder: JobFolder) -> None:
    """A worker that has said its last word is gone in a moment; until then it could not be replaced."""
    end = time.monotonic() + LEAVING_SECONDS
    while folder.progress().has_ended and folder.is_alive() and time.monotonic() < end:
        time.sleep(0.05)


class Supervisor:
    """A thread that calls `tick` every second; an error in one tick does not end it."""

    def __init__(self, tick: Callable[[], None], report_error: Callable[[Exception], None]) -> None:
        self._tick, self._report_error = tick, report_error
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="job supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopped.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                self._tick()
            except Exception as error:
                self._report_error(error)
