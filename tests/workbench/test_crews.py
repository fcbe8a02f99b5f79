"""Several processes score one run: the same bits, each row once, whoever dies."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.choices import Pick
from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from core.jobs.processes import ProcessHand
from core.jobs.worker import run_here
from core.scoring.shards import ShardPlan
from core.selection import sharing
from core.selection.parts import SEARCHING
from core.selection.registry import find_criterion
from core.selection.sharing import MEASURING
from core.settings import CalibrationSettings, CrewSettings, RunSettings, ScoringSettings
from core.tasks import crew, orders
from core.tasks.orders import PassOrder
from core.workbench import Workbench
from tests.conftest import Scored, wait_until, write_chats

ROWS, BLOCK = 160, 20


def settings(tiny_model: Path, *, every_pass: bool = False) -> RunSettings:
    scoring = ScoringSettings(
        model=str(tiny_model), max_length=96, shard_rows=BLOCK, device="cpu", ifd=every_pass, compile="never"
    )
    light = CalibrationSettings(share=0.2, epochs=1.0, method="lora")
    return RunSettings(scoring=scoring, calibration=light if every_pass else None)


def files_of(bench: Workbench, run: str) -> dict[str, str]:
    """The hash of every shard and array of a run."""
    folder = bench.folder.run(run)
    paths = [path for of in (folder.base, folder.alone, folder.calibrated, folder.arrays) for path in of.glob("*")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def score(folder: Path, rows: Path, asked: RunSettings, workers: int | None) -> dict[str, str]:
    with Workbench(folder) as bench:
        bench.ingest(rows, "chats")
        run = bench.score("chats", asked, crew=CrewSettings(workers=workers)).run
        return files_of(bench, run)


def hands_of(job: JobFolder) -> list[psutil.Process]:
    worker = job.worker()
    assert worker is not None
    return [child for child in psutil.Process(worker).children() if "spawn_main" in " ".join(child.cmdline())]


def wait_until_gone(processes: list[psutil.Process]) -> None:
    assert len(processes) == 2
    wait_until(lambda: not any(one.is_running() and one.status() != "zombie" for one in processes), 60)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chats(tmp_path_factory.mktemp("rows") / "chats.jsonl", ROWS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, rows: Path, tiny_model: Path) -> dict[str, str]:
    """The files of a run that one process made undisturbed."""
    return score(tmp_path_factory.mktemp("whole") / "workspace", rows, settings(tiny_model), None)


def test_two_processes_leave_the_files_that_one_leaves(tmp_path: Path, tiny_model: Path) -> None:
    rows, asked = write_chats(tmp_path / "chats.jsonl", 50), settings(tiny_model, every_pass=True)
    one = score(tmp_path / "one", rows, asked, None)
    assert sum(name.endswith(".safetensors") for name in one) == 3 * 3
    assert score(tmp_path / "two", rows, asked, 2) == one


def test_a_process_that_is_killed_costs_nothing(
    tmp_path: Path, tiny_model: Path, rows: Path, whole: dict[str, str]
) -> None:
    with Workbench(tmp_path / "killed") as bench:
        bench.ingest(rows, "chats")
        run = bench.start_scoring("chats", settings(tiny_model), CrewSettings(workers=2))
        job = JobFolder(bench.folder.run(run).path)
        wait_until(lambda: any(bench.folder.run(run).base.glob("0*")), 240)
        hands_of(job)[0].send_signal(signal.SIGKILL)
        wait_until(lambda: job.progress().has_ended, 240)
        assert job.progress().state == "done", job.progress()
        assert files_of(bench, run) == whole


def test_a_run_goes_on_whoever_worked_on_it_before(
    tmp_path: Path, tiny_model: Path, rows: Path, whole: dict[str, str]
) -> None:
    """The driver is killed, the next one cancelled, and the last one is alone."""
    asked = settings(tiny_model)
    with Workbench(tmp_path / "stopped") as bench:
        bench.ingest(rows, "chats")
        run = bench.start_scoring("chats", asked, CrewSettings(workers=2))
        folder, job = bench.folder.run(run), JobFolder(bench.folder.run(run).path)
        wait_until(lambda: any(folder.base.glob("0*")), 240)
        hands, worker = hands_of(job), job.worker()
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        wait_until_gone(hands)
        bench.resume_run(run)
        wait_until(lambda: job.worker() is not None and len(hands_of(job)) == 2, 240)
        hands = hands_of(job)
        bench.cancel_run(run)
        wait_until_gone(hands)
        assert bench.score("chats", asked, crew=CrewSettings(workers=1)).run == run
        assert json.loads(folder.crew.read_text())["workers"] == 1
        assert files_of(bench, run) == whole


@pytest.mark.parametrize("budget", ["9", "60tok"])
def test_parts_searched_by_two_processes_give_the_selection_that_one_gives(
    tmp_path: Path, scored: Scored, budget: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[ProcessHand]()

    def hand(*asked: Any) -> ProcessHand:
        made.append(ProcessHand(*asked))
        return made[-1]

    monkeypatch.setattr("core.tasks.sharing.ProcessHand", hand)
    settings, chosen = find_criterion("fisher").settings(search="greedi", parts=3), list[list[Pick]]()
    for workers in (1, 2):
        folder = shutil.copytree(scored.workspace, tmp_path / str(workers))
        with Workbench(folder) as bench:
            asked = CrewSettings(workers=workers)
            report = bench.select("chats", "fisher", budget, settings=settings, crew=asked)
            chosen.append(bench.selections.picks(report.selection))
    assert len(made) == 2 * (1 if budget == "9" else 2)  # tokens make two rankings
    assert chosen[0] == chosen[1]


def test_whoever_waits_for_parts_is_told_how_many_are_searched_and_may_end_it(tmp_path: Path, scored: Scored) -> None:
    settings, told = find_criterion("fisher").settings(search="greedi", parts=3), list[tuple[int, int]]()

    def follow(phase: str, done: int, total: int) -> None:
        if phase == SEARCHING:
            told.append((done, total))

    def end(phase: str, done: int, _: int) -> None:
        if phase == SEARCHING and done:
            raise InterruptedError(phase)

    with Workbench(shutil.copytree(scored.workspace, tmp_path / "copy")) as bench:
        asked: dict[str, Any] = {"settings": settings, "crew": CrewSettings(workers=2)}
        with pytest.raises(InterruptedError):
            bench.select("chats", "fisher", "9", follow=end, **asked)
        wait_until(lambda: not multiprocessing.active_children())
        bench.select("chats", "fisher", "9", follow=follow, **asked)
    assert told[0] == (0, 3) and told[-1] == (3, 3) and told == sorted(told)


@pytest.mark.parametrize("criterion", ["fisher", "ioptimal"])
def test_a_selection_that_is_measured_by_two_processes_has_the_figures_of_one(
    tmp_path: Path, scored: Scored, criterion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sharing.PIECE, "cpu", 2_000.0)
    settings, told = find_criterion(criterion).settings(search="greedi", parts=3), list[str]()
    figures = list[np.ndarray]()

    def follow(phase: str, *_: int) -> None:
        told.append(phase)

    for workers in (1, 2):
        with Workbench(shutil.copytree(scored.workspace, tmp_path / str(workers))) as bench:
            asked = CrewSettings(workers=workers)
            named = bench.select("chats", criterion, "9", settings=settings, crew=asked, follow=follow).selection
            row, left = bench.selections.get(named), bench.selections.left_out(named)
            alone = [pick.gain_alone for pick in bench.selections.picks(named)]
            figures.append(
                np.array([row.log_det, row.upper_bound, *alone, *[x for of in left for x in (of.gain, of.gain_alone)]])
            )
        assert (MEASURING in told) == (workers == 2)
    assert len(figures[0]) > 30 and np.isfinite(figures[0]).all()
    assert figures[1] == pytest.approx(figures[0], rel=1e-9, abs=1e-12)


def test_a_model_that_was_sent_to_a_killed_actor_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    place = orders.place_for_models()
    old, new = place / "old", place / "new"
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    assert orders.place_for_models() == place
    assert list(place.iterdir()) == [new]


class Killing(PassOrder):
    """An order whose process dies of one block."""

    def __call__(self) -> Callable[[ShardPlan], str | None]:
        work = super().__call__()

        def score(plan: ShardPlan) -> str | None:
            if 25 in plan.rows:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(plan)

        return score


def test_a_block_that_kills_its_process_twice_is_left_unscored(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PassOrder", Killing)
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 60), "chats")
        run = bench.score("chats", settings(tiny_model), crew=CrewSettings(workers=2)).run
        reasons = dict(bench.runs.unscorable_reasons(run))
        killed = "worker processes died while they scored its block of rows: it was killed"
        assert [count for reason, count in reasons.items() if reason.startswith(killed)] == [BLOCK]
        unscored = np.flatnonzero(np.isnan(bench.pool(bench.runs.get(run)).nll))
        assert set(range(20, 40)) <= set(unscored.tolist())
        assert len(unscored) == sum(reasons.values()) < 30
        assert bench.arrays(run).mean_features.shape[0] == 60
        assert bench.select("chats", "fisher", "10", run=run).examples == 10
