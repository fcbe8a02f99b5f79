"""What does a job leave on disk? Everything that the app knows of it.

job.json        the task and what it was asked
progress.json   where it stands, replaced as a whole
worker.lock     held by the living worker, with its process id inside; the kernel frees it at any death
cancel          a flag: stop at the next batch
log.txt         what the worker printed
"""

import errno
import fcntl
import json
import os
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from core.errors import FAULTS, BadInput
from core.files import replacing
from core.records import JobProgress

STARTING_SECONDS = 20.0
LOG_BYTES = 32_768
KNOWN = {each.name for each in fields(JobProgress)}


class JobFolder:
    """One job's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, task: str, arguments: dict[str, Any]) -> None:
        """Write `job.json`; a job that is there already stays as it is, if it can be read."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self.request()
        except (FileNotFoundError, BadInput):
            write_atomically(self.path / "job.json", json.dumps({"task": task, "arguments": arguments}, indent=1))

    def create_anew(self, task: str, arguments: dict[str, Any]) -> None:
        """Write `job.json` in place of a job that has ended, whose worker may be about to leave."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "log.txt").unlink(missing_ok=True)
        write_atomically(self.path / "job.json", json.dumps({"task": task, "arguments": arguments}, indent=1))
        self.write(JobProgress("cancelled"))  # an end that `Launcher.start` goes on from

    def exists(self) -> bool:
        """Whether a job was created here."""
        return (self.path / "job.json").is_file()

    def request(self) -> tuple[str, dict[str, Any]]:
        """The task and its arguments. Raises BadInput where they are not what was written."""
        path = self.path / "job.json"
        try:
            job = json.loads(path.read_text(encoding="utf-8"))
            return str(job["task"]), dict(job["arguments"])
        except (ValueError, KeyError, TypeError):
            told = "start it anew with the same settings, and it goes on from what it finished"
            raise BadInput(
                f"{str(path)!r} is not what was written, so that the job cannot be resumed: {told}."
            ) from None

    def write(self, progress: JobProgress) -> None:
        """Replace the progress. On a full disk it is written over the old one, so that the last word is not lost."""
        path, text = self.path / "progress.json", json.dumps(asdict(progress))
        try:
            write_atomically(path, text)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not path.exists():
                raise
            _write_over(path, text)

    def progress(self) -> JobProgress:
        """Where the job stands. A job whose worker died without a word is `interrupted`, or what it was asked to be:
        `cancelled`."""
        progress = self._read()
        if progress.state not in ("starting", "running") or self.is_alive():
            return progress
        if progress.state == "starting" and _is_recent(progress) and not self.is_cancelled():
            return progress
        latest = self._read()  # the worker may have written its last word before we asked for the lock
        if latest.has_ended:
            return latest
        if self.is_cancelled():
            return replace(latest, state="cancelled", seconds_left=None)
        return replace(latest, state="interrupted", seconds_left=None, error=self._tell_vanished(latest))

    def is_alive(self) -> bool:
        """Whether a worker holds the lock: no process id to be mistaken about."""
        try:
            with (self.path / "worker.lock").open() as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True

    def worker(self) -> int | None:
        """The process id of the living worker; None where none lives, or where it is a thread of another process."""
        try:
            text = (self.path / "worker.lock").read_text()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return int(text) if text.isdecimal() and self.is_alive() else None

    def cancel(self) -> None:
        """Ask the worker to stop."""
        (self.path / "cancel").touch()

    def is_cancelled(self) -> bool:
        """Whether somebody asked it to stop."""
        return (self.path / "cancel").exists()

    def clear_cancel(self) -> None:
        """Forget that somebody asked, before it is started again."""
        (self.path / "cancel").unlink(missing_ok=True)

    def log_tail(self, lines: int) -> str:
        """The last lines that the worker printed and that are not blank."""
        try:
            with (self.path / "log.txt").open("rb") as stream:
                stream.seek(max(stream.seek(0, os.SEEK_END) - LOG_BYTES, 0))
                text = stream.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])

    def _tell_vanished(self, progress: JobProgress) -> str:
        if os.statvfs(self.path).f_flag & os.ST_RDONLY:
            return f"{FAULTS[errno.EROFS]} What it finished is kept."
        peak = f" It had {progress.memory_mb / 1000:,.1f} GB of memory at most." if progress.memory_mb else ""
        return (
            "Its worker is gone without a word: the machine went down, somebody killed it, or the system did because "
            f"memory ran out.{peak} What it finished is kept: resume it, or score with a smaller model, max_length or "
            "batch_tokens."
        )

    def _read(self) -> JobProgress:
        try:
            return self._read_once()
        except ValueError:  # it was being written over
            time.sleep(0.05)
        try:
            return self._read_once()
        except ValueError:
            return JobProgress("running", error="Its progress.json cannot be read; what it finished is kept.")

    def _read_once(self) -> JobProgress:
        try:
            stored = json.loads((self.path / "progress.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return JobProgress("new")
        if not isinstance(stored, dict) or "state" not in stored:
            raise ValueError
        return JobProgress(**{name: value for name, value in stored.items() if name in KNOWN})


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's text as a whole."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _write_over(path: Path, text: str) -> None:
    """Write into the file's own blocks, for which a full disk has room; blanks behind JSON mean nothing."""
    content = text.encode()
    with path.open("r+b") as stream:
        stream.write(content.ljust(path.stat().st_size))
        stream.flush()
        os.fsync(stream.fileno())


def _is_recent(progress: JobProgress) -> bool:
    """Whether a worker may still be on its way; by a clock that nobody sets, and that begins anew with the machine."""
    return progress.ticked is not None and 0 <= time.monotonic() - progress.ticked < STARTING_SECONDS
