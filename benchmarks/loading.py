"""How fast, and in how much memory, does a large file load? And does a load survive being killed?

    python benchmarks/loading.py [--rows 1000000] [--kills 20] [--quick]

A JSONL file of so many rows of about 1 KB, with one bad row in every thousand. DuckDB's own `read_json` makes a table
of it, in a process of its own; then `python -m core ingest` loads it, its resident memory and its worker's together
watched ten times a second. 100,000 rows of it are exported. Then a smaller file is loaded and exported again with
kill -9 at random moments: the counts must add up, and no half file may stand under a final name. The last line is one
JSON object.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.data.export import ExportRow, export_examples  # noqa: E402
from core.workbench import Workbench  # noqa: E402

READ_JSON = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[2])
connection.execute("SET enable_progress_bar = false")
started = time.monotonic()
read = "SELECT * FROM read_json(?, format='newline_delimited', ignore_errors=true)"
connection.execute("CREATE TABLE t AS " + read, [sys.argv[1]])
print(time.monotonic() - started)
"""
BAD_EVERY = 1_000
EXPORTED = 100_000
FORMATS = ("original", "messages")


def main(
    rows: Annotated[int, typer.Option(help="Rows of the large file.")] = 1_000_000,
    kills: Annotated[int, typer.Option(help="How often a load and an export are killed.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the texts and the moments.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="4,000 rows and a kill.")] = False,
) -> None:
    """Load, compare, kill."""
    rows, kills = (4_000, 1) if quick else (rows, kills)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_load(Path(folder), rows, seed) | measure_kills(Path(folder), min(rows, 60_000), kills, seed)
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:,.4g}" if isinstance(value, float) else f"{value:,}")
    Console().print(table)
    print(json.dumps(figures))


def measure_load(folder: Path, rows: int, seed: int) -> dict[str, Any]:
    """Seconds and peak memory of a load, beside DuckDB's own, and of two exports."""
    source = write_rows(folder / "large.jsonl", rows, random.Random(seed))
    command = [sys.executable, "-c", READ_JSON, str(source), str(folder / "own.duckdb")]
    own = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (folder / "own.duckdb").unlink()
    started = time.monotonic()
    process = subprocess.Popen(
        ingest_command(source, folder / "workspace"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    peak = watch_memory(process)
    seconds = time.monotonic() - started
    report = json.loads(process.stdout.read() if process.stdout else b"")
    assert report["rows_read"] == rows == report["rows_loaded"] + report["rows_quarantined"], report
    assert report["rows_quarantined"] == rows // BAD_EVERY, report
    megabytes = source.stat().st_size / 1e6
    source.unlink()
    return {
        "rows": rows,
        "megabytes": round(megabytes),
        "load_seconds": seconds,
        "read_json_seconds": own,
        "ratio_to_read_json": own / seconds,
        "peak_memory_mb": peak,
    } | measure_exports(folder, min(EXPORTED, report["rows_loaded"]))


def measure_exports(folder: Path, count: int) -> dict[str, float]:
    """Seconds to write so many examples as JSONL."""
    figures = {}
    with Workbench(folder / "workspace") as bench:

        def examples() -> Any:
            for start in range(0, count, 1_000):
                for e in bench.datasets.examples("large", range(start, min(start + 1_000, count))):
                    yield ExportRow(e.row, e.example_id, e.messages, e.tools, e.original)

        for shape in FORMATS:
            started = time.monotonic()
            export_examples(examples, shape, folder / f"{shape}.jsonl")
            figures[f"export_{shape}_seconds"] = time.monotonic() - started
    return figures


def measure_kills(folder: Path, rows: int, kills: int, seed: int) -> dict[str, Any]:
    """A load killed and begun again until it ends, until `kills` moments were met; then the same for exports."""
    moments, workspace, met = random.Random(seed), folder / "killed", 0
    source = write_rows(folder / "small.jsonl", rows, random.Random(seed + 1))
    started = time.monotonic()
    expected = load(source, folder / "undisturbed", "small")
    usual = time.monotonic() - started
    while met < kills:
        shutil.rmtree(workspace, ignore_errors=True)
        for _ in range(4):
            process = subprocess.Popen(
                ingest_command(source, workspace, "small", worker=bool(met % 2)),
                cwd=ROOT,
                env=os.environ | {"GLEANER_BLOCK_ROWS": "1000"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            time.sleep(moments.uniform(0.3, 1.2) * usual)
            met += kill_all(process)
        assert load(source, workspace, "small") == expected
        with Workbench(workspace) as bench:
            ids = bench.datasets.example_ids("small")
            assert len(ids) == len(set(ids)) == expected["rows_loaded"]
            assert len(bench.repairs.entries("small")) == expected["rows_quarantined"]
    return {"kills": met, "killed_loads_that_differ": 0} | kill_exports(folder, workspace, kills, moments)


def kill_exports(folder: Path, workspace: Path, kills: int, moments: random.Random) -> dict[str, int]:
    """An export killed at random moments leaves a whole file or none."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from benchmarks.loading import export_all\n"
        "export_all(Path(sys.argv[2]), Path(sys.argv[3]))\n"
    )
    target = folder / "out.jsonl"
    whole = export_all(workspace, target)
    target.unlink()
    half = 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(ROOT), str(workspace), str(target)], start_new_session=True
        )
        time.sleep(moments.uniform(1.0, 5.0))
        kill_all(process)
        half += target.exists() and target.read_bytes() != whole
        target.unlink(missing_ok=True)
    assert export_all(workspace, target) == whole
    return {"half_exports": half}


def export_all(workspace: Path, target: Path) -> bytes:
    """Export the whole small dataset."""
    with Workbench(workspace) as bench:

        def examples() -> Any:
            for block in bench.datasets.blocks("small", 1_000):
                for e in block:
                    yield ExportRow(e.row, e.example_id, e.messages, e.tools, e.original)

        export_examples(examples, "messages", target)
    return target.read_bytes()


def ingest_command(source: Path, workspace: Path, name: str = "large", *, worker: bool = True) -> list[str]:
    """The command line that loads; a small file is loaded in its own process, or with `worker` in another."""
    short = "0" if worker else "32000000"
    script = (
        f"import core.workbench.loading as l; l.SHORT_BYTES = {short}; import core.__main__ as m, sys; "
        f"sys.argv = ['core', 'ingest', {str(source)!r}, '--name', {name!r}, '--workspace', {str(workspace)!r}, "
        "'--json']; sys.exit(m.main())"
    )
    return [sys.executable, "-c", script]


def load(source: Path, workspace: Path, name: str) -> dict[str, Any]:
    """Load undisturbed."""
    done = subprocess.run(ingest_command(source, workspace, name), cwd=ROOT, capture_output=True, check=True, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def kill_all(process: subprocess.Popen[bytes]) -> int:
    """Kill a process with its children, workers in sessions of their own among them; whether it still ran."""
    was_running = process.poll() is None
    if was_running:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            try:
                os.kill(member.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    process.wait()
    return int(was_running)


def watch_memory(process: subprocess.Popen[bytes]) -> float:
    """The peak of what a process and its children have resident, in MB."""
    peak = 0.0
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family) / 1e6)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.1)
    return peak


def write_rows(path: Path, rows: int, words: random.Random) -> Path:
    """Alpaca rows of about 1 KB; one in a thousand is no JSON."""
    known = ["".join(words.choices("aeioubcdfglmnprst", k=words.randint(2, 9))) for _ in range(5_000)]
    texts = [" ".join(words.choices(known, k=60)) for _ in range(2_000)]
    with path.open("w", encoding="utf-8") as stream:
        for i in range(rows):
            if i % BAD_EVERY == BAD_EVERY - 1:
                stream.write(f'{{"instruction": "cut off {i}\n')
                continue
            asked, said = words.choice(texts)[:200], words.choice(texts) + " " + words.choice(texts)
            row = {"instruction": f"{i}: {asked}", "input": "", "output": said, "topic": f"t{i % 20}"}
            stream.write(json.dumps(row) + "\n")
    return path


if __name__ == "__main__":
    typer.run(main)
