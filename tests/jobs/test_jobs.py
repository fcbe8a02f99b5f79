"""A job survives whoever started it, says where it is, stops when asked, and resumes."""

import fcntl
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from core.jobs.progress import Cancelled, Progress
from core.jobs.worker import _take_lock
from core.records import JobProgress
from tests.conftest import wait_until


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "job")
    folder.create("core.tasks:project", {"settings": {}})
    return folder


def test_a_task_outside_the_tasks_module_is_not_run(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.create("os:system", {"command": f"touch {tmp_path / 'ran'}"})
    Launcher().start(folder)
    wait_until(lambda: folder.progress().has_ended)
    assert folder.progress().state == "failed"
    assert not (tmp_path / "ran").exists()


def test_a_job_that_cannot_work_fails_with_the_reason(job: JobFolder) -> None:
    Launcher().start(job)
    wait_until(lambda: job.progress().has_ended)
    assert job.progress().state == "failed"
    assert "has no factors yet" in str(job.progress().error)


def test_a_worker_that_dies_without_a_word_is_interrupted(job: JobFolder) -> None:
    launcher = Launcher()
    launcher.start(job)
    wait_until(job.is_alive)
    (process,) = launcher._processes.values()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    job.write(JobProgress("running", updated=time.time()))
    assert job.progress().state == "interrupted"
    assert not job.is_alive()


@pytest.mark.parametrize("is_reaped", [False, True])
def test_a_worker_that_dies_at_once_is_replaced_at_once(is_reaped: bool, job: JobFolder) -> None:
    launcher = Launcher()
    launcher.start(job)
    (process,) = launcher._processes.values()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert job.progress().state == "starting"
    if is_reaped:
        launcher.reap()
    launcher.start(job)
    wait_until(lambda: job.progress().has_ended)
    assert "has no factors yet" in str(job.progress().error)


def test_progress_counts_resumed_work_but_not_in_the_rate(job: JobFolder) -> None:
    progress = Progress(job)
    progress.begin("Scoring", 100, "examples")
    progress.skip(90)
    progress.advance(5)
    progress.end("done", result={"n": 1})
    last = job.progress()
    assert (last.state, last.done, last.total, last.result) == ("done", 95, 100, {"n": 1})
    assert json.loads((job.path / "progress.json").read_text())["rate"] <= 5 / 1e-6


def test_a_cancelled_job_stops_at_its_next_step_and_can_be_started_again(job: JobFolder) -> None:
    progress = Progress(job)
    progress.begin("Scoring", 10, "examples")
    progress.advance(1)
    job.cancel()
    with pytest.raises(Cancelled):
        progress.advance(1)
    Launcher().start(job)
    assert not job.is_cancelled()
    wait_until(lambda: job.progress().has_ended)


def test_asking_whether_a_job_lives_does_not_disturb_it(job: JobFolder) -> None:
    launcher = Launcher()
    launcher.start(job)
    while not job.progress().has_ended:
        job.is_alive()
    assert job.progress().state == "failed"
    assert "Another worker" not in (job.path / "log.txt").read_text()


def test_a_worker_that_waited_for_the_lock_of_a_folder_made_anew_takes_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    with (folder / "worker.lock").open("w") as old, ThreadPoolExecutor(1) as waiting:
        fcntl.flock(old, fcntl.LOCK_EX)
        begun = waiting.submit(_take_lock, folder)
        time.sleep(0.3)
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "worker.lock").touch()
        fcntl.flock(old, fcntl.LOCK_UN)
        lock = begun.result()
        assert lock is not None
        with lock:
            assert JobFolder(folder).is_alive()
