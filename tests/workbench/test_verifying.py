"""A look over a workspace finds what was damaged, and what can be made again is made again, the same as before."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import WorkspaceBusy
from core.files import HASHES, hash_file
from core.settings import RunSettings, ScoringSettings
from core.store.keeping import Keeping
from core.workbench import Workbench
from core.workbench.flaws import Verification
from core.workbench.keeping import verify_workspace
from tests.conftest import Scored, core_json, held_database, run_core, wait_until, write_chats

OWNER = "a test"


def look_over(workspace: Path, *, repair: bool = False) -> Verification:
    return verify_workspace(workspace, repair=repair, owner=OWNER)


def flip(path: Path, at: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 4
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def run_folder(workspace: Path) -> Path:
    (folder,) = (workspace / "runs").iterdir()
    return folder


def first_shard(workspace: Path, scoring_pass: str) -> Path:
    return min((run_folder(workspace) / scoring_pass).glob("*.safetensors"))


def resume(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        (run,) = (row.run for row in bench.runs.of_dataset("chats"))
        assert bench.run_progress(run).state == "interrupted"
        bench.resume_run(run)
        wait_until(lambda: bench.run_progress(run).has_ended)
        assert bench.run_progress(run).state == "done", bench.run_progress(run).error
        bench.take_in()


def results(workspace: Path) -> tuple[dict[str, str], list]:
    """The bytes of what the run made, but for what differs from attempt to attempt, and its scores."""
    folder = run_folder(workspace)
    kept = [path for name in ("base", "calibrated", "arrays") for path in (folder / name).iterdir()]
    hashes = {str(path.relative_to(folder)): hash_file(path) for path in kept}
    with Workbench(workspace) as bench:
        return hashes, bench.runs.scores(folder.name).to_pylist()


def change(workspace: Path, *statements: str) -> None:
    with Workbench(workspace) as bench, bench.database.writing() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def selected(workspace: Path) -> Path:
    core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    with Workbench(workspace) as bench:
        bench.decide("chats", [3], "ban", "dull")
    return workspace


def test_a_workspace_that_is_as_written_is_clean(selected: Path) -> None:
    found = look_over(selected)
    assert (found.left, found.repaired, found.notes) == ([], [], [])
    assert found.looked_at == {"database": 1, "datasets": 1, "runs": 1, "shards": 6}
    assert core_json(selected, "verify")["is_clean"] is True


@pytest.mark.parametrize("scoring_pass", ["base", "calibrated"])
@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_a_damaged_shard_is_found_and_scored_again_the_same(
    scoring_pass: str, damage: Callable[[Path], None], workspace: Path, scored: Scored
) -> None:
    shard = first_shard(workspace, scoring_pass)
    damage(shard)
    name = str(shard.relative_to(workspace))
    (left,) = look_over(workspace).left
    assert left.startswith(f"{name}: it is ")
    assert "with --repair: it is taken out, and resume the run" in left
    found = look_over(workspace, repair=True)
    assert (found.left, len(found.repaired)) == ([], 1)
    assert look_over(workspace).left == []
    resume(workspace)
    assert results(workspace) == results(scored.workspace)
    assert look_over(workspace).left == []


@pytest.mark.parametrize("at", [0, 8, 60, 700])
def test_a_flipped_bit_is_found_wherever_it_is(at: int, workspace: Path) -> None:
    flip(first_shard(workspace, "base"), at)
    assert len(look_over(workspace).left) == 1


def test_damaged_arrays_are_found_and_the_base_pass_is_scored_again(workspace: Path, scored: Scored) -> None:
    flip(run_folder(workspace) / "arrays" / "factors.npy")
    (left,) = look_over(workspace).left
    assert "factors.npy: not what was written" in left
    assert look_over(workspace, repair=True).left == []
    resume(workspace)
    assert results(workspace) == results(scored.workspace)


def test_a_damaged_result_that_was_not_taken_in_keeps_nobody_out(workspace: Path, scored: Scored) -> None:
    shard = first_shard(workspace, "base")
    flip(shard, shard.read_bytes().index(b"reasons"))
    with Workbench(workspace) as bench:
        Keeping(bench.database, bench.folder.database).forget_pass(run_folder(workspace).name, "base")
    assert any(shard.name in line for line in look_over(workspace).left)
    look_over(workspace, repair=True)
    resume(workspace)
    assert results(workspace) == results(scored.workspace)


@pytest.mark.parametrize("folder", ["arrays", "calibrated-model"])
def test_damaged_hashes_are_told_from_damaged_files(folder: str, workspace: Path, scored: Scored) -> None:
    flip(run_folder(workspace) / folder / HASHES)
    (left,) = look_over(workspace).left
    assert f"{folder}: its hashes are not what was written" in left
    assert look_over(workspace, repair=True).left == []
    assert look_over(workspace).left == []
    assert results(workspace) == results(scored.workspace)  # nothing had to be scored again


def test_damaged_arrays_are_made_again_at_once_where_their_features_are(tiny_model: Path, tmp_path: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.launcher, "program", "tests.workbench.keeping_features")
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 24), "chats")
        scoring = ScoringSettings(model=str(tiny_model), shard_rows=8, max_length=128)
        bench.score("chats", RunSettings(scoring=scoring, calibration=None))
    arrays = run_folder(tmp_path / "workspace") / "arrays"
    before = {path.name: path.read_bytes() for path in arrays.iterdir()}
    flip(arrays / "mean_features.npy")
    (repaired,) = look_over(tmp_path / "workspace", repair=True).repaired
    assert "made again from the features" in repaired
    assert {path.name: path.read_bytes() for path in arrays.iterdir()} == before


def test_a_damaged_calibrated_model_is_calibrated_again(workspace: Path, scored: Scored) -> None:
    flip(run_folder(workspace) / "calibrated-model" / "model.safetensors")
    (left,) = look_over(workspace).left
    assert "model.safetensors: not what was written" in left
    assert look_over(workspace, repair=True).left == []
    resume(workspace)
    assert results(workspace) == results(scored.workspace)


def test_shards_of_an_older_version_have_no_hash_and_are_read_whole(workspace: Path) -> None:
    change(workspace, "UPDATE shards SET sha256 = NULL")
    (run_folder(workspace) / "arrays" / "sha256.json").unlink()
    found = look_over(workspace)
    assert (found.left, len(found.notes)) == ([], 7)
    assert "it has no hash, taken in by an older Gleaner" in found.notes[0]
    change(workspace, "UPDATE scores SET nll = nll + 1 WHERE pass = 'base' AND row_number = 9")
    assert ["its scores are not those of the database" in line for line in look_over(workspace).left] == [True]
    look_over(workspace, repair=True)
    assert look_over(workspace).notes == []


def blocks_of(file: Path) -> Iterator[int]:
    yield from range(12_288, file.stat().st_size, 262_144)


def test_a_flipped_bit_anywhere_in_the_database_is_found(selected: Path) -> None:
    file, whole = selected / "curation.duckdb", (selected / "curation.duckdb").read_bytes()
    for at in (20, 4096 + 30, 8192 + 30, *(block + 5_000 for block in blocks_of(file))):
        flip(file, at)
        found = look_over(selected)
        assert "curation.duckdb: " in found.left[0], at
        assert "put it back from a backup" in found.left[0]
        file.write_bytes(whole)
    assert look_over(selected).left == []


def test_the_command_exits_with_1_while_flaws_are_left(selected: Path) -> None:
    flip(selected / "curation.duckdb", 12_288 + 5_000)
    assert "put it back from a backup" in run_core(selected, "verify", code=1).stdout


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE datasets SET rows_read = 30", "rows_read is 30, but 24 loaded and 0 quarantined are 24"),
        ("DELETE FROM examples WHERE row_number = 4", "23 examples are here, of 24 that were loaded"),
        ("UPDATE examples SET row_number = 99 WHERE row_number = 4", "row numbers from 0 to 99"),
        ("DELETE FROM picks WHERE rank = 2", "it has 5 picks"),
        ("UPDATE picks SET row_number = 77 WHERE rank = 2", "1 picks are of rows that are not here"),
        ("UPDATE decisions SET row_number = 24", "row 24 of dataset chats is not here"),
        ("DELETE FROM orders", "its order"),
        ("UPDATE selections SET run = 'gone'", "its run gone is not here"),
        ("DELETE FROM datasets", "its dataset chats is not here"),
        ("UPDATE decisions SET undoes = 12", "it takes back decision 12, which is not here"),
    ],
)
def test_what_does_not_fit_together_is_found(statement: str, told: str, selected: Path) -> None:
    change(selected, statement)
    left = look_over(selected).left
    assert any(told in line for line in left), left
    assert look_over(selected, repair=True).left


def test_scores_that_the_database_lost_are_taken_in_again(workspace: Path, scored: Scored) -> None:
    change(workspace, "DELETE FROM scores WHERE pass = 'calibrated' AND row_number > 20")
    assert "the calibrated pass has 21 scores, of 24 examples" in look_over(workspace).left[0]
    assert look_over(workspace, repair=True).left == []
    resume(workspace)
    assert results(workspace) == results(scored.workspace)


def test_a_run_without_a_record_is_entered_again_where_its_dataset_is_here(workspace: Path, scored: Scored) -> None:
    change(workspace, "DELETE FROM runs", "DELETE FROM shards", "DELETE FROM scores")
    assert "the database has no record of this run; with --repair: it is entered" in look_over(workspace).left[0]
    assert look_over(workspace, repair=True).left == []
    assert results(workspace) == results(scored.workspace)
    stranger = shutil.copytree(run_folder(workspace), workspace / "runs" / "0123456789ab")
    settings = json.loads((stranger / "settings.json").read_text())
    (stranger / "settings.json").write_text(json.dumps(settings | {"dataset": "gone"}))
    assert "its dataset is not here either" in look_over(workspace, repair=True).left[0]


def test_what_a_killed_process_left_half_written_is_removed_and_what_a_living_one_writes_is_not(
    workspace: Path,
) -> None:
    folder = run_folder(workspace) / "base"
    dead, living = folder / ".x.safetensors-999999999-0123abcd", folder / ".y.safetensors-1-0123abcd"
    for path in (dead, living):
        path.write_bytes(b"half")
    assert ["a killed process left it half-written" in line for line in look_over(workspace).left] == [True]
    assert look_over(workspace, repair=True).left == []
    assert (dead.exists(), living.exists()) == (False, True)


def test_a_damaged_request_is_taken_out_and_the_run_resumed(workspace: Path, scored: Scored) -> None:
    flip(run_folder(workspace) / "job.json", 0)
    first_shard(workspace, "base").unlink()
    assert look_over(workspace, repair=True).left == []
    resume(workspace)
    assert results(workspace) == results(scored.workspace)


@pytest.mark.parametrize("name", ["progress.json", "input.parquet"])
def test_other_files_of_a_run_are_mended(name: str, workspace: Path, scored: Scored) -> None:
    truncate(run_folder(workspace) / name) if name == "input.parquet" else flip(run_folder(workspace) / name, 0)
    assert name in look_over(workspace).left[0]
    look_over(workspace, repair=True)
    assert look_over(workspace).left == []
    if name == "input.parquet":
        assert hash_file(run_folder(workspace) / name) == hash_file(run_folder(scored.workspace) / name)


def test_a_workspace_that_another_process_has_is_not_looked_over(workspace: Path) -> None:
    with held_database(workspace / "curation.duckdb") as holder, pytest.raises(WorkspaceBusy, match=str(holder)):
        look_over(workspace)


@pytest.mark.usefixtures("cold_workers")
@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_block_of_a_load_is_found_and_its_load_discarded(
    damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEANER_BLOCK_ROWS", "50")
    monkeypatch.setattr(Workbench, "take_loads", lambda _: None)  # nobody takes the blocks in meanwhile
    workspace, source = tmp_path / "workspace", write_chats(tmp_path / "chats.jsonl", 20_000)
    with Workbench(workspace) as bench:
        load = bench.start_loading(source, "chats")
        wait_until(lambda: bench.load_progress(load).done > 0)
        bench.cancel_load(load)
        wait_until(lambda: bench.load_progress(load).has_ended)
        assert bench.look_over().left == []
        damage(min((workspace / "loads" / load / "blocks").glob("*.arrow")))
        assert f"loads/{load}: block 0 of the load of 'chats' is missing or not what" in bench.look_over().left[0]
        assert bench.look_over(repair=True).left == []
        assert bench.loads.all() == []
    monkeypatch.undo()
    with Workbench(workspace) as bench:
        assert bench.ingest(source, "chats").rows_loaded == 20_000


@pytest.mark.usefixtures("cold_workers")
def test_a_damaged_block_is_never_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_BLOCK_ROWS", "50")
    with Workbench(tmp_path / "workspace") as bench:
        with monkeypatch.context() as patch:
            patch.setattr(Workbench, "take_loads", lambda _: None)
            load = bench.start_loading(write_chats(tmp_path / "chats.jsonl", 500), "chats")
            wait_until(lambda: bench.load_progress(load).has_ended)
            assert bench.load_progress(load).state == "done"
        blocks = sorted((bench.folder.loads / load / "blocks").glob("*.arrow"))
        assert len(blocks) == 10
        flip(blocks[0])
        bench.take_in()
        bench.take_in()
        assert (bench.datasets.all(), bench.loads.all()) == ([], [])
        assert "load it again" in str(bench.load_progress(load).error)
