"""How does a job start, how is it stopped, and who looks after it?"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from core.errors import BadInput
from core.jobs.folder import JobFolder
from core.records import JobProgress

LEAVING_SECONDS = 20.0
STOPPING_SECONDS = 1.2
REPOSITORY = Path(__file__).resolve().parents[2]


def start_process(program: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker in a process and a session of its own; what it prints goes into the job's log."""
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", program, str(folder)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
        )


def stall_seconds() -> float:
    """After how long a silence somebody should look. Raises BadInput for a GLEANER_STALL_MINUTES that is no number."""
    return 60 * read_setting("GLEANER_STALL_MINUTES", 10)


class Launcher:
    """Starts and stops workers, and remembers those that it started, so that ended ones are reaped."""

    program = "core.jobs.worker"

    def __init__(self) -> None:
        """Raises BadInput for a GLEANER_STALL_MINUTES that is no number."""
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stall_seconds = stall_seconds()

    def start(self, folder: JobFolder) -> None:
        """Start or resume a job; one that is alive, or done, is left alone. One that is being stopped is gone first."""
        with self._lock:
            if folder.is_cancelled():
                self._see_off(folder, STOPPING_SECONDS)
            _let_it_leave(folder)
            self._reap()
            progress = folder.progress()
            folder.clear_cancel()
            if folder.is_alive() or progress.state in ("starting", "done"):
                return
            folder.write(
                JobProgress("starting", started=time.time(), seconds=progress.seconds, ticked=time.monotonic())
            )
            self._processes[folder.path] = start_process(self.program, folder.path.resolve())

    def stop(self, folder: JobFolder) -> None:
        """Ask a worker to stop, and end it where it does not in a moment. Returns at once.

        It need not be one that this launcher started. What it finished is kept, as at any death.
        """
        is_asked = True
        try:
            folder.cancel()
        except OSError:
            is_asked = False  # nothing can be written there: the worker is ended without being asked

        def see_off() -> None:
            _wait_while(lambda: folder.is_cancelled() and self._is_running(folder), STOPPING_SECONDS)
            with self._lock, suppress(FileNotFoundError):  # it may be discarded meanwhile
                if folder.is_cancelled() or not is_asked:
                    self._see_off(folder, 0.0)

        threading.Thread(target=see_off, name="job stopper", daemon=True).start()

    def is_stalled(self, progress: JobProgress) -> bool:
        """Whether a worker that lives was not heard of for so long that somebody should look."""
        return progress.silent_seconds >= self._stall_seconds

    def reap(self) -> None:
        """Collect the exit status of workers that ended."""
        with self._lock:
            self._reap()

    def _is_running(self, folder: JobFolder) -> bool:
        process = self._processes.get(folder.path)
        return folder.is_alive() or (process is not None and process.poll() is None)

    def _see_off(self, folder: JobFolder, seconds: float) -> None:
        """Wait for a worker that was asked to stop, then kill it."""
        _wait_while(lambda: self._is_running(folder), seconds)
        process = self._processes.get(folder.path)
        if pid := folder.worker() or (process.pid if process and process.poll() is None else None):
            _kill(pid, folder)
            _wait_while(lambda: self._is_running(folder), STOPPING_SECONDS)
        progress = folder.progress()
        if progress.state == "cancelled":
            folder.write(progress)

    def _reap(self) -> None:
        for path, process in list(self._processes.items()):
            if process.poll() is not None:
                del self._processes[path]
                _note_the_end(JobFolder(path), process.returncode)


def _note_the_end(folder: JobFolder, status: int) -> None:
    """Say how a worker ended that could not say it itself."""
    progress = folder.progress()
    if progress.state == "starting" and not folder.is_alive():
        progress = replace(progress, state="interrupted", error="Its worker ended before it began; see its log.")
    if progress.state != "interrupted":
        return
    if status == -signal.SIGKILL:
        peak = f" It had {progress.memory_mb / 1000:,.1f} GB at most." if progress.memory_mb else ""
        told = (
            f"Its worker was killed, as the system does when memory runs out.{peak} What it finished is kept: resume "
            "it, or score with a smaller model, max_length or batch_tokens."
        )
        progress = replace(progress, error=told)
    with suppress(OSError):
        folder.write(progress)


def _kill(pid: int, folder: JobFolder) -> None:
    """Kill a worker and all that it started, if that process is the folder's worker indeed."""
    with suppress(psutil.Error):
        worker = psutil.Process(pid)
        if not " ".join(worker.cmdline()).rstrip().endswith(f" {folder.path.resolve()}"):
            return
        for process in [worker, *worker.children(recursive=True)]:
            with suppress(psutil.Error):
                process.kill()


def _wait_while(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while condition() and time.monotonic() < end:
        time.sleep(0.05)


def _let_it_leave(folder: JobFolder) -> None:
    """A worker that has said its last word is gone in a moment; until then it could not be replaced."""
    _wait_while(lambda: folder.progress().has_ended and folder.is_alive(), LEAVING_SECONDS)


def read_setting(name: str, default: int) -> int:
    """A whole number from 1 that an environment variable says. Raises BadInput for anything else."""
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"{name} is {text!r}; give it a whole number from 1.")
    return int(text)


class Supervisor:
    """A thread that calls `tick` every second; an error in one tick does not end it, and is reported once."""

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
        last = ""
        while not self._stopped.wait(1.0):
            try:
                self._tick()
                last = ""
            except Exception as error:
                if str(error) != last:
                    self._report_error(error)
                last = str(error)
