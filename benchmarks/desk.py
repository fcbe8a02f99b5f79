"""Does the Desk's arithmetic answer at once on a large pool?

    python benchmarks/desk.py [--rows 100000] [--quick]

A workspace with a dataset of so many rows, synthetic scores and factors (16 × 256), a stored order of some criteria.
Then, thirty times each: the stored order of another criterion, another budget, a pin, a ban, their price. A ban is
taken back and the same again. Median and 95th percentile in milliseconds; the first answer after opening, which
reads the scores, and the first of each further criterion stand apart. The last line is one JSON object.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.jobs.folder import JobFolder  # noqa: E402
from core.records import JobProgress  # noqa: E402
from core.settings import RunSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402

REPEATS = 30
CRITERIA = ("fisher", "instructdiff", "ppl")


def main(
    rows: Annotated[int, typer.Option(help="Examples in the pool.")] = 100_000,
    quick: Annotated[bool, typer.Option("--quick", help="A small pool, under a minute.")] = False,
) -> None:
    """Build the workspace, and time the answers."""
    count = 4_000 if quick else rows
    with tempfile.TemporaryDirectory() as folder:
        run = build_workspace(Path(folder), count)
        with Workbench(folder) as bench:
            started = time.perf_counter()
            chosen = [bench.select("pool", name, str(count // 100), run=run).selection for name in CRITERIA]
            figures = {"rows": count, "selecting_seconds": time.perf_counter() - started}
        with Workbench(folder) as bench:
            first = [measure(lambda name=name: bench.what_if(name)) for name in chosen]
            figures |= {"opening_ms": first[0], "another_criterion_first_ms": max(first[1:])}
            figures |= time_answers(bench, chosen, count)
    table = Table("answer", "ms")
    for name, value in figures.items():
        if name.endswith("_ms"):
            table.add_row(name.removesuffix("_ms").replace("_", " "), f"{value:,.0f}")
    Console().print(table)
    print(json.dumps(figures))


def time_answers(bench: Workbench, chosen: list[str], rows: int) -> dict[str, float]:
    """Median and 95th percentile of each kind of answer."""
    generator = np.random.default_rng(0)
    fisher = chosen[0]
    picks = [pick.row for pick in bench.selections.picks(fisher)]
    left = np.setdiff1d(np.arange(rows), picks)
    for selection in chosen:
        bench.what_if(selection)

    def ban() -> None:
        bench.decide("pool", [int(generator.choice(picks))], "ban")
        bench.what_if(fisher)

    def pin() -> None:
        bench.decide("pool", [int(generator.choice(left))], "pin")
        bench.what_if(fisher)

    def take_back() -> None:
        bench.undo(bench.history("pool")[-1].decision)
        bench.what_if(fisher)

    answers: dict[str, Callable[[], object]] = {
        "criterion": lambda: bench.what_if(str(generator.choice(chosen))),
        "budget": lambda: bench.what_if(fisher, str(int(generator.integers(1, rows // 50)))),
        "price": lambda: bench.price(fisher, "ban", int(generator.choice(picks))),
        "ban": ban,
        "pin": pin,
    }
    figures = {}
    for name, answer in answers.items():
        taken = []
        for _ in range(REPEATS):
            taken.append(measure(answer))
            if name in ("ban", "pin"):
                take_back()
        figures[f"{name}_median_ms"] = float(np.median(taken))
        figures[f"{name}_p95_ms"] = float(np.percentile(taken, 95))
    return figures


def measure(answer: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    started = time.perf_counter()
    answer()
    return 1000 * (time.perf_counter() - started)


def build_workspace(folder: Path, rows: int) -> str:
    """A dataset, and a finished run of it whose numbers are drawn at random; returns the run."""
    generator = np.random.default_rng(0)
    source = folder / "pool.jsonl"
    with source.open("w", encoding="utf-8") as stream:
        for i in range(rows):
            row = {"prompt": f"Question {i}?", "completion": f"Answer {i}.", "topic": f"t{i % 20}"}
            stream.write(json.dumps(row) + "\n")
    with Workbench(folder) as bench:
        bench.ingest(source, "pool")
        return add_run(bench, generator, generator.integers(20, 200, rows))


def add_run(
    bench: Workbench, generator: np.random.Generator, response_tokens: np.ndarray, rank: int = 16, d: int = 256
) -> str:
    """A finished run of the dataset `pool`, for responses of so many tokens [n]; returns its name."""
    rows, settings = len(response_tokens), RunSettings()
    bench.runs.add("synthetic", "pool", json.dumps(settings.model_dump(mode="json")), "synthetic")
    files = bench.folder.run("synthetic")
    write_arrays(files.arrays, generator, rows, rank, d)
    job = JobFolder(files.path)
    job.create("core.tasks:score", {})
    job.write(JobProgress("done"))
    for name in ("base", "calibrated"):
        columns = {
            "rows": np.arange(rows),
            "prompt_tokens": np.full(rows, 8),
            "response_tokens": response_tokens,
            "nll": generator.gamma(4, 0.3, rows),
            "entropy": generator.gamma(4, 0.3, rows),
            "gini": generator.random(rows),
            "truncated": np.zeros(rows, dtype=np.uint8),
            "reasons": [None] * rows,
        }
        bench.runs.take_shard("synthetic", name, "0.safetensors", columns)
    return "synthetic"


def write_arrays(folder: Path, generator: np.random.Generator, rows: int, rank: int, d: int) -> None:
    """Factors of so many rows of rank × d, block by block, as a base pass joins them."""
    folder.mkdir(parents=True)
    shape = (rows * rank, d)
    factors = np.lib.format.open_memmap(folder / "factors.npy", mode="w+", dtype=np.float32, shape=shape)
    scales = np.repeat(generator.lognormal(0, 0.7, rows).astype(np.float32), rank)[:, None]
    for start in range(0, len(factors), 65_536):
        block = factors[start : start + 65_536]
        block[:] = generator.standard_normal(block.shape, dtype=np.float32) * scales[start : start + 65_536]
    means = generator.standard_normal((rows, d), dtype=np.float32)
    np.save(folder / "mean_features.npy", means)
    np.save(folder / "factor_offsets.npy", np.arange(rows + 1) * rank)
    np.save(folder / "factor_kept.npy", np.ones(rows, dtype=np.float32))
    np.save(folder / "rms_norm.npy", np.array(1.0))


if __name__ == "__main__":
    typer.run(main)
