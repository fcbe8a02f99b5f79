"""What can a worker run? Each task reads files from its job's folder and leaves files there.

A task is called by the worker as `task(folder, progress, **arguments)`; its arguments are
plain JSON, and what it returns is kept in the job's progress.
"""

import time
from collections.abc import Sequence
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
from core.scoring.models import load_model, load_tokenizer
from core.scoring.rendering import Renderer
from core.scoring.scorer import score_shards
from core.scoring.shards import Shard, list_shards, plan_shards, read_shard
from core.settings import ProjectionSettings, RunSettings, ScoringSettings
from core.workspace import RunFolder, WorkspaceFolder, read_input


def score(folder: Path, progress: Progress, *, run: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Score a dataset: base pass, calibration, calibrated pass. Resumes from the shards that exist."""
    chosen, files = RunSettings.checked(**settings), RunFolder(folder)
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
        _score_pass(files.calibrated, "Scoring with the calibrated model", run, rows, second, models, progress, False)
    return {"tokens": tokens, "seconds": time.time() - progress.started}


def project(folder: Path, progress: Progress, *, settings: dict[str, Any]) -> dict[str, Any]:
    """Draw the map of the run whose folder holds this job's folder."""
    progress.begin("Drawing the map", 0, "")
    arrays = open_arrays(RunFolder(folder.parent).arrays)
    rows, points = fit_projection(arrays.mean_features, ProjectionSettings.checked(**settings))
    with replacing(folder / "points.npz") as partial, partial.open("wb") as stream:
        np.savez(stream, rows=rows, points=points)
    return {"points": len(rows)}


class InputRows:
    """The examples that a run scores, read from its input file a row group at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.example_ids: list[str] = pq.read_table(path, columns=["example_id"])["example_id"].to_pylist()

    def read(self, rows: range) -> list[Example]:
        """The examples of a range of rows."""
        return read_input(self._path, rows)


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
) -> None:
    plans = plan_shards(folder, run, rows.example_ids, settings.shard_rows)
    finished = [plan for plan in plans if plan.path.exists()]
    progress.begin(phase, len(rows.example_ids), "examples")
    progress.skip(sum(len(plan.rows) for plan in finished))
    missing = [plan for plan in plans if plan not in finished]
    if missing:
        model = load_model(settings, models)
        score_shards(model, rows.read, missing, settings, progress.advance, with_features=with_features)


def _calibrate(files: RunFolder, rows: InputRows, settings: RunSettings, models: Path, progress: Progress) -> None:
    assert settings.calibration is not None
    if files.calibrated_model.exists():
        return
    shards = [read_shard(path, with_features=False) for path in list_shards(files.base)]
    scorable = np.concatenate([shard.rows[~np.isnan(shard.nll)] for shard in shards])
    drawn = draw_share([int(row) for row in scorable], settings.calibration)
    renderer = Renderer(load_tokenizer(settings.scoring, models), settings.scoring)
    rendered = [renderer.render(e.messages, e.tools) for e in _read_each(rows, drawn)]
    progress.begin(f"Calibrating on {len(drawn):,} examples", 0, "steps")
    done = 0

    def report(step: int, steps: int) -> None:
        nonlocal done
        progress.total(steps)
        progress.advance(step - done)
        done = step

    calibrate(rendered, settings.scoring, settings.calibration, models, files.calibrated_model, report)


def _read_each(rows: InputRows, drawn: Sequence[int]) -> list[Example]:
    return [example for row in drawn for example in rows.read(range(row, row + 1))]
