"""How does a dataset go on under its title? As versions, each a dataset of its own.

What people decided about an example holds in the next version too, where its content is the same.
"""

import json

import duckdb

from core.records import DatasetRow

DATASET_COLUMNS = (
    "name, source, format, mapping, content_hash, rows_read, rows_loaded, rows_quarantined, created_at, title, "
    "version, previous, settings, sources, read_hash"
)


def enter_dataset(cursor: duckdb.DuckDBPyConnection, dataset: DatasetRow) -> None:
    """Put a dataset's own row in the place of any of its name."""
    cursor.execute("DELETE FROM datasets WHERE name = ?", [dataset.name])
    columns = [name for name in DATASET_COLUMNS.split(", ") if name != "created_at"]
    values = [getattr(dataset, name) for name in columns]
    cursor.execute(
        f"INSERT INTO datasets ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})",  # noqa: S608
        [json.dumps(value) if isinstance(value, dict | tuple) else value for value in values],
    )


def carry_decisions(cursor: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
    """Repeat the whole history of each example that both versions have, with the names and times it has. One that
    is read otherwise now, by other columns, is another."""
    cursor.execute(
        """
        INSERT INTO decisions (decision, dataset, row_number, kind, why, who, undoes, made_at)
        SELECT last.number + made.decision, ?, after.row_number, made.kind, made.why, made.who,
               last.number + made.undoes, made.made_at
        FROM decisions AS made
        JOIN examples AS before ON before.dataset = made.dataset AND before.row_number = made.row_number
        JOIN examples AS after ON after.dataset = ? AND after.example_id = before.example_id
            AND after.prompt = before.prompt AND after.response = before.response
        CROSS JOIN (SELECT coalesce(max(decision), 0) AS number FROM decisions) AS last
        WHERE made.dataset = ?
        """,
        [new, new, old],
    )


def carry_repairs(cursor: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
    """Repeat what was done about rows that could not be loaded, for those that still cannot, by their raw text."""
    cursor.execute(
        """
        WITH counted AS (
            SELECT dataset, entry, raw, row_number() OVER (PARTITION BY dataset, raw ORDER BY entry) AS k
            FROM quarantine WHERE dataset IN (?, ?)
        )
        INSERT INTO repairs (repair, dataset, entry, kind, text, who, made_at)
        SELECT last.number + made.repair, ?, after.entry, made.kind, made.text, made.who, made.made_at
        FROM repairs AS made
        JOIN counted AS before ON before.dataset = made.dataset AND before.entry = made.entry
        JOIN counted AS after ON after.dataset = ? AND after.raw = before.raw AND after.k = before.k
        CROSS JOIN (SELECT coalesce(max(repair), 0) AS number FROM repairs) AS last
        WHERE made.dataset = ?
        """,
        [old, new, new, new, old],
    )
