"""A proof whose worker is cancelled or killed goes on behind its last fine-tune and finds the same; damage to what it
keeps is found."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.tasks.tunes import Tunes, read_tune
from core.workbench import Workbench
from core.workbench.keeping import verify_workspace
from tests.conftest import wait_until
from tests.proving import QUICK, score_pool, write_pool


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


MANY = QUICK.model_copy(update={"random": 6})


def cancel(bench: Workbench, proof: str) -> str:
    (job,) = [job for job in bench.working_jobs() if job.kind == "proof" and job.of == proof]
    bench.stop_job(job)
    return "cancelled"


def kill(bench: Workbench, proof: str) -> str:
    worker = (bench.folder.proofs / proof / "worker.lock").read_text()
    os.kill(int(worker), signal.SIGKILL)
    return "interrupted"


def has_more_than(bench: Workbench, proof: str, files: int) -> bool:
    """Whether another fine-tune is done beside the model before tuning and those that so many files hold."""
    return bench.tuned(proof) > 0 and len(list(bench.folder.tunes.glob("*.npz"))) > files


def measured(bench: Workbench, proof: str) -> list[np.ndarray]:
    """The held-out NLL after each fine-tune."""
    _, plan = bench.planned(proof)
    tunes = Tunes(bench.folder, plan)
    return [read_tune(tunes.of(arm, seed)).nll for arm in plan.arms for seed in range(QUICK.seeds)]


def test_a_stopped_proof_goes_on_behind_its_last_fine_tune(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        with monkeypatch.context() as here:
            here.setattr(Launcher, "start", lambda _, job: run_here(job.path))
            run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean"), tiny_model)
        plan = bench.plan_proof(bench.select("pool", "fisher", "600tok", run=run).selection, MANY)
        proof, every, done = bench.start_proof(plan), len(plan.arms), dict[Path, int]()
        for stop in (cancel, kill):
            wait_until(partial(has_more_than, bench, proof, len(done)))
            state = stop(bench, proof)
            wait_until(lambda: bench.proof_progress(proof).has_ended)
            assert bench.proof_progress(proof).state == state
            assert {path: path.stat().st_mtime_ns for path in done} == done
            done = {path: path.stat().st_mtime_ns for path in bench.folder.tunes.glob("*.npz")}
            assert bench.tuned(proof) < every
            bench.resume_proof(proof)
        wait_until(lambda: bench.proof_progress(proof).state == "done")
        assert {path: path.stat().st_mtime_ns for path in done} == done
        found = measured(bench, proof)
        assert len(found) == every
        for path in bench.folder.tunes.glob("*.npz"):
            path.unlink()
        monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
        bench.prove(plan)
        for stopped, undisturbed in zip(found, measured(bench, proof), strict=True):
            np.testing.assert_array_equal(stopped, undisturbed)
        assert bench.proof(proof).compared


@pytest.mark.parametrize("damage", [Path.unlink, truncate])
def test_a_damaged_split_is_drawn_again_and_a_damaged_fine_tune_taken_out(
    damage: Callable[[Path], None], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "workspace") as bench:
        run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean"), tiny_model)
        plan = bench.plan_proof(bench.select("pool", "fisher", "600tok", run=run).selection, QUICK)
        proof, split = bench.prove(plan), bench.folder.run(run).held_out
        rows, order = bench.held_out(run)
        every, tune = bench.tuned(proof), next(bench.folder.tunes.glob("*.npz"))
    damage(split)
    truncate(tune)
    found = verify_workspace(tmp_path / "workspace", repair=False, owner="a test")
    assert sorted(line.split(":")[0] for line in found.left) == [f"runs/{run}/held_out.npz", f"tunes/{tune.name}"]
    assert found.looked_at["fine-tunes"] == every + 1  # and the model before it is tuned
    assert verify_workspace(tmp_path / "workspace", repair=True, owner="a test").left == []
    assert verify_workspace(tmp_path / "workspace", repair=False, owner="a test").left == []
    with Workbench(tmp_path / "workspace") as bench:
        again = bench.held_out(run)
        assert (again[0].tolist(), again[1].tolist()) == (rows.tolist(), order.tolist())
        bench.resume_proof(proof)
        wait_until(lambda: bench.proof_progress(proof).state == "done" and bench.tuned(proof) == every)
