"""Jobs in processes of their own, some of which misbehave."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from tests.conftest import wait_until

Make = Callable[..., JobFolder]


@pytest.fixture(autouse=True)
def cold(cold_workers: None) -> None:
    """How a worker starts and ends is what is tested here."""


class OddLauncher(Launcher):
    """Starts workers that know the tasks of `tests.jobs.odd_worker` too."""

    program = "tests.jobs.odd_worker"


@pytest.fixture
def make_job(tmp_path: Path) -> Iterator[Make]:
    """Makes a job of a task in a folder of its own; what still works at the end is stopped."""
    made: list[JobFolder] = []

    def make(task: str, **arguments: object) -> JobFolder:
        folder = JobFolder(tmp_path / f"job {len(made)}")
        folder.create(f"core.tasks:{task}", arguments)
        made.append(folder)
        return folder

    yield make
    for folder in made:
        Launcher().stop(folder)
    wait_until(lambda: not any(folder.is_alive() for folder in made))


def wait_for(folder: JobFolder, state: str) -> None:
    """Until the job has this state."""
    wait_until(lambda: folder.progress().state == state)


def asleep(folder: JobFolder) -> bool:
    """Whether its task is in the midst of its long step."""
    return (folder.path / "asleep").exists()
