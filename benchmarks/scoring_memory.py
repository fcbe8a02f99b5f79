"""Does the scoring process need more memory for more rows?

    python benchmarks/scoring_memory.py

Scores 1,000 and 10,000 short chats, each in a worker of its own, and compares the most memory that the
two workers ever had. The embedded model, unless --model names another. The last line is one JSON object.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.settings import RunSettings, ScoringSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402
from tests.conftest import make_tiny_model, write_chats  # noqa: E402


def main(
    rows: Annotated[int, typer.Option(help="Rows of the larger run; the smaller has a tenth.")] = 10_000,
    dtype: Annotated[str, typer.Option(help="Precision of the weights.")] = "bfloat16",
    quick: Annotated[bool, typer.Option("--quick", help="A tiny random model.")] = False,
) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        model = str(make_tiny_model(folder / "model")) if quick else "embedded"
        small, large = (peak(folder, model, dtype, count) for count in (rows // 10, rows))
    figures = {"rows": rows, "peak_memory_mb_tenth": small, "peak_memory_mb": large, "ratio": large / small}
    print(json.dumps(figures))


def peak(folder: Path, model: str, dtype: str, rows: int) -> float:
    """The most megabytes that the worker had resident."""
    settings = RunSettings(scoring=ScoringSettings(model=model, dtype=dtype), calibration=None)
    with Workbench(folder / "workspace") as bench:
        bench.ingest(write_chats(folder / f"chats-{rows}.jsonl", rows), f"chats-{rows}")
        run = bench.score(f"chats-{rows}", settings).run
        return float(bench.run_progress(run).result["peak_memory_mb"])


if __name__ == "__main__":
    typer.run(main)
