"""The store keeps what it is given, exactly once, and says who has the file."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from core.blocks import BLOCK_SCHEMA, loaded_columns, quarantined_columns
from core.choices import Standing
from core.errors import BadInput, Fault, WorkspaceBusy
from core.records import DatasetRow, EntryGroup, Example, IngestReport, Quarantined
from core.store import Database, Datasets, Decisions, Loads, Repairs, Runs, Selections
from core.store.loads import LoadRow
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


def fill(
    database: Database, name: str = "d", examples: Sequence[Example] = (), previous: DatasetRow | None = None
) -> DatasetRow:
    """Load examples, or five of them, and one row that cannot be loaded."""
    loaded = list(examples) or [example(row) for row in range(5)]
    title, loads = previous.title if previous else name, Loads(database)
    load = LoadRow(f"load of {name}", title, name, is_new=previous is None)
    loads.begin(load)
    bad = quarantined_columns(len(loaded), Quarantined("file", 9, 70, "empty", "{}"))
    rows = [*(loaded_columns(entry, each) for entry, each in enumerate(loaded)), bad]
    loads.take(load, [(0, pa.Table.from_pylist(rows, BLOCK_SCHEMA))])
    row = DatasetRow(name, "file", "alpaca", {}, f"hash of {name}", len(rows), len(loaded), 1, title=title)
    if previous:
        row = replace(row, version=previous.version + 1, previous=previous.name)
    assert loads.finish(load, row)
    return Datasets(database).get(name)


def test_examples_come_back_as_they_went_in(database: Database) -> None:
    datasets = Datasets(database)
    fill(database)
    assert datasets.examples("d", [3, 0]) == [example(3), example(0)]
    assert [each for block in datasets.blocks("d", 2) for each in block] == [example(row) for row in range(5)]
    assert datasets.get("d").report == IngestReport("d", "alpaca", 6, 5, 1)
    assert datasets.quarantine("d", 0, 10) == [Quarantined("file", 9, 70, "empty", "{}")]
    assert datasets.quarantine_reasons("d") == [("empty", 1)]
    assert datasets.rows_containing("d", "A3 '; drop").tolist() == [3]


def test_a_block_is_taken_once_and_is_seen_with_the_whole_dataset_only(database: Database) -> None:
    datasets, loads = Datasets(database), Loads(database)
    load = LoadRow("l", "d", "d", is_new=True)
    block = pa.Table.from_pylist([loaded_columns(0, example(0))], BLOCK_SCHEMA)
    loads.begin(load)
    for _ in range(3):
        loads.take(load, [(0, block)])
    assert (loads.taken("l"), datasets.all()) == ({0}, [])
    loads.discard(load)
    loads.take(load, [(0, block)])
    assert loads.all() == []
    fill(database)
    assert len(datasets.example_ids("d")) == 5


def test_one_title_is_loaded_once_at_a_time(database: Database) -> None:
    Loads(database).begin(LoadRow("one", "d", "d", is_new=True))
    with pytest.raises(BadInput, match="'d' is being loaded already"):
        Loads(database).begin(LoadRow("two", "d", "d", is_new=True))


def test_exact_repeats_get_a_counter_in_row_order(database: Database) -> None:
    ids = ["a", "b", "a", "a", "b"]
    fill(database, examples=[replace(example(row), example_id=id_) for row, id_ in enumerate(ids)])
    assert Datasets(database).example_ids("d") == ["a", "b", "a-2", "a-3", "b-2"]


def test_a_new_version_keeps_what_was_decided_on_the_rows_that_it_still_has(database: Database) -> None:
    decisions, repairs = Decisions(database), Repairs(database)
    first = fill(database)
    (pin,) = decisions.add("d", [3], "pin", "good", "ann")
    decisions.undo([pin], "", "bob")
    decisions.add("d", [1, 4], "ban", "dull", "ann")
    repairs.add("d", [5], "ignore", None, "ann")
    now = [example(4), replace(example(0), example_id="new"), example(3)]
    fill(database, "d@2", [replace(each, row=row) for row, each in enumerate(now)], first)
    carried = decisions.of_dataset("d@2")
    assert [(made.row, made.kind, made.why, made.who) for made in carried] == [
        (2, "pin", "good", "ann"),
        (2, "undo", "", "bob"),
        (0, "ban", "dull", "ann"),
    ]
    assert decisions.standing("d@2") == Standing((), (0,))
    assert decisions.standing("d") == Standing((), (1, 4))
    assert repairs.groups("d@2") == [EntryGroup("empty", "ignored", 1)]


def test_admitted_rows_leave_the_quarantine_and_stand_at_the_end(database: Database) -> None:
    datasets, repairs = Datasets(database), Repairs(database)
    before = fill(database)
    admitted = pa.Table.from_pylist([loaded_columns(5, replace(example(5), example_id="id2"))], BLOCK_SCHEMA)
    enlarged = replace(before, rows_loaded=6, rows_quarantined=0, content_hash="other")
    repairs.add("d", [5], "fix", "{}", "ann")
    version = replace(enlarged, name="d@2", version=2, previous="d")
    repairs.admit(before, version, admitted)
    assert datasets.example_ids("d@2") == [*datasets.example_ids("d"), "id2-2"]
    assert (repairs.groups("d@2"), repairs.groups("d")) == ([], [EntryGroup("empty", "fixed", 1)])
    assert repairs.entries("d@2")[0].admitted_row == 5
    repairs.admit(before, enlarged, admitted)
    assert datasets.get("d").report == IngestReport("d", "alpaca", 6, 6, 0)
    assert datasets.examples("d", [5])[0].example_id == "id2-2"


def test_a_shard_is_taken_in_once_however_often_it_comes(database: Database) -> None:
    fill(database)
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
    assert runs.counts("r") == {"scored": 1, "unscorable": 1, "held_out": 0, "tokens": 5, "truncated": 1}
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


def test_a_workspace_is_opened_once_in_a_process(tmp_path: Path) -> None:
    database = Database(tmp_path / "curation.duckdb")
    with closing(database), pytest.raises(WorkspaceBusy, match="open in this program already"):
        Database(tmp_path / "curation.duckdb")
    Database(tmp_path / "curation.duckdb").close()


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
        connection.execute("INSERT INTO datasets VALUES ('d', 'f', 'text', '{}', 'h', 3, 1, 2, now()::TIMESTAMP)")
        turns = '[{"role": "assistant", "content": "a"}]'
        connection.execute("INSERT INTO examples VALUES ('d', 0, 'i', 'f', 1, '', 'a', ?, NULL, '{}')", [turns])
        connection.execute("INSERT INTO quarantine VALUES ('d', 'f', 2, NULL, 'r', 'x'), ('d', 'f', 3, 9, 'r', 'y')")
    database = Database(path)
    assert Datasets(database).examples("d", [0])[0].messages == [{"role": "assistant", "content": "a"}]
    assert (Datasets(database).get("d").title, Datasets(database).get("d").sources) == ("d", ("f",))
    assert [entry.raw for entry in Repairs(database).entries("d", state="open")] == ["x", "y"]
    kept = Selections(database)
    assert kept.get("s").log_det == 2.5
    assert kept.get("s").at_least is None
    assert kept.picks("s")[0].objective_gain is None
    assert kept.left_out("s") == []
    database.close()


def test_a_column_of_the_rows_as_they_came_is_read_by_name(database: Database) -> None:
    datasets = Datasets(database)
    originals = ['{"a/b~": "x", "n": 1}', '{"n": null}', '{"n": [1, 2]}']
    fill(database, examples=[replace(example(row), original=original) for row, original in enumerate(originals)])

    def values(column: str) -> list[str]:
        codes, names = datasets.grouped("d", column, 3)
        return [names[code] for code in codes]

    assert values("a/b~") == ["x", "(none)", "(none)"]
    assert values("n") == ["1", "(none)", "[1,2]"]
    with pytest.raises(BadInput, match="No row of dataset 'd' has a column 'm'; the first row has a/b~, n"):
        datasets.grouped("d", "m", 3)
    with pytest.raises(BadInput, match="'n' has 3 values; a column with at most 2"):
        datasets.grouped("d", "n", 2)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(BadInput, match="cannot be opened as a database"):
        Database(path)


def test_the_database_reads_no_files(database: Database) -> None:
    with database.reading() as cursor, pytest.raises(duckdb.Error):
        cursor.execute("SELECT * FROM read_text('/etc/hostname')")


def test_a_question_that_needs_too_much_memory_says_which_limit_to_raise(database: Database) -> None:
    with pytest.raises(Fault, match="set GLEANER_DATABASE_MEMORY higher"), database.reading() as cursor:
        cursor.execute("SELECT list(i) FROM range(500000000) t(i)").fetchall()
    with database.reading() as cursor:
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]


def test_a_block_that_was_damaged_is_told_and_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    database = Database(path)
    fill(database, "small")
    noise = np.random.default_rng(0)
    large = [replace(example(row), original=f'{{"n": "{noise.bytes(300).hex()}"}}') for row in range(20_000)]
    fill(database, "large", large)
    database.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(byte ^ 0xFF for byte in content[middle : middle + 100])
    path.write_bytes(content)
    database = Database(path)
    with pytest.raises(BadInput, match=r"curation.duckdb' is damaged: .*put a backup in its place"):
        Datasets(database).examples("large", range(20_000))
    assert {row.name for row in Datasets(database).all()} == {"small", "large"}
    database.close()
