"""Which file has what a fine-tune made of the held-out examples?

Its name is the hash of all that decides the result, so that the same fine-tune is never done twice: not by a proof that
is resumed, nor by another that compares with the same random subsets.
"""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from core.insight.verdict import Measured
from core.reports import Arm, ProofPlan
from core.workspace import WorkspaceFolder

DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
DECIDE = ("method", "epochs", "batch_tokens", "learning_rate", "dtype", "points", "accuracy")
NAMED = ("model", "revision")
"""What its identity says of a model: the same one may lie elsewhere."""
TUNING_VERSION = 2
"""Raised whenever the same plan would be tuned or measured otherwise than by rounding, by which threads differ too."""


class Tunes:
    """The files of a plan's fine-tunes."""

    def __init__(self, workspace: WorkspaceFolder, plan: ProofPlan) -> None:
        self._folder, self._plan = workspace.tunes, plan

    @property
    def base(self) -> Path:
        """Of the model before it is tuned."""
        return self._path([], 0, 0)

    def of(self, arm: Arm, seed: int) -> Path:
        """Of the model tuned on an arm with a training seed."""
        return self._path(arm.rows, arm.steps, seed)

    def _path(self, rows: list[int], steps: int, seed: int) -> Path:
        plan = self._plan
        decides = {
            "version": TUNING_VERSION,
            "content": plan.content_hash,
            "model": plan.model_identity,
            "scoring": {name: value for name, value in plan.scoring.items() if name not in NAMED},
            "settings": {name: plan.settings[name] for name in DECIDE},
            "held_out": plan.held_out,
            "rows": rows,
            "steps": steps,
            "seed": seed,
        }
        return self._folder / f"{hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:24]}.npz"


def is_whole(path: Path) -> bool:
    """Whether a fine-tune left its result; one that is damaged is taken away."""
    try:
        read_tune(path)
    except FileNotFoundError:
        return False
    except DAMAGED:
        path.unlink()
        return False
    return True


def read_tune(path: Path) -> Measured:
    """What a fine-tune left. Raises what numpy raises for a damaged file."""
    with np.load(path, allow_pickle=False) as stored:
        examples, trained = (int(value) for value in stored["trained"])
        return Measured(
            nll=stored["nll"],
            steps=stored["steps"],
            tokens=stored["tokens"].astype(np.float64),
            examples=examples,
            trained=trained,
            asked=stored.get("asked"),
            right=stored.get("right"),
            seconds=float(stored["seconds"]),
        )
