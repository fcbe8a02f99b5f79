"""Which heavy job may work now, and which ones wait for it?

A heavy job keeps both processor and memory busy, so that two at once are slower than one after the other, or do not
fit. The queue is what the jobs' own files say: a server that dies loses nothing, and the next one goes on.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from core.errors import explain_fault
from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher, read_setting
from core.records import JobProgress


class Queue:
    """The heavy jobs of a workspace, `GLEANER_JOBS` of them at once."""

    def __init__(self, launcher: Launcher, heavy_jobs: Callable[[], Iterable[JobFolder]]) -> None:
        """Raises BadInput for a GLEANER_JOBS that is no number."""
        self._launcher, self._heavy_jobs = launcher, heavy_jobs
        self._at_once = read_setting("GLEANER_JOBS", 1)
        self._lock = threading.RLock()

    def start(self, folder: JobFolder) -> None:
        """Start or resume a job, or let it wait behind those that were asked for before."""
        with self._lock:
            progress = folder.progress()
            if progress.state == "queued":
                return
            working, waiting = self._busy()
            is_free = len(working) < self._at_once and not waiting
            if is_free or progress.state in ("starting", "running", "done"):
                self._launcher.start(folder)
                return
            folder.clear_cancel()
            place = max((other.place for _, other in waiting), default=0) + 1
            worked = progress.seconds
            folder.write(JobProgress("queued", place=place, seconds=worked, started=time.time(), updated=time.time()))

    def start_next(self) -> None:
        """Start what waits longest, as far as there is room."""
        with self._lock:
            working, waiting = self._busy()
            for folder, progress in waiting[: max(self._at_once - len(working), 0)]:
                try:
                    self._launcher.start(folder)
                except OSError as error:  # the next in the queue shall not wait for it for ever
                    folder.write(replace(progress, state="failed", error=explain_fault(error) or str(error)))

    def stop(self, folder: JobFolder) -> None:
        """Stop a job that works, or take one that waits out of the queue. Returns at once."""
        with self._lock:
            progress = folder.progress()
            if progress.state == "queued":
                folder.write(replace(progress, state="cancelled"))
                return
        self._launcher.stop(folder)

    def progress(self, folder: JobFolder) -> JobProgress:
        """Where a job stands; of one that waits, behind how many."""
        progress = folder.progress()
        if progress.state != "queued":
            return progress
        working, waiting = self._busy()
        before = len(working) + sum(other.place < progress.place for _, other in waiting)
        return replace(progress, phase=f"Queued, {before:,} before it")

    def _busy(self) -> tuple[list[JobFolder], list[tuple[JobFolder, JobProgress]]]:
        """The jobs that work, and those that wait, in the order in which they were asked for."""
        jobs = [(folder, folder.progress()) for folder in self._heavy_jobs()]
        waiting = [(folder, progress) for folder, progress in jobs if progress.state == "queued"]
        working = [folder for folder, progress in jobs if progress.state in ("starting", "running")]
        return working, sorted(waiting, key=lambda job: (job[1].place, job[1].updated, job[0].path))
