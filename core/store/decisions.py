"""What did people decide about examples, and what of it stands?

Append-only: nothing is changed or removed, an undo is a decision of its own. Of several pins and bans of one
example that stand, the last one counts.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from core.choices import Decision, Standing
from core.errors import BadInput
from core.store.database import Database

COLUMNS = "decision, dataset, row_number, kind, why, who, undoes, made_at"


class Decisions:
    """The decisions of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, dataset: str, rows: Sequence[int], kind: str, why: str, who: str, undoes: int | None = None
    ) -> list[int]:
        """Append a decision for each row, all or none; returns their numbers."""
        with self._database.writing() as cursor:
            first = cursor.execute("SELECT coalesce(max(decision), 0) + 1 FROM decisions").fetchall()[0][0]
            numbers = list(range(first, first + len(rows)))
            incoming = pa.table({"decision": pa.array(numbers, pa.int64()), "row_number": pa.array(rows, pa.int64())})
            cursor.register("incoming", incoming)
            cursor.execute(
                "INSERT INTO decisions (decision, dataset, row_number, kind, why, who, undoes) "
                "SELECT decision, ?, row_number, ?, ?, ?, ?::BIGINT FROM incoming",
                [dataset, kind, why, who, undoes],
            )
            cursor.unregister("incoming")
        return numbers

    def get(self, decision: int) -> Decision:
        """Raises BadInput for a decision that is not there."""
        found = self._find("decision = ?", [decision])
        if not found:
            raise BadInput(f"There is no decision {decision}; `decisions` lists them.")
        return found[0]

    def of_dataset(self, dataset: str) -> list[Decision]:
        """Every decision on a dataset, in the order in which they were made."""
        return self._find("dataset = ?", [dataset])

    def of_row(self, dataset: str, row: int) -> list[Decision]:
        """The history of one example."""
        return self._find("dataset = ? AND row_number = ?", [dataset, row])

    def standing(self, dataset: str) -> Standing:
        """The pins and bans in force."""
        return standing(self.of_dataset(dataset))

    def stands(self, decision: Decision) -> bool:
        """Whether nobody undid it."""
        return decision.decision not in undone_by(self.of_row(decision.dataset, decision.row))

    def _find(self, condition: str, values: list[Any]) -> list[Decision]:
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT {COLUMNS} FROM decisions WHERE {condition} ORDER BY decision",  # noqa: S608
                values,
            ).fetchall()
        return [Decision(*row) for row in rows]


def standing(decisions: Sequence[Decision]) -> Standing:
    """What stands of decisions in the order in which they were made: what a standing undo names does not."""
    undone, kinds = undone_by(decisions), dict[int, str]()
    for made in decisions:
        if made.decision not in undone and made.kind in ("pin", "ban"):
            kinds[made.row] = made.kind
    rows = {kind: tuple(sorted(row for row, of in kinds.items() if of == kind)) for kind in ("pin", "ban")}
    return Standing(rows["pin"], rows["ban"])


def undone_by(decisions: Sequence[Decision]) -> set[int]:
    """The decisions that an undo took back which was not itself undone."""
    undone = set[int]()
    for made in reversed(decisions):
        if made.undoes is not None and made.decision not in undone:
            undone.add(made.undoes)
    return undone
