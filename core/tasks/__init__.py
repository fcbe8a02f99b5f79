"""What can a worker run? Each task reads files from its job's folder and leaves files there.

A task is called by the worker as `task(folder, progress, **arguments)`; its arguments are
plain JSON, and what it returns is kept in the job's progress.
"""

import json
from pathlib import Path
from typing import Any

from core.files import replacing
from core.jobs.progress import Progress
from core.settings import CheckSettings, ProjectionSettings, RunSettings, ScoringSettings
from core.workspace import RunFolder, WorkspaceFolder

# What a task needs is imported by it: loading a dataset must not wait for torch.


def load(folder: Path, progress: Progress, **asked: Any) -> Any:
    """Load a dataset: its rows become blocks. Goes on behind the blocks that exist."""
    from core.tasks.loading import load

    return load(folder, progress, **asked)


def score(folder: Path, progress: Progress, *, run: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Score a dataset: base pass, calibration, calibrated pass. Resumes from the shards that exist."""
    from core.tasks.crew import gather_workers
    from core.tasks.models import claim_device, pin_models
    from core.tasks.scoring import ScoringRun

    files = RunFolder(folder)
    asked = pin_models(RunSettings.checked(**settings), files)
    workers = gather_workers(files, asked.scoring)
    return ScoringRun(files, run, claim_device(asked), workers, progress).complete()


def try_out(folder: Path, progress: Progress, *, settings: dict[str, Any], times: float) -> dict[str, Any]:
    """Time the work on a sample of a pool that is so many times larger."""
    from core.tasks.models import claim_device
    from core.tasks.trial import run_trial

    return run_trial(folder, progress, claim_device(RunSettings.checked(**settings)), times)


def check(folder: Path, progress: Progress, *, file: str, trainer: Any, model: str, settings: dict[str, Any]) -> Any:
    """What a trainer would do with a file, as `dry_run.json`."""
    from dataclasses import asdict

    from core.data.trainers import check_file
    from core.scoring.models import load_tokenizer

    progress.begin(f"Dry run for {trainer}", 0, "")
    models = WorkspaceFolder(folder.parents[1]).models
    tokenizer = load_tokenizer(ScoringSettings.checked(model=model), models)
    found = check_file(Path(file), trainer, tokenizer, CheckSettings.checked(**settings))
    with replacing(folder / "dry_run.json") as partial:
        partial.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return {"will_train": found.will_train}


def project(folder: Path, progress: Progress, *, settings: dict[str, Any], name: str = "points.npz") -> dict[str, Any]:
    """Draw the map of the run whose folder holds this job's folder."""
    from core.tasks.mapping import draw_map

    return draw_map(folder, progress, name, ProjectionSettings.checked(**settings))


def prove(folder: Path, progress: Progress) -> dict[str, Any]:
    """Fine-tune on each subset of the plan in this folder, and measure. Resumes behind the fine-tunes that are done."""
    from core.tasks.proving import ProofRun
    from core.workspace import ProofFolder

    return ProofRun(ProofFolder(folder), progress).complete()
