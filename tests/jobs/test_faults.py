"""A fault of the machine ends in a message that says what to do; no last word is lost, and no clock is believed."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from core.jobs.progress import Progress
from core.records import JobProgress
from tests.conftest import wait_until
from tests.disks import run_on_small_disk
from tests.jobs.conftest import Make, OddLauncher, asleep, wait_for

WORDS = {
    "memory": "Memory ran out; close other programs",
    "torch": "Memory ran out; close other programs",
    "disk": "shard': The disk is full; free some space, then try again.",
    "disk, told by a library": "The disk is full; free some space, then try again.",
    "read-only": "shard': The disk is read-only; make it writable",
}


@pytest.mark.parametrize("what", WORDS)
def test_a_fault_says_what_to_do_and_that_nothing_is_lost(what: str, make_job: Make) -> None:
    job = make_job("fail_by", what=what)
    OddLauncher().start(job)
    wait_for(job, "interrupted")
    told = job.progress().error or ""
    assert WORDS[what] in told
    assert "What was done before is kept." in told
    assert ("GB at most" in told) == WORDS[what].startswith("Memory")
    wait_until(lambda: not job.is_alive())
    assert "Traceback" in job.log_tail(50)


def test_a_worker_that_the_system_killed_is_told_from_one_that_failed(make_job: Make) -> None:
    job, launcher = make_job("sleep_in_c", seconds=300), OddLauncher()
    launcher.start(job)
    wait_until(lambda: asleep(job))
    worker = job.worker()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    wait_for(job, "interrupted")
    told = job.progress().error or ""
    assert "gone without a word" in told  # all that a server can know that did not start it
    assert "GB of memory at most" in told
    wait_until(lambda: next(iter(launcher._processes.values())).poll() is not None)
    launcher.reap()
    assert "was killed, as the system does when memory runs out. It had" in (job.progress().error or "")
    launcher.start(job)
    assert job.progress().state == "starting"


FULL_DISK = """
import sys, time
from pathlib import Path
from core.jobs.folder import JobFolder
from tests.jobs.conftest import OddLauncher
job = JobFolder(Path(sys.argv[1]) / "job")
job.create("core.tasks:fill_disk", {"room": str(Path(sys.argv[1]) / "job" / "room")})
launcher = OddLauncher()
def end():
    launcher.start(job)
    while not job.progress().has_ended:
        time.sleep(0.05)
    print(job.progress().state, job.progress().error)
end()
(job.path / "fill").unlink()
(job.path / "room").touch()
end()
"""


def test_the_last_word_is_not_lost_on_a_full_disk_and_the_job_goes_on_when_there_is_room(tmp_path: Path) -> None:
    first, second = run_on_small_disk(FULL_DISK, tmp_path, megabytes=1)
    assert first.startswith("interrupted")
    assert "The disk is full; free some space" in first
    assert second == "done None"


RESUMED_ON_FULL_DISK = """
import sys
from pathlib import Path
from core.jobs.folder import JobFolder
from core.jobs.worker import main
from core.records import JobProgress
job = JobFolder(Path(sys.argv[1]) / "job")
job.create("core.tasks:multiply", {})
job.write(JobProgress("interrupted", error="x" * 400))
(job.path / "worker.lock").touch()
try:
    with (job.path / "fill").open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)
except OSError:
    pass
print(main(job.path), job.progress().state, job.progress().error)
"""


def test_a_job_that_is_resumed_on_a_full_disk_says_so(tmp_path: Path) -> None:
    (told,) = run_on_small_disk(RESUMED_ON_FULL_DISK, tmp_path, megabytes=1)
    assert told.startswith("2 interrupted The disk is full; free some space")


def test_a_job_whose_request_is_damaged_says_so_and_can_be_asked_for_again(make_job: Make) -> None:
    job = make_job("multiply")
    path = job.path / "job.json"
    whole = path.read_text()
    path.write_text(whole[:-3])
    OddLauncher().start(job)
    wait_for(job, "failed")
    assert "is not what was written, so that the job cannot be resumed" in (job.progress().error or "")
    job.create("core.tasks:multiply", {})
    assert path.read_text() == whole
    job.create("core.tasks:another", {})
    assert path.read_text() == whole


def test_progress_that_is_half_written_is_not_taken_for_an_end(tmp_path: Path) -> None:
    job = JobFolder(tmp_path)
    (tmp_path / "progress.json").write_text('{"state": "run')
    assert job.progress().state == "interrupted"
    (tmp_path / "progress.json").write_text(json.dumps({"state": "done", "a_later_version": 1}))
    assert job.progress().state == "done"


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_set_neither_hides_nor_makes_a_stall(
    hours: int, make_job: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, launcher = make_job("sleep_in_c", seconds=300), OddLauncher()
    launcher.start(job)
    wait_until(lambda: asleep(job))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    progress = job.progress()
    assert progress.state == "running"
    assert 0 <= progress.silent_seconds < 300
    assert not launcher.is_stalled(progress)


def test_a_worker_that_is_silent_for_long_is_stalled(make_job: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_STALL_MINUTES", "12")
    job, launcher = make_job("sleep_in_c", seconds=300), OddLauncher()
    launcher.start(job)
    wait_until(lambda: asleep(job))
    now = time.monotonic
    with monkeypatch.context() as later:
        later.setattr(time, "monotonic", lambda: now() + 11 * 60)
        assert not launcher.is_stalled(job.progress())
    with monkeypatch.context() as later:
        later.setattr(time, "monotonic", lambda: now() + 13 * 60)
        assert launcher.is_stalled(job.progress())


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_a_start_by_another_clock_does_not_wait_for_ever(seconds: float, tmp_path: Path) -> None:
    """After the machine was started again its monotonic clock has begun anew."""
    job = JobFolder(tmp_path)
    job.write(JobProgress("starting", updated=time.time() + 3600, ticked=time.monotonic() + seconds))
    assert job.progress().state == "interrupted"


def test_time_does_not_run_backwards_for_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = JobFolder(tmp_path)
    progress = Progress(job)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    progress.begin("Scoring", 10, "examples")
    progress.advance(5)
    progress.end("done")
    last = job.progress()
    assert last.seconds >= 0
    assert last.rate > 0


def test_a_launcher_reads_the_end_of_a_long_log(tmp_path: Path) -> None:
    job = JobFolder(tmp_path)
    assert job.log_tail(3) == ""
    (tmp_path / "log.txt").write_bytes(b"x" * 100_000 + b"\n\n\xff<b>one</b>\n\n two \r\n")
    assert job.log_tail(2) == "\ufffd<b>one</b>\n two"


def test_a_worker_of_no_launcher_is_left_alone_by_reaping(make_job: Make) -> None:
    job = make_job("sleep_in_c", seconds=300)
    OddLauncher().start(job)
    Launcher().reap()
    wait_until(lambda: asleep(job))
    assert job.progress().state == "running"
