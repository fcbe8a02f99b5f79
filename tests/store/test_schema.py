"""A workspace of any older version is upgraded with all that it holds; a newer one is left alone."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from core.errors import BadInput
from core.store import Database, database
from core.store.schema import STEPS
from tests.conftest import ROOT

OLDER = range(1, len(STEPS))
DYING = """
import os, signal, sys
from pathlib import Path
from core.store import database

class Steps(tuple):
    def __getitem__(self, step):
        if step == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(step)

database.STEPS = Steps(database.STEPS)
database.Database(Path(sys.argv[1]))
"""
ENDLESS = """
import sys
from pathlib import Path
from core.store import database

step = int(sys.argv[2])
title, statements = database.STEPS[step]
endless = statements + "; SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
database.STEPS = (*database.STEPS[:step], (title, endless), *database.STEPS[step + 1:])
print("begins", flush=True)
database.Database(Path(sys.argv[1]))
"""


def write_older(path: Path, steps: int) -> None:
    """A file as a Gleaner of so many steps left it: every column of every table has a row of its own kind."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE schema_steps (step INTEGER PRIMARY KEY, title VARCHAR NOT NULL, "
            "done_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'))"
        )
        for number, (title, statements) in enumerate(STEPS[:steps], 1):
            connection.execute(statements)
            connection.execute("INSERT INTO schema_steps (step, title) VALUES (?, ?)", [number, title])
        for table in tables(connection):
            columns = connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?", [table]
            ).fetchall()
            values = ", ".join(made_up(name, kind) for name, kind in columns)
            connection.execute(f"INSERT INTO {table} SELECT {values} FROM range(3) AS made(i)")


def made_up(column: str, kind: str) -> str:
    if kind == "VARCHAR":
        return f"'{{\"{column}\": ' || i || '}}'"
    return {"TIMESTAMP": "TIMESTAMP '2026-01-02 03:04:05'", "BOOLEAN": "i = 1"}.get(kind, f"i::{kind}")


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'schema_steps' ORDER BY 1")
    return [row[0] for row in found.fetchall()]


def columns_of(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, str]]]:
    return {
        table: connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [table]
        ).fetchall()
        for table in tables(connection)
    }


def contents(path: Path, of: dict[str, list[tuple[str, str]]]) -> dict[str, list[tuple]]:
    """The rows of these columns, whatever others there are."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            table: connection.execute(
                f"SELECT {', '.join(name for name, _ in columns)} FROM {table} ORDER BY ALL"
            ).fetchall()
            for table, columns in of.items()
        }


def columns_in(path: Path) -> dict[str, list[tuple[str, str]]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return columns_of(connection)


def steps_in(path: Path) -> list[int]:
    with duckdb.connect(str(path)) as connection:
        return [row[0] for row in connection.execute("SELECT step FROM schema_steps ORDER BY step").fetchall()]


def upgrade(path: Path) -> None:
    Database(path).close()


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    """The columns of a workspace that was made today."""
    path = tmp_path_factory.mktemp("newest") / "curation.duckdb"
    upgrade(path)
    return columns_in(path)


@pytest.mark.parametrize("steps", OLDER)
def test_an_older_workspace_is_upgraded_and_keeps_what_it_holds(
    steps: int, newest: dict[str, list[tuple[str, str]]], tmp_path: Path
) -> None:
    path = tmp_path / "curation.duckdb"
    write_older(path, steps)
    columns = columns_in(path)
    before = contents(path, columns)
    assert all(len(rows) == 3 for rows in before.values())
    upgrade(path)
    assert contents(path, columns) == before
    assert columns_in(path) == newest
    assert steps_in(path) == list(range(1, len(STEPS) + 1))


def test_what_an_older_selection_left_out_as_held_out_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    write_older(path, 8)
    reasons = ["it is held out for a proof", "no tokens", "it is held out for a proof"]
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM scores; DELETE FROM selections; DELETE FROM outcomes")
        for selection, run in (("s", "r"), ("t", "q")):
            connection.execute(
                "INSERT INTO selections (selection, run, dataset, criterion, budget, seed, settings, examples, tokens, "
                "log_det, envelope) VALUES (?, ?, 'd', 'fisher', '1', 0, '{}', 1, 1, 0, '{}')",
                [selection, run],
            )
            for row, gate in enumerate(("unscorable", "unscorable", "budget")):
                connection.execute("INSERT INTO outcomes VALUES (?, ?, ?, '', NULL, NULL)", [selection, row, gate])
        for row, reason in enumerate(reasons):
            connection.execute(
                "INSERT INTO scores VALUES ('r', 'base', ?, 1, 0, NULL, NULL, NULL, false, ?)", [row, reason]
            )
    upgrade(path)
    with duckdb.connect(str(path)) as connection:
        found = connection.execute("SELECT selection, gate FROM outcomes ORDER BY selection, row_number").fetchall()
    assert [gate for selection, gate in found if selection == "s"] == ["held out", "unscorable", "budget"]
    assert [gate for selection, gate in found if selection == "t"] == ["unscorable", "unscorable", "budget"]


@pytest.mark.parametrize("program", [DYING, ENDLESS], ids=["between two steps", "inside a step"])
@pytest.mark.parametrize("step", OLDER)
def test_a_kill_leaves_a_file_that_the_next_start_completes(program: str, step: int, tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    write_older(path, 1)
    columns = columns_in(path)
    before = contents(path, columns)
    dying = subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(step)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert dying.stdout is not None
    if program == ENDLESS:
        assert dying.stdout.readline() == "begins\n"
        with pytest.raises(subprocess.TimeoutExpired):
            dying.wait(timeout=1.5)  # on any machine that is not very slow it is inside the step by then
        os.kill(dying.pid, signal.SIGKILL)
    assert dying.wait(timeout=300) == -signal.SIGKILL
    done = steps_in(path)
    assert done == list(range(1, step + 1)) if program == DYING else done == list(range(1, len(done) + 1))
    assert len(done) <= step
    upgrade(path)
    assert contents(path, columns) == before
    assert steps_in(path) == list(range(1, len(STEPS) + 1))


@pytest.mark.parametrize("step", OLDER)
def test_a_step_that_fails_is_undone_whole_and_done_by_the_next_start(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "curation.duckdb"
    write_older(path, 1)
    columns = columns_in(path)
    before = contents(path, columns)
    title, statements = STEPS[step]
    with monkeypatch.context() as patch:
        broken = (title, f"{statements}; SELECT * FROM missing")
        patch.setattr(database, "STEPS", (*STEPS[:step], broken, *STEPS[step + 1 :]))
        with pytest.raises(BadInput, match="missing"):
            upgrade(path)
    assert steps_in(path) == list(range(1, step + 1))
    upgrade(path)
    assert contents(path, columns) == before


def test_a_newer_workspace_is_refused_in_words_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "curation.duckdb"
    upgrade(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO schema_steps (step, title) VALUES (?, 'of tomorrow')", [len(STEPS) + 1])
        connection.execute("CREATE TABLE of_tomorrow (a INTEGER)")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(BadInput, match=f"newer Gleaner .schema step {len(STEPS) + 1}.*update Gleaner"):
        Database(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert not path.with_name("curation.duckdb.wal").exists()
