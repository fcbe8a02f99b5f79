"""Does a run that is killed again and again end with the same bits?

    python benchmarks/resume.py --kills 20

Scores and calibrates 400 chats once undisturbed and once with kill -9 at random moments, and compares
every file of the two runs: shards of all passes, joined arrays, the calibrated model. A tiny random
model, unless --model names another. The last line is one JSON object.
"""

import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.settings import CalibrationSettings, RunSettings, ScoringSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402
from tests.conftest import make_tiny_model, write_chats  # noqa: E402


def main(
    kills: Annotated[int, typer.Option(help="How often the worker is killed.")] = 20,
    rows: Annotated[int, typer.Option(help="Rows to score.")] = 400,
    model: Annotated[str, typer.Option(help="A model; a tiny random one if not given.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 0,
    method: Annotated[Literal["full", "lora"], typer.Option(help="How to calibrate.")] = "full",
    iterations: Annotated[int, typer.Option(help="Rounds of calibration.")] = 1,
    compile: Annotated[Literal["never", "always"], typer.Option(help="Whether the pass is compiled.")] = "never",
    quick: Annotated[bool, typer.Option("--quick", help="3 kills.")] = False,
) -> None:
    """Kill, resume, compare."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model").mkdir()
        name = model or str(make_tiny_model(Path(folder) / "model"))
        settings = RunSettings(
            scoring=ScoringSettings(
                model=name, shard_rows=4, batch_tokens=256, max_length=128, ifd=True, compile=compile
            ),
            calibration=CalibrationSettings(epochs=1, method=method, iterations=iterations),
        )
        print(json.dumps(measure(Path(folder), 3 if quick else kills, rows, settings, random.Random(seed))))


def measure(folder: Path, kills: int, rows: int, settings: RunSettings, moments: random.Random) -> dict[str, Any]:
    """Both runs, and how their files differ."""
    source = write_chats(folder / "chats.jsonl", rows)
    with Workbench(folder / "undisturbed") as bench:
        bench.ingest(source, "chats")
        start = time.monotonic()
        run = bench.score("chats", settings).run
        seconds = time.monotonic() - start
        expected = hashes(bench.folder.run(run).path)
    done, stages, attempt, different = 0, [], 0, []
    while done < kills:
        attempt += 1
        with Workbench(folder / f"killed-{attempt}") as bench:
            bench.ingest(source, "chats")
            while done < kills:
                bench.start_scoring("chats", settings)
                stage = kill_after(bench, run, moments.uniform(0, seconds))
                if stage is None:
                    break
                done += 1
                stages.append(stage)
            bench.score("chats", settings)
            found = hashes(bench.folder.run(run).path)
        different += [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
    print(f"killed while: {stages}")
    return {
        "kills": done,
        "runs": attempt,
        "files_compared": len(expected),
        "files_different": len(different),
        "different": sorted(different)[:10],
        "stages": {stage: stages.count(stage) for stage in set(stages)},
    }


def kill_after(bench: Workbench, run: str, seconds: float) -> str | None:
    """Kill the worker then; what it was doing, or None when it had finished before."""
    time.sleep(seconds)
    progress = bench.run_progress(run)
    processes = list(bench.launcher._processes.values())
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    return None if progress.state == "done" or not processes else progress.phase


def hashes(run: Path) -> dict[str, str]:
    """Sha256 of every result, by its path within the run; what a job says of itself is left out."""
    kept = ("base", "alone", "calibrated", "calibrated-model", "arrays", "rounds")
    files = [path for name in kept for path in (run / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    typer.run(main)
