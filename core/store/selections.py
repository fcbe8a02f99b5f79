"""Which selections were made, and what did each pick bring?"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from core.choices import Ledger, LeftOut, Outcome, Pick, SelectionRow
from core.errors import BadInput
from core.store.asking import among
from core.store.database import Database
from core.store.kept import kept

SELECTION_COLUMNS = (
    "selection, run, dataset, criterion, budget, seed, settings, examples, tokens, log_det, envelope, created_at, "
    "upper_bound, variance, evaluations, order_name, curve, comparison"
)
JSON_COLUMNS = ("settings", "envelope", "variance", "evaluations", "curve", "comparison")
PICK_COLUMNS = "rank, row_number, gain, gain_alone, cumulative, response_tokens, reason, objective_gain"
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
            for table_name in ("selections", "picks", "left_out", "outcomes"):
                cursor.execute(f"DELETE FROM {table_name} WHERE selection = ?", [selection.selection])  # noqa: S608
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

    @kept
    def has(self, selection: str) -> bool:
        """Whether a selection of this name was made."""
        return bool(self._find("selection = ?", selection))

    @kept
    def of_run(self, run: str) -> list[SelectionRow]:
        """The selections of a scoring run, the newest first."""
        return self._find("run = ? ORDER BY created_at DESC", run)

    @kept
    def get(self, selection: str) -> SelectionRow:
        """Raises BadInput for a selection that is not there."""
        found = self._find("selection = ?", selection)
        if not found:
            raise BadInput(f"There is no selection {selection!r}; `select` prints the name of each it makes.")
        return found[0]

    def picks(self, selection: str, rows: Sequence[int] | None = None) -> list[Pick]:
        """The ledger, in rank order: all of it, or the picks at `rows`."""
        condition, values = _of(selection, rows)
        with self._database.reading() as cursor:
            found = cursor.execute(
                f"SELECT {PICK_COLUMNS} FROM picks WHERE {condition} ORDER BY rank",  # noqa: S608
                values,
            ).fetchall()
        return [Pick(*row) for row in found]

    def ledger(self, selection: str) -> Ledger:
        """All picks as arrays, in rank order: for selections of any length."""
        with self._database.reading() as cursor:
            found = cursor.execute(
                "SELECT row_number, gain, gain_alone, cumulative, response_tokens, objective_gain FROM picks "
                "WHERE selection = ? ORDER BY rank",
                [selection],
            ).fetchnumpy()
        rows, tokens = (np.asarray(found[name], dtype=np.int64) for name in ("row_number", "response_tokens"))
        gains = {
            name: np.ma.filled(np.ma.asarray(found[name], dtype=np.float64), np.nan)
            for name in ("gain", "gain_alone", "cumulative", "objective_gain")
        }
        return Ledger(rows=rows, response_tokens=tokens, **gains)

    def left_out(self, selection: str, rows: Sequence[int] | None = None) -> list[LeftOut]:
        """What the examples outside a selection would bring, in row order: all of them, or those at `rows`."""
        condition, values = _of(selection, rows)
        with self._database.reading() as cursor:
            found = cursor.execute(
                f"SELECT row_number, gain, gain_alone FROM left_out WHERE {condition} ORDER BY row_number",  # noqa: S608
                values,
            ).fetchall()
        return [LeftOut(*row) for row in found]

    def outcomes(self, selection: str, rows: Sequence[int] | None = None) -> list[Outcome]:
        """Why examples are not in a selection, in row order: all of them, or those at `rows`."""
        condition, values = _of(selection, rows)
        with self._database.reading() as cursor:
            found = cursor.execute(
                f"SELECT row_number, gate, detail, other_row, enters FROM outcomes WHERE {condition} "  # noqa: S608
                "ORDER BY row_number",
                values,
            ).fetchall()
        return [Outcome(*row) for row in found]

    def places(self, selection: str, count: int) -> dict[str, np.ndarray]:
        """What a selection makes of each of `count` rows, as arrays [count]: `rank`, 0 outside it; of those outside
        the `gate` that kept it out, "" if unknown, the `other` row that stands for it, and the budget at which it
        `enters`, both −1 if unknown."""
        with self._database.reading() as cursor:
            picks = cursor.execute("SELECT row_number, rank FROM picks WHERE selection = ?", [selection]).fetchnumpy()
            left = cursor.execute(
                "SELECT row_number, gate, coalesce(other_row, -1) AS other, coalesce(enters, -1) AS enters "
                "FROM outcomes WHERE selection = ?",
                [selection],
            ).fetchnumpy()
        rank, other, enters = (np.full(count, blank, dtype=np.int64) for blank in (0, -1, -1))
        gate = np.full(count, "", dtype=object)
        rank[picks["row_number"]] = picks["rank"]
        for array, name in ((gate, "gate"), (other, "other"), (enters, "enters")):
            array[left["row_number"]] = left[name]
        return {"rank": rank, "gate": gate, "other": other, "enters": enters}

    def gains(self, selection: str) -> dict[str, np.ndarray]:
        """What each scored example tells, as arrays in `row` order: its `rank`, 0 if it was left out, its `gain_alone`,
        and the `gain` that it would bring now, 0 for a pick; in nats."""
        with self._database.reading() as cursor:
            found = cursor.execute(
                'SELECT row_number AS "row", rank, gain_alone, 0.0::DOUBLE AS gain FROM picks WHERE selection = $1 '
                "UNION ALL SELECT row_number, 0, gain_alone, gain FROM left_out WHERE selection = $1 ORDER BY 1",
                [selection],
            ).fetchnumpy()
        return {name: np.asarray(values) for name, values in found.items()}

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


def _of(selection: str, rows: Sequence[int] | None) -> tuple[str, list[Any]]:
    """The condition for a selection, or for these rows of it, and its values."""
    named, numbers = ("TRUE", []) if rows is None else among("row_number", rows)
    return f"selection = ? AND {named}", [selection, *numbers]


@lru_cache(maxsize=256)
def _read_json(text: str) -> Any:
    """Read once: a page asks for its selection many times. Nobody changes what it gets."""
    return json.loads(text)


def _selection(row: Sequence[Any]) -> SelectionRow:
    values = dict(zip(SELECTION_COLUMNS.split(", "), row, strict=True))
    values |= {name: _read_json(values[name]) for name in JSON_COLUMNS if values[name] is not None}
    return SelectionRow(**values)
