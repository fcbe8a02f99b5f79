"""Kill -9 at random moments: what was acknowledged is there, nothing is there twice, and the end is the same.

`python -m tests.faults.kills 100` is the long form; `tests/faults/test_kills.py` runs a few.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.jobs.folder import JobFolder
from core.workbench import Workbench
from tests.conftest import ROOT, make_tiny_model, write_chats
from tests.faults.actor import DATASET, DECISIONS

ROWS = 600
ENDING_SECONDS = 300


@dataclass
class Place:
    """A workspace that an actor works in, what it was given, and what it acknowledged so far."""

    folder: Path
    source: Path
    model: Path
    acknowledged: list[list[Any]] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def export(self) -> Path:
        return self.folder / "chosen" / "chosen.jsonl"

    def begin(self) -> subprocess.Popen[str]:
        """Start an actor that goes on here."""
        words = [self.workspace, self.source, self.model, self.export]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.actor", *map(str, words)],
            cwd=ROOT,
            env=os.environ | {"GLEANER_ROOTS": str(self.source.parent)},
            stdout=subprocess.PIPE,
            stderr=(self.folder / "errors.txt").open("a"),
            text=True,
        )

    def listen(self, actor: subprocess.Popen[str]) -> None:
        """Take down what an actor that has ended acknowledged; a line that it did not finish is none."""
        assert actor.stdout is not None
        self.acknowledged += [json.loads(line) for line in actor.stdout if line.endswith("\n")]

    def of(self, what: str) -> list[Any]:
        """What was acknowledged of one kind, in order."""
        return [of for kind, of in self.acknowledged if kind == what]


def workers_of(workspace: Path) -> Iterator[int]:
    """The process ids of the living workers."""
    for path in workspace.glob("*/*/job.json"):
        job = JobFolder(path.parent)
        if job.is_alive() and (pid := (path.parent / "worker.lock").read_text().strip()):
            yield int(pid)


def kill(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def damages_in(bench: Workbench) -> list[str]:
    """What is wrong, but for what a kill may leave until its work is begun again: a half file under no final name, a
    run whose folder was made and whose record was not."""
    return [told for told in bench.look_over().left if not told.endswith(("it is removed.", "it is entered."))]


def check_acknowledged(place: Place) -> None:
    """Everything that was acknowledged is there, once."""
    if not place.workspace.exists():
        assert not place.acknowledged
        return
    with Workbench(place.workspace) as bench:
        for rows in place.of("loaded"):
            found = bench.datasets.get(DATASET)
            assert (found.rows_loaded, found.rows_read) == (rows, ROWS)
        assert len(bench.datasets.all()) <= 1
        history = bench.history(DATASET) if bench.datasets.all() else []
        assert {decision.decision for decision in history} >= set(place.of("decided"))
        reasons = [decision.why for decision in history]
        assert len(reasons) == len(set(reasons))
        for run in {*place.of("started"), *place.of("scored")}:
            bench.runs.get(run)
        for run in place.of("scored"):
            assert bench.runs.counts(run)["scored"] + bench.runs.counts(run)["unscorable"] == ROWS
        assert {bench.selections.get(name).selection for name in place.of("selected")} == set(place.of("selected"))
        assert damages_in(bench) == []
    for path in place.of("exported"):
        assert len(Path(path).read_text(encoding="utf-8").splitlines()) > 0


def results_of(place: Place) -> dict[str, Any]:
    """What a finished pipeline left: the bytes of its files and shards, and the rows of its tables."""
    (run,), (selection,) = set(place.of("scored")), set(place.of("selected"))
    with Workbench(place.workspace) as bench:
        picks = [(pick.rank, pick.row, pick.gain) for pick in bench.selections.picks(selection)]
        texts = bench.datasets.texts(DATASET, range(ROWS))
        files = bench.folder.run(run)
        return {
            "run": run,
            "selection": selection,
            "picks": picks,
            "scores": bench.runs.scores(run).to_pylist(),
            "rows": [(text.row, text.prompt, text.response) for text in texts],
            "decided": sorted(decision.why for decision in bench.history(DATASET)),
            "shards": {path.name: path.read_bytes() for path in sorted(files.base.iterdir())},
            "arrays": {path.name: path.read_bytes() for path in sorted(files.arrays.iterdir())},
            "export": place.export.read_bytes(),
            "files": sorted(str(path.relative_to(place.export.parent)) for path in place.export.parent.rglob("*")),
        }


def finish(place: Place) -> float:
    """Let an actor work to its end; returns how long it took."""
    begun, actor = time.monotonic(), place.begin()
    try:
        assert actor.wait(ENDING_SECONDS) == 0, (place.folder / "errors.txt").read_text()[-2000:]
    finally:
        actor.kill()
        place.listen(actor)
    return time.monotonic() - begun


def disturb(place: Place, seconds: float, dice: random.Random) -> str | None:
    """Start an actor, kill it, its workers or all of them within so many seconds; returns who was killed, None where it
    was done before."""
    actor = place.begin()
    time.sleep(dice.uniform(0, seconds))
    who = dice.choice(["server", "worker", "both"])
    workers = list(workers_of(place.workspace)) if place.workspace.exists() else []
    if who != "server":
        kill(workers)
    if who == "worker":
        time.sleep(dice.uniform(0, seconds / 4))
    assert not actor.poll(), (place.folder / "errors.txt").read_text()[-2000:]  # it is killed, or done, and never fails
    is_done = actor.poll() is not None
    actor.kill()
    actor.wait()
    place.listen(actor)
    if is_done:
        return None
    return who if workers or who == "server" else "server"


def run(kills: int, folder: Path, seed: int = 0) -> dict[str, int]:
    """So many kills over as many pipelines as they take; each ends as the undisturbed one. Returns who was killed how
    often, and in how many pipelines."""
    folder.mkdir(parents=True, exist_ok=True)
    source, model = write_chats(folder / "chats.jsonl", ROWS), make_tiny_model(folder / "model")
    dice, counts = random.Random(seed), {"server": 0, "worker": 0, "both": 0, "pipelines": 0}
    calm = Place(folder / "calm", source, model)
    calm.folder.mkdir()
    seconds = finish(calm)
    expected = results_of(calm)
    assert len(expected["decided"]) == DECISIONS
    while (left := kills - sum(counts[who] for who in ("server", "worker", "both"))) > 0:
        counts["pipelines"] += 1
        place = Place(folder / f"pipeline-{counts['pipelines']}", source, model)
        place.folder.mkdir()
        for _ in range(min(10, left)):
            if (who := disturb(place, seconds, dice)) is None:
                break
            counts[who] += 1
            check_acknowledged(place)
        finish(place)
        check_acknowledged(place)
        found = results_of(place)
        differs = [name for name in expected if name not in ("export",) and found[name] != expected[name]]
        assert not differs, differs
        assert found["export"] == expected["export"]
    return counts


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(run(int(sys.argv[1]), Path(scratch), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
