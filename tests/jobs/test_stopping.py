"""A job is gone soon after it was cancelled, whatever it is doing and whoever started it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from tests.conftest import wait_until
from tests.jobs.conftest import Make, OddLauncher, asleep, wait_for


@pytest.mark.parametrize(("task", "arguments"), [("sleep_in_c", {"seconds": 300}), ("multiply", {})])
def test_a_job_in_a_long_step_is_cancelled(task: str, arguments: dict, make_job: Make) -> None:
    job, launcher = make_job(task, **arguments), OddLauncher()
    launcher.start(job)
    wait_until(lambda: asleep(job))
    launcher.stop(job)
    wait_until(lambda: not job.is_alive())
    wait_for(job, "cancelled")
    launcher.reap()
    assert job.progress().state == "cancelled"


def test_a_worker_of_an_earlier_server_is_cancelled(make_job: Make) -> None:
    job = make_job("sleep_in_c", seconds=300)
    earlier = OddLauncher()
    earlier.start(job)
    wait_until(lambda: asleep(job))
    assert job.worker() == next(iter(earlier._processes.values())).pid
    Launcher().stop(job)
    wait_until(lambda: not job.is_alive())
    assert job.progress().state == "cancelled"
    assert job.progress().total == 2


def test_what_a_worker_started_ends_with_it(make_job: Make) -> None:
    job, launcher = make_job("with_child"), OddLauncher()
    launcher.start(job)
    wait_until(lambda: asleep(job))
    child = psutil.Process(int((job.path / "child").read_text()))
    launcher.stop(job)
    wait_until(lambda: not job.is_alive())
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_cancelled_job_that_hangs_is_resumed_at_once(make_job: Make) -> None:
    job, launcher = make_job("sleep_in_c", seconds=300), OddLauncher()
    launcher.start(job)
    wait_until(lambda: asleep(job))
    first = job.worker()
    (job.path / "asleep").unlink()
    launcher.stop(job)
    launcher.start(job)
    wait_until(lambda: asleep(job))
    assert job.worker() not in (None, first)
    assert job.progress().state == "running"


def test_a_job_that_is_cancelled_while_it_starts_does_no_work(make_job: Make) -> None:
    job, launcher = make_job("sleep_in_c", seconds=300), OddLauncher()
    launcher.start(job)
    launcher.stop(job)
    assert job.progress().state == "cancelled"
    wait_until(lambda: not launcher._is_running(job))
    assert job.progress().state == "cancelled"
    assert not asleep(job)


def test_no_other_process_is_killed_for_a_number_in_the_lock(make_job: Make) -> None:
    job = make_job("sleep_in_c", seconds=300)
    OddLauncher().start(job)
    wait_until(lambda: asleep(job))
    worker = job.worker()
    assert worker is not None
    innocent = subprocess.Popen(["tail", "-f", str(job.path / "log.txt")])
    try:
        (job.path / "worker.lock").write_text(str(innocent.pid))
        Launcher().stop(job)
        time.sleep(3)
        assert innocent.poll() is None
        assert job.is_alive()
    finally:
        innocent.kill()
        innocent.wait()
        os.kill(worker, signal.SIGKILL)


def test_a_number_in_a_lock_that_nobody_holds_is_not_believed(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    (tmp_path / "worker.lock").write_text("1")
    assert folder.worker() is None
