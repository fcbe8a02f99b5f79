"""How much faster are the steps of a fine-tune whose head works on responses alone, as ours do on a CPU?

    python benchmarks/tuning.py [--source gsm8k_train.jsonl] [--limit 60] [--quick]

Takes the same optimiser steps on the same rows twice: as Gleaner takes them, and with the head at every position, those
of prompts and padding too, as TRL does by itself off a GPU. The last line is one JSON object: a step's median seconds,
how many times as long the other's is, and the largest difference of the losses.
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.scoring import render_rows
from core.records import Rendered
from core.scoring import training
from core.scoring.device import settle_training_dtype
from core.scoring.tuning import fine_tune, plan_steps
from core.settings import ProofSettings, ScoringSettings


def main(
    source: Annotated[str, typer.Option(help="A dataset; the demo if not given.")] = "",
    limit: Annotated[int, typer.Option(help="Rows to tune on.")] = 60,
    quick: Annotated[bool, typer.Option("--quick", help="12 rows.")] = False,
) -> None:
    """Tune twice and compare."""
    with tempfile.TemporaryDirectory() as folder:
        rows = render_rows(Path(folder), source, 12 if quick else limit, ScoringSettings())
        tokens = np.array([sum(row.response_mask) for row in rows])
        steps = plan_steps(tokens, max(4, int(tokens.sum()) // 500), 1, seed=0)
        batches = [[rows[i] for i in step] for step in steps]
        ours = tune(Path(folder), batches)
        with patch.object(training, "head_on_responses", contextlib.nullcontext):
            other = tune(Path(folder), batches)
    figures: dict[str, Any] = {
        "steps": len(steps),
        "tokens": sum(len(row.input_ids) for row in rows),
        "response_tokens": int(tokens.sum()),
        "seconds": ours[0],
        "ratio_to_every_position": other[0] / ours[0],
        "largest_loss_difference": float(np.abs(np.array(ours[1]) - other[1]).max()),
    }
    print(json.dumps(figures))


def tune(folder: Path, batches: list[list[Rendered]]) -> tuple[float, list[float]]:
    """A step's median seconds, the first and the last left out, which load and measure, and the loss of each."""
    moments = [time.perf_counter()]
    losses = fine_tune(
        batches,
        ScoringSettings(),
        ProofSettings(points=1, dtype=settle_training_dtype("auto", "auto")),
        0,
        folder / "workspace" / "models",
        lambda *_: None,
        lambda *_: moments.append(time.perf_counter()),
    )
    return median(np.diff(moments)[1:-1].tolist()), losses


if __name__ == "__main__":
    typer.run(main)
