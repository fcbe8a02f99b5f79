"""A run that was killed ends with the same shards as one that was not."""

import os
import signal
from pathlib import Path

import pytest

from core.jobs.folder import JobFolder
from core.records import RunRow
from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench
from tests.conftest import wait_until, write_chats


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "base").glob("*.safetensors"))}


def settings(model: Path) -> RunSettings:
    scoring = ScoringSettings(model=str(model), shard_rows=4, batch_tokens=256, max_length=128)
    return RunSettings(scoring=scoring, calibration=None)


def kill_worker(bench: Workbench, run: str) -> None:
    """Kill -9 as soon as a new shard has been finished."""
    folder = bench.folder.run(run)
    before = len(shards(folder.path))
    wait_until(lambda: len(shards(folder.path)) > before or bench.run_progress(run).has_ended)
    for process in bench.launcher._processes.values():
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("kills", [3])
@pytest.mark.usefixtures("cold_workers")
def test_kills_leave_no_trace_in_the_finished_run(kills: int, tiny_model: Path, tmp_path: Path) -> None:
    source = write_chats(tmp_path / "chats.jsonl", 400)
    finished: list[tuple[RunRow, dict[str, bytes], list]] = []
    for name in ("undisturbed", "killed"):
        with Workbench(tmp_path / name) as bench:
            bench.ingest(source, "chats")
            if name == "killed":
                for _ in range(kills):
                    run = bench.start_scoring("chats", settings(tiny_model))
                    kill_worker(bench, run)
                    assert bench.run_progress(run).state in ("interrupted", "done")
            report = bench.score("chats", settings(tiny_model))
            scores = bench.runs.scores(report.run).to_pylist()
            finished.append((bench.runs.get(report.run), shards(bench.folder.run(report.run).path), scores))
    (first, first_shards, first_scores), (second, second_shards, second_scores) = finished
    assert first.run == second.run
    assert len(first_shards) == 100
    assert first_shards == second_shards
    assert first_scores == second_scores


def test_a_cancelled_run_keeps_what_it_finished_and_goes_on(tiny_model: Path, tmp_path: Path) -> None:
    source = write_chats(tmp_path / "chats.jsonl", 400)
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(source, "chats")
        run = bench.start_scoring("chats", settings(tiny_model))
        folder = bench.folder.run(run).path
        wait_until(lambda: bool(shards(folder)))
        bench.cancel_run(run)
        wait_until(lambda: bench.run_progress(run).has_ended)
        assert bench.run_progress(run).state == "cancelled"
        kept = shards(folder)
        assert 0 < len(kept) < 100
        bench.resume_run(run)
        wait_until(lambda: bench.run_progress(run).state == "done")
        bench.take_in()
        assert kept.items() <= shards(folder).items()
        assert bench.runs.counts(run)["scored"] + bench.runs.counts(run)["unscorable"] == 400
        assert JobFolder(folder).progress().done == 400
