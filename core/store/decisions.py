"""What did people decide about examples, and what of it stands?

Append-only: nothing is changed or removed, an undo is a decision of its own. Of several pins and bans of one
example that stand, the last one counts.
"""

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from core.choices import Decided, Decision, Made, Standing
from core.errors import BadInput
from core.store.asking import among
from core.store.database import Database
from core.store.kept import kept

COLUMNS = "decision, dataset, row_number, kind, why, who, undoes, made_at"


class Decisions:
    """The decisions of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standing: dict[str, tuple[int, Standing]] = {}

    def add(self, dataset: str, rows: Sequence[int], kind: str, why: str, who: str) -> list[int]:
        """Append a decision for each row, all or none; returns their numbers."""
        with self._database.writing("Decisions", "Pulse") as cursor:
            return _append(cursor, [(dataset, row, None) for row in rows], kind, why, who)

    def undo(self, decisions: Sequence[int], why: str, who: str) -> list[int]:
        """Undo decisions by new ones, all or none; returns their numbers in the same order.

        Raises BadInput for one that is not there, or that is undone already.
        """
        with self._database.writing("Decisions", "Pulse") as cursor:
            condition, values = among("decision", decisions)
            named = _read(cursor, condition, values)
            found = {made.decision: made for made in named}
            if missing := [number for number in decisions if number not in found]:
                raise BadInput(f"There is no decision {missing[0]}; `decisions` lists them.")
            near = f"(dataset, row_number) IN (SELECT (dataset, row_number) FROM decisions WHERE {condition})"  # noqa: S608
            undone = undone_by(_read(cursor, near, values))
            if gone := [number for number in decisions if number in undone]:
                raise BadInput(f"Decision {gone[0]} is undone already; undo that undo to bring it back.")
            taken = [(found[number].dataset, found[number].row, number) for number in dict.fromkeys(decisions)]
            return _append(cursor, taken, "undo", why, who)

    def of_dataset(self, dataset: str) -> list[Decision]:
        """Every decision on a dataset, in the order in which they were made."""
        return self._find("dataset = ?", [dataset])

    @kept
    def of_row(self, dataset: str, row: int) -> list[Decision]:
        """The history of one example."""
        return self._find("dataset = ? AND row_number = ?", [dataset, row])

    @kept
    def open_of_rows(self, dataset: str, rows: Sequence[int]) -> list[Decision]:
        """Those pins, bans and notes of these examples that nobody undid, in the order in which they were made."""
        condition, values = among("row_number", rows)
        made = self._find(f"dataset = ? AND {condition}", [dataset, *values])
        undone = undone_by(made)
        return [one for one in made if one.kind != "undo" and one.decision not in undone]

    @kept
    def count(self, dataset: str) -> int:
        """How many decisions there are on a dataset."""
        with self._database.reading() as cursor:
            return int(cursor.execute("SELECT count(*) FROM decisions WHERE dataset = ?", [dataset]).fetchall()[0][0])

    def made_on(self, dataset: str, row: int, most: int) -> tuple[list[Decided], int]:
        """What was decided on one example, the last first, at most so many; and how much there is."""
        history = self.of_row(dataset, row)
        undone = {made.undoes for made in history}
        return [_by_itself(one, is_open=one.decision not in undone) for one in history[: -most - 1 : -1]], len(history)

    @kept
    def made_together(self, dataset: str, most: int) -> tuple[list[Decided], int]:
        """What was decided at once on a dataset, the last first, at most so many; and how many there are."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                """
                WITH made AS (SELECT * FROM decisions WHERE dataset = $1),
                undone AS (SELECT DISTINCT undoes FROM made WHERE undoes IS NOT NULL),
                grouped AS (
                    SELECT made_at, kind, why, who, min(decision) AS first, max(decision) AS last,
                        count(*) AS decisions, min(row_number) AS row_number, min(made.undoes) AS undoes,
                        count(*) FILTER (undone.undoes IS NULL) AS open
                    FROM made LEFT JOIN undone ON decision = undone.undoes GROUP BY made_at, kind, why, who
                )
                SELECT first, last, kind, why, who, made_at, decisions, row_number, undoes, open, count(*) OVER ()
                FROM grouped ORDER BY last DESC LIMIT $2
                """,
                [dataset, most],
            ).fetchall()
        return [Decided(dataset, *each[:-1]) for each in rows], int(rows[0][-1]) if rows else 0

    @kept
    def made_since(self, dataset: str, decision: int) -> list[Made]:
        """Who decided how much after the decision of this number, in the order of their first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT who, kind, count(*), min(row_number) FROM decisions WHERE dataset = ? AND decision > ? "
                "GROUP BY who, kind ORDER BY min(decision)",
                [dataset, decision],
            ).fetchall()
        return [Made(*row) for row in rows]

    @kept
    def rows_since(self, dataset: str, decision: int) -> frozenset[int]:
        """The examples that were decided on after the decision of this number."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT DISTINCT row_number FROM decisions WHERE dataset = ? AND decision > ?", [dataset, decision]
            ).fetchall()
        return frozenset(row[0] for row in rows)

    def open_of(self, decided: Decided) -> list[int]:
        """Those of decisions made at once that nobody undid."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT decision FROM decisions WHERE dataset = $1 AND made_at = $2 AND kind = $3 AND why = $4 "
                "AND who = $5 AND decision BETWEEN $6 AND $7 AND decision NOT IN "
                "(SELECT undoes FROM decisions WHERE dataset = $1 AND undoes IS NOT NULL) ORDER BY decision",
                [decided.dataset, decided.made_at, decided.kind, decided.why, decided.who, decided.first, decided.last],
            ).fetchall()
        return [row[0] for row in rows]

    @kept
    def newest(self, dataset: str) -> int:
        """The number of the last decision on a dataset; 0 before the first."""
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT coalesce(max(decision), 0) FROM decisions WHERE dataset = ?", [dataset])
            return int(rows.fetchall()[0][0])

    def standing(self, dataset: str) -> Standing:
        """The pins and bans in force, worked out anew after a decision only: of the decisions that are there, none is
        ever changed or removed."""
        newest = self.newest(dataset)
        number, found = self._standing.get(dataset, (-1, Standing()))
        if number != newest:
            found = standing(self.of_dataset(dataset))
            self._standing[dataset] = newest, found
        return found

    def _find(self, condition: str, values: list[Any]) -> list[Decision]:
        with self._database.reading() as cursor:
            return _read(cursor, condition, values)


def _read(cursor: duckdb.DuckDBPyConnection, condition: str, values: list[Any]) -> list[Decision]:
    rows = cursor.execute(
        f"SELECT {COLUMNS} FROM decisions WHERE {condition} ORDER BY decision",  # noqa: S608
        values,
    ).fetchall()
    return [Decision(*row) for row in rows]


def _append(
    cursor: duckdb.DuckDBPyConnection, made: Sequence[tuple[str, int, int | None]], kind: str, why: str, who: str
) -> list[int]:
    """Append decisions of one kind, each a dataset, a row and what it undoes."""
    first = cursor.execute("SELECT coalesce(max(decision), 0) + 1 FROM decisions").fetchall()[0][0]
    numbers, (datasets, rows, undoes) = list(range(first, first + len(made))), zip(*made, strict=True)
    columns = {"decision": numbers, "row_number": rows, "undoes": undoes}
    incoming = pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
    cursor.register("incoming", incoming.append_column("dataset", pa.array(datasets, pa.string())))
    cursor.execute(
        "INSERT INTO decisions (decision, dataset, row_number, kind, why, who, undoes) "
        "SELECT decision, dataset, row_number, ?, ?, ?, undoes FROM incoming",
        [kind, why, who],
    )
    cursor.unregister("incoming")
    return numbers


def _by_itself(made: Decision, *, is_open: bool) -> Decided:
    number = made.decision
    alike = (made.kind, made.why, made.who, made.made_at)
    return Decided(made.dataset, number, number, *alike, 1, made.row, made.undoes, int(is_open))


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
