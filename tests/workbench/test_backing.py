"""A backup is a workspace with all that was acknowledged before it was asked for, whoever has the original open."""

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import BadInput, Fault, WorkspaceBusy
from core.files import hash_file
from core.jobs.folder import JobFolder
from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench, keeping
from core.workbench.keeping import back_up, verify_workspace
from core.workbench.status import LAST_BACKUP
from tests.conftest import ROOT, Scored, core_json, held_database, run_core, wait_until, write_chats

OWNER = "a test"
SERVER = """
import sys
from core.workbench import Workbench
with Workbench(sys.argv[1], supervise=True) as bench:
    print("open", flush=True)
    for line in sys.stdin:
        bench.decide("chats", [int(line)], "note", "seen")
        print("decided", flush=True)
"""


class Server:
    """The app's workbench in a process of its own, in which somebody decides."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def decide(self, row: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{row}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "decided\n"


@contextmanager
def serving(workspace: Path) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(workspace)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield Server(process)
    finally:
        process.communicate(timeout=300)


def decided(workspace: Path) -> list[int]:
    with Workbench(workspace) as bench:
        return [made.row for made in bench.decisions.of_dataset("chats")]


def files_in(workspace: Path) -> dict[str, str]:
    """Every file that a backup has to have, with its hash."""
    kept = [path for name in ("runs", "sources", "exports") for path in (workspace / name).rglob("*")]
    left_out = ("worker.lock", "cancel")
    return {
        str(path.relative_to(workspace)): hash_file(path)
        for path in kept
        if path.is_file() and path.name not in left_out
    }


def test_a_backup_is_a_workspace_in_which_everything_works(workspace: Path, scored: Scored, tmp_path: Path) -> None:
    before = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    run_core(workspace, "export", before["selection"], "-o", str(tmp_path / "before.jsonl"))
    made = core_json(workspace, "backup", str(tmp_path / "backup"))
    assert (made["flaws"], made["backup"]) == ([], str(tmp_path / "backup"))
    shutil.rmtree(workspace)
    backup = tmp_path / "backup"
    run_core(backup, "export", before["selection"], "-o", str(tmp_path / "after.jsonl"))
    assert (tmp_path / "after.jsonl").read_bytes() == (tmp_path / "before.jsonl").read_bytes()
    again = core_json(backup, "select", "chats", "--criterion", "fisher", "--budget", "6")
    assert again["log_det"] == before["log_det"]
    with Workbench(backup) as bench:
        bench.decide("chats", [2], "ban", "dull")
        bench.start_map(scored.report["run"])
        wait_until(lambda: bench.map_progress(scored.report["run"]).has_ended)
        bench.take_in()
        assert bench.runs.map_points(scored.report["run"]).num_rows == 23
    assert verify_workspace(backup, repair=False, owner=OWNER).left == []
    assert files_in(backup).items() >= files_in(scored.workspace).items() - {
        item for item in files_in(scored.workspace).items() if "/map/" in item[0]
    }


def test_a_backup_while_the_app_has_the_workspace_holds_every_decision_made_before(
    workspace: Path, tmp_path: Path
) -> None:
    with serving(workspace) as server:
        for row in range(10):
            server.decide(row)
        made = back_up(workspace, tmp_path / "backup", OWNER)
        server.decide(20)
        assert made.flaws == []
        with pytest.raises(WorkspaceBusy):
            Workbench(workspace)  # the owner has kept its lock
    assert decided(tmp_path / "backup") == list(range(10))
    assert decided(workspace) == [*range(10), 20]
    assert list((workspace / "requests").iterdir()) == []
    assert files_in(tmp_path / "backup") == files_in(workspace)


def test_decisions_made_during_backups_are_in_one_or_the_next(workspace: Path, tmp_path: Path) -> None:
    with serving(workspace) as server:
        rows = itertools.count()
        acknowledged: list[int] = []
        stop = threading.Event()

        def decide() -> None:
            while not stop.is_set():
                row = next(rows) % 24
                server.decide(row)
                acknowledged.append(row)

        clicking = threading.Thread(target=decide)
        clicking.start()
        try:
            for number in range(3):
                known = len(acknowledged)
                back_up(workspace, tmp_path / str(number), OWNER)
                found = decided(tmp_path / str(number))
                assert known <= len(found)
                assert found == [*acknowledged, found[-1]][: len(found)]
        finally:
            stop.set()
            clicking.join()
    assert decided(workspace) == acknowledged


def test_a_backup_while_a_job_works_can_be_gone_on_with(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEANER_ROOTS", os.pathsep.join([str(tiny_model), str(tmp_path)]))
    workspace, backup = tmp_path / "workspace", tmp_path / "backup"
    scoring = ScoringSettings(model=str(tiny_model), shard_rows=4, batch_tokens=256, max_length=128)
    settings = RunSettings(scoring=scoring, calibration=None)
    with Workbench(workspace, supervise=True) as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 400), "chats")
        run = bench.start_scoring("chats", settings)
        wait_until(lambda: any(bench.folder.run(run).base.glob("0*")))
        worker = JobFolder(bench.folder.run(run).path).worker()
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)  # so that it is at work all the while
        try:
            wait_until(lambda: bench.runs.counts(run)["scored"] > 0)
            taken = bench.runs.counts(run)["scored"]
            assert core_json(workspace, "backup", str(backup))["flaws"] == []
            assert bench.run_progress(run).is_working
        finally:
            os.kill(worker, signal.SIGCONT)
        wait_until(lambda: bench.run_progress(run).state == "done")
        bench.take_in()
        expected = bench.runs.scores(run).to_pylist()
    with Workbench(backup) as bench:
        assert bench.runs.counts(run)["scored"] >= taken
        assert bench.run_progress(run).state == "interrupted"
        bench.resume_run(run)
        wait_until(lambda: bench.run_progress(run).has_ended)
        bench.take_in()
        found = bench.runs.scores(run).to_pylist()
        assert [both for both in zip(found, expected, strict=True) if both[0] != both[1]] == []
    assert verify_workspace(backup, repair=False, owner=OWNER).left == []


def test_the_command_answers_for_itself_while_it_scores(workspace: Path, tmp_path: Path) -> None:
    """Whoever waits for a job takes in what it finishes, and answers requests on the way."""
    with Workbench(workspace) as bench:
        asking = subprocess.Popen(
            [sys.executable, "-m", "core", "backup", str(tmp_path / "backup"), "--workspace", str(workspace)], cwd=ROOT
        )
        wait_until(lambda: bool(list((workspace / "requests").glob("*.json"))))
        bench.take_in()
        assert asking.wait(timeout=300) == 0
    assert decided(tmp_path / "backup") == []


def test_nobody_waits_for_ever_for_a_process_that_does_not_answer(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "ANSWER_SECONDS", 0.5)
    with (
        held_database(workspace / "curation.duckdb") as holder,
        pytest.raises(WorkspaceBusy, match=f"process {holder}.*does not answer, so no backup was made"),
    ):
        back_up(workspace, tmp_path / "backup", OWNER)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workspace"]
    assert list((workspace / "requests").iterdir()) == []


def test_whatever_goes_wrong_is_answered(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever has the workspace open: who asked does not wait for nothing."""
    (workspace / "requests").mkdir()
    asked = tmp_path / "asked"
    asked.mkdir()
    (asked / "ticket").write_text("a")
    (workspace / "requests" / "a.json").write_text(json.dumps({"target": str(asked), "pid": os.getpid()}))

    def fail(*_: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("core.store.keeping.copy_aside", fail)
    with Workbench(workspace):
        pass
    answer = json.loads((workspace / "requests" / "a.answer").read_text())
    assert answer == {"error": "RuntimeError; the log of that process has the details."}
    assert not list((workspace / "requests").glob("*.taken"))


def test_a_backup_counts_where_the_workspace_cannot_note_it(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = keeping.write_atomically

    def refuse(path: Path, text: str) -> None:
        if path.name == LAST_BACKUP:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        write(path, text)

    monkeypatch.setattr(keeping, "write_atomically", refuse)
    (note,) = back_up(workspace, tmp_path / "backup", OWNER).notes
    assert "does not know of this backup" in note
    assert "read-only" in note
    assert decided(tmp_path / "backup") == []


def test_a_request_for_a_folder_that_nobody_made_for_it_is_refused(workspace: Path, tmp_path: Path) -> None:
    (workspace / "requests").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name, request in {
        "a": {"target": str(elsewhere), "pid": os.getpid()},
        "b": {"target": str(elsewhere), "pid": 999_999_999},
        "c": ["nonsense"],
    }.items():
        (workspace / "requests" / f"{name}.json").write_text(json.dumps(request))
    with Workbench(workspace):
        pass
    answers = {path.stem: json.loads(path.read_text())["error"] for path in (workspace / "requests").glob("*.answer")}
    assert answers.keys() == {"a", "b", "c"}
    assert all(answers.values())
    assert list(elsewhere.iterdir()) == []


def test_a_target_that_cannot_be_one_is_refused(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("kept")
    for target, told in (
        (tmp_path / "full", "name a folder that is not, or an empty one"),
        (tmp_path / "full" / "kept.txt", "is there already"),
        (workspace / "backup", "lies in the workspace itself"),
        (tmp_path / "missing" / "backup", "does not exist; make it first"),
    ):
        with pytest.raises(BadInput, match=told):
            back_up(workspace, target, OWNER)
    with pytest.raises(BadInput, match="There is no workspace"):
        back_up(tmp_path / "nothing", tmp_path / "backup", OWNER)
    assert not (tmp_path / "nothing").exists()
    assert (tmp_path / "full" / "kept.txt").read_text() == "kept"


def test_a_backup_that_breaks_off_leaves_nothing_that_looks_like_one(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backup").mkdir()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28), "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(keeping.shutil, "copy2", full)
        with pytest.raises(Fault, match=r"The backup was not made.*disk is full"):
            back_up(workspace, tmp_path / "backup", OWNER)
    assert list((tmp_path / "backup").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "workspace"]
    assert back_up(workspace, tmp_path / "backup", OWNER).flaws == []


def test_a_damaged_workspace_is_backed_up_as_it_is_and_said_to_be_damaged(workspace: Path, tmp_path: Path) -> None:
    next(workspace.glob("runs/*/base/*.safetensors")).write_bytes(b"damaged")
    done = run_core(workspace, "backup", str(tmp_path / "backup"), code=1)
    assert "not what was written" in done.stdout
    assert next((tmp_path / "backup").glob("runs/*/base/*.safetensors")).read_bytes() == b"damaged"


def test_files_with_two_names_stay_one_and_made_again_files_are_left_out(workspace: Path, tmp_path: Path) -> None:
    (run,) = (workspace / "runs").iterdir()
    os.link(run / "calibrated-model" / "model.safetensors", run / "rounds" / "twin.safetensors")
    for name in ("kernels", "models", "logs"):
        (workspace / name).mkdir(exist_ok=True)
        (workspace / name / "made.bin").write_bytes(b"again")
    back_up(workspace, tmp_path / "backup", OWNER)
    copied = tmp_path / "backup" / "runs" / run.name
    assert (copied / "rounds" / "twin.safetensors").samefile(copied / "calibrated-model" / "model.safetensors")
    assert not [name for name in ("kernels", "models", "logs", "requests") if (tmp_path / "backup" / name).exists()]
