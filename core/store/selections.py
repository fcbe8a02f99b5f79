"""Which selections were made, and what did each pick bring?"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from core.choices import LeftOut, Outcome, Pick, SelectionRow
from core.errors import BadInput
from core.store.database import Database

SELECTION_COLUMNS = (
    "selection, run, dataset, criterion, budget, seed, settings, examples, tokens, log_det, envelope, created_at, "
    "upper_bound, variance, evaluations, order_name, curve, comparison"
)
JSON_COLUMNS = ("settings", "envelope", "variance", "evaluations", "curve", "comparison")
PICK_SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),
        ("row", pa.int64()),
        ("gain", pa.float64()),
        ("gain_alone", pa.float64()),
        ("cumulative", pa.float64()),
        ("response_tokens", pa.int64()),
        ("reason", pa.string()),
        ("objective_gain", pa.float64()),
    ]
)


class Selections:
    """The selections of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, selection: SelectionRow, picks: Sequence[Pick], left_out: pa.Table, outcomes: pa.Table) -> None:
        """Record a selection with its ledger, in the place of one of the same name.

        `left_out` has the columns row, gain and gain_alone, one row for each scored example left out; `outcomes`
        row, gate, detail, other and enters, one row for each example left out.
        """
        table = pa.Table.from_pylist([asdict(pick) for pick in picks], PICK_SCHEMA)
        with self._database.writing() as cursor:
            for kept in ("selections", "picks", "left_out", "outcomes"):
                cursor.execute(f"DELETE FROM {kept} WHERE selection = ?", [selection.selection])  # noqa: S608
            values = asdict(selection)
            values |= {name: json.dumps(values[name]) for name in JSON_COLUMNS if values[name] is not None}
            del values["created_at"]
            columns = ", ".join(values)
            marks = ", ".join("?" for _ in values)
            cursor.execute(f"INSERT INTO selections ({columns}) VALUES ({marks})", list(values.values()))  # noqa: S608
            cursor.register("incoming", table)
            cursor.execute(
                'INSERT INTO picks SELECT ?, rank, "row", gain, gain_alone, cumulative, response_tokens, reason, '
                "objective_gain FROM incoming",
                [selection.selection],
            )
            cursor.unregister("incoming")
            cursor.register("incoming", left_out)
            cursor.execute(
                'INSERT INTO left_out SELECT ?, "row", gain, gain_alone FROM incoming', [selection.selection]
            )
            cursor.unregister("incoming")
            cursor.register("incoming", outcomes)
            cursor.execute(
                'INSERT INTO outcomes SELECT ?, "row", gate, detail, nullif(other, -1), nullif(enters, -1) '
                "FROM incoming",
                [selection.selection],
            )
            cursor.unregister("incoming")

    def has(self, selection: str) -> bool:
        """Whether a selection of this name was made."""
        return bool(self._find("selection = ?", selection))

    def of_run(self, run: str) -> list[SelectionRow]:
        """The selections of a scoring run, the newest first."""
        return self._find("run = ? ORDER BY created_at DESC", run)

    def get(self, selection: str) -> SelectionRow:
        """Raises BadInput for a selection that is not there."""
        found = self._find("selection = ?", selection)
        if not found:
            raise BadInput(f"There is no selection {selection!r}; `select` prints the name of each it makes.")
        return found[0]

    def picks(self, selection: str) -> list[Pick]:
        """The ledger, in rank order."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT rank, row_number, gain, gain_alone, cumulative, response_tokens, reason, objective_gain "
                "FROM picks WHERE selection = ? ORDER BY rank",
                [selection],
            ).fetchall()
        return [Pick(*row) for row in rows]

    def left_out(self, selection: str, rows: Sequence[int] | None = None) -> list[LeftOut]:
        """What the examples outside a selection would bring, in row order: all of them, or those at `rows`."""
        condition, values = "selection = ?", list[Any]([selection])
        if rows is not None:
            condition, values = f"{condition} AND row_number IN (SELECT unnest(?::BIGINT[]))", [selection, list(rows)]
        with self._database.reading() as cursor:
            found = cursor.execute(
                f"SELECT row_number, gain, gain_alone FROM left_out WHERE {condition} ORDER BY row_number",  # noqa: S608
                values,
            ).fetchall()
        return [LeftOut(*row) for row in found]

    def outcomes(self, selection: str, rows: Sequence[int] | None = None) -> list[Outcome]:
        """Why examples are not in a selection, in row order: all of them, or those at `rows`."""
        condition, values = "selection = ?", list[Any]([selection])
        if rows is not None:
            condition, values = f"{condition} AND row_number IN (SELECT unnest(?::BIGINT[]))", [selection, list(rows)]
        with self._database.reading() as cursor:
            found = cursor.execute(
                f"SELECT row_number, gate, detail, other_row, enters FROM outcomes WHERE {condition} "  # noqa: S608
                "ORDER BY row_number",
                values,
            ).fetchall()
        return [Outcome(*row) for row in found]

    def gates(self, selection: str) -> list[tuple[str, int]]:
        """How many examples each gate kept out, the most frequent first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT gate, count(*) FROM outcomes WHERE selection = ? GROUP BY gate ORDER BY 2 DESC, 1", [selection]
            ).fetchall()
        return [(row[0], row[1]) for row in rows]

    def _find(self, condition: str, value: str) -> list[SelectionRow]:
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT {SELECTION_COLUMNS} FROM selections WHERE {condition}",  # noqa: S608
                [value],
            ).fetchall()
        return [_selection(row) for row in rows]


def _selection(row: Sequence[Any]) -> SelectionRow:
    values = dict(zip(SELECTION_COLUMNS.split(", "), row, strict=True))
    values |= {name: json.loads(values[name]) for name in JSON_COLUMNS if values[name] is not None}
    return SelectionRow(**values)
