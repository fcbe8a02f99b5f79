"""The store keeps what it is given, exactly once, and says who has the file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from core.errors import BadInput, WorkspaceBusy
from core.records import Example, IngestReport, Quarantined
from core.store import Database, Datasets, Runs, Selections
from core.store.schema import STEPS
from tests.conftest import held_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "curation.duckdb")
    yield opened
    opened.close()


def example(row: int) -> Example:
    turns = [{"role": "user", "content": f"q{row}"}, {"role": "assistant", "content": f"a{row} '; DROP TABLE x"}]
    return Example(f"id{row}", row, "file", row + 1, turns, f'{{"n": {row}}}', [{"name": "t"}] if row else None)


def fill(datasets: Datasets, name: str = "d", rows: int = 5) -> None:
    with datasets.loading(name) as loading:
        loading.add([example(row) for row in range(rows)], [Quarantined("file", 9, 70, "empty", "{}")])
        loading.finish("file", {}, "hash", IngestReport(name, "alpaca", rows + 1, rows, 1))


def test_examples_come_back_as_they_went_in(database: Database) -> None:
    datasets = Datasets(database)
    fill(datasets)
    assert datasets.examples("d", [3, 0]) == [example(3), example(0)]
    assert datasets.get("d").report == IngestReport("d", "alpaca", 6, 5, 1)
    assert datasets.quarantine("d", 0, 10) == [Quarantined("file", 9, 70, "empty", "{}")]
    assert datasets.quarantine_reasons("d") == [("empty", 1)]
    assert [text.row for text in datasets.page("d", 0, 10, "A3 '; drop").rows] == [3]


def test_a_load_that_breaks_off_leaves_nothing(database: Database) -> None:
    datasets = Datasets(database)
    with pytest.raises(RuntimeError), datasets.loading("d") as loading:
        loading.add([example(0)], [])
        raise RuntimeError
    assert datasets.all() == []
    fill(datasets)
    assert datasets.page("d", 0, 10).total == 5


def test_a_shard_is_taken_in_once_however_often_it_comes(database: Database) -> None:
    fill(Datasets(database))
    runs = Runs(database)
    runs.add("r", "d", "{}", "model")
    columns = {
        "rows": np.arange(2),
        "prompt_tokens": np.array([3, 4], dtype=np.int32),
        "response_tokens": np.array([5, 6], dtype=np.int32),
        "nll": np.array([1.5, np.nan]),
        "entropy": np.array([2.5, np.nan]),
        "gini": np.array([0.5, np.nan]),
        "truncated": np.array([0, 1], dtype=np.uint8),
        "reasons": [None, "no tokens"],
    }
    for _ in range(3):
        runs.take_shard("r", "base", "shard", columns)
    assert runs.counts("r") == {"scored": 1, "unscorable": 1, "tokens": 5, "truncated": 1}
    table = runs.scores("r").to_pylist()
    assert [(row["row"], row["nll"], row["unscorable_reason"]) for row in table] == [
        (0, 1.5, None),
        (1, None, "no tokens"),
    ]
    assert table[0]["ppl"] == pytest.approx(np.exp(1.5))
    assert table[0]["delta_nll"] is None


def test_another_process_is_told_who_has_the_workspace(tmp_path: Path) -> None:
    with (
        held_database(tmp_path / "curation.duckdb") as holder,
        pytest.raises(WorkspaceBusy, match=f"is open in process {holder}"),
    ):
        Database(tmp_path / "curation.duckdb")


def test_a_workspace_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    Database(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO schema_steps (step, title) VALUES (?, 'later')", [len(STEPS) + 1])
    with pytest.raises(BadInput, match="newer Gleaner"):
        Database(path)


def test_a_workspace_of_an_older_version_keeps_its_selections(tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE schema_steps (step INTEGER PRIMARY KEY, title VARCHAR, "
            "applied_at TIMESTAMP DEFAULT (now() AT TIME ZONE 'UTC'))"
        )
        for number, (title, statements) in enumerate(STEPS[:3], 1):
            connection.execute(statements)
            connection.execute("INSERT INTO schema_steps (step, title) VALUES (?, ?)", [number, title])
        connection.execute(
            "INSERT INTO selections VALUES ('s', 'r', 'd', 'fisher', '1', 0, '{}', 1, 5, 2.5, "
            """'{"low": [1.0], "high": [2.0]}', now()::TIMESTAMP)"""
        )
        connection.execute("INSERT INTO picks VALUES ('s', 1, 0, 2.5, 2.5, 2.5, 5, 'best')")
    database = Database(path)
    kept = Selections(database)
    assert kept.get("s").log_det == 2.5
    assert kept.get("s").at_least is None
    assert kept.picks("s")[0].objective_gain is None
    assert kept.left_out("s") == []
    database.close()


def test_a_column_of_the_rows_as_they_came_is_read_by_name(database: Database) -> None:
    datasets = Datasets(database)
    originals = ['{"a/b~": "x", "n": 1}', '{"n": null}', '{"n": [1, 2]}']
    with datasets.loading("d") as loading:
        loading.add([replace(example(row), original=original) for row, original in enumerate(originals)], [])
        loading.finish("file", {}, "hash", IngestReport("d", "alpaca", 3, 3, 0))
    assert datasets.column("d", "a/b~") == ["x", "(none)", "(none)"]
    assert datasets.column("d", "n") == ["1", "(none)", "[1,2]"]
    with pytest.raises(BadInput, match="No row of dataset 'd' has a column 'm'; the first row has a/b~, n"):
        datasets.column("d", "m")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(BadInput, match="cannot be opened as a database"):
        Database(path)


def test_the_database_reads_no_files(database: Database) -> None:
    with database.reading() as cursor, pytest.raises(duckdb.Error):
        cursor.execute("SELECT * FROM read_text('/etc/hostname')")
