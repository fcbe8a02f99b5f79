"""A full or read-only disk costs the database nothing that was acknowledged."""

from pathlib import Path

from tests.disks import run_on_small_disk

FULL_DISK = """
import sys
from pathlib import Path
from core.errors import GleanerError
from core.store import Database, Decisions

folder = Path(sys.argv[1])
database = Database(folder / "curation.duckdb")
decisions = Decisions(database)
filler = folder / "filler"

def fill():
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            pass

def add(rows, why):
    try:
        decisions.add("d", rows, "note", why, "ann")
        print("added")
    except GleanerError as error:
        print(type(error).__name__, error)

def checkpoint():
    try:
        with database.reading() as cursor:
            cursor.execute("CHECKPOINT")
        print("checkpointed")
    except GleanerError as error:
        print(type(error).__name__, error)

def count():
    with database.reading() as cursor:
        print(cursor.execute("SELECT count(*) FROM decisions").fetchone()[0])

add([1], "first")
add(range(5000), "kept" * 50)
fill()
add(range(2000), "lost" * 1000)
count()
checkpoint()
filler.unlink()
add([2], "second")
count()
database.close()
database = Database(folder / "curation.duckdb")
count()
"""

READ_ONLY = """
import subprocess, sys
from pathlib import Path
from core.errors import GleanerError
from core.store import Database, Decisions

folder = Path(sys.argv[1])
database = Database(folder / "curation.duckdb")
Decisions(database).add("d", [1], "note", "first", "ann")
database.close()
subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
for path in (folder, folder / "new"):
    try:
        Database(path / "curation.duckdb")
    except GleanerError as error:
        print(type(error).__name__, error)
"""


def test_a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    first, second, refused, then, stopped, after, *counts = run_on_small_disk(FULL_DISK, tmp_path, megabytes=8)
    assert (first, second, then) == ("added", "added", "5001")
    for told in (refused, stopped):
        assert told.startswith("Fault Workspace")
        assert "The disk is full; free some space, then try again. What was done before is kept." in told
    assert after == "added"
    assert counts == ["5002", "5002"]


def test_a_read_only_workspace_says_so_when_it_is_opened(tmp_path: Path) -> None:
    there, new = run_on_small_disk(READ_ONLY, tmp_path, megabytes=8)
    assert there.startswith(f"BadInput Workspace {str(tmp_path)!r} cannot be written (Read-only file system)")
    assert "choose another" in there
    assert new.startswith("BadInput Workspace")
    assert "Read-only file system" in new
