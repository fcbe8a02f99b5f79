"""What does a pool need of this machine? A few hundred of its rows are scored, tuned on and chosen from, by the clock.

Each kind of work is begun once before it is timed, so that what happens once in a run is not taken for what happens
with every row.
"""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from core.errors import BadInput
from core.jobs.progress import Progress, peak_memory_mb
from core.records import Rendered
from core.reports import Trial
from core.scoring.arrays import RunArrays, join_shards, open_arrays
from core.scoring.calibration import calibrate
from core.scoring.scorer import Scorer
from core.scoring.shards import list_shards
from core.selection.factors import Factors
from core.selection.greedy import Plan, search_greedy
from core.selection.room import Room
from core.selection.vectors import log_det
from core.settings import RunSettings
from core.tasks.passes import Models, Pass, RunRows
from core.workspace import RunFolder

WARM_ROWS, TUNED_STEPS, PICKED_SHARE = 8, 5, 0.1
R = TypeVar("R")


class TrialRun:
    """One trial's work, in its folder, which holds a sample of the pool as a run's input."""

    def __init__(self, files: RunFolder, name: str, settings: RunSettings, times: float, progress: Progress) -> None:
        """`times` is how many times larger than the sample the pool is."""
        self._files, self._settings, self._times, self._progress = files, settings, times, progress
        self._rows = RunRows(files, name, settings)
        self._models = Models(settings.scoring, self._rows.workspace.models)

    def complete(self) -> dict[str, Any]:
        """Do all of it anew, whatever an earlier attempt left, and report."""
        clear_work(self._files)
        try:
            return asdict(self._measure())
        finally:
            clear_work(self._files)
            self._files.input.unlink(missing_ok=True)

    def _measure(self) -> Trial:
        rendered = [self._rows.render(example) for example in self._rows.input.read(range(len(self._rows)))]
        shown = [example for example in rendered if example.unscorable_reason is None]
        if not shown:
            raise BadInput(f"None of the {len(rendered):,} rows of the sample can be scored by this model.")
        lengths = np.array([0 if example.unscorable_reason else len(example.input_ids) for example in rendered])
        scored, arrays = self._score(shown), self._join()
        chosen = self._choose(arrays)
        self._models.drop()
        return Trial(
            rows=len(rendered),
            scorable=len(shown),
            device=_name_device(self._settings.scoring.device),
            mean_tokens=float(lengths.mean()),
            sd_tokens=float(lengths.std(ddof=1)),
            **scored,
            **chosen,
            **self._tune(shown),
            memory_mb=_peak_memory_mb(),
            input_bytes=self._files.input.stat().st_size,
            array_bytes=arrays.factors.nbytes + arrays.mean_features.nbytes,
        )

    def _score(self, shown: Sequence[Rendered]) -> dict[str, Any]:
        """Seconds of loading the model, of a pass over the sample, and of one over its responses alone; and the bytes
        of the shards."""
        self._progress.begin("Loading the model", 0, "")
        files = self._files
        loading, scorer = timed(lambda: self._prepare(with_features=True))
        scorer.score(shown[:WARM_ROWS])
        passing, alone = self._pass(scorer, files.base, "Scoring a sample"), 0.0
        if self._settings.scoring.ifd:
            scorer = self._prepare(with_features=False)
            scorer.score(shown[:WARM_ROWS])
            alone = self._pass(scorer, files.alone, "Scoring the responses alone")
        return {
            "loading_seconds": loading,
            "pass_seconds": passing,
            "alone_seconds": alone,
            "shard_bytes": _size(files.base),
            "feature_bytes": _size(files.features),
        }

    def _prepare(self, *, with_features: bool) -> Scorer:
        """The model as the whole pool would have it: compiled where that pays for so many tokens."""
        tokens, kernels = round(self._times * self._rows.input.about_tokens), self._rows.workspace.kernels
        return self._models.prepare(self._settings.scoring, with_features=with_features, tokens=tokens, kernels=kernels)

    def _pass(self, scorer: Scorer, folder: Path, phase: str) -> float:
        of = Pass(self._rows, folder, self._settings.scoring)
        self._progress.begin(phase, len(self._rows), "examples")
        return timed(lambda: of.score(scorer, of.missing, self._progress.advance))[0]

    def _join(self) -> RunArrays:
        join_shards(list(list_shards(self._files.base)), list(list_shards(self._files.features)), self._files.arrays)
        return open_arrays(self._files.arrays)

    def _choose(self, arrays: RunArrays) -> dict[str, Any]:
        """Seconds of one look at every factor, and of picking a share of them; how many these are."""
        self._progress.begin("Choosing from the sample", 0, "")
        device = "cpu" if self._settings.scoring.device == "mps" else self._settings.scoring.device
        factors, rows = Factors(arrays.factors, arrays.offsets, device), np.arange(len(arrays.offsets) - 1)
        picks, ones = max(1, round(PICKED_SHARE * len(rows))), np.ones(len(rows), dtype=np.int64)

        def search() -> None:
            for _ in search_greedy(log_det(factors, 1.0), rows, Room(ones, picks), Plan(picks=picks)):
                self._progress.check()

        objective = log_det(factors, 1.0)
        objective.add(0)
        objective.gains(rows[:WARM_ROWS])
        look = timed(lambda: objective.gains(rows))[0]
        return {"look_seconds": look, "search_seconds": timed(search)[0], "picks": picks}

    def _tune(self, shown: Sequence[Rendered]) -> dict[str, Any]:
        """How many tokens were trained on, and in how many seconds: the steps after the first."""
        asked, times = self._settings.calibration, list[float]()
        if asked is None:
            return {"tuned_tokens": 0, "tuning_seconds": 0.0}

        def report(_: int, steps: int) -> None:
            times.append(time.perf_counter())
            self._progress.total(steps)
            self._progress.advance(1)

        self._progress.begin("Tuning on a part of the sample", 0, "steps")
        some = list(shown[: TUNED_STEPS * asked.batch_examples])
        epochs = math.ceil(TUNED_STEPS / math.ceil(len(some) / asked.batch_examples))
        once = asked.model_copy(update={"epochs": float(epochs), "iterations": 1})
        calibrate(some, self._settings.scoring, once, self._rows.workspace.models, self._files.calibrated_model, report)
        tokens = epochs * sum(len(example.input_ids) for example in some) * (len(times) - 1) / len(times)
        return {"tuned_tokens": round(tokens), "tuning_seconds": times[-1] - times[0]}


def timed(work: Callable[[], R]) -> tuple[float, R]:
    """How many seconds a work took, what it left to a GPU included, and its result."""
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def _peak_memory_mb() -> float:
    """The most that the GPU held, or this process where there is none."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = range(torch.cuda.device_count())
        return max(torch.cuda.max_memory_reserved(device) for device in devices) / 1024**2
    return peak_memory_mb()


def clear_work(files: RunFolder) -> None:
    """Remove what a trial made on its way to its figures."""
    for folder in (files.base, files.features, files.alone, files.arrays, files.calibrated_model):
        shutil.rmtree(folder, ignore_errors=True)
    files.clear_partials()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _name_device(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else device


def run_trial(folder: Path, progress: Progress, settings: RunSettings, times: float) -> dict[str, Any]:
    """Carry out the trial in this folder."""
    return TrialRun(RunFolder(folder), folder.name, settings, times, progress).complete()
