"""Twenty people on one server for half an hour while a job scores: quick, no error, no lost decision, no more memory.

`python -m tests.faults.soak --minutes 30 --sessions 20` prints its figures as one JSON object and ends with 1 where
one of them misses its mark.
"""

import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer

from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench
from tests.conftest import make_tiny_model, write_chats
from tests.e2e.driving import Server, serving
from tests.faults.session import Session

PAGES = ("", "select", "map", "gains", "example", "compare", "review")
THINKING = (3.0, 12.0)
LOOK_SECONDS, SETTLED_SHARE, GROWTH, P95_SECONDS = 0.5, 1 / 6, 0.10, 1.0
BACKGROUND_ROWS = 60_000
RAISED = re.compile(r"Error\b|Exception\b|ERROR|Traceback")


@dataclass(frozen=True)
class Soaked:
    """What came of it. Memory is the server's resident set, in megabytes, a sixth into the time and at its highest
    after that."""

    sessions: int
    minutes: float
    interactions: int
    median_seconds: float
    p95_seconds: float
    longest_seconds: float
    p95_by_kind: dict[str, float]
    count_by_kind: dict[str, int]
    errors: list[str]
    decisions: int
    lost: int
    doubled: int
    memory_settled: float
    memory_highest: float
    memory_by_minute: list[int]
    job: str

    @property
    def missed(self) -> list[str]:
        """Which marks were missed."""
        marks = {
            "errors": not self.errors,
            "lost decisions": not self.lost and not self.doubled and self.decisions > 0,
            "95th percentile": self.p95_seconds < P95_SECONDS,
            "job": "more" not in self.job or "more running" in self.job,
            "memory": self.memory_highest <= self.memory_settled * (1 + GROWTH),
        }
        return [name for name, holds in marks.items() if not holds]


def prepare(folder: Path, rows: int, background: int) -> dict[str, str]:
    """A scored dataset with a map and two selections, and a long job that scores another; returns the address."""
    model = str(make_tiny_model(folder / "model"))
    with Workbench(folder / "workspace") as bench:
        bench.ingest(write_chats(folder / "chats.jsonl", rows), "chats")
        scoring = ScoringSettings(model=model, max_length=128)
        run = bench.score("chats", RunSettings(scoring=scoring, calibration=None)).run
        features = np.nan_to_num(np.asarray(bench.arrays(run).mean_features, dtype=np.float32))
        bench.runs.store_map(run, "points.npz", np.arange(len(features)), features[:, :2])
        for criterion in ("random", "fisher"):
            selection = bench.select("chats", criterion, "10%", run=run).selection
        if background:
            bench.ingest(write_chats(folder / "more.jsonl", background), "more")
            bench.start_scoring("more", RunSettings(calibration=None))
    return {"dataset": "chats", "run": run, "selection": selection}


class Person:
    """Somebody who reads, tunes and decides until the time is up."""

    def __init__(self, number: int, server: Server, address: dict[str, str]) -> None:
        self.number, self.dice, self.made = number, random.Random(number), list[str]()
        host = server.address.removeprefix("http://")
        self.session = Session(host, "example", address | {"row": str(10 * number)})

    async def live(self, until: float) -> None:
        """Come, act, think, and go."""
        await asyncio.sleep(self.dice.uniform(*THINKING))
        await self.session.open()
        while time.monotonic() < until:
            await self.act()
            await self.think(min(self.dice.uniform(*THINKING), max(until - time.monotonic(), 0)))
        await self.session.close()

    async def think(self, seconds: float) -> None:
        """Meanwhile the page asks for news."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            await self.session.listen()

    async def act(self) -> None:
        """One thing of those that people do."""
        kind = self.dice.choice(["visit", "next", "note", "ban", "slide", "undo"])
        if kind == "visit":
            await self.session.visit(self.dice.choice(PAGES))
        elif kind == "slide":
            await self.session.visit("select")
            await self.session.slide("Budget", self.dice.random())
        else:
            await self.session.visit("example")
            if kind == "next":
                await self.session.press("Next")
            elif kind == "undo":
                await self.session.press("Undo")
            else:
                why = f"p{self.number}-{len(self.made)}"
                if await self.session.press(kind.capitalize(), Why=why):
                    self.made.append(why)


async def watch_memory(process: psutil.Process, until: float, seen: list[tuple[float, float]]) -> None:
    """Note the server's memory every few seconds."""
    while time.monotonic() < until:
        seen.append((time.monotonic(), process.memory_info().rss / 1e6))
        await asyncio.sleep(2)


async def crowd(server: Server, address: dict[str, str], sessions: int, seconds: float) -> tuple[list[Person], list]:
    """Everybody at once; returns them, and the memory over time."""
    until, memory = time.monotonic() + seconds, list[tuple[float, float]]()
    people = [Person(number, server, address) for number in range(sessions)]
    watching = watch_memory(psutil.Process(server.process.pid), until, memory)
    await asyncio.gather(watching, *(person.live(until) for person in people))
    return people, memory


def soak(folder: Path, sessions: int, minutes: float, rows: int = 2_000, background: int = BACKGROUND_ROWS) -> Soaked:
    """Prepare, let people in, and count."""
    address = prepare(folder, rows, background)
    # in a thread of its own, since a browser's tests leave a loop running in theirs
    with serving(folder / "workspace", folder / "server.log") as server, ThreadPoolExecutor(1) as thread:
        people, memory = thread.submit(asyncio.run, crowd(server, address, sessions, 60 * minutes)).result()
    with Workbench(folder / "workspace") as bench:
        whys = Counter(decision.why for decision in bench.history("chats"))
        runs = [run for dataset in bench.datasets.all() for run in bench.runs.of_dataset(dataset.name)]
        job = ", ".join(f"{run.dataset} {bench.run_progress(run.run).state}" for run in runs)
        for run in runs:
            bench.cancel_run(run.run)
        while any(bench.run_progress(run.run).is_working for run in runs):
            time.sleep(0.1)
    made = [why for person in people for why in person.made]
    taken = [each for person in people for each in person.session.seconds]
    kinds = {kind: [seconds for _, of, seconds in taken if of == kind] for kind in sorted({of for _, of, _ in taken})}
    seconds = np.array([each[2] for each in taken])
    settled = [rss for at, rss in memory if at <= memory[0][0] + SETTLED_SHARE * 60 * minutes][-1]
    later = [rss for at, rss in memory if at > memory[0][0] + SETTLED_SHARE * 60 * minutes]
    return Soaked(
        sessions=sessions,
        minutes=minutes,
        interactions=len(taken),
        median_seconds=float(np.median(seconds)),
        p95_seconds=float(np.quantile(seconds, 0.95)),
        longest_seconds=float(seconds.max()),
        p95_by_kind={kind: round(float(np.quantile(of, 0.95)), 3) for kind, of in kinds.items()},
        count_by_kind={kind: len(of) for kind, of in kinds.items()},
        errors=[*(error for person in people for error in person.session.errors), *_log_errors(folder / "server.log")],
        decisions=len(made),
        lost=sum(whys[why] == 0 for why in made),
        doubled=sum(whys[why] > 1 for why in made),
        memory_settled=settled,
        memory_highest=max(later, default=settled),
        memory_by_minute=by_minute(memory),
        job=job,
    )


def by_minute(memory: list[tuple[float, float]]) -> list[int]:
    """The median of each minute, in MB."""
    minutes = np.array([int((at - memory[0][0]) // 60) for at, _ in memory])
    held = np.array([rss for _, rss in memory])
    return [round(float(np.median(held[minutes == minute]))) for minute in np.unique(minutes)]


def _log_errors(log: Path) -> list[str]:
    """What the server logged as an error, and every line that is no log line of ours but its address."""
    found = list[str]()
    for line in log.read_text(errors="replace").splitlines():
        try:
            is_bad = json.loads(line)["level"] in ("error", "critical")
        except (ValueError, TypeError, KeyError):
            is_bad = bool(RAISED.search(line))
        found += [line] if is_bad else []
    return found


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 30.0,
    sessions: Annotated[int, typer.Option(help="How many people.")] = 20,
) -> None:
    """Run it, print the figures, and end with 1 where one misses its mark."""
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), sessions, minutes)
        print(json.dumps(asdict(soaked) | {"missed": soaked.missed}), flush=True)
    sys.exit(1 if soaked.missed else 0)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
