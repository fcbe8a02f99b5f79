"""Which scoring runs are there, and what did they find?"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.records import HELD_OUT_REASON, RunRow
from core.store.database import Database
from core.store.kept import kept

SCORES_QUERY = """
    SELECT e.example_id, e.row_number AS "row", b.prompt_tokens, b.response_tokens,
           b.nll, exp(b.nll) AS ppl, b.entropy, c.nll AS nll_calibrated, c.entropy AS entropy_calibrated,
           c.nll - b.nll AS delta_nll, b.entropy - c.entropy AS delta_entropy, b.unscorable_reason,
           b.gini, b.truncated, a.nll AS nll_alone, b.nll / nullif(a.nll, 0) AS ifd_loss_ratio,
           exp(b.nll - a.nll) AS ifd_perplexity_ratio
    FROM runs r
    JOIN examples e ON e.dataset = r.dataset
    JOIN scores b ON b.run = r.run AND b.pass = 'base' AND b.row_number = e.row_number
    LEFT JOIN scores c ON c.run = r.run AND c.pass = 'calibrated' AND c.row_number = e.row_number
    LEFT JOIN scores a ON a.run = r.run AND a.pass = 'alone' AND a.row_number = e.row_number
    WHERE r.run = ?
    ORDER BY e.row_number
"""


class Runs:
    """The scoring runs of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: str, dataset: str, settings: str, model_identity: str) -> None:
        """Record a run; a run that is there already stays as it is."""
        with self._database.writing() as cursor:
            cursor.execute(
                "INSERT OR IGNORE INTO runs (run, dataset, settings, model_identity) VALUES (?, ?, ?, ?)",
                [run, dataset, settings, model_identity],
            )

    @kept
    def of_dataset(self, dataset: str) -> list[RunRow]:
        """The runs of a dataset, the newest first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT run, dataset, settings, model_identity, created_at FROM runs WHERE dataset = ? "
                "ORDER BY created_at DESC",
                [dataset],
            ).fetchall()
        return [_run(row) for row in rows]

    @kept
    def get(self, run: str) -> RunRow:
        """Raises BadInput for a run that is not there."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT run, dataset, settings, model_identity, created_at FROM runs WHERE run = ?", [run]
            ).fetchall()
        if not rows:
            raise BadInput(f"There is no scoring run {run!r}; `score` prints the name of each run it makes.")
        return _run(rows[0])

    def taken_shards(self, run: str) -> set[tuple[str, str]]:
        """(pass, shard) of every shard that is in the database."""
        with self._database.reading() as cursor:
            rows = cursor.execute("SELECT pass, shard FROM shards WHERE run = ?", [run]).fetchall()
        return {(row[0], row[1]) for row in rows}

    @kept
    def count_shards(self, run: str) -> int:
        """How many shards and maps are in the database: it grows with each that is taken in."""
        with self._database.reading() as cursor:
            return int(cursor.execute("SELECT count(*) FROM shards WHERE run = ?", [run]).fetchall()[0][0])

    def take_shard(
        self, run: str, scoring_pass: str, shard: str, columns: dict[str, Any], sha256: str | None = None
    ) -> None:
        """Insert a shard's scores together with its own record: exactly once, whoever calls."""
        table = pa.table({name: _nullable(values) for name, values in columns.items()})
        with self._database.writing() as cursor:
            if cursor.execute(
                "SELECT 1 FROM shards WHERE run = ? AND pass = ? AND shard = ?", [run, scoring_pass, shard]
            ).fetchall():
                return
            cursor.register("incoming", table)
            cursor.execute(
                "INSERT INTO scores SELECT ?, ?, rows, prompt_tokens, response_tokens, nll, entropy, gini, "
                "truncated::BOOLEAN, reasons FROM incoming",
                [run, scoring_pass],
            )
            cursor.unregister("incoming")
            cursor.execute("INSERT INTO shards VALUES (?, ?, ?, ?)", [run, scoring_pass, shard, sha256])

    def counts(self, run: str) -> dict[str, int]:
        """Rows scored, unscorable and held out, and response tokens, of the base pass so far."""
        with self._database.reading() as cursor:
            row = cursor.execute(
                "SELECT count(nll), count(*) - count(nll), count(*) FILTER (unscorable_reason = ?), "
                "coalesce(sum(response_tokens) FILTER (nll IS NOT NULL), 0), coalesce(sum(truncated::INT), 0) "
                "FROM scores WHERE run = ? AND pass = 'base'",
                [HELD_OUT_REASON, run],
            ).fetchall()[0]
        scored, missing, held_out, tokens, truncated = map(int, row)
        return {
            "scored": scored,
            "unscorable": missing - held_out,
            "held_out": held_out,
            "tokens": tokens,
            "truncated": truncated,
        }

    def scores(self, run: str) -> pa.Table:
        """One row per example, in row order; `core scores` writes the contract's columns of it."""
        with self._database.reading() as cursor:
            return cursor.sql(SCORES_QUERY, params=[run]).to_arrow_table()

    def unscorable_reasons(self, run: str) -> list[tuple[str, int]]:
        """Reasons with their counts, the most frequent first; not that rows are held out."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT unscorable_reason, count(*) FROM scores WHERE run = ? AND pass = 'base' "
                "AND unscorable_reason IS NOT NULL AND unscorable_reason <> ? GROUP BY 1 ORDER BY 2 DESC, 1",
                [run, HELD_OUT_REASON],
            ).fetchall()
        return [(row[0], row[1]) for row in rows]

    def store_map(self, run: str, name: str, rows: np.ndarray, points: np.ndarray) -> None:
        """Replace a run's map by the one of this name; `points` is [n, 2] float32 for the row numbers [n]."""
        table = pa.table({"row_number": rows, "x": points[:, 0], "y": points[:, 1]})
        with self._database.writing() as cursor:
            cursor.execute("DELETE FROM map_points WHERE run = ?", [run])
            cursor.register("incoming", table)
            cursor.execute("INSERT INTO map_points SELECT ?, row_number, x, y FROM incoming", [run])
            cursor.unregister("incoming")
            cursor.execute("INSERT OR IGNORE INTO shards VALUES (?, 'map', ?, NULL)", [run, name])

    def map_points(self, run: str) -> pa.Table:
        """Columns row_number, x, y in row order; empty when the run has no map yet."""
        with self._database.reading() as cursor:
            return cursor.sql(
                "SELECT row_number, x, y FROM map_points WHERE run = ? ORDER BY row_number", params=[run]
            ).to_arrow_table()


def _nullable(values: Sequence[Any] | np.ndarray) -> pa.Array:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, from_pandas=True)  # NaN is a missing value here
    return pa.array(values)


def _run(row: Sequence[Any]) -> RunRow:
    run, dataset, settings, model_identity, created_at = row
    return RunRow(run, dataset, json.loads(settings), model_identity, created_at)
