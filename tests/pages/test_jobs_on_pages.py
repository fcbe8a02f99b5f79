"""Pages and strip say where a job stands, alarm when it is silent, show its log as text, and say what to do."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs.folder import JobFolder
from core.records import JobProgress
from core.web.session import open_bench
from core.workbench import Workbench
from tests.conftest import Scored, wait_until
from tests.pages.conftest import Open, button, texts

LOG = "first\n![x](http://evil/beacon) <b>last</b>\n"
OUT_OF_MEMORY = "Memory ran out; use a `smaller` model. What was done before is kept."


@pytest.fixture
def locks() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


def run_folder(workspace: Path, scored: Scored) -> JobFolder:
    folder = JobFolder(workspace / "runs" / scored.report["run"])
    (folder.path / "log.txt").write_text(LOG)
    return folder


def hold(folder: JobFolder, locks: ExitStack, silent_minutes: int = 0) -> None:
    """As if its worker lived: this process holds its lock."""
    heard = time.monotonic() - 60 * silent_minutes
    folder.write(JobProgress("running", "Scoring", 5, 24, "examples", 1.0, 19.0, ticked=heard))
    lock = locks.enter_context((folder.path / "worker.lock").open("w"))
    fcntl.flock(lock, fcntl.LOCK_EX)


def test_a_silent_job_is_told_on_its_page_and_in_the_strip(
    open_app: Open, workspace: Path, scored: Scored, locks: ExitStack
) -> None:
    hold(run_folder(workspace, scored), locks, silent_minutes=12)
    for page in ("scoring", "dataset"):
        app = open_app(workspace, page)
        assert not app.exception
        (warning,) = app.warning
        told = warning.value.replace("\\", "")
        assert told.startswith("No progress for 12 minutes. Its log ends with: ![x](http:\u2060//evil/beacon)")
        assert told.endswith("Cancel it and resume: what is finished is kept.")
        assert "![x](" not in warning.value


def test_a_job_that_is_heard_of_raises_no_alarm_and_shows_its_log_as_text(
    open_app: Open, workspace: Path, scored: Scored, locks: ExitStack
) -> None:
    hold(run_folder(workspace, scored), locks, silent_minutes=3)
    app = open_app(workspace, "scoring")
    assert not app.warning
    assert LOG.strip() in [code.value for code in app.code]
    assert "5 of 24 examples · 1.00 a second · 19 s left" in texts(app)
    assert "evil" not in "".join(element.value for element in [*app.markdown, *app.caption])


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (JobProgress("failed", error=OUT_OF_MEMORY), f"Scoring failed: {OUT_OF_MEMORY}"),
        (JobProgress("cancelled"), "Scoring was cancelled. What was finished is kept."),
        (JobProgress("running"), "Scoring was interrupted. Its worker is gone without a word"),
    ],
)
def test_a_job_that_ended_badly_says_why_and_is_resumed(
    progress: JobProgress, words: str, open_app: Open, workspace: Path, scored: Scored
) -> None:
    folder = run_folder(workspace, scored)
    folder.write(progress)
    app = open_app(workspace, "scoring")
    assert words in texts(app)
    assert LOG.strip() in [code.value for code in app.code]
    button(app, "Resume").click().run()
    assert not app.exception
    wait_until(lambda: folder.progress().state == "done")


def test_a_job_that_waits_says_behind_how_many_and_is_cancelled(
    open_app: Open, workspace: Path, scored: Scored, locks: ExitStack
) -> None:
    folder = run_folder(workspace, scored)
    other = JobFolder(workspace / "checks" / "other")
    other.create("core.tasks:check", {"file": "/data/<b>chosen.jsonl"})
    hold(other, locks)
    folder.write(JobProgress("queued", place=1))
    app = open_app(workspace, "scoring")
    assert "It starts by itself" in texts(app)
    assert "Dry run of <b>chosen.jsonl" in texts(app)
    assert [bar.proto.text for bar in app.get("progress")] == ["Queued, 1 before it", "Scoring"]
    next(b for b in app.main.button if b.label == "Cancel").click().run()
    assert folder.progress().state == "cancelled"
    assert not app.exception


def test_what_the_machine_does_to_a_page_is_one_notice(
    open_app: Open, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_app(workspace, "scoring")

    def full(*_: object) -> AppTest:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x")

    monkeypatch.setattr(Workbench, "rounds", full)
    app.run()
    assert not app.exception
    assert "'/data/x': The disk is full; free some space" in app.error[0].value.replace("\\", "")
    assert open_bench()
