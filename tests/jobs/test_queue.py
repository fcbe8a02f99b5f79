"""Heavy jobs work one after the other, in the order in which they were asked for, whoever keeps the queue."""

import errno
from collections.abc import Callable

import pytest

from core.errors import BadInput
from core.jobs.folder import JobFolder
from core.jobs.queue import Queue
from tests.conftest import wait_until
from tests.jobs.conftest import Make, OddLauncher, asleep, wait_for

Jobs = tuple[list[JobFolder], Callable[[], Queue]]


@pytest.fixture
def jobs(make_job: Make) -> Jobs:
    """Three long jobs, and how a server that knows them begins."""
    folders = [make_job("sleep_in_c", seconds=300) for _ in range(3)]
    return folders, lambda: Queue(OddLauncher(), lambda: folders)


def states(folders: list[JobFolder]) -> list[str]:
    return [folder.progress().state for folder in folders]


def test_the_second_waits_for_the_first_and_says_so(jobs: Jobs) -> None:
    folders, begin = jobs
    queue = begin()
    for folder in folders:
        queue.start(folder)
    queue.start_next()
    assert states(folders)[1:] == ["queued", "queued"]
    assert [queue.progress(folder).phase for folder in folders[1:]] == ["Queued, 1 before it", "Queued, 2 before it"]
    assert all(queue.progress(folder).is_working and not queue.progress(folder).has_ended for folder in folders)
    wait_until(lambda: asleep(folders[0]))
    queue.stop(folders[0])
    wait_for(folders[0], "cancelled")
    queue.start_next()
    wait_until(lambda: asleep(folders[1]))
    assert queue.progress(folders[2]).phase == "Queued, 1 before it"


def test_a_queue_outlives_its_server_and_goes_on_in_the_order_of_asking(jobs: Jobs) -> None:
    folders, begin = jobs
    first = begin()
    for number in (1, 2, 0):
        first.start(folders[number])
    wait_until(lambda: asleep(folders[1]))
    later = begin()
    later.start_next()
    assert states(folders) == ["queued", "running", "queued"]
    later.start(folders[2])  # asking again does not change its place
    assert [later.progress(folders[number]).phase for number in (2, 0)] == [
        "Queued, 1 before it",
        "Queued, 2 before it",
    ]
    later.stop(folders[1])
    wait_for(folders[1], "cancelled")
    later.start(folders[1])
    assert later.progress(folders[1]).phase == "Queued, 2 before it"
    later.start_next()
    wait_until(lambda: asleep(folders[2]))
    assert states(folders) == ["queued", "queued", "running"]


def test_a_job_that_waits_is_cancelled_at_once_and_never_starts(jobs: Jobs) -> None:
    folders, begin = jobs
    queue = begin()
    for folder in folders:
        queue.start(folder)
    queue.stop(folders[1])
    assert folders[1].progress().state == "cancelled"
    wait_until(lambda: asleep(folders[0]))
    queue.stop(folders[0])
    wait_for(folders[0], "cancelled")
    queue.start_next()
    wait_until(lambda: asleep(folders[2]))
    assert folders[1].progress().state == "cancelled"
    assert not (folders[1].path / "worker.lock").exists()


def test_as_many_work_at_once_as_were_allowed(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, begin = jobs
    monkeypatch.setenv("GLEANER_JOBS", "2")
    queue = begin()
    for folder in folders:
        queue.start(folder)
    wait_until(lambda: asleep(folders[0]) and asleep(folders[1]))
    assert states(folders) == ["running", "running", "queued"]


def test_a_job_that_cannot_be_started_lets_the_next_one_pass(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, begin = jobs
    queue = begin()
    for folder in folders:
        queue.start(folder)
    wait_until(lambda: asleep(folders[0]))
    queue.stop(folders[0])
    wait_for(folders[0], "cancelled")
    start = OddLauncher.start

    def refuse(launcher: OddLauncher, folder: JobFolder) -> None:
        if folder is folders[1]:
            raise OSError(errno.EACCES, "Permission denied", "log.txt")
        start(launcher, folder)

    monkeypatch.setattr(OddLauncher, "start", refuse)
    queue.start_next()
    assert folders[1].progress().state == "failed"
    assert "change the permissions" in (folders[1].progress().error or "")
    queue.start_next()
    wait_until(lambda: asleep(folders[2]))


def test_a_job_that_is_done_is_not_queued_again(jobs: Jobs) -> None:
    folders, begin = jobs
    queue = begin()
    queue.start(folders[0])
    done = JobFolder(folders[1].path)
    done.write(done.progress().__class__("done"))
    queue.start(done)
    assert done.progress().state == "done"


@pytest.mark.parametrize("name", ["GLEANER_JOBS", "GLEANER_STALL_MINUTES"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_setting_that_is_no_number_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=f"{name} is '{value}'"):
        Queue(OddLauncher(), list[JobFolder])
