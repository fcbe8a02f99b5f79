"""What did each person say of an example in a review queue?

Append-only, and apart from decisions: a judgement changes no selection. Of what one person said of an example in one
queue the last counts, so two persons on the same example both stand.
"""

from collections.abc import Sequence
from typing import Any

import duckdb

from core.choices import Judgement
from core.store.asking import among
from core.store.database import Database

COLUMNS = "judgement, dataset, row_number, queue, verdict, why, who, made_at"


class Judgements:
    """The judgements of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, dataset: str, row: int, queue: str, verdict: str, why: str, who: str) -> int:
        """Append a judgement; returns its number."""
        with self._database.writing("Judgements", "Pulse") as cursor:
            number: int = cursor.execute("SELECT coalesce(max(judgement), 0) + 1 FROM judgements").fetchall()[0][0]
            cursor.execute(
                "INSERT INTO judgements (judgement, dataset, row_number, queue, verdict, why, who) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [number, dataset, row, queue, verdict, why, who],
            )
        return number

    def of_dataset(self, dataset: str) -> list[Judgement]:
        """Every judgement on a dataset, in the order in which they were made."""
        return self._find("dataset = ?", [dataset])

    def standing(self, dataset: str, queue: str | None = None, rows: Sequence[int] | None = None) -> list[Judgement]:
        """The last one of each person on each example of each queue, in row order; of one queue and of these rows
        where they are given."""
        condition, values = "dataset = ?", list[Any]([dataset])
        if queue is not None:
            condition, values = f"{condition} AND queue = ?", [*values, queue]
        if rows is not None:
            named, numbers = among("row_number", rows)
            condition, values = f"{condition} AND {named}", [*values, *numbers]
        last = "row_number() OVER (PARTITION BY row_number, queue, who ORDER BY judgement DESC) = 1"
        return self._find(f"{condition} QUALIFY {last}", values, "row_number, queue, who")

    def _find(self, condition: str, values: list[Any], order: str = "judgement") -> list[Judgement]:
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT {COLUMNS} FROM judgements WHERE {condition} ORDER BY {order}",  # noqa: S608
                values,
            ).fetchall()
        return [Judgement(*row) for row in rows]


def carry_judgements(cursor: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
    """Repeat what was said of each example that both versions of a dataset have, and read alike."""
    cursor.execute(
        """
        INSERT INTO judgements (judgement, dataset, row_number, queue, verdict, why, who, made_at)
        SELECT last.number + made.judgement, ?, after.row_number, made.queue, made.verdict, made.why, made.who,
               made.made_at
        FROM judgements AS made
        JOIN examples AS before ON before.dataset = made.dataset AND before.row_number = made.row_number
        JOIN examples AS after ON after.dataset = ? AND after.example_id = before.example_id
            AND after.prompt = before.prompt AND after.response = before.response
        CROSS JOIN (SELECT coalesce(max(judgement), 0) AS number FROM judgements) AS last
        WHERE made.dataset = ?
        """,
        [new, new, old],
    )
