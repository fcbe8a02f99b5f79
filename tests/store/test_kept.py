"""What was read is read again only after something was written, and never old."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.store import (
    Database,
    Datasets,
    Decisions,
    Judgements,
    Loads,
    Orders,
    Repairs,
    Runs,
    Selections,
)
from core.store.kept import kept
from core.store.pulse import Pulse
from core.workbench import Workbench
from tests.conftest import write_chats


class Counted:
    """A store that counts how often it reads."""

    def __init__(self, database: Database) -> None:
        self._database, self.reads = database, 0

    @kept
    def rows(self, names: list[str]) -> list[str]:
        """What is asked for."""
        self.reads += 1
        return [*names]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "curation.duckdb")


def test_an_answer_is_read_once_until_something_is_written(database: Database) -> None:
    store = Counted(database)
    store.rows(["a"]).append("b")
    assert store.rows(["a"]) == ["a"]
    assert (store.reads, store.rows(["c"]), store.reads) == (1, ["c"], 2)
    with database.writing("Decisions"):
        pass
    assert (store.rows(["a"]), store.reads) == (["a"], 2)
    with database.writing("Counted"):
        pass
    assert (store.rows(["a"]), store.reads) == (["a"], 3)
    with database.writing():
        pass
    assert (store.rows(["a"]), store.reads) == (["a"], 4)


def test_what_is_read_while_somebody_writes_is_not_kept(database: Database) -> None:
    is_reading, may_go_on = threading.Event(), threading.Event()

    class Slow(Counted):
        @kept
        def rows(self, names: list[str]) -> list[str]:
            self.reads += 1
            is_reading.set()
            may_go_on.wait(10)
            return [f"{names[0]} {self.reads}"]

    store = Slow(database)
    reader = threading.Thread(target=store.rows, args=(["a"],))
    reader.start()
    is_reading.wait(10)
    with database.writing():
        pass
    may_go_on.set()
    reader.join()
    assert store.rows(["a"]) == ["a 2"]


def answers(bench: Workbench, run: str) -> dict[str, object]:
    """What every method that keeps its answers says."""
    decisions, runs, selections = bench.decisions, bench.runs, bench.selections
    first = next(iter(selections.of_run(run)), None)
    return {
        "Datasets.all": bench.datasets.all(),
        "Datasets.get": bench.datasets.get("chats"),
        "Datasets.counts": bench.datasets.counts("chats"),
        "Decisions.of_row": decisions.of_row("chats", 1),
        "Decisions.open_of_rows": decisions.open_of_rows("chats", [1, 2]),
        "Decisions.count": decisions.count("chats"),
        "Decisions.made_together": decisions.made_together("chats", 50),
        "Decisions.made_since": decisions.made_since("chats", 1),
        "Decisions.rows_since": decisions.rows_since("chats", 1),
        "Decisions.newest": decisions.newest("chats"),
        "Runs.of_dataset": runs.of_dataset("chats"),
        "Runs.get": runs.get(run),
        "Runs.count_shards": runs.count_shards(run),
        "Selections.of_run": selections.of_run(run),
        "Selections.has": selections.has(first.selection) if first else False,
        "Selections.get": selections.get(first.selection) if first else None,
        "Loads.all": bench.loads.all(),
        "Pulse.beat": Pulse(bench.database).beat("chats"),
    }


def kept_methods() -> set[str]:
    stores = (Datasets, Decisions, Judgements, Loads, Orders, Pulse, Repairs, Runs, Selections)
    methods = [(store, name, method) for store in stores for name, method in vars(store).items()]
    return {f"{store.__name__}.{name}" for store, name, method in methods if hasattr(method, "__wrapped__")}


def test_every_reader_sees_every_writer(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        (run,) = (row.run for row in bench.runs.of_dataset("chats"))
        more, made = write_chats(tmp_path / "more.jsonl", 5), list[int]()
        points = np.arange(2), np.zeros((2, 2), dtype=np.float32)
        writers: list[Callable[[], object]] = [
            lambda: made.extend(bench.decide("chats", [1, 2], "ban", "twice")),
            lambda: bench.undo(made[0]),
            lambda: bench.judge("chats", 2, "random", "keep"),
            lambda: bench.select("chats", "random", "3", run=run),
            lambda: bench.runs.add("another", "chats", "{}", "model"),
            lambda: bench.runs.store_map(run, "points-9.npz", *points),
            lambda: bench.ingest(more, "more"),
            lambda: bench.select("chats", "fisher", "3", run=run),
        ]
        before = answers(bench, run)
        assert set(before) == kept_methods()
        for number, write in enumerate(writers):
            write()
            now = answers(bench, run)
            bench.database.kept.forget()
            assert now == answers(bench, run), number
            assert now != before, number
            before = now
