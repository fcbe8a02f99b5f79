"""How well does a bfloat16 run order the examples as a float32 run does?

    python benchmarks/precision.py --source gsm8k_train.jsonl --limit 300

Scores the same rows with the embedded model twice, calibration and all, and prints Spearman's rank
correlation and the largest relative difference of NLL, entropy, ΔNLL and ΔH, all parameters or LoRA.
The last line is one JSON object.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.settings import CalibrationSettings, IngestSettings, RunSettings, ScoringSettings
from core.workbench import Workbench

NAMES = ("nll", "entropy", "delta_nll", "delta_entropy")


def main(
    source: Annotated[str, typer.Option(help="A dataset; the demo if not given.")] = "",
    limit: Annotated[int, typer.Option(help="Rows to read.")] = 300,
    method: Annotated[Literal["full", "lora"], typer.Option(help="How to calibrate.")] = "full",
    quick: Annotated[bool, typer.Option("--quick", help="16 rows, one epoch.")] = False,
) -> None:
    """Score twice and compare."""
    calibration = CalibrationSettings(method=method, epochs=1 if quick else 3, learning_rate=5e-5)
    with tempfile.TemporaryDirectory() as folder, Workbench(Path(folder) / "workspace") as bench:
        if source:
            bench.ingest(source, "demo", IngestSettings(limit=16 if quick else limit))
        else:
            bench.ingest(demo_file(Path(folder)), "demo", IngestSettings(limit=16 if quick else limit))
        exact, rounded = (scores(bench, dtype, calibration) for dtype in ("float32", "bfloat16"))
    figures: dict[str, Any] = {"rows": len(exact["nll"]), "method": method}
    for name in NAMES:
        figures[f"{name}_rank_correlation"] = float(spearmanr(exact[name], rounded[name]).statistic)
        figures[f"{name}_largest_difference"] = float(np.abs(exact[name] - rounded[name]).max())
        figures[f"{name}_spread"] = float(exact[name].std())
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(json.dumps(figures))


def demo_file(folder: Path) -> Path:
    """The demo as a file, so that a limit can be put on it."""
    from core.data.demo import write_demo

    return write_demo(folder / "demo.jsonl")


def scores(bench: Workbench, dtype: str, calibration: CalibrationSettings) -> dict[str, np.ndarray]:
    """A run's scores by name, unscorable rows left out, in nats."""
    settings = RunSettings(scoring=ScoringSettings(dtype=dtype), calibration=calibration)
    table = bench.runs.scores(bench.score("demo", settings).run)
    scored = np.flatnonzero(np.isfinite(table["nll"].to_numpy()))
    return {name: table[name].to_numpy()[scored] for name in NAMES}


if __name__ == "__main__":
    typer.run(main)
