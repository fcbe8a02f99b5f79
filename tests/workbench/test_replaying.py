"""A replay in a fresh workspace makes the same bytes, or names the first row or stage that differs."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.data.lock import read_lock
from core.errors import BadInput
from core.reports import ReplayReport
from core.selection.registry import CRITERIA
from core.settings import Quota, RepeatSettings, RunSettings, ScoringSettings
from core.workbench import Workbench
from core.workbench.trail import Trail
from tests.conftest import Scored, core_json, make_tiny_model, run_core, write_chats

STAGES = ["dataset", "model", "scores", "selection", "export"]


@dataclass(frozen=True)
class Shipped:
    """Two exports of one selection, made in the workspace `scored`, and what they were made of."""

    folder: Path
    source: Path
    model: Path

    @property
    def lock(self) -> Path:
        return self.folder / "sel.lock.json"


@pytest.fixture(scope="module")
def shipped(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    folder = tmp_path_factory.mktemp("shipped")
    workspace = Path(shutil.copytree(scored.workspace, folder / "workspace"))
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
        bench.decide("chats", [4], "pin", "good", "ann")
        bench.decide("chats", [5], "ban", "bad", "bob")
        quotas = [Quota.parse("topic=0>=2")]
        chosen = bench.select("chats", "hybrid", "6", quotas=quotas, pinned=[ids[7]]).selection
        bench.export(chosen, "messages", folder / "sel.jsonl")
        bench.export(chosen, "prompt-completion", folder / "table.parquet")
        bench.export(chosen, "original", folder / "raw.jsonl")
    return Shipped(folder, scored.workspace.parent / "chats.jsonl", scored.model)


@pytest.fixture(scope="module")
def second(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A fresh workspace in which the lock was replayed by the command line, and what it reported."""
    folder = tmp_path_factory.mktemp("second")
    return folder, core_json(folder / "workspace", "replay", str(shipped.lock), "-o", str(folder / "again.jsonl"))


@pytest.fixture
def replayed(second: tuple[Path, dict], tmp_path: Path) -> Path:
    """A copy of that workspace that a test may change."""
    return Path(shutil.copytree(second[0] / "workspace", tmp_path / "workspace"))


def changed(lock: Path, to: Path, change: Callable[[dict], None]) -> Path:
    """A copy of a lock with something changed in it."""
    described = json.loads(lock.read_text())
    change(described)
    to.write_text(json.dumps(described))
    return to


def refused(workspace: Path, lock: Path, **where: object) -> str:
    """What a replay says that fails; it leaves nothing behind."""
    output = workspace.parent / "refused.jsonl"
    with Workbench(workspace) as bench, pytest.raises(BadInput) as raised:
        bench.replay(lock, output, **where)
    assert not output.exists()
    assert not [path for path in workspace.parent.iterdir() if path.name.startswith(".")]
    return str(raised.value)


def test_a_fresh_workspace_makes_the_same_bytes(shipped: Shipped, second: tuple[Path, dict]) -> None:
    folder, report = second
    assert (folder / "again.jsonl").read_bytes() == (shipped.folder / "sel.jsonl").read_bytes()
    assert report["is_equal"]
    assert report["sha256"] == read_lock(shipped.lock).export.data.sha256
    assert [stage for stage, _ in report["stages"]] == STAGES
    assert "bit by bit" in report["stages"][2][1]
    assert report["notes"] == []


@pytest.mark.parametrize("name", ["table.parquet", "raw.jsonl"])
def test_other_formats_are_made_again_too_and_the_run_is_reused(
    name: str, shipped: Shipped, replayed: Path, tmp_path: Path
) -> None:
    lock = shipped.folder / f"{Path(name).stem}.lock.json"
    with Workbench(replayed) as bench:
        runs = bench.runs.of_dataset("chats")
        report = bench.replay(lock, tmp_path / f"again{Path(name).suffix}")
        assert bench.runs.of_dataset("chats") == runs
    assert (tmp_path / f"again{Path(name).suffix}").read_bytes() == (shipped.folder / name).read_bytes()
    assert "in this workspace" in report.stages[0][1]
    assert "in this workspace" in report.stages[1][1]


def test_decisions_that_stand_here_have_no_part_in_it(shipped: Shipped, replayed: Path, tmp_path: Path) -> None:
    rows = read_lock(shipped.lock).picks.rows
    with Workbench(replayed) as bench:
        bench.decide("chats", rows[:3], "ban")
        bench.decide("chats", [5], "pin")
        assert bench.replay(shipped.lock, tmp_path / "again.jsonl").is_equal


def test_the_picks_of_the_lock_need_no_model(shipped: Shipped, tmp_path: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        report = bench.replay(shipped.lock, tmp_path / "again.jsonl", trust_picks=True)
        assert bench.runs.of_dataset("chats") == []
    assert [stage for stage, _ in report.stages] == ["dataset", "selection", "export"]
    assert (tmp_path / "again.jsonl").read_bytes() == (shipped.folder / "sel.jsonl").read_bytes()


def edited(source: Path, to: Path, edit: Callable[[list[str]], None]) -> Path:
    lines = source.read_text(encoding="utf-8").splitlines()
    edit(lines)
    to.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return to


EDITS: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "changed": (lambda rows: rows.__setitem__(17, rows[17].replace('output": "', 'output": "x')), "Row 17 (line 18 "),
    "removed": (lambda rows: rows.pop(17), "Row 17 of the lock is missing: it stood after line 17 of "),
    "first removed": (lambda rows: rows.pop(0), "Row 0 of the lock is missing: it was the first"),
    "last removed": (lambda rows: rows.pop(23), "Row 23 of the lock is missing: it stood after line 23 of "),
    "added": (lambda rows: rows.insert(17, '{"instruction": "a", "input": "", "output": "b"}'), "Row 17 (line 18 "),
    "moved": (lambda rows: rows.insert(17, rows.pop(20)), "stands elsewhere in the lock"),
    "broken": (lambda rows: rows.__setitem__(17, "{"), "Row 17 of the lock is missing: line 18 of "),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_first_row_of_a_source_that_differs_is_named(edit: str, shipped: Shipped, tmp_path: Path) -> None:
    change, words = EDITS[edit]
    source = edited(shipped.source, tmp_path / "other.jsonl", change)
    told = refused(tmp_path / "workspace", shipped.lock, source=source)
    assert told.startswith("Stage dataset: Row ")
    assert words in told
    if edit in ("changed", "added"):
        ids = Workbench(tmp_path / "workspace")
        with ids as bench:
            assert f"example {bench.datasets.example_ids('chats')[17]})" in told
        assert {"changed": "differs from the lock's", "added": "is not in the lock"}[edit] in told


def test_a_source_that_is_given_is_read_even_where_the_dataset_is_here(
    shipped: Shipped, replayed: Path, tmp_path: Path
) -> None:
    source = edited(shipped.source, tmp_path / "other.jsonl", EDITS["changed"][0])
    told = refused(replayed, shipped.lock, source=source)
    assert "Row 17 (line 18 " in told
    assert "loaded as 'chats replay 1'" in told
    with Workbench(replayed) as bench:
        assert bench.replay(shipped.lock, tmp_path / "again.jsonl", source=shipped.source, trust_picks=True).is_equal


def test_by_the_command_line_a_difference_is_one_line_and_exit_code_2(shipped: Shipped, tmp_path: Path) -> None:
    source = edited(shipped.source, tmp_path / "other.jsonl", EDITS["changed"][0])
    words = ("replay", str(shipped.lock), "-o", str(tmp_path / "again.jsonl"), "--source", str(source))
    done = run_core(tmp_path / "workspace", *words, "--json", code=2)
    assert done.stdout == ""
    assert done.stderr.strip().splitlines()[-1].startswith("Error: Stage dataset: Row 17 (line 18 of ")


def test_a_source_that_is_gone_is_sought_beside_the_lock(shipped: Shipped, tmp_path: Path) -> None:
    lock = changed(shipped.lock, tmp_path / "sel.lock.json", lambda of: set_source(of, "/nowhere/chats.jsonl"))
    told = refused(tmp_path / "workspace", lock, trust_picks=True)
    assert told.startswith("Stage dataset: ")
    assert "--source" in told
    shutil.copy(shipped.source, tmp_path / "chats.jsonl")
    with Workbench(tmp_path / "workspace") as bench:
        assert bench.replay(lock, tmp_path / "again.jsonl", trust_picks=True).is_equal


def set_source(described: dict, source: str) -> None:
    described["dataset"] |= {"source": source, "sources": [source]}


def test_another_model_is_named(shipped: Shipped, tmp_path: Path) -> None:
    other = Path(shutil.copytree(shipped.model, tmp_path / "other"))
    make_tiny_model(other, num_hidden_layers=1)
    told = refused(tmp_path / "workspace", shipped.lock, model=str(other))
    assert told.startswith("Stage model: The model is folder:")
    gone = refused(tmp_path / "workspace", shipped.lock, model=str(tmp_path / "nowhere"))
    assert gone.startswith("Stage model: There is no folder")
    assert "--model" in gone


def test_the_same_model_elsewhere_is_the_same(shipped: Shipped, replayed: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(shipped.model, tmp_path / "moved"))
    with Workbench(replayed) as bench:
        assert bench.replay(shipped.lock, tmp_path / "again.jsonl", model=str(moved)).is_equal


def flip(text: str, byte: int) -> str:
    """Digests with one byte changed."""
    digests = bytearray(base64.b64decode(text))
    digests[byte] ^= 1
    return base64.b64encode(digests).decode()


def swap(values: list) -> None:
    values[0], values[1] = values[1], values[0]


FRESH: dict[str, tuple[Callable[[dict], object], str]] = {
    "content hash": (lambda of: of["dataset"].update(content_hash="0" * 64), "Stage dataset: Every row is the lock's"),
    "row digests": (
        lambda of: of["dataset"].update(content_hash="0", row_digests=flip(of["dataset"]["row_digests"], 8 * 3)),
        "Stage dataset: Row 3 (line 4 ",
    ),
    "cut digests": (lambda of: of["dataset"].update(content_hash="0", row_digests="AAAA"), "was changed or cut"),
    "ingest settings": (lambda of: of["dataset"]["ingest"].update(limit=20), "Row 20 of the lock is missing"),
    "repairs": (
        lambda of: of["dataset"].update(
            repairs=[{"entry": 1, "raw": "{}", "text": None, "is_kept": True, "who": "ann"}]
        ),
        "Stage dataset: The row admitted by hand as entry 1 is not in quarantine here",
    ),
    "model": (lambda of: of["scoring"].update(model_identity="folder:0"), "Stage model: The model is folder:"),
    "template": (lambda of: of["scoring"].update(template="chat:0"), "Stage model: The template is chat:"),
    "tokenizer": (lambda of: of["scoring"].update(tokenizer="0"), "Stage model: The tokenizer is "),
}


@pytest.mark.parametrize("part", FRESH)
def test_a_changed_lock_is_told_by_the_stage_that_it_is_about(part: str, shipped: Shipped, tmp_path: Path) -> None:
    change, words = FRESH[part]
    lock = changed(shipped.lock, tmp_path / "sel.lock.json", change)
    assert words in refused(tmp_path / "workspace", lock)


SCORED: dict[str, tuple[Callable[[dict], object], str]] = {
    "a pin": (lambda of: of["selection"]["pinned"].reverse(), "Stage selection: Rank 1 is example "),
    "no pin": (lambda of: of["selection"]["pinned"].clear(), "Stage selection: Rank 1 is example "),
    "a ban": (lambda of: of["selection"]["banned"].append(of["picks"]["example_ids"][3]), "Stage selection: Rank "),
    "quotas": (lambda of: of["selection"].update(quotas=["topic=1>=4"]), "Stage selection: Rank "),
    "budget": (lambda of: of["selection"].update(budget="7"), "and none in the lock"),
    "criterion": (lambda of: of["selection"].update(criterion="random", settings={}), "Stage selection: Rank "),
    "setting": (lambda of: of["selection"]["settings"].update(ridge=-1), "Stage selection: Option 'ridge'"),
    "picks": (lambda of: swap(of["picks"]["example_ids"]), "Stage selection: Rank 1 is example "),
    "an id": (lambda of: of["selection"].update(pinned=["nobody"]), "Stage selection: Dataset 'chats' has no example"),
    "format": (lambda of: of["export"].update(format="sharegpt"), "Stage export: Line 1 (example "),
    "file": (lambda of: of["export"]["files"][0].update(sha256="0"), "Stage export: Every line says the same"),
    "lines": (
        lambda of: (
            of["export"]["files"][0].update(sha256="0"),
            of["export"].update(line_digests=flip(of["export"]["line_digests"], 4 * 2)),
        ),
        "Stage export: Line 3 (example ",
    ),
}


@pytest.mark.parametrize("part", SCORED)
def test_a_changed_request_pick_or_file_is_told(part: str, shipped: Shipped, replayed: Path, tmp_path: Path) -> None:
    change, words = SCORED[part]
    lock = changed(shipped.lock, tmp_path / "sel.lock.json", change)
    assert words in refused(replayed, lock)


def test_scores_that_differ_are_named_and_the_replay_goes_on(shipped: Shipped, replayed: Path, tmp_path: Path) -> None:
    def other(described: dict) -> None:
        run = described["scoring"]
        run.update(scores_sha256="0", score_digests=flip(run["score_digests"], 4 * 9 + 1))

    lock = changed(shipped.lock, tmp_path / "sel.lock.json", other)
    with Workbench(replayed) as bench:
        report: ReplayReport = bench.replay(lock, tmp_path / "again.jsonl")
    assert report.is_equal
    assert "the first that differs: row 9 (line 10 of " in report.stages[2][1]
    lock = changed(lock, tmp_path / "both.lock.json", lambda of: swap(of["picks"]["example_ids"]))
    told = refused(replayed, lock)
    assert told.startswith("Stage scores: They are not the lock's")
    assert "Stage selection: Rank 1 is example " in told


def test_other_versions_are_noted(shipped: Shipped, replayed: Path, tmp_path: Path) -> None:
    lock = changed(shipped.lock, tmp_path / "sel.lock.json", lambda of: of["versions"].update(torch="1.0", pyarrow="2"))
    with Workbench(replayed) as bench:
        notes = bench.replay(lock, tmp_path / "again.jsonl").notes
    assert [note.split(" is ")[0] for note in notes] == ["pyarrow", "torch"]
    assert notes[1].endswith("the lock was written with 1.0.")


def test_a_device_that_is_not_here_is_replaced_and_noted(shipped: Shipped, tmp_path: Path) -> None:
    def other(described: dict) -> None:
        described["scoring"]["settings"]["scoring"]["device"] = "cuda"
        described["scoring"]["model_identity"] = "folder:0"

    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    lock = changed(shipped.lock, tmp_path / "sel.lock.json", other)
    assert "Stage model: The model is" in refused(tmp_path / "workspace", lock)


def test_a_selection_that_serves_another_dataset_is_made_again(
    scored: Scored, workspace: Path, second: tuple[Path, dict], tmp_path: Path
) -> None:
    write_chats(tmp_path / "task.jsonl", 4)
    scoring = ScoringSettings(model=str(scored.model), max_length=128, shard_rows=8)
    with Workbench(workspace) as bench:
        bench.ingest(tmp_path / "task.jsonl", "task")
        task = bench.score("task", RunSettings(scoring=scoring, calibration=None)).run
        chosen = bench.select("chats", "ioptimal", "3", target_run=task).selection
        lock = bench.export(chosen, "messages", tmp_path / "sel.jsonl").lock
    other = Path(shutil.copytree(second[0] / "workspace", tmp_path / "other"))
    with Workbench(other) as bench:
        report = bench.replay(lock, tmp_path / "again.jsonl")
    names = [*STAGES[:3], *(f"target {stage}" for stage in STAGES[:3]), *STAGES[3:]]
    assert [stage for stage, _ in report.stages] == names
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "sel.jsonl").read_bytes()
    source = edited(tmp_path / "task.jsonl", tmp_path / "other.jsonl", lambda rows: rows.pop(2))
    told = refused(other, Path(lock), target_source=source)
    assert told.startswith("Stage target dataset: Row 2 of the lock is missing")


def test_what_every_criterion_chose_is_chosen_again(workspace: Path, second: tuple[Path, dict], tmp_path: Path) -> None:
    other = Path(shutil.copytree(second[0] / "workspace", tmp_path / "other"))
    names = [name for name, rule in CRITERIA.items() if "ifd" not in rule.needs]
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
        bench.decide("chats", [2], "ban")
        for name in names:
            near = RepeatSettings(repeats="near", repeat_threshold=0.7)
            target = ids[:3] if name == "ioptimal" else []
            chosen = bench.select("chats", name, "90tok", seed=5, repeats=near, target=target, pinned=[ids[9]])
            bench.export(chosen.selection, "messages", tmp_path / f"{name}.jsonl")
    with Workbench(other) as bench:
        for name in names:
            bench.replay(tmp_path / f"{name}.lock.json", tmp_path / "again.jsonl")
            assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / f"{name}.jsonl").read_bytes()


def test_the_demo_needs_no_source(tmp_path: Path) -> None:
    with Workbench(tmp_path / "first") as bench:
        bench.demo()
        locked = bench.lock_dataset("demo")
    shutil.rmtree(tmp_path / "first")
    with Workbench(tmp_path / "second") as bench:
        assert bench.find_dataset(locked, None, tmp_path, Trail()) == "demo"


def test_the_output_has_the_files_suffix(shipped: Shipped, tmp_path: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench, pytest.raises(BadInput, match="must end in"):
        bench.replay(shipped.lock, tmp_path / "again.parquet")
