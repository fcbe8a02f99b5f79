"""Does the scoring process need more memory for more rows?

    python benchmarks/scoring_memory.py

Scores 1,000 and 10,000 rows of 120 response tokens, each in a worker of its own, and compares what the
two workers had resident in the last quarter of the pass (the median, sampled) and the most that they ever had, which
hangs on the moment: batches come and go. The model is random, with two blocks but as many features as
SmolLM2 (d = 576), so its factors are as large as real ones. The last line is one JSON object.
"""

import json
import random
import string
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.settings import RunSettings, ScoringSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402
from tests.conftest import make_tiny_model  # noqa: E402


def main(
    rows: Annotated[int, typer.Option(help="Rows of the larger run; the smaller has a tenth.")] = 10_000,
    quick: Annotated[bool, typer.Option("--quick", help="500 and 50 rows.")] = False,
) -> None:
    """Measure and print."""
    rows = 500 if quick else rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        sizes = {"hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9}
        model = str(make_tiny_model(folder / "model", **sizes))
        small, large = (measure(folder, model, count) for count in (rows // 10, rows))
    figures = {"rows": rows, **large, **{f"{name}_tenth": value for name, value in small.items()}}
    figures["ratio"] = large["resident_memory_mb"] / small["resident_memory_mb"]
    print(json.dumps(figures))


def measure(folder: Path, model: str, rows: int) -> dict[str, float]:
    """Megabytes that the worker had resident, in the pass's last quarter and at most; the factors' mean rank."""
    generator = random.Random(rows)
    words = ["".join(generator.choices(string.ascii_letters, k=5)) for _ in range(1000)]
    path = folder / f"rows-{rows}.jsonl"
    with path.open("w") as stream:
        for i in range(rows):
            answer = " ".join(generator.choices(words, k=20))
            stream.write(json.dumps({"prompt": f"Write line {i}.", "completion": answer}) + "\n")
    settings = RunSettings(scoring=ScoringSettings(model=model), calibration=None)
    with Workbench(folder / "workspace") as bench:
        bench.ingest(path, path.stem)
        run = bench.start_scoring(path.stem, settings)
        (worker,) = bench.launcher._processes.values()
        sizes = []
        while not (progress := bench.run_progress(run)).has_ended:
            if progress.phase.startswith("Scoring"):
                sizes.append(resident(worker.pid))
            time.sleep(0.1)
        rank = float(np.diff(bench.arrays(run).offsets).mean())
        peak = float(bench.run_progress(run).result["peak_memory_mb"])
    return {
        "resident_memory_mb": float(np.median(sizes[-len(sizes) // 4 :])),
        "peak_memory_mb": peak,
        "mean_rank": rank,
    }


def resident(process: int) -> float:
    """Megabytes that a process has resident now."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    typer.run(main)
