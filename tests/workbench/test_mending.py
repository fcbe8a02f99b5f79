"""What could not be loaded can be mended, kept or left out, and the counts add up at every step."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import BadInput
from core.records import EntryGroup
from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench

EMPTY, BROKEN = "`output` is empty", '{"instruction": "cut'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    rows = [
        {"instruction": f"Do {i}.", "input": "", "output": "" if i in (2, 5, 7) else f"Done {i}."} for i in range(9)
    ]
    lines = [json.dumps(row) for row in rows]
    lines.insert(4, BROKEN)
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    with Workbench(tmp_path / "workspace") as opened:
        opened.ingest(tmp_path / "rows.jsonl", "rows")
        yield opened


def balance(bench: Workbench, name: str = "rows") -> tuple[int, int]:
    """Loaded and quarantined, which are all rows read, and what the tables hold."""
    dataset = bench.datasets.get(name)
    waiting = sum(group.rows for group in bench.quarantine_groups(name))
    assert dataset.rows_read == dataset.rows_loaded + dataset.rows_quarantined == 10
    assert (len(bench.datasets.example_ids(name)), waiting) == (dataset.rows_loaded, dataset.rows_quarantined)
    return dataset.rows_loaded, dataset.rows_quarantined


def broken_entry(bench: Workbench) -> int:
    return next(entry.entry for entry in bench.repairs.entries("rows") if entry.raw == BROKEN)


def test_kinds_are_counted_and_each_row_knows_its_place(bench: Workbench) -> None:
    groups = bench.quarantine_groups("rows")
    assert groups[0] == EntryGroup(EMPTY, "open", 3)
    assert [group.rows for group in groups] == [3, 1]
    assert [(entry.line, entry.entry) for entry in bench.repairs.entries("rows", reason=EMPTY)] == [
        (3, 2),
        (7, 6),
        (9, 8),
    ]
    assert balance(bench) == (6, 4)


def test_a_fixed_row_is_admitted_at_the_end_with_its_place_kept(bench: Workbench) -> None:
    entry = broken_entry(bench)
    with pytest.raises(BadInput, match=r"line 5 of .*not JSON"):
        bench.fix("rows", entry, '{"instruction": ')
    with pytest.raises(BadInput, match="`output` is empty"):
        bench.fix("rows", entry, '{"instruction": "x", "output": " "}')
    assert balance(bench) == (6, 4)
    mended = '{"instruction": "Do it.",\n  "output": "Done."}'
    assert bench.fix("rows", entry, mended, "ann").messages[-1]["content"] == "Done."
    assert balance(bench) == (6, 4)
    assert bench.admit("rows").name == "rows"
    assert balance(bench) == (7, 3)
    (example,) = bench.datasets.examples("rows", [6])
    assert (example.line, json.loads(example.original)) == (5, json.loads(mended))
    kept = bench.repairs.entry("rows", entry)
    assert kept is not None
    assert (kept.raw, kept.state, kept.who, kept.admitted_row) == (BROKEN, "fixed", "ann", 6)
    with pytest.raises(BadInput, match="no row 4 in quarantine"):
        bench.fix("rows", entry, mended)


def test_a_whole_kind_is_kept_as_it_is(bench: Workbench) -> None:
    assert bench.keep("rows", EMPTY) == 3
    with pytest.raises(BadInput, match="no open row of the kind"):
        bench.keep("rows", EMPTY)
    bench.admit("rows")
    assert balance(bench) == (9, 1)
    assert [e.messages[-1]["content"] for e in bench.datasets.examples("rows", [6, 7, 8])] == ["", "", ""]


def test_a_kind_that_is_no_conversation_cannot_be_kept_and_nothing_is_recorded(bench: Workbench) -> None:
    reason = bench.quarantine_groups("rows")[1].reason
    with pytest.raises(BadInput, match="cannot be loaded"):
        bench.keep("rows", reason)
    assert {group.state for group in bench.quarantine_groups("rows")} == {"open"}


def test_a_kind_can_be_ignored_and_taken_back(bench: Workbench) -> None:
    assert bench.ignore("rows", EMPTY, "ann") == 3
    assert bench.quarantine_groups("rows")[0].state == "ignored"
    with pytest.raises(BadInput, match="waits to be admitted"):
        bench.admit("rows")
    bench.fix("rows", 2, '{"instruction": "Do 2.", "output": "Mended."}')
    assert bench.reopen("rows", EMPTY) == 2
    assert {(group.state, group.rows) for group in bench.quarantine_groups("rows") if group.reason == EMPTY} == {
        ("open", 2),
        ("fixed", 1),
    }
    with pytest.raises(BadInput, match="no row of the kind"):
        bench.reopen("rows", EMPTY)
    assert bench.reopen("rows", EMPTY, "fixed") == 1
    assert bench.quarantine_groups("rows")[0] == EntryGroup(EMPTY, "open", 3)
    assert balance(bench) == (6, 4)


def test_a_scored_dataset_gets_a_version_whose_rows_keep_their_scores(bench: Workbench, tiny_model: Path) -> None:
    settings = RunSettings(scoring=ScoringSettings(model=str(tiny_model), shard_rows=4), calibration=None)
    first = bench.score("rows", settings).run
    bench.fix("rows", broken_entry(bench), '{"instruction": "Do it.", "output": "Done."}')
    after = bench.admit("rows")
    assert (after.name, after.previous) == ("rows@2", "rows")
    assert (balance(bench), balance(bench, "rows@2")) == ((6, 4), (7, 3))
    second = bench.score("rows@2", settings).run
    before, now = bench.runs.scores(first).to_pylist(), bench.runs.scores(second).to_pylist()
    assert [row["nll"] for row in now[:6]] == [row["nll"] for row in before]
    assert now[6]["nll"] > 0


def test_a_replay_admits_what_the_lock_admits(bench: Workbench, tmp_path: Path, tiny_model: Path) -> None:
    bench.keep("rows", EMPTY)
    bench.admit("rows")
    bench.fix("rows", broken_entry(bench), '{"instruction": "Do it.", "output": "Done."}', "ann")
    bench.admit("rows")
    assert balance(bench) == (10, 0)
    scoring = ScoringSettings(model=str(tiny_model), shard_rows=4)
    bench.score("rows", RunSettings(scoring=scoring, calibration=None))
    selection = bench.select("rows", "random", "7").selection
    report = bench.export(selection, "messages", tmp_path / "chosen.jsonl")
    with Workbench(tmp_path / "elsewhere") as other:
        again = other.replay(report.lock, tmp_path / "again.jsonl")
        assert again.sha256 == report.sha256
        assert other.datasets.get("rows").content_hash == bench.datasets.get("rows").content_hash
        assert [entry.who for entry in other.repairs.entries("rows") if entry.text] == ["ann"]
    lines = (tmp_path / "rows.jsonl").read_text().replace("cut", "cut elsewhere")
    (tmp_path / "rows.jsonl").write_text(lines)
    with Workbench(tmp_path / "changed") as other, pytest.raises(BadInput, match=r"Stage dataset: .* entry 4 is not"):
        other.replay(report.lock, tmp_path / "never.jsonl")


def test_two_who_admit_at_once_admit_once(bench: Workbench) -> None:
    bench.keep("rows", EMPTY)

    def admit(_: int) -> str:
        try:
            return bench.admit("rows").name
        except BadInput as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(admit, range(4)))
    assert said.count("rows") == 1
    assert balance(bench) == (9, 1)
    assert len(set(bench.datasets.example_ids("rows"))) == 9


def test_loading_again_after_rows_were_admitted_adds_nothing(bench: Workbench, tmp_path: Path) -> None:
    bench.keep("rows", EMPTY)
    bench.admit("rows")
    report = bench.ingest(tmp_path / "rows.jsonl", "rows")
    assert (report.dataset, report.rows_loaded) == ("rows", 9)
    assert [dataset.name for dataset in bench.datasets.all()] == ["rows"]


def test_a_mended_text_keeps_its_letters(bench: Workbench) -> None:
    text = '{\r\n "instruction": "a\u2028  b",\n  "output": "x\u0085  y"}'
    example = bench.fix("rows", broken_entry(bench), text)
    assert [message["content"] for message in example.messages] == ["a\u2028  b", "x\u0085  y"]
    assert json.loads(example.original) == json.loads(text)
    assert "\n" not in example.original


def test_a_row_of_another_shape_is_not_kept_as_an_empty_one(tmp_path: Path) -> None:
    rows = [{"instruction": f"Do {i}.", "output": "Done."} for i in range(5)]
    strange = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    (tmp_path / "mixed.jsonl").write_text("\n".join(json.dumps(row) for row in [*rows, strange]))
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(tmp_path / "mixed.jsonl", "mixed")
        (group,) = bench.quarantine_groups("mixed")
        assert group.reason == "`instruction` and `output` are missing"
        assert not bench.can_keep("mixed", group.reason)
        with pytest.raises(BadInput, match=r"line 6 of mixed\.jsonl cannot be loaded"):
            bench.keep("mixed", group.reason)
