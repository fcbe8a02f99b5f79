"""Which selections were made, and what did each pick bring?"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from core.errors import BadInput
from core.records import Pick, SelectionRow
from core.store.database import Database

SELECTION_COLUMNS = (
    "selection, run, dataset, criterion, budget, seed, settings, examples, tokens, log_det, envelope, created_at"
)


class Selections:
    """The selections of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, selection: SelectionRow, picks: Sequence[Pick]) -> None:
        """Record a selection with its ledger; one that is there already stays as it is."""
        table = pa.Table.from_pylist([asdict(pick) for pick in picks])
        with self._database.writing() as cursor:
            if cursor.execute("SELECT 1 FROM selections WHERE selection = ?", [selection.selection]).fetchall():
                return
            values = asdict(selection) | {
                "settings": json.dumps(selection.settings),
                "envelope": json.dumps(selection.envelope),
            }
            del values["created_at"]
            columns = ", ".join(values)
            marks = ", ".join("?" for _ in values)
            cursor.execute(f"INSERT INTO selections ({columns}) VALUES ({marks})", list(values.values()))  # noqa: S608
            cursor.register("incoming", table)
            cursor.execute(
                'INSERT INTO picks SELECT ?, rank, "row", gain, gain_alone, cumulative, response_tokens, reason '
                "FROM incoming",
                [selection.selection],
            )
            cursor.unregister("incoming")

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
                "SELECT rank, row_number, gain, gain_alone, cumulative, response_tokens, reason FROM picks "
                "WHERE selection = ? ORDER BY rank",
                [selection],
            ).fetchall()
        return [Pick(*row) for row in rows]

    def _find(self, condition: str, value: str) -> list[SelectionRow]:
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT {SELECTION_COLUMNS} FROM selections WHERE {condition}",  # noqa: S608
                [value],
            ).fetchall()
        return [_selection(row) for row in rows]


def _selection(row: Sequence[Any]) -> SelectionRow:
    values = dict(zip(SELECTION_COLUMNS.split(", "), row, strict=True))
    values["settings"], values["envelope"] = json.loads(values["settings"]), json.loads(values["envelope"])
    return SelectionRow(**values)
