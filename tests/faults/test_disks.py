"""A disk that is full, or read-only, in the midst of the work: one line says so, and afterwards everything goes on."""

from pathlib import Path

import pytest

from tests.disks import run_on_small_disk

ROWS, LEFT, MORE = 300, 600_000, 6_000
BEGINNING = """
import subprocess, sys, time
from pathlib import Path
from core.errors import GleanerError, faults_in_words
from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench
from tests.conftest import make_tiny_model, write_chats

folder = Path(sys.argv[1])
model = str(make_tiny_model(folder / "model"))
settings = ScoringSettings(model=model, shard_rows=16, batch_tokens=512, max_length=128)
bench = Workbench(folder / "workspace")
bench.ingest(write_chats(folder / "chats.jsonl", ROWS), "chats")

def fill():
    with (folder / "filler").open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 65536)
        except OSError:
            stream.truncate(stream.tell() - LEFT)

def tried(what):
    try:
        with faults_in_words():
            print("done", what())
    except GleanerError as error:
        print(type(error).__name__, error)

def ended(run):
    while not bench.run_progress(run).has_ended:
        time.sleep(0.05)
    progress = bench.run_progress(run)
    print(progress.state, progress.error)
"""
FULL = (
    BEGINNING
    + """
fill()
run = bench.start_scoring("chats", RunSettings(scoring=settings, calibration=None))
ended(run)
bench.take_in()
print(0 < bench.runs.counts(run)["scored"] < ROWS)
tried(lambda: [bench.decide("chats", [row], "note", "x" * 10_000) for row in range(200)] and None)
made = len(bench.history("chats"))
(folder / "filler").unlink()
tried(lambda: bench.resume_run(run))
ended(run)
bench.take_in()
tried(lambda: bench.decide("chats", [1], "ban"))
print(sum(bench.runs.counts(run)[kind] for kind in ("scored", "unscorable")), len(bench.history("chats")) - made)
print(bench.look_over().left)
whole = bench.runs.scores(run).to_pylist()
bench.close()
with Workbench(folder / "calm") as calm:
    calm.ingest(folder / "chats.jsonl", "chats")
    other = calm.score("chats", RunSettings(scoring=settings, calibration=None)).run
    print(calm.runs.scores(other).to_pylist() == whole)
"""
)
LOADED = (
    BEGINNING
    + """
write_chats(folder / "more.jsonl", MORE)
fill()
load = bench.start_loading(str(folder / "more.jsonl"), "more")
def end():
    while not bench.load_progress(load).has_ended:
        time.sleep(0.05)
    print(bench.load_progress(load).state, bench.load_progress(load).error)
end()
tried(bench.take_in)
(folder / "filler").unlink()
tried(lambda: bench.resume_load(load))
end()
bench.take_in()
print(bench.datasets.get("more").rows_loaded, bench.look_over().left)
"""
)
READ_ONLY = (
    BEGINNING
    + """
print(bench.decide("chats", [1], "ban"))
runs = bench.folder.runs
runs.mkdir(exist_ok=True)
subprocess.run(["mount", "--bind", str(runs), str(runs)], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", str(runs)], check=True)
tried(lambda: bench.start_scoring("chats", RunSettings(scoring=settings, calibration=None)))
tried(lambda: bench.decide("chats", [3], "ban"))
subprocess.run(["umount", str(runs)], check=True)
ended(bench.start_scoring("chats", RunSettings(scoring=settings, calibration=None)))
print(len(bench.history("chats")), bench.look_over().left)
"""
)
BACKED_UP = (
    BEGINNING
    + """
from core.workbench.keeping import back_up
bench.decide("chats", [1], "ban")
workspace = bench.folder.path
bench.close()
subprocess.run(["mount", "--bind", str(workspace), str(workspace)], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", str(workspace)], check=True)
made = back_up(workspace, folder / "backup", "a test")
print(made.flaws, made.notes)
with Workbench(folder / "backup") as copy:
    print(len(copy.history("chats")), copy.datasets.get("chats").rows_loaded, copy.look_over().left)
"""
)


def numbered(program: str) -> str:
    """A program with this file's numbers in it."""
    return program.replace("ROWS", str(ROWS)).replace("LEFT", str(LEFT)).replace("MORE", str(MORE))


def test_a_workspace_on_a_read_only_disk_can_be_backed_up(tmp_path: Path) -> None:
    told, found = run_on_small_disk(numbered(BACKED_UP), tmp_path, megabytes=48)
    assert told.startswith("[] [")
    assert "The workspace does not know of this backup" in told
    assert "The disk is read-only" in told
    assert found == f"1 {ROWS} []"


def test_a_disk_that_fills_while_a_job_scores_costs_nothing(tmp_path: Path) -> None:
    program = numbered(FULL)
    told = run_on_small_disk(program, tmp_path, megabytes=48)
    failed, is_half, refused, resumed, done, decided, counts, flaws, same = told
    assert failed.startswith("interrupted")
    assert is_half == "True"
    for said in (failed, refused):
        assert "The disk is full; free some space, then try again. What was done before is kept." in said
    assert (resumed, done) == ("done None", "done None")
    assert decided.startswith("done [")
    assert counts == f"{ROWS} 1"
    assert flaws == "[]"
    assert same == "True"


def test_a_load_that_meets_a_full_disk_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEANER_BLOCK_ROWS", "200")
    program = numbered(LOADED)
    first, _, resumed, second, loaded = run_on_small_disk(program, tmp_path, megabytes=48)
    assert first.startswith("interrupted")
    assert "The disk is full; free some space, then try again. What was done before is kept." in first
    assert (resumed, second) == ("done None", "done None")
    assert loaded == f"{MORE} []"


def test_a_folder_of_runs_that_is_read_only_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    program = numbered(READ_ONLY)
    first, unscored, decided, scored, after = run_on_small_disk(program, tmp_path, megabytes=48)
    assert first == "[1]"
    assert "The disk is read-only; make it writable, then try again. What was done before is kept." in unscored
    assert decided == "done [2]"
    assert (scored, after) == ("done None", "2 []")
