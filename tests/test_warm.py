"""What `tests.warm` promises: a fork has loaded what jobs need, and ends as a worker does."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from tests import warm
from tests.conftest import wait_until


def tell(path: Path) -> None:
    path.write_text(json.dumps([name for name in warm.PRELOADED if name not in sys.modules]))


def test_a_fork_has_loaded_what_is_named(tmp_path: Path) -> None:
    warm.fork(tell, tmp_path / "missing.json").join()
    assert json.loads((tmp_path / "missing.json").read_text()) == []


def test_a_page_that_was_drawn_before_does_not_run_in_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.py"
    page.write_text("raise SystemExit('the page ran')")
    main = ModuleType("__main__")
    main.__file__ = str(page)
    monkeypatch.setitem(sys.modules, "__main__", main)
    process = warm.fork(tell, tmp_path / "missing.json")
    process.join()
    assert process.exitcode == 0
    assert json.loads((tmp_path / "missing.json").read_text()) == []


def test_a_job_that_cannot_work_says_so_and_its_fork_ends(tmp_path: Path) -> None:
    job, launcher = JobFolder(tmp_path / "job"), Launcher()
    job.create("core.tasks:nothing", {})
    launcher.start(job)
    (fork,) = launcher._processes.values()
    wait_until(lambda: job.progress().has_ended and fork.poll() is not None)
    assert (job.progress().state, fork.returncode) == ("failed", 1)
    assert "nothing" in (tmp_path / "job" / "log.txt").read_text()
    assert isinstance(fork, warm.Fork)
    assert fork.pid != os.getpid()
