"""An export is the selection in its order, with a sidecar, card and lock that tell the truth, or it is not there."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.data.lock import read_lock, verify_lock
from core.errors import BadInput
from core.jobs.folder import JobFolder
from core.records import JobProgress
from core.settings import Quota
from core.workbench import Workbench
from tests.conftest import core_json, run_core

SCORE_NAMES = {"nll", "entropy", "gain", "reason", "rank", "delta_nll", "score"}


def lines_of(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist() if path.suffix == ".parquet" else list(map(json.loads, path.open()))


@pytest.mark.parametrize("name", ["chosen.jsonl", "chosen.parquet"])
def test_the_sidecar_has_the_files_rows_in_order_and_no_score_stands_in_the_file(
    name: str, workspace: Path, tmp_path: Path
) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    report = core_json(workspace, "export", chosen["selection"], "-o", str(tmp_path / name))
    lines, beside = lines_of(tmp_path / name), pq.read_table(report["sidecar"]).to_pylist()
    with Workbench(workspace) as bench:
        picks = bench.selections.picks(chosen["selection"])
        examples = bench.datasets.examples("chats", [pick.row for pick in picks])
        scores = bench.runs.scores(bench.finished_run("chats").run).to_pylist()
    assert report["examples"] == len(lines) == len(beside) == 6
    for line, row, pick, example in zip(lines, beside, picks, examples, strict=True):
        assert line["messages"] == example.messages
        assert not SCORE_NAMES & set(line)
        assert (row["row"], row["example_id"], row["line"]) == (pick.row, example.example_id, example.line)
        assert (row["rank"], row["gain"], row["reason"]) == (pick.rank, pick.gain, pick.reason)
        of_row = scores[pick.row]
        assert {of_row["example_id"]} == {example.example_id}
        assert [row[score] for score in ("nll", "delta_entropy")] == [of_row["nll"], of_row["delta_entropy"]]


def test_a_lock_says_what_was_written_and_how(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
        bench.decide("chats", [4], "pin", "good", "ann")
        bench.decide("chats", [5], "ban", "bad", "bob")
        quotas = [Quota.parse("topic=0>=2")]
        chosen = bench.select("chats", "fisher", "6", quotas=quotas, pinned=[ids[7]], banned=[ids[8]], seed=3)
        report = bench.export(chosen.selection, "messages", tmp_path / "sel.jsonl")
        rows = [pick.row for pick in bench.selections.picks(chosen.selection)]
        run, dataset = bench.finished_run("chats"), bench.datasets.get("chats")
    lock, data = read_lock(Path(report.lock)), (tmp_path / "sel.jsonl").read_bytes()
    assert lock.export.data.sha256 == report.sha256 == hashlib.sha256(data).hexdigest()
    assert lock.export.data.bytes == len(data)
    assert {file.name for file in lock.export.files} == {"sel.jsonl", "sel.scores.parquet", "sel.card.md"}
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith("sel")} == {
        *(file.name for file in lock.export.files),
        "sel.lock.json",
    }
    assert verify_lock(Path(report.lock)) == []
    assert lock.picks.rows == rows
    assert lock.picks.example_ids == [ids[row] for row in rows]
    asked = lock.selection
    assert (asked.criterion, asked.budget, asked.seed, asked.quotas) == ("fisher", "6", 3, ["topic=0>=2"])
    assert (asked.pinned, asked.given_pinned) == ([ids[7], ids[4]], [ids[7]])
    assert (set(asked.banned), asked.given_banned) == ({ids[5], ids[8]}, [ids[8]])
    assert [(made.kind, made.row, made.who, made.why) for made in asked.decisions] == [
        ("pin", 4, "ann", "good"),
        ("ban", 5, "bob", "bad"),
    ]
    assert lock.dataset.content_hash == dataset.content_hash
    assert lock.scoring.model_identity == run.model_identity
    assert lock.scoring.settings.scoring.max_length == 128
    assert lock.scoring.settings.scoring.dtype == "float32"
    assert lock.scoring.versions["torch"] == lock.versions["torch"]


def test_two_exports_have_the_same_lock_but_for_when(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        bench.decide("chats", [4], "pin", "good", "ann")
        chosen = bench.select("chats", "fisher", "6").selection
        locks = []
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            report = bench.export(chosen, "messages", tmp_path / folder / "sel.jsonl", trainers=["trl"])
            locks.append(json.loads(Path(report.lock).read_text()))
    times = [lock.pop("created_at") for lock in locks]
    assert all(times)
    assert json.dumps(locks[0]) == json.dumps(locks[1])


def test_the_card_holds_no_text_of_the_dataset(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "100%").selection
        card = Path(bench.export(chosen, "messages", tmp_path / "sel.jsonl").card).read_text()
        texts = [turn["content"].strip() for e in bench.datasets.examples("chats", range(24)) for turn in e.messages]
    assert not [text for text in texts if text in card]
    assert str(tmp_path) not in card


def test_a_trainers_files_lie_beside_and_are_in_the_lock(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "random", "4").selection
        report = bench.export(chosen, "messages", tmp_path / "sel.jsonl", trainers=["axolotl", "trl", "axolotl"])
    assert report.beside
    lock = read_lock(Path(report.lock))
    assert lock.export.trainers == ["axolotl", "trl"]
    assert [str(tmp_path / f.name) for f in lock.export.files if f.role == "trainer"] == report.beside
    assert verify_lock(Path(report.lock)) == []


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("moves", range(5))
def test_a_kill_between_files_leaves_no_lock_that_lies(
    moves: int, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / "sel.jsonl"
    target.parent.mkdir()
    with Workbench(workspace) as bench:
        before = bench.select("chats", "random", "4").selection
        after = bench.select("chats", "random", "7").selection
        bench.export(before, "messages", target)
        left, replace = moves, Path.replace

        def killed(path: Path, to: Path) -> Path:
            nonlocal left
            if Path(to).parent == target.parent:
                left -= 1
                if left < 0:
                    raise Killed
            return replace(path, to)

        monkeypatch.setattr(Path, "replace", killed)
        try:
            bench.export(after, "messages", target)
        except Killed:
            assert not (target.parent / "sel.lock.json").exists()
        else:
            assert moves == 4  # three files and the lock
            assert verify_lock(target.parent / "sel.lock.json") == []
        monkeypatch.undo()
        bench.export(after, "messages", target)
        assert verify_lock(target.parent / "sel.lock.json") == []
    assert not [path for path in target.parent.iterdir() if path.name.startswith(".")]


def test_an_export_that_cannot_be_leaves_the_old_one_as_it_was(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "random", "4").selection
        lock = Path(bench.export(chosen, "messages", tmp_path / "sel.jsonl").lock)
        before = lock.read_bytes()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("core.workbench.shipping.write_card", full)
        with pytest.raises(BadInput, match="No space left on device"):
            bench.export(chosen, "original", tmp_path / "sel.jsonl")
    assert lock.read_bytes() == before
    assert verify_lock(lock) == []


def test_a_lock_of_another_file_is_not_overwritten(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "random", "4").selection
        bench.export(chosen, "messages", tmp_path / "sel.jsonl")
        with pytest.raises(BadInput, match=r"is the lock of 'sel.jsonl'; choose another name"):
            bench.export(chosen, "messages", tmp_path / "sel.parquet")
        (tmp_path / "own.lock.json").write_text("{}")
        with pytest.raises(BadInput, match="choose another name"):
            bench.export(chosen, "messages", tmp_path / "own.jsonl")
    assert not (tmp_path / "sel.parquet").exists()
    assert (tmp_path / "own.lock.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("name", "format", "trainers", "answer"),
    [
        ("a.csv", "messages", [], r"must end in \.jsonl or \.parquet"),
        (".a.jsonl", "messages", [], "cannot be the name of an export"),
        ("a.scores.parquet", "messages", [], "cannot be the name of an export"),
        (f"{'x' * 230}.jsonl", "messages", [], "200 are kept at most"),
        ("nowhere/a.jsonl", "messages", [], "does not exist"),
        ("a.jsonl", "xml", [], "There is no export format 'xml'"),
        ("a.jsonl", "messages", ["none"], "There is no trainer 'none'"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    name: str, format: str, trainers: list[str], answer: str, workspace: Path, tmp_path: Path
) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "random", "4").selection
        before = sorted(tmp_path.iterdir())
        with pytest.raises(BadInput, match=answer):
            bench.export(chosen, format, tmp_path / name, trainers=trainers)
    assert sorted(tmp_path.iterdir()) == before


def test_by_the_command_line_a_refusal_is_one_line(workspace: Path, tmp_path: Path) -> None:
    done = run_core(workspace, "export", "none", "-o", str(tmp_path / "a.jsonl"), "--trainer", "none", code=2)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: There is no trainer 'none'")


def test_a_trainers_file_of_somebody_else_is_not_overwritten(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "random", "4").selection
        (beside,) = bench.export(chosen, "messages", tmp_path / "a.jsonl", trainers=["axolotl"]).beside
        with pytest.raises(BadInput, match="is there already, and not this export's"):
            bench.export(chosen, "messages", tmp_path / "b.jsonl", trainers=["axolotl"])
        assert not (tmp_path / "b.jsonl").exists()
        bench.export(chosen, "sharegpt", tmp_path / "a.jsonl", trainers=["axolotl"])
        assert verify_lock(tmp_path / "a.lock.json") == []
        assert "a.jsonl" in Path(beside).read_text()


def test_a_selection_whose_scores_are_being_mended_is_not_exported(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "6")
        run = bench.selections.get(chosen.selection).run
        JobFolder(bench.folder.run(run).path).write(JobProgress("interrupted"))
        with pytest.raises(BadInput, match=r"not finished \(interrupted\); score again"):
            bench.export(chosen.selection, "messages", tmp_path / "chosen.jsonl")
    assert list(tmp_path.glob("chosen*")) == []
