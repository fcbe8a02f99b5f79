"""Is what the database holds consistent in itself? And what of it must be forgotten, to be found anew?

Every question asks for what must not be: an answer with no rows is good news.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.errors import GleanerError
from core.store.aside import check_aside, copy_aside
from core.store.database import Database

COUNTS = (
    (
        "SELECT name, format('rows_read is {}, but {} loaded and {} quarantined are {}', rows_read, rows_loaded, "
        "rows_quarantined, rows_loaded + rows_quarantined) FROM datasets "
        "WHERE rows_read <> rows_loaded + rows_quarantined"
    ),
    (
        "SELECT name, format('{} examples are here, of {} that were loaded', found, rows_loaded) FROM ("
        "  SELECT name, rows_loaded, (SELECT count(*) FROM examples WHERE dataset = name) AS found FROM datasets"
        ") WHERE found <> rows_loaded"
    ),
    (
        "SELECT dataset, format('its {} examples have {} row numbers from {} to {}', n, numbers, low, high) FROM ("
        "  SELECT dataset, count(*) AS n, count(DISTINCT row_number) AS numbers, min(row_number) AS low, "
        "  max(row_number) AS high FROM examples WHERE dataset IN (SELECT name FROM datasets) GROUP BY dataset"
        ") WHERE numbers <> n OR low <> 0 OR high <> n - 1"
    ),
    (
        "SELECT name, format('{} rows are in quarantine, of {} that were put there', found, rows_quarantined) FROM ("
        "  SELECT name, rows_quarantined, (SELECT count(*) FROM quarantine WHERE dataset = name "
        "  AND admitted_row IS NULL) AS found FROM datasets"
        ") WHERE found <> rows_quarantined"
    ),
    (
        "SELECT dataset, format('{} examples belong to no dataset and no load', count(*)) FROM examples "
        "WHERE dataset NOT IN (SELECT name FROM datasets UNION ALL SELECT dataset FROM loads) GROUP BY dataset"
    ),
    (
        "SELECT name, format('its previous version {} is not here', previous) FROM datasets "
        "WHERE previous NOT IN (SELECT name FROM datasets)"
    ),
    (
        "SELECT format('run {}', run), format('its dataset {} is not here', dataset) FROM runs "
        "WHERE dataset NOT IN (SELECT name FROM datasets)"
    ),
    (
        "SELECT format('run {}', run), format('{} scores belong to no run', count(*)) FROM scores "
        "WHERE run NOT IN (SELECT run FROM runs) GROUP BY run"
    ),
    (
        "SELECT format('run {}', run), format('{} of its scores are of rows that are not here', count(*)) "
        "FROM scores JOIN runs USING (run) JOIN datasets ON name = runs.dataset "
        "WHERE row_number < 0 OR row_number >= rows_loaded GROUP BY run"
    ),
    (
        "SELECT format('selection {}', selection), format('it has {} picks and {} tokens, of {} and {}', n, t, "
        "examples, tokens) FROM ("
        "  SELECT s.selection, examples, tokens, count(p.rank) AS n, coalesce(sum(p.response_tokens), 0) AS t "
        "  FROM selections s LEFT JOIN picks p USING (selection) GROUP BY ALL"
        ") WHERE n <> examples OR t <> tokens"
    ),
    (
        "SELECT format('selection {}', selection), format('its {} picks have ranks from {} to {} and {} rows', n, "
        "low, high, rows) FROM ("
        "  SELECT selection, count(*) AS n, min(rank) AS low, max(rank) AS high, count(DISTINCT row_number) AS rows "
        "  FROM picks GROUP BY selection"
        ") WHERE low <> 1 OR high <> n OR rows <> n"
    ),
    (
        "SELECT format('selection {}', selection), format('{} picks are of rows that are not here', count(*)) "
        "FROM picks JOIN selections USING (selection) JOIN datasets ON name = selections.dataset "
        "WHERE row_number < 0 OR row_number >= rows_loaded GROUP BY selection"
    ),
    (
        "SELECT format('selection {}', selection), format('{} picks belong to no selection', count(*)) FROM picks "
        "WHERE selection NOT IN (SELECT selection FROM selections) GROUP BY selection"
    ),
    (
        "SELECT format('selection {}', selection), format('its run {} is not here', run) FROM selections "
        "WHERE run NOT IN (SELECT run FROM runs)"
    ),
    (
        "SELECT format('selection {}', selection), format('its order {} is not here', order_name) FROM selections "
        "WHERE order_name NOT IN (SELECT order_name FROM orders)"
    ),
    (
        "SELECT format('order {}', order_name), format('its run {} is not here', run) FROM orders "
        "WHERE run NOT IN (SELECT run FROM runs)"
    ),
    (
        "SELECT format('order {}', order_name), format('{} of its rows are not here', count(*)) FROM order_rows "
        "JOIN orders USING (order_name) JOIN runs USING (run) JOIN datasets ON name = runs.dataset "
        "WHERE row_number < 0 OR row_number >= rows_loaded GROUP BY order_name"
    ),
    (
        "SELECT format('decision {}', decision), format('row {} of dataset {} is not here', row_number, dataset) "
        "FROM decisions LEFT JOIN datasets ON name = dataset "
        "WHERE name IS NULL OR row_number < 0 OR row_number >= rows_loaded"
    ),
    (
        "SELECT format('decision {}', decision), format('it takes back decision {}, which is not here', undoes) "
        "FROM decisions WHERE undoes NOT IN (SELECT decision FROM decisions)"
    ),
    (
        "SELECT format('judgement {}', judgement), format('row {} of dataset {} is not here', row_number, dataset) "
        "FROM judgements LEFT JOIN datasets ON name = dataset "
        "WHERE name IS NULL OR row_number < 0 OR row_number >= rows_loaded"
    ),
    (
        "SELECT format('repair {}', repair), format('entry {} of dataset {} is not here', repairs.entry, "
        "repairs.dataset) FROM repairs LEFT JOIN quarantine q "
        "ON q.dataset = repairs.dataset AND q.entry = repairs.entry WHERE q.dataset IS NULL"
    ),
)


@dataclass(frozen=True, slots=True)
class ShardRow:
    """A shard that was taken in; `sha256` is None where an older Gleaner took it."""

    run: str
    scoring_pass: str
    name: str
    sha256: str | None


class Keeping:
    """What keeping a workspace asks of its database."""

    def __init__(self, database: Database, file: Path) -> None:
        self._database, self._file = database, file

    def copy_to(self, target: Path, follow: Callable[[], None]) -> None:
        """Copy the database as it is now: everything committed is in the copy, and nothing is written meanwhile."""
        with self._database.writing(), self._database.reading() as cursor:
            cursor.execute("CHECKPOINT")
            copy_aside(self._file, target, follow)

    def damaged_parts(self) -> list[str]:
        """The headers and blocks of the file that are not what was written."""
        with self._database.writing(), self._database.reading() as cursor:
            cursor.execute("CHECKPOINT")
            return check_aside(self._file)

    def wrong_counts(self) -> list[tuple[str, str]]:
        """(where, what) of every count that does not fit another, and of every reference to nothing."""
        with self._database.reading() as cursor:
            return [(where, what) for query in COUNTS for where, what in cursor.execute(query).fetchall()]

    def pass_counts(self, run: str) -> dict[str, int]:
        """How many rows each pass of a run has scores of."""
        with self._database.reading() as cursor:
            found = cursor.execute("SELECT pass, count(*) FROM scores WHERE run = ? GROUP BY pass", [run]).fetchall()
        return dict(found)

    def all_runs(self) -> dict[str, str]:
        """Every run with its dataset."""
        with self._database.reading() as cursor:
            return dict(cursor.execute("SELECT run, dataset FROM runs ORDER BY created_at, run").fetchall())

    def shards(self, run: str) -> list[ShardRow]:
        """The shards of a run that were taken in, its map aside."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT run, pass, shard, sha256 FROM shards WHERE run = ? AND pass <> 'map' ORDER BY pass, shard",
                [run],
            ).fetchall()
        return [ShardRow(*row) for row in rows]

    def scores_of(self, shard: ShardRow, first: int, last: int) -> list[tuple[float | None, float | None]]:
        """NLL and entropy of the rows `first` to `last` of a shard's pass, in row order."""
        with self._database.reading() as cursor:
            return cursor.execute(
                "SELECT nll, entropy FROM scores WHERE run = ? AND pass = ? AND row_number BETWEEN ? AND ? "
                "ORDER BY row_number",
                [shard.run, shard.scoring_pass, first, last],
            ).fetchall()

    def set_hash(self, shard: ShardRow, sha256: str) -> None:
        """Record the hash of a shard that had none."""
        with self._database.writing() as cursor:
            cursor.execute(
                "UPDATE shards SET sha256 = ? WHERE run = ? AND pass = ? AND shard = ?",
                [sha256, shard.run, shard.scoring_pass, shard.name],
            )

    def forget_pass(self, run: str, scoring_pass: str) -> None:
        """Forget a pass's scores and that its shards were taken in: they are taken in again from what lies there."""
        with self._database.writing() as cursor:
            for table in ("scores", "shards"):
                cursor.execute(f"DELETE FROM {table} WHERE run = ? AND pass = ?", [run, scoring_pass])  # noqa: S608

    def schema_step(self) -> int:
        """How many schema steps the file has."""
        with self._database.reading() as cursor:
            return int(cursor.execute("SELECT max(step) FROM schema_steps").fetchall()[0][0])

    def is_answering(self) -> bool:
        """Whether a question is answered."""
        try:
            with self._database.reading() as cursor:
                return bool(cursor.execute("SELECT 1").fetchall())
        except (duckdb.Error, GleanerError):
            return False
