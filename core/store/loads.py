"""Which datasets are being loaded, and how do they get in whole?

Blocks are staged one by one under the dataset's name, each with its own record, so that none comes in twice; the
dataset itself is entered in one last transaction and is not seen before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from core.errors import BadInput
from core.records import DatasetRow
from core.store.database import Database
from core.store.judgements import carry_judgements
from core.store.kept import kept
from core.store.versions import carry_decisions, carry_repairs, enter_dataset


@dataclass(frozen=True, slots=True)
class LoadRow:
    """A load under way: the title of its dataset, the name kept free for it, and whether nothing of that title was
    there when it began."""

    load: str
    title: str
    dataset: str
    is_new: bool


class Loads:
    """The loads of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, load: LoadRow) -> None:
        """Record a load; the same one again changes nothing. Raises BadInput when another has the title."""
        with self._database.writing() as cursor:
            others = cursor.execute(
                "SELECT 1 FROM loads WHERE title = ? AND load <> ?", [load.title, load.load]
            ).fetchall()
            if others:
                raise BadInput(f"Dataset {load.title!r} is being loaded already; wait for it, or discard that load.")
            cursor.execute(
                "INSERT OR IGNORE INTO loads (load, title, dataset, is_new) VALUES (?, ?, ?, ?)",
                [load.load, load.title, load.dataset, load.is_new],
            )

    @kept
    def all(self) -> list[LoadRow]:
        """Every load under way, the oldest first."""
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT load, title, dataset, is_new FROM loads ORDER BY created_at, load").fetchall()
        return [LoadRow(*row) for row in rows]

    def taken(self, load: str) -> set[int]:
        """The blocks that are in the database."""
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT block FROM load_blocks WHERE load = ?", [load]).fetchall()
        return {row[0] for row in rows}

    def take(self, load: LoadRow, blocks: Sequence[tuple[int, pa.Table]]) -> None:
        """Stage blocks under the dataset's name together with their records: exactly once, whoever calls."""
        with self._database.writing() as cursor:
            if not _is_under_way(cursor, load.load):
                return
            known = {
                row[0] for row in cursor.execute("SELECT block FROM load_blocks WHERE load = ?", [load.load]).fetchall()
            }
            fresh = [(number, table) for number, table in blocks if number not in known]
            if not fresh:
                return
            insert_rows(cursor, load.dataset, pa.concat_tables([table for _, table in fresh]))
            cursor.executemany("INSERT INTO load_blocks VALUES (?, ?)", [[load.load, number] for number, _ in fresh])

    def finish(self, load: LoadRow, dataset: DatasetRow) -> bool:
        """Enter the dataset, with what was decided on the rows of its previous version, once; whether it was now."""
        with self._database.writing() as cursor:
            if not _is_under_way(cursor, load.load):
                return False
            if (held := _count(cursor, dataset.name)) != dataset.rows_loaded:
                raise ValueError(f"{held:,} of {dataset.rows_loaded:,} examples are there")
            number_repeats(cursor, dataset.name)
            enter_dataset(cursor, dataset)
            if dataset.previous:
                carry_decisions(cursor, dataset.previous, dataset.name)
                carry_judgements(cursor, dataset.previous, dataset.name)
                carry_repairs(cursor, dataset.previous, dataset.name)
            _forget(cursor, load.load)
        return True

    def discard(self, load: LoadRow) -> None:
        """Remove what a load staged."""
        with self._database.writing() as cursor:
            if _is_under_way(cursor, load.load):
                for table in ("examples", "quarantine"):
                    cursor.execute(f"DELETE FROM {table} WHERE dataset = ?", [load.dataset])  # noqa: S608
                _forget(cursor, load.load)


def _count(cursor: duckdb.DuckDBPyConnection, dataset: str) -> int:
    return int(cursor.execute("SELECT count(*) FROM examples WHERE dataset = ?", [dataset]).fetchall()[0][0])


def insert_rows(cursor: duckdb.DuckDBPyConnection, dataset: str, table: pa.Table) -> None:
    """Put a block's rows into the tables of examples and of rows that could not be loaded."""
    cursor.register("incoming", table)
    cursor.execute(
        "INSERT INTO examples SELECT ?, row_number, example_id, file, line, prompt, response, messages, tools, "
        "original FROM incoming WHERE reason IS NULL",
        [dataset],
    )
    cursor.execute(
        "INSERT INTO quarantine (dataset, file, line, byte_offset, reason, raw, entry) "
        "SELECT ?, file, line, byte_offset, reason, original, entry FROM incoming WHERE reason IS NOT NULL",
        [dataset],
    )
    cursor.unregister("incoming")


def number_repeats(cursor: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """The k-th row of the same content, in row order, gets `-k` behind its id."""
    cursor.execute(
        """
        UPDATE examples SET example_id = repeated.content || '-' || repeated.k
        FROM (
            SELECT row_number AS of_row, content, k FROM (
                SELECT row_number, split_part(example_id, '-', 1) AS content,
                       row_number() OVER (PARTITION BY split_part(example_id, '-', 1) ORDER BY row_number) AS k
                FROM examples WHERE dataset = ?
            ) WHERE k > 1
        ) AS repeated
        WHERE examples.dataset = ? AND examples.row_number = repeated.of_row
        """,
        [dataset, dataset],
    )


def _is_under_way(cursor: duckdb.DuckDBPyConnection, load: str) -> bool:
    return bool(cursor.execute("SELECT 1 FROM loads WHERE load = ?", [load]).fetchall())


def _forget(cursor: duckdb.DuckDBPyConnection, load: str) -> None:
    for table in ("load_blocks", "loads"):
        cursor.execute(f"DELETE FROM {table} WHERE load = ?", [load])  # noqa: S608
