"""Status: is all well with the workspace, how large is it, and what do its jobs do?"""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.jobs.folder import JobFolder
from core.logs import log
from core.store.keeping import Keeping
from core.store.owner import NAME as OWNER
from core.workbench.answering import Answering
from core.workbench.base import keep_last
from core.workbench.watching import Watching, WorkingJob

LAST_BACKUP = "last_backup.json"
SIZES_KEPT_SECONDS = 60.0
MOST_OWNERS = 200
STUCK_SECONDS = 300.0
"""The thread that looks after the workspace is believed to be stuck when it is silent for longer; it is so only while
it takes in a large load."""


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes of each folder of the workspace, the largest first, and what is free on its disk."""

    folders: dict[str, int]
    free: int
    total: int


class Status(Watching, Answering):
    """How the workspace is."""

    _sizes: tuple[float, dict[str, int]] = (float("-inf"), {})
    _seen_jobs: dict[tuple[str, str], str] | None = None
    _owners: dict[tuple[str, str], str | None]
    _sizing = threading.Lock()

    def health(self) -> dict[str, bool]:
        """Whether the database answers, and whether the thread that looks after the workspace was heard of lately."""
        answers = Keeping(self.database, self.folder.database).is_answering()
        return {"database": answers, "supervisor": time.monotonic() - self.beaten < STUCK_SECONDS}

    def all_jobs(self) -> list[WorkingJob]:
        """Every job that this workspace remembers, those that work first, then the newest."""
        jobs = sorted(self._jobs(), key=lambda job: (not job.progress.is_working, -job.progress.updated))
        return [job for job in jobs if job.progress.state != "new"]

    def dataset_of(self, job: WorkingJob) -> str:
        """Whose a job is, or the file that it checks; "" where nothing tells."""
        read = {"trial": self.trial_dataset, "proof": self.proof_dataset, "check": self.checked_file}.get(job.kind)
        if job.dataset or read is None:
            return job.dataset
        return keep_last(self._owners, (job.kind, job.of), MOST_OWNERS, lambda: read(job.of) or None) or ""

    def disk_use(self) -> DiskUse:
        """How large the workspace is; its folders are measured once a minute at most."""
        with self._sizing:
            if time.monotonic() - self._sizes[0] > SIZES_KEPT_SECONDS:
                measured = {top.name: _measure(top) for top in self.folder.path.iterdir()}
                largest = sorted(measured.items(), key=lambda each: each[1], reverse=True)
                self._sizes = time.monotonic(), dict(largest)
        disk = shutil.disk_usage(self.folder.path)
        return DiskUse(self._sizes[1], disk.free, disk.total)

    def last_backup(self) -> tuple[datetime, str] | None:
        """When the last backup was made, and where it was put."""
        try:
            stored = json.loads((self.folder.path / LAST_BACKUP).read_text(encoding="utf-8"))
            return datetime.fromisoformat(stored["made_at"]), str(stored["target"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def owned_since(self) -> datetime | None:
        """Since when this process has the workspace."""
        try:
            return datetime.fromisoformat(json.loads((self.folder.path / OWNER).read_text(encoding="utf-8"))["since"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def schema_step(self) -> int:
        """How many schema steps the database has."""
        return Keeping(self.database, self.folder.database).schema_step()

    def log_jobs(self) -> None:
        """Log each job that started, ended, failed or was cancelled since the last look, by kind and name alone."""
        states = {(job.kind, job.of): job.progress.state for job in self._jobs()}
        seen, self._seen_jobs = states if self._seen_jobs is None else self._seen_jobs, states
        for (kind, of), state in states.items():
            if state != (before := seen.get((kind, of), "new")):
                log("job", kind=kind, job=of, state=state, before=before)
        for kind, of in seen.keys() - states.keys():  # a load leaves nothing behind once it is taken in, or discarded
            log("job", kind=kind, job=of, state="gone", before=seen[kind, of])

    def _jobs(self) -> Iterator[WorkingJob]:
        for load, progress in self.loads_under_way():
            yield WorkingJob("load", load.load, load.dataset, progress)
        for run, dataset in Keeping(self.database, self.folder.database).all_runs().items():
            yield WorkingJob("scoring", run, dataset, self.run_progress(run))
            if self.folder.run(run).map.is_dir():
                yield WorkingJob("map", run, dataset, self.map_progress(run))
        for kind, path in self._apart().items():
            for folder in path.glob("*/"):
                yield WorkingJob(kind, folder.name, "", JobFolder(folder).progress())


def _measure(path: Path) -> int:
    """Bytes below a path; files that go away meanwhile do not count."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size if path.exists() else 0
    total, folders = 0, [str(path)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
