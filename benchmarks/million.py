"""A million rows through the whole app: how long does each step take, and how much memory?

    python benchmarks/million.py [--rows 1000000] [--keep DIR] [--quick]

Texts are a real corpus's sentences put together anew, about as long as Alpaca's; scores and factors (8 × 128 an
example, as `projection=128` makes them) are drawn at random, since scoring is what `plan` foretells. What follows is
the app's own: loading, choosing 10,000 of them by stochastic search, the map (a sample laid out, the others placed),
gains and coverage, the export, and the first drawing of nine pages. Memory is the most that the process
held during the step, what it has of memory maps included; of a job that of its worker. The last line is one JSON
object.
"""

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.desk import add_run  # noqa: E402
from benchmarks.ui_pool import CHARACTERS_A_TOKEN, read_corpus, write_texts  # noqa: E402
from core.jobs.folder import JobFolder  # noqa: E402
from core.selection.registry import find_criterion  # noqa: E402
from core.settings import ProjectionSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402
from core.workspace import write_input  # noqa: E402

RANK, D, BLOCK_ROWS = 8, 128, 4_096
PAGES = ("dataset", "select", "map", "gains", "example", "compare", "review", "export", "status")


class Steps:
    """What each step took: seconds, and megabytes."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, float]] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """Do it, by the clock."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        start = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - start
        held = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
        self.taken[name] = {"seconds": seconds, "peak_mb": int(held[1]) / 1024 if held else 0.0}
        print(f"{name}: {seconds:,.1f} s, {self.taken[name]['peak_mb']:,.0f} MB", file=sys.stderr, flush=True)
        return result


def main(
    rows: Annotated[int, typer.Option(help="Rows of the pool.")] = 1_000_000,
    keep: Annotated[Path | None, typer.Option(help="A folder for the workspace, which then stays.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="3,000 rows, under a minute.")] = False,
) -> None:
    """Run every step once."""
    rows, folder = 3_000 if quick else rows, keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps()
    try:
        go(folder, rows, steps, fitted=1_000 if quick else ProjectionSettings().fitted)
    finally:
        if keep is None:
            shutil.rmtree(folder)
    table = Table("step", "seconds", "peak MB")
    for name, taken in steps.taken.items():
        table.add_row(name, f"{taken['seconds']:,.1f}", f"{taken['peak_mb']:,.0f}")
    Console().print(table)
    print(json.dumps({"rows": rows, "steps": steps.taken}))


def go(folder: Path, rows: int, steps: Steps, fitted: int) -> None:
    """From the file to the pages."""
    generator = np.random.default_rng(0)
    lengths, _ = write_texts(folder / "pool.jsonl", read_corpus(folder, ""), rows, generator)
    workspace = folder / "workspace"
    with Workbench(workspace) as bench:
        steps.time("load", lambda: bench.ingest(folder / "pool.jsonl", "pool"))
        tokens = np.maximum(1, lengths // CHARACTERS_A_TOKEN)
        run = steps.time("take in scores", lambda: add_run(bench, generator, tokens, RANK, D))
        write_input(bench.folder.run(run).input, bench.datasets.blocks("pool", BLOCK_ROWS))
        bench.folder.run(run).settings.write_text(json.dumps({"dataset": "pool", "template": "synthetic"}))
        selection = choose(bench, run, steps)
        steps.time("map", lambda: draw_map(bench, run, fitted))
        job = JobFolder(bench.folder.run(run).map).progress()
        steps.taken["map"]["peak_mb"] = job.memory_mb
        steps.time("ledger with covers", lambda: bench.ledger(selection, folder / "ledger.parquet"))
        steps.time("coverage of a column", lambda: bench.coverage(selection, "topic"))
        steps.time("reasons of every row", lambda: bench.reasons(selection, folder / "reasons.parquet"))
        steps.time("export", lambda: bench.export(selection, "messages", folder / "chosen.jsonl"))
    for page in PAGES:
        steps.time(f"page {page}", lambda page=page: open_page(workspace, page, selection))


def choose(bench: Workbench, run: str, steps: Steps) -> str:
    """A selection of 10,000, or of a tenth where that is less."""
    settings = find_criterion("fisher").settings(search="stochastic")
    budget = str(min(10_000, bench.datasets.get("pool").rows_loaded // 10))
    report = steps.time("select", lambda: bench.select("pool", "fisher", budget, run=run, settings=settings))
    return str(report.selection)


def draw_map(bench: Workbench, run: str, fitted: int) -> None:
    """By its job, as the page does."""
    bench.start_map(run, ProjectionSettings(fitted=fitted))
    while not bench.map_progress(run).has_ended:
        time.sleep(0.5)
    assert bench.map_progress(run).state == "done", bench.map_progress(run)
    bench.take_in()


def open_page(workspace: Path, page: str, selection: str) -> None:
    """What the server does when a page is opened first."""
    from streamlit.testing.v1 import AppTest

    os.environ["GLEANER_WORKSPACE"] = str(workspace)
    app = AppTest.from_file(str(ROOT / "core" / "web" / "frame.py"), default_timeout=1800)
    app.query_params["selection"] = selection
    app.run()
    app.switch_page(f"../../pages/{page}.py").run()
    assert not app.exception, app.exception
    assert not app.error, [error.value for error in app.error]


if __name__ == "__main__":
    typer.run(main)
