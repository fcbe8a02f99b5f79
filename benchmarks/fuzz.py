"""Does any damaged file bring the reading down, hang it, or lose a row?

    python benchmarks/fuzz.py --files 10000

Makes small files of every format, cuts, splices, flips, mixes and re-encodes them, some within gzip
or zstd, and reads each in a process that may neither crash nor take longer than --seconds. Whatever
fails is told with its seed: `--seed S --files 1` makes that file again. The last line is one JSON
object.
"""

import json
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.data.damaged import check_case, make_case  # noqa: E402


def main(
    files: Annotated[int, typer.Option(help="How many files.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the first; each next has the next.")] = 0,
    seconds: Annotated[float, typer.Option(help="What a file may take.")] = 20.0,
    quick: Annotated[bool, typer.Option("--quick", help="300 files.")] = False,
) -> None:
    """Make, damage, read, check."""
    last = seed + (300 if quick else files)
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, object]] = []
    begun, slowest, at = time.monotonic(), 0.0, seed
    while at < last:
        receiver, process = start(at, last)
        while at < last:
            since = time.monotonic()
            try:
                outcome = receiver.recv() if receiver.poll(seconds) else "hung"
            except EOFError:
                outcome = "crashed"
            slowest = max(slowest, time.monotonic() - since)
            kind, _, trace = outcome.partition("\n")
            outcomes[kind] += 1
            at += 1
            if kind in ("failed", "hung", "crashed"):
                failures.append({"seed": at - 1, "file": make_case(at - 1)[0], "what": kind, "trace": trace[-300:]})
                print(f"seed {at - 1}: {kind}\n{trace}", file=sys.stderr)
            if kind in ("hung", "crashed"):
                break
        process.kill()
        process.join()
    for kind, count in outcomes.most_common():
        print(f"{kind:>14} {count:>8,}")
    result = {
        "files": last - seed,
        "seed": seed,
        "failures": len(failures),
        "outcomes": dict(outcomes),
        "slowest_seconds": round(slowest, 3),
        "seconds": round(time.monotonic() - begun, 1),
        "first_failures": failures[:10],
    }
    print(json.dumps(result))
    raise typer.Exit(bool(failures))


def start(first: int, last: int) -> tuple[Connection, multiprocessing.process.BaseProcess]:
    """A process that checks files from this seed on, and the end on which it tells how each went."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=check_all, args=(sender, first, last))
    process.start()
    sender.close()
    return receiver, process


def check_all(sender: Connection, first: int, last: int) -> None:
    """Check one file after the other; `failed` comes with the trace."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, last):
            name, content = make_case(seed)
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                outcome = check_case(path)
            except Exception:
                outcome = f"failed\n{traceback.format_exc()}"
            sender.send(outcome)


if __name__ == "__main__":
    typer.run(main)
