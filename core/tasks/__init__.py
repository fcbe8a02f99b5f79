"""What can a worker run? Each task reads files from its job's folder and leaves files there.

A task is called by the worker as `task(folder, progress, **arguments)`; its arguments are
plain JSON, and what it returns is kept in the job's progress.
"""

from pathlib import Path
from typing import Any

import numpy as np

from core.files import replacing
from core.insight.projection import fit_projection
from core.jobs.progress import Progress
from core.scoring.arrays import open_arrays
from core.settings import ProjectionSettings, RunSettings
from core.tasks.models import claim_device, pin_models
from core.tasks.scoring import ScoringRun
from core.workspace import RunFolder


def score(folder: Path, progress: Progress, *, run: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Score a dataset: base pass, calibration, calibrated pass. Resumes from the shards that exist."""
    files = RunFolder(folder)
    chosen = claim_device(pin_models(RunSettings.checked(**settings), files))
    return ScoringRun(files, run, chosen, progress).complete()


def project(folder: Path, progress: Progress, *, settings: dict[str, Any]) -> dict[str, Any]:
    """Draw the map of the run whose folder holds this job's folder."""
    progress.begin("Drawing the map", 0, "")
    arrays = open_arrays(RunFolder(folder.parent).arrays)
    rows, points = fit_projection(arrays.mean_features, ProjectionSettings.checked(**settings))
    with replacing(folder / "points.npz") as partial, partial.open("wb") as stream:
        np.savez(stream, rows=rows, points=points)
    return {"points": len(rows)}
