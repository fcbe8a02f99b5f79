"""Who may read and write the database, and how do they share it?

One process owns the file. Inside it every use has a cursor of its own, since DuckDB refuses
two calls on one connection, and all writing goes through one lock. What goes wrong with disk or memory is told in
words here, once for every question; a connection that DuckDB gave up is opened anew at the next.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from core.errors import KEPT, BadInput, Fault, GleanerError, WorkspaceBusy, explain_fault
from core.store.kept import Kept
from core.store.owner import describe_owner, write_owner
from core.store.schema import STEPS

MEMORY = os.environ.get("GLEANER_DATABASE_MEMORY", "600MB")
SETTINGS = (
    f"SET memory_limit = '{MEMORY}'",  # beyond it DuckDB uses the disk
    f"SET threads = {min(4, os.cpu_count() or 1)}",  # each wants memory of its own
    "SET wal_autocheckpoint = '256MB'",  # with the default of 16 MB, loading checkpoints after every block
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
DAMAGED = ("Corrupt database file", "Could not read enough bytes")


class Database:
    """An open workspace database with an up-to-date schema."""

    def __init__(self, path: Path, owner: str = "a Python program") -> None:
        """Open or create, as `owner`. Raises WorkspaceBusy when another process has it, or this one has already,
        BadInput when it is no database, Fault when the disk does not allow it."""
        self._path, self._owner = path, owner
        self.kept = Kept()
        self._writing, self._opening = threading.RLock(), threading.Lock()
        self._connection, self._is_lost = self._open(), False

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for questions. Raises Fault for what disk or memory did."""
        with self._faults_in_words(), self._cursor() as cursor:
            yield cursor

    @contextmanager
    def writing(self, *stores: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor inside a transaction: all of the block happens, or none of it. Raises Fault like `reading`.

        `stores` are the classes whose answers change by it; all of them if none is named.
        """
        with self._writing, self._faults_in_words(), self._cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                with suppress(duckdb.Error):  # after some errors DuckDB has rolled back already
                    cursor.execute("ROLLBACK")
                raise
            try:
                cursor.execute("COMMIT")
            finally:
                self.kept.forget(stores)

    def close(self) -> None:
        """Close, so that another process may open the file."""
        self._connection.close()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._is_lost:
                self._connection.close()
                self._connection, self._is_lost = self._open_anew(), False
            return self._connection.cursor()

    @contextmanager
    def _faults_in_words(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            self._is_lost |= isinstance(error, duckdb.FatalException | duckdb.InternalException)
            if told := _explain(error, self._path):
                raise told from error
            raise

    def _open_anew(self) -> duckdb.DuckDBPyConnection:
        try:
            return self._open()
        except WorkspaceBusy:  # another thread still asks what was lost
            raise Fault(f"The database is being opened anew; try again. {KEPT}") from None

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = _connect(self._path)
        try:
            _upgrade(connection)
            for statement in SETTINGS:
                connection.execute(statement)
        except duckdb.Error as error:
            connection.close()
            if "configuration has been locked" in str(error):
                raise WorkspaceBusy(
                    f"Workspace {str(self._path.parent)!r} is open in this program already; close that Workbench first."
                ) from None
            raise _explain(error, self._path) or _damaged(error, self._path) from None
        except BaseException:
            connection.close()
            raise
        write_owner(self._path.parent, self._owner)
        return connection


def _upgrade(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_steps (step INTEGER PRIMARY KEY, title VARCHAR NOT NULL, "
        "done_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'))"
    )
    done = connection.execute("SELECT count(*) FROM schema_steps").fetchall()[0][0]
    if done > len(STEPS):
        raise BadInput(
            f"This workspace was written by a newer Gleaner (schema step {done}, this one knows {len(STEPS)}); "
            "update Gleaner or choose another workspace."
        )
    for step in range(done, len(STEPS)):
        title, statements = STEPS[step]
        connection.execute("BEGIN")  # closing the connection, which whoever opens it does on an error, rolls back
        connection.execute(statements)
        connection.execute("INSERT INTO schema_steps (step, title) VALUES (?, ?)", [step + 1, title])
        connection.execute("COMMIT")


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(path))
    except OSError as error:
        raise BadInput(
            f"Workspace {str(path.parent)!r} cannot be used ({error.strerror or error}); choose another with "
            "--workspace or GLEANER_WORKSPACE."
        ) from None
    except duckdb.Error as error:
        if holder := re.search(r"\(PID (\d+)\)", str(error)):
            told = describe_owner(path.parent, int(holder[1]))
            raise WorkspaceBusy(f"Workspace {str(path.parent)!r} {told}") from None
        if denied := re.search("Read-only file system|Permission denied", str(error)):
            raise BadInput(
                f"Workspace {str(path.parent)!r} cannot be written ({denied[0]}); make it writable, or choose another "
                "with --workspace or GLEANER_WORKSPACE."
            ) from None
        if fault := explain_fault(error):
            raise Fault(f"Workspace {str(path.parent)!r}: {fault}") from None
        raise BadInput(f"{str(path)!r} cannot be opened as a database: {_first_line(error)}") from None


def _explain(error: duckdb.Error, path: Path) -> GleanerError | None:
    """What to do about what the machine did to the database; None for an error of ours."""
    workspace = str(path.parent)
    if "max_temp_directory_size" in str(error):
        return Fault(f"The disk of workspace {workspace!r} is too full to sort on; free some space. {KEPT}")
    if isinstance(error, duckdb.OutOfMemoryException):
        return Fault(
            f"The database needs more than the {MEMORY} of memory that it may use; set GLEANER_DATABASE_MEMORY "
            f"higher and start again. {KEPT}"
        )
    if told := explain_fault(error):
        return Fault(f"Workspace {workspace!r}: {told}")
    if isinstance(error, duckdb.SerializationException) or any(words in str(error) for words in DAMAGED):
        return _damaged(error, path)
    if isinstance(error, duckdb.FatalException | duckdb.InternalException):
        return Fault(f"The database had to stop and is opened anew ({_first_line(error)}); try again. {KEPT}")
    if isinstance(error, duckdb.IOException):
        return Fault(f"Workspace {workspace!r} cannot be read or written: {_first_line(error)}. {KEPT}")
    return None


def _damaged(error: duckdb.Error, path: Path) -> BadInput:
    return BadInput(f"{str(path)!r} is damaged: {_first_line(error)}; put a backup in its place.")


def _first_line(error: duckdb.Error) -> str:
    return (str(error).splitlines() or ["no reason was given"])[0]
