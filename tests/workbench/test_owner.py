"""Whoever finds a workspace open is told who has it, and whoever scores behind another waits for its turn."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import WorkspaceBusy
from core.jobs.folder import JobFolder
from core.settings import RunSettings, ScoringSettings
from core.store.owner import NAME, describe_owner
from core.workbench import Workbench
from tests.conftest import ROOT, core_json, held_database, run_core, wait_until, write_chats

APP = "from core.workbench import Workbench; b = Workbench({!r}, supervise=True); print('open', flush=True); input()"


def test_a_command_is_told_that_the_app_has_the_workspace(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    app = subprocess.Popen(
        [sys.executable, "-c", APP.format(str(workspace))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert app.stdout is not None
        assert app.stdout.readline() == "open\n"
        told = run_core(workspace, "demo", code=2).stderr
    finally:
        app.communicate("\n", timeout=300)
    owner = json.loads((workspace / NAME).read_text())
    since = owner["since"][11:16]
    assert f"is open in the app (process {app.pid}, since {since}); use the app there, or stop it first." in told


def test_the_app_is_told_which_command_has_the_workspace(workspace: Path, tiny_model: Path, tmp_path: Path) -> None:
    source = write_chats(tmp_path / "many.jsonl", 3000)
    core_json(workspace, "ingest", str(source), "--name", "many")
    words = ("score", "many", "--model", str(tiny_model), "--no-calibration", "--set", "shard_rows=4")
    command = subprocess.Popen(
        [sys.executable, "-m", "core", *words, "--workspace", str(workspace)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    try:
        wait_until(lambda: json.loads((workspace / NAME).read_text())["pid"] == command.pid)
        wait_until(lambda: any('"running"' in of.read_text() for of in workspace.glob("runs/*/progress.json")))
        command.send_signal(signal.SIGSTOP)  # it cannot come to its end meanwhile
        with pytest.raises(
            WorkspaceBusy, match=rf"in the command `score` \(process {command.pid}, since .*wait for it"
        ):
            Workbench(workspace)
    finally:
        command.send_signal(signal.SIGINT)
        command.send_signal(signal.SIGCONT)
        assert command.wait(300) == 130
    with Workbench(workspace) as bench:
        for job in bench.working_jobs():
            bench.stop_job(job)
        wait_until(lambda: not bench.working_jobs())


def test_a_name_left_by_another_process_is_not_believed(tmp_path: Path) -> None:
    Workbench(tmp_path / "workspace").close()
    with (
        held_database(tmp_path / "workspace" / "curation.duckdb") as holder,
        pytest.raises(WorkspaceBusy, match=f"is open in process {holder}; use the app there, or stop it first"),
    ):
        Workbench(tmp_path / "workspace")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 7}', '{"pid": 7, "since": "x", "what": 1, "host": 2}'])
def test_a_damaged_name_is_no_name(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    assert describe_owner(tmp_path, 7) == "is open in process 7; use the app there, or stop it first."


def test_the_day_and_the_other_machine_are_named(tmp_path: Path) -> None:
    owner = {"pid": 7, "host": "elsewhere", "what": "the app", "since": "2020-01-02T03:04:05"}
    (tmp_path / NAME).write_text(json.dumps(owner))
    assert "in the app (process 7 on elsewhere, since 2020-01-02 03:04);" in describe_owner(tmp_path, 7)


def test_a_command_waits_for_the_job_that_a_killed_server_left(
    workspace: Path, tiny_model: Path, tmp_path: Path
) -> None:
    source = write_chats(tmp_path / "many.jsonl", 3000)
    core_json(workspace, "ingest", str(source), "--name", "many")
    settings = RunSettings(scoring=ScoringSettings(model=str(tiny_model), shard_rows=4), calibration=None)
    bench = Workbench(workspace)
    left = bench.start_scoring("many", settings)
    job = JobFolder(bench.folder.run(left).path)
    wait_until(lambda: job.progress().done > 0)
    worker = job.worker()
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)  # it works for as long as the test wants
    bench.close()
    words = ("score", "chats", "--model", str(tiny_model), "--no-calibration", "--max-length", "64")
    command = subprocess.Popen(
        [sys.executable, "-m", "core", *words, "--workspace", str(workspace), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stderr is not None
        assert any("Queued, 1 before it" in line for line in command.stderr)
    finally:
        os.kill(worker, signal.SIGKILL)
    out, _ = command.communicate(timeout=120)
    assert command.returncode == 0
    assert json.loads(out)["scored"] > 0
    assert job.progress().state == "interrupted"


def test_the_app_starts_what_waits_and_cancels_it_by_hand(workspace: Path, tiny_model: Path, tmp_path: Path) -> None:
    source = write_chats(tmp_path / "many.jsonl", 3000)
    core_json(workspace, "ingest", str(source), "--name", "many")

    def settings(length: int) -> RunSettings:
        scoring = ScoringSettings(model=str(tiny_model), shard_rows=4, max_length=length)
        return RunSettings(scoring=scoring, calibration=None)

    with Workbench(workspace, supervise=True) as bench:
        runs = [bench.start_scoring("many", settings(length)) for length in (512, 256, 128)]
        assert [bench.run_progress(run).state for run in runs[1:]] == ["queued", "queued"]
        assert [bench.run_progress(run).phase[-11:] for run in runs[1:]] == ["1 before it", "2 before it"]
        assert {job.of for job in bench.working_jobs()} == set(runs)
        bench.cancel_run(runs[1])
        assert bench.run_progress(runs[1]).state == "cancelled"
        bench.cancel_run(runs[0])
        wait_until(lambda: bench.run_progress(runs[2]).state == "running")
        assert bench.run_progress(runs[0]).state == "cancelled"
        bench.cancel_run(runs[2])
        wait_until(lambda: not bench.working_jobs())
        assert bench.job_log("scoring", runs[1]) == ""
