"""How well does a run in bfloat16, or with weights in 8 or 4 bits, order the examples as an exact one does?

    python benchmarks/precision.py --source gsm8k_train.jsonl --limit 300 [--rounded 4bit --method lora] [--model ID]

Scores the same rows with the same model twice, calibration and all, and prints Spearman's rank correlation and the
largest difference of NLL, entropy, ΔNLL and ΔH, all parameters or LoRA, and how much of a tenth chosen by FisherSFT
both have. bfloat16 is compared with float32, packed weights with the device's usual precision: float32 on a CPU,
bfloat16 on a GPU. The last line is one JSON object.
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

Rounded = Literal["bfloat16", "8bit", "4bit"]
NAMES = ("nll", "entropy", "delta_nll", "delta_entropy")


def main(
    source: Annotated[str, typer.Option(help="A dataset; the demo if not given.")] = "",
    limit: Annotated[int, typer.Option(help="Rows to read.")] = 300,
    method: Annotated[Literal["full", "lora"], typer.Option(help="How to calibrate.")] = "full",
    rounded: Annotated[Rounded, typer.Option(help="What is compared.")] = "bfloat16",
    model: Annotated[str, typer.Option(help="A local folder, a hub id, or 'embedded'.")] = "embedded",
    quick: Annotated[bool, typer.Option("--quick", help="16 rows, one epoch.")] = False,
) -> None:
    """Score twice and compare."""
    calibration = CalibrationSettings(method=method, epochs=1 if quick else 3, learning_rate=5e-5)
    with tempfile.TemporaryDirectory() as folder, Workbench(Path(folder) / "workspace") as bench:
        if source:
            bench.ingest(source, "demo", IngestSettings(limit=16 if quick else limit))
        else:
            bench.ingest(demo_file(Path(folder)), "demo", IngestSettings(limit=16 if quick else limit))
        exact, other = (scores(bench, scoring, calibration) for scoring in to_compare(rounded, model))
    figures: dict[str, Any] = {"rows": len(exact["nll"]), "method": method, "rounded": rounded}
    figures["fisher_overlap"] = len(exact["picks"] & other["picks"]) / len(exact["picks"])
    for name in NAMES:
        figures[f"{name}_rank_correlation"] = float(spearmanr(exact[name], other[name]).statistic)
        figures[f"{name}_largest_difference"] = float(np.abs(exact[name] - other[name]).max())
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


def to_compare(rounded: Rounded, model: str) -> tuple[ScoringSettings, ScoringSettings]:
    """The exact settings, and the others."""
    if rounded == "bfloat16":
        return ScoringSettings(model=model, dtype="float32"), ScoringSettings(model=model, dtype="bfloat16")
    return ScoringSettings(model=model), ScoringSettings(model=model, quantization=rounded)


def scores(bench: Workbench, scoring: ScoringSettings, calibration: CalibrationSettings) -> dict[str, Any]:
    """A run's scores by name, unscorable rows left out, in nats; and the rows of a tenth chosen by FisherSFT."""
    run = bench.score("demo", RunSettings(scoring=scoring, calibration=calibration)).run
    chosen = bench.select("demo", "fisher", "10%", run=run).selection
    table = bench.runs.scores(run)
    scored = np.flatnonzero(np.isfinite(table["nll"].to_numpy()))
    found: dict[str, Any] = {name: table[name].to_numpy()[scored] for name in NAMES}
    return found | {"picks": {pick.row for pick in bench.selections.picks(chosen)}}


if __name__ == "__main__":
    typer.run(main)
