"""How far is it, how fast, and how long yet? Reported by compute code that knows no job."""

import resource
import sys
import time
from dataclasses import replace

from core.jobs.folder import JobFolder
from core.records import JobProgress

WRITE_SECONDS = 0.5
KILOBYTES = 1024 if sys.platform != "darwin" else 1024**2


class Cancelled(Exception):
    """Raised inside a task when somebody asked the job to stop."""


class Progress:
    """A task's way to say where it is. Rates count from the start of the phase, resumed work aside.

    What took how long is measured by a clock that nobody sets.
    """

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        self._worked_before = folder.progress().seconds
        self._current = JobProgress("running", started=time.time())
        self._started = self._phase_started = time.monotonic()
        self._resumed_at = 0
        self._written = 0.0

    @property
    def seconds(self) -> float:
        """How long the task has worked, earlier attempts included."""
        return self._worked_before + time.monotonic() - self._started

    def begin(self, phase: str, total: int, unit: str) -> None:
        """A new phase of `total` units."""
        self._phase_started, self._resumed_at = time.monotonic(), 0
        self._current = replace(self._current, phase=phase, total=total, unit=unit, done=0, rate=0.0, seconds_left=None)
        self._write(force=True)

    def rename(self, phase: str) -> None:
        """Say what of the phase is at work now; its count and its rate go on."""
        self._current = replace(self._current, phase=phase)
        self._write(force=True)

    def total(self, total: int) -> None:
        """Correct how many units the phase has, where only the work itself can tell."""
        self._current = replace(self._current, total=total)

    def skip(self, count: int) -> None:
        """Count units that an earlier attempt finished."""
        self._resumed_at += count
        self.advance(count)

    def advance(self, count: int) -> None:
        """Count finished units. Raises Cancelled when somebody asked the job to stop."""
        done = self._current.done + count
        elapsed = max(time.monotonic() - self._phase_started, 1e-6)
        rate = max(done - self._resumed_at, 0) / elapsed
        left = (self._current.total - done) / rate if rate > 0 else None
        self._current = replace(self._current, done=done, rate=rate, seconds_left=left)
        self._write()
        self.check()

    def check(self) -> None:
        """Raise Cancelled when somebody asked the job to stop."""
        if self._folder.is_cancelled():
            raise Cancelled

    def end(self, state: str, error: str | None = None, result: dict[str, object] | None = None) -> None:
        """The last word."""
        self._current = replace(self._current, state=state, error=error, result=result or {}, seconds_left=None)
        self._write(force=True)

    def _write(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._written >= WRITE_SECONDS:
            self._current = replace(
                self._current, updated=time.time(), ticked=now, seconds=self.seconds, memory_mb=peak_memory_mb()
            )
            self._folder.write(self._current)
            self._written = now


def peak_memory_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES
