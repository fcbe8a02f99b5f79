"""What does a job leave on disk? Everything that the app knows of it.

job.json        the task and what it was asked
progress.json   where it stands, replaced as a whole
worker.lock     held by the living worker; the kernel frees it at any death
cancel          a flag: stop at the next batch
log.txt         what the worker printed
"""

import fcntl
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.files import replacing
from core.records import JobProgress

STARTING_SECONDS = 20.0


class JobFolder:
    """One job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, task: str, arguments: dict[str, Any]) -> None:
        """Write `job.json`; a job that is there already stays as it is."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.exists():
            write_atomically(self.path / "job.json", json.dumps({"task": task, "arguments": arguments}, indent=1))

    def exists(self) -> bool:
        """Whether a job was created here."""
        return (self.path / "job.json").is_file()

    def request(self) -> tuple[str, dict[str, Any]]:
        """The task and its arguments."""
        job = json.loads((self.path / "job.json").read_text())
        return job["task"], job["arguments"]

    def write(self, progress: JobProgress) -> None:
        """Replace the progress."""
        write_atomically(self.path / "progress.json", json.dumps(asdict(progress)))

    def progress(self) -> JobProgress:
        """Where the job stands. A job whose worker died without a word is `interrupted`."""
        try:
            progress = JobProgress(**json.loads((self.path / "progress.json").read_text()))
        except FileNotFoundError:
            progress = JobProgress("new")
        if progress.is_working and not self.is_alive():
            recently = time.time() - progress.updated < STARTING_SECONDS
            if not (progress.state == "starting" and recently):
                latest = self._ended_meanwhile()
                return latest or replace(progress, state="interrupted", seconds_left=None)
        return progress

    def is_alive(self) -> bool:
        """Whether a worker holds the lock: no process id to be mistaken about."""
        try:
            with (self.path / "worker.lock").open() as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def cancel(self) -> None:
        """Ask the worker to stop."""
        (self.path / "cancel").touch()

    def is_cancelled(self) -> bool:
        """Whether somebody asked it to stop."""
        return (self.path / "cancel").exists()

    def clear_cancel(self) -> None:
        """Forget that somebody asked, before it is started again."""
        (self.path / "cancel").unlink(missing_ok=True)

    def _ended_meanwhile(self) -> JobProgress | None:
        """The worker may have written its last word between our reading it and asking for the lock."""
        latest = JobProgress(**json.loads((self.path / "progress.json").read_text()))
        return latest if latest.has_ended else None


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's text as a whole."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
