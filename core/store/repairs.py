"""What became of the rows that could not be loaded, and who did it?

Append-only: the last repair of an entry counts, and `reopen` takes it back. Only `admit` moves rows into the dataset:
rows read = rows loaded + rows quarantined holds before and after.
"""

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from core.errors import BadInput
from core.records import DatasetRow, Entry, EntryGroup
from core.store.asking import among
from core.store.database import Database
from core.store.judgements import carry_judgements
from core.store.loads import insert_rows, number_repeats
from core.store.versions import carry_decisions, enter_dataset

STANDING = """
    SELECT q.entry, q.file, q.line, q.byte_offset, q.reason, q.raw, q.admitted_row,
           coalesce(r.kind, 'reopen') AS kind, r.text, r.who
    FROM quarantine q
    LEFT JOIN (SELECT *, row_number() OVER (PARTITION BY entry ORDER BY repair DESC) AS latest
               FROM repairs WHERE dataset = $dataset) r ON r.entry = q.entry AND r.latest = 1
    WHERE q.dataset = $dataset
"""
KINDS = {"reopen": "open", "ignore": "ignored", "keep": "kept", "fix": "fixed"}


class Repairs:
    """The quarantines of a workspace and what people did about them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, dataset: str, entries: Sequence[int], kind: str, text: str | None, who: str) -> None:
        """Append a repair for each entry, all or none."""
        with self._database.writing() as cursor:
            first = cursor.execute("SELECT coalesce(max(repair), 0) + 1 FROM repairs").fetchall()[0][0]
            incoming = pa.table(
                {
                    "repair": pa.array(range(first, first + len(entries)), pa.int64()),
                    "entry": pa.array(list(entries), pa.int64()),
                }
            )
            cursor.register("incoming", incoming)
            cursor.execute(
                "INSERT INTO repairs (repair, dataset, entry, kind, text, who) "
                "SELECT repair, ?, entry, ?, ?, ? FROM incoming",
                [dataset, kind, text, who],
            )
            cursor.unregister("incoming")

    def groups(self, dataset: str) -> list[EntryGroup]:
        """The rows outside the dataset by reason and by what was done about them, the most frequent first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT reason, kind, count(*) FROM ({STANDING}) WHERE admitted_row IS NULL "  # noqa: S608
                "GROUP BY reason, kind ORDER BY count(*) DESC, reason, kind",
                {"dataset": dataset},
            ).fetchall()
        return [EntryGroup(reason, KINDS[kind], count) for reason, kind, count in rows]

    def entries(
        self, dataset: str, *, reason: str | None = None, state: str | None = None, offset: int = 0, limit: int = 2**62
    ) -> list[Entry]:
        """Rows that could not be loaded, those admitted meanwhile among them, in the order of the source."""
        kind = next((kind for kind, of in KINDS.items() if of == state), None)
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT * FROM ({STANDING}) WHERE ($reason IS NULL OR reason = $reason) "  # noqa: S608
                "AND ($kind IS NULL OR (kind = $kind AND admitted_row IS NULL)) "
                "ORDER BY entry LIMIT $limit OFFSET $offset",
                {"dataset": dataset, "reason": reason, "kind": kind, "limit": limit, "offset": offset},
            ).fetchall()
        return [_entry(row) for row in rows]

    def entry(self, dataset: str, entry: int) -> Entry | None:
        """One of them."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT * FROM ({STANDING}) WHERE entry = $entry",  # noqa: S608
                {"dataset": dataset, "entry": entry},
            ).fetchall()
        return _entry(rows[0]) if rows else None

    def admit(self, before: DatasetRow, after: DatasetRow, admitted: pa.Table) -> None:
        """Append rows to a dataset: in its place, or as its next version, when `after` has another name.

        `admitted` is a block's table; its entries leave the quarantine.
        """
        entries = admitted["entry"].to_pylist()
        with self._database.writing() as cursor:
            _check_waiting(cursor, before, entries)
            if after.name != before.name:
                for table, columns in (("examples", "* EXCLUDE dataset"), ("quarantine", "* EXCLUDE dataset")):
                    cursor.execute(
                        f"INSERT INTO {table} SELECT ?, {columns} FROM {table} WHERE dataset = ?",  # noqa: S608
                        [after.name, before.name],
                    )
                cursor.execute(
                    "INSERT INTO repairs (repair, dataset, entry, kind, text, who, made_at) "
                    "SELECT repair + (SELECT max(repair) FROM repairs), ?, entry, kind, text, who, made_at "
                    "FROM repairs WHERE dataset = ?",
                    [after.name, before.name],
                )
            insert_rows(cursor, after.name, admitted)
            number_repeats(cursor, after.name)
            places = pa.table({"entry": entries, "row_number": admitted["row_number"]})
            cursor.register("incoming", places)
            cursor.execute(
                "UPDATE quarantine SET admitted_row = incoming.row_number FROM incoming "
                "WHERE quarantine.dataset = ? AND quarantine.entry = incoming.entry",
                [after.name],
            )
            cursor.unregister("incoming")
            enter_dataset(cursor, after)
            if after.name != before.name:
                carry_decisions(cursor, before.name, after.name)
                carry_judgements(cursor, before.name, after.name)


def _check_waiting(cursor: duckdb.DuckDBPyConnection, dataset: DatasetRow, entries: Sequence[int]) -> None:
    """Raises BadInput where somebody admitted rows meanwhile."""
    condition, values = among("entry", entries)
    stored = cursor.execute(
        "SELECT content_hash, (SELECT count(*) FROM quarantine WHERE dataset = ? AND admitted_row IS NOT NULL "  # noqa: S608
        f"AND {condition}) FROM datasets WHERE name = ?",
        [dataset.name, *values, dataset.name],
    ).fetchall()
    if stored != [(dataset.content_hash, 0)]:
        raise BadInput(f"Somebody admitted rows to dataset {dataset.name!r} meanwhile; look at it again.")


def _entry(row: Sequence[Any]) -> Entry:
    entry, file, line, byte_offset, reason, raw, admitted_row, kind, text, who = row
    return Entry(entry, file, line, byte_offset, reason, raw, admitted_row, KINDS[kind], text, who)
