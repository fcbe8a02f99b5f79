"""Does a plan foretell what the work then takes?

    python benchmarks/plan.py [--source FILE] [--rows 1000] [--sample 200] [--quick]

Tries a sample of a dataset (the demo without --source), foretells the whole of it on one device, then scores it with
the embedded model, calibration and all, chooses a tenth by FisherSFT, and sets what that took beside the plan. Choosing
includes all that the app measures of a selection, which a plan of few rows leaves out of account. The disk is foretold
for the moment when features are joined, and measured at the end, where less lies there; the memory is that of the
process, which compares on a CPU alone. The last line is one JSON object.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.data.demo import write_demo
from core.settings import IngestSettings, RunSettings, TrialSettings
from core.workbench import Workbench

MODEL = "calibrated-model"
"""The plan tells the disk without models."""


def main(
    source: Annotated[str, typer.Option(help="A dataset; the demo if not given.")] = "",
    rows: Annotated[int, typer.Option(help="Rows to read.")] = 1_000,
    sample: Annotated[int, typer.Option(help="Rows to try.")] = 200,
    quick: Annotated[bool, typer.Option("--quick", help="30 rows, of which 12 are tried.")] = False,
) -> None:
    """Foretell, do, and compare."""
    rows, sample = (30, 12) if quick else (rows, sample)
    with tempfile.TemporaryDirectory() as folder, Workbench(Path(folder) / "workspace") as bench:
        bench.ingest(source or write_demo(Path(folder) / "demo.jsonl"), "pool", IngestSettings(limit=rows))
        foretold = foretell(bench, sample)
        measured = work(bench)
    ratios = {name: measured[name] / foretold[name] for name in foretold}
    table = Table("figure", "foretold", "measured", "ratio")
    for name, ratio in ratios.items():
        table.add_row(name, f"{foretold[name]:,.1f}", f"{measured[name]:,.1f}", f"{ratio:.2f}")
    Console().print(table)
    print(json.dumps({"rows": rows, "sample": sample, "foretold": foretold, "measured": measured, "ratios": ratios}))


def foretell(bench: Workbench, sample: int) -> dict[str, float]:
    """What the plan says of the whole dataset, on one device."""
    _, forecast = bench.foretell(bench.try_out("pool", RunSettings(), TrialSettings(rows=sample)))
    alone = forecast.waits[0]
    return {
        "tokens": forecast.tokens,
        "scoring_seconds": alone.scoring_seconds + alone.calibrating_seconds,
        "choosing_seconds": alone.choosing_seconds,
        "memory_mb": forecast.memory_mb,
        "disk_mb": forecast.disk_bytes / 1e6,
    }


def work(bench: Workbench) -> dict[str, float]:
    """What the same takes, done."""
    run = bench.score("pool", RunSettings()).run
    done: dict[str, Any] = bench.run_progress(run).result
    scores, files = bench.runs.scores(run), (bench.folder.runs / run).rglob("*")
    start = time.perf_counter()
    bench.select("pool", "fisher", "10%", run=run)
    return {
        "tokens": float(sum(scores[name].to_numpy().sum() for name in ("prompt_tokens", "response_tokens"))),
        "scoring_seconds": float(done["seconds"]),
        "choosing_seconds": time.perf_counter() - start,
        "memory_mb": float(done["peak_memory_mb"]),
        "disk_mb": sum(path.stat().st_size for path in files if path.is_file() and path.parent.name != MODEL) / 1e6,
    }


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
