"""What can a worker run? Each task reads files from its job's folder and leaves files there.

A task is called by the worker as `task(folder, progress, **arguments)`; its arguments are
plain JSON, and what it returns is kept in the job's progress.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from core.errors import BadInput
from core.files import remove_partials, replacing
from core.insight.projection import fit_projection
from core.jobs.progress import Progress
from core.records import Example
from core.scoring.arrays import join_shards, open_arrays
from core.scoring.calibration import calibrate, draw_share
from core.scoring.identity import run_identity
from core.scoring.models import load_model, load_tokenizer
from core.scoring.rendering import Renderer
from core.scoring.scorer import score_shards
from core.scoring.shards import Shard, list_shards, plan_shards, read_shard
from core.settings import ProjectionSettings, RunSettings, ScoringSettings
from core.workspace import RunFolder, WorkspaceFolder, read_input


def score(folder: Path, progress: Progress, *, run: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Score a dataset: base pass, calibration, calibrated pass. Resumes from the shards that exist."""
    files = RunFolder(folder)
    chosen = _claim_device(_pin_models(RunSettings.checked(**settings), files))
    rows, models = InputRows(files.input), WorkspaceFolder(folder.parents[1]).models
    for half_written in ((files.path, "calibrated-model"), (files.path, "arrays"), (files.base,), (files.calibrated,)):
        remove_partials(*half_written)
    _score_pass(files.base, "Scoring with the base model", run, rows, chosen.scoring, models, progress, True)
    shards = [read_shard(path, with_features=False) for path in list_shards(files.base)]
    tokens = sum(int(shard.response_tokens[~np.isnan(shard.nll)].sum()) for shard in shards)
    if not tokens:
        raise BadInput(f"None of the {len(rows.example_ids):,} examples could be scored: {_first_reason(shards)}.")
    join_shards(list(list_shards(files.base)), files.arrays)
    calibrated = chosen.calibrated_model
    if chosen.calibration:
        _calibrate(files, rows, chosen, models, progress)
        calibrated = str(files.calibrated_model)
    if calibrated:
        second = chosen.scoring.model_copy(update={"model": calibrated, "revision": None})
        tokenizer = load_tokenizer(chosen.scoring, models)  # the same for both, or ΔNLL would compare other tokens
        phase = "Scoring with the calibrated model"
        _score_pass(files.calibrated, phase, run, rows, second, models, progress, False, tokenizer)
    return {"tokens": tokens, "seconds": progress.seconds}


def project(folder: Path, progress: Progress, *, settings: dict[str, Any]) -> dict[str, Any]:
    """Draw the map of the run whose folder holds this job's folder."""
    progress.begin("Drawing the map", 0, "")
    arrays = open_arrays(RunFolder(folder.parent).arrays)
    rows, points = fit_projection(arrays.mean_features, ProjectionSettings.checked(**settings))
    with replacing(folder / "points.npz") as partial, partial.open("wb") as stream:
        np.savez(stream, rows=rows, points=points)
    return {"points": len(rows)}


def _pin_models(settings: RunSettings, files: RunFolder) -> RunSettings:
    """The settings with a hub model's commit put in. Raises BadInput when a model is no longer what
    it was when the run was made: its shards and new ones would be of two models."""
    recorded = json.loads(files.settings.read_text(encoding="utf-8"))["model_identity"]
    if run_identity(settings) != recorded:
        raise BadInput(
            f"The model was {recorded} when this run was made and is {run_identity(settings)} now; "
            "score again, which makes a new run."
        )
    commit = recorded.split(" → ")[0].partition("@")[2] if recorded.startswith("hub:") else settings.scoring.revision
    return settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"revision": commit})})


def _claim_device(settings: RunSettings) -> RunSettings:
    """Let this process see one GPU only: the trainer would else spread over all of them."""
    kind, _, number = settings.scoring.device.partition(":")
    if kind in ("auto", "cuda"):
        if number:
            os.environ["CUDA_VISIBLE_DEVICES"] = number
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    return settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"device": kind})})


class InputRows:
    """The examples that a run scores, read from its input file a row group at a time."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        self.example_ids: list[str] = self._file.read(columns=["example_id"])["example_id"].to_pylist()
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._ends = np.cumsum(sizes)

    def read(self, rows: Sequence[int]) -> list[Example]:
        """The examples of these ascending rows; only the row groups that hold them are read."""
        groups = sorted({int(group) for group in np.searchsorted(self._ends, list(rows), side="right")})
        wanted = set(rows)
        return [example for group in groups for example in read_input(self._file, group) if example.row in wanted]


def _first_reason(shards: Sequence[Shard]) -> str:
    return next((reason for shard in shards for reason in shard.reasons if reason), "no reason was given")


def _score_pass(
    folder: Path,
    phase: str,
    run: str,
    rows: InputRows,
    settings: ScoringSettings,
    models: Path,
    progress: Progress,
    with_features: bool,
    tokenizer: Any = None,
) -> None:
    plans = plan_shards(folder, run, rows.example_ids, settings.shard_rows)
    finished = [plan for plan in plans if plan.path.exists()]
    missing = [plan for plan in plans if plan not in finished]
    if missing:
        progress.begin("Loading the model", 0, "")
        model = load_model(settings, models)
        model = replace(model, tokenizer=tokenizer) if tokenizer else model
        progress.begin(phase, len(rows.example_ids), "examples")
        progress.skip(sum(len(plan.rows) for plan in finished))
        score_shards(model, rows.read, missing, settings, progress.advance, with_features=with_features)


def _calibrate(files: RunFolder, rows: InputRows, settings: RunSettings, models: Path, progress: Progress) -> None:
    assert settings.calibration is not None
    if files.calibrated_model.exists():
        return
    shards = [read_shard(path, with_features=False) for path in list_shards(files.base)]
    scorable = np.concatenate([shard.rows[~np.isnan(shard.nll)] for shard in shards])
    drawn = draw_share([int(row) for row in scorable], settings.calibration)
    renderer = Renderer(load_tokenizer(settings.scoring, models), settings.scoring)
    rendered = [renderer.render(example.messages, example.tools) for example in rows.read(drawn)]
    progress.begin(f"Calibrating on {len(drawn):,} examples", 0, "steps")
    done = 0

    def report(step: int, steps: int) -> None:
        nonlocal done
        progress.total(steps)
        progress.advance(step - done)
        done = step

    calibrate(rendered, settings.scoring, settings.calibration, models, files.calibrated_model, report)
