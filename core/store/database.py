"""Who may read and write the database, and how do they share it?

One process owns the file. Inside it every use has a cursor of its own, since DuckDB refuses
two calls on one connection, and all writing goes through one lock.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from core.errors import BadInput, WorkspaceBusy
from core.store.schema import STEPS

SETTINGS = (
    f"SET memory_limit = '{os.environ.get('GLEANER_DATABASE_MEMORY', '600MB')}'",  # beyond it DuckDB uses the disk
    f"SET threads = {min(4, os.cpu_count() or 1)}",  # each wants memory of its own
    "SET wal_autocheckpoint = '256MB'",  # with the default of 16 MB, loading checkpoints after every block
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


class Database:
    """An open workspace database with an up-to-date schema."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises WorkspaceBusy when another process has it, BadInput when it is no database."""
        self._writing = threading.RLock()
        self._connection = _connect(path)
        try:
            self._upgrade()
            for statement in SETTINGS:
                self._connection.execute(statement)
        except duckdb.Error as error:
            self._connection.close()
            raise BadInput(f"{str(path)!r} is damaged: {str(error).splitlines()[0]}") from None
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for questions."""
        with self._connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor inside a transaction: all of the block happens, or none of it."""
        with self._writing, self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def close(self) -> None:
        """Close, so that another process may open the file."""
        self._connection.close()

    def _upgrade(self) -> None:
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_steps (step INTEGER PRIMARY KEY, title VARCHAR NOT NULL, "
            "done_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'))"
        )
        done = self._connection.execute("SELECT count(*) FROM schema_steps").fetchall()[0][0]
        if done > len(STEPS):
            raise BadInput(
                f"This workspace was written by a newer Gleaner (schema step {done}, this one knows {len(STEPS)}); "
                "update Gleaner or choose another workspace."
            )
        for step in range(done, len(STEPS)):
            title, statements = STEPS[step]
            with self.writing() as cursor:
                cursor.execute(statements)
                cursor.execute("INSERT INTO schema_steps (step, title) VALUES (?, ?)", [step + 1, title])


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(path))
    except OSError as error:
        raise BadInput(f"Workspace {str(path.parent)!r} cannot be used: {error.strerror or error}.") from None
    except duckdb.Error as error:
        holder = re.search(r"\(PID (\d+)\)", str(error))
        if holder:
            raise WorkspaceBusy(
                f"Workspace {str(path.parent)!r} is open in process {holder[1]}; use the app there, or stop it first."
            ) from None
        raise BadInput(f"{str(path)!r} cannot be opened as a database: {str(error).splitlines()[0]}") from None
