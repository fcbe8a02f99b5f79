"""Selecting by the workbench: quotas on a column, a target, the ledger's covers, and what is left out."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput
from core.selection.criteria.designs import FisherSettings, IOptimalSettings
from core.settings import Quota
from core.workbench import Workbench
from tests.conftest import Scored, core_json, run_core, write_chats


def topics_of(bench: Workbench, selection: str) -> list[str]:
    topics = bench.groups("chats", "topic")
    return [topics.names[topics.codes[pick.row]] for pick in bench.selections.picks(selection)]


def test_quotas_on_a_column_of_the_rows_are_kept(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        free = bench.select("chats", "fisher", "9")
        bound = bench.select("chats", "fisher", "9", quotas=[Quota.parse("topic=0<=2"), Quota.parse("topic=1>=50%")])
        assert topics_of(bench, bound.selection).count("0") <= 2
        assert topics_of(bench, bound.selection).count("1") >= 5
        assert bound.log_det <= free.log_det + 1e-9
        assert bench.selections.get(bound.selection).settings["quotas"] == ["topic=0<=2", "topic=1>=50%"]
        even = bench.select("chats", "random", "9", quotas=[Quota.parse("topic")])
        assert sorted(topics_of(bench, even.selection).count(name) for name in "012") == [3, 3, 3]


def test_quotas_by_the_command_line(workspace: Path) -> None:
    chosen = core_json(
        workspace, "select", "chats", "--criterion", "fisher", "--budget", "6", "--quota", "topic=2<=1", "--quota",
        "topic=0>=4",
    )  # fmt: skip
    with Workbench(workspace) as bench:
        topics = topics_of(bench, chosen["selection"])
    assert topics.count("0") >= 4
    assert topics.count("2") <= 1


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--quota", "topic"], None),
        (["--quota", "nothing=1<=2"], "has a column 'nothing'; the first row has"),
        (["--quota", "topic=9<=2"], "No example has topic = '9'"),
        (["--quota", "topic=1<2"], "is not one of topic=food<=200"),
        (["--quota", "topic=1<=2", "--quota", "output=x<=1"], "one column at a time"),
        (["--quota", "topic=1>=20"], "can be selected"),
        (["--target-run", "abc"], "takes no target"),
    ],
)
def test_a_quota_or_target_that_cannot_be_is_one_line(words: list[str], answer: str | None, workspace: Path) -> None:
    base = ["select", "chats", "--criterion", "fisher", "--budget", "6"]
    done = run_core(workspace, *base, *words, code=0 if answer is None else 2)
    if answer is not None:
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert answer in line


def test_every_selection_carries_its_proof(workspace: Path) -> None:
    for criterion in ("fisher", "random", "instructdiff", "ioptimal"):
        chosen = core_json(workspace, "select", "chats", "--criterion", criterion, "--budget", "5")
        assert chosen["log_det"] <= chosen["upper_bound"]
        assert 0 < chosen["at_least"] <= 1
        assert (chosen["variance"] is not None) == (criterion == "ioptimal")
        assert (chosen["evaluations"] is not None) == (criterion in ("fisher", "ioptimal"))
        assert ("guesses" in (chosen["note"] or "")) == (criterion == "ioptimal")
        assert ("not distinguishable" in (chosen["note"] or "")) != chosen["is_distinguishable"]


def test_ioptimal_serves_examples_or_another_dataset(scored: Scored, workspace: Path, tmp_path: Path) -> None:
    write_chats(tmp_path / "task.jsonl", 6)
    core_json(workspace, "ingest", str(tmp_path / "task.jsonl"), "--name", "task")
    same = ("--model", str(scored.model), "--no-calibration", "--max-length", "128", "--set", "shard_rows=8")
    task = core_json(workspace, "score", "task", *same)
    with Workbench(workspace) as bench:
        ids, run = bench.datasets.example_ids("chats"), bench.finished_run("chats")
        assert [other.run for other in bench.possible_targets(run)] == [task["run"]]
        by_run = bench.select("chats", "ioptimal", "5", target_run=task["run"])
        by_ids = bench.select("chats", "ioptimal", "5", target=ids[:6])
        by_pool = bench.select("chats", "ioptimal", "5")
        rows = [[pick.row for pick in bench.selections.picks(s.selection)] for s in (by_run, by_ids, by_pool)]
        assert rows[0] == rows[1]  # the task's rows are the first six of the chats
        assert by_run.variance["explained"] == pytest.approx(by_ids.variance["explained"], rel=1e-4)
        assert rows[0] != rows[2]
        with pytest.raises(BadInput, match="not both"):
            bench.select("chats", "ioptimal", "5", target=ids[:2], target_run=task["run"])
    other = core_json(workspace, "score", "task", *same, "--set", "template=raw")
    refused = run_core(
        workspace, "select", "chats", "--criterion", "ioptimal", "--budget", "5", "--target-run", other["run"], code=2
    )
    assert "template = 'raw' instead of" in refused.stderr


def test_the_ledger_names_what_covers_a_pick_and_the_left_out_what_covers_them(workspace: Path, tmp_path: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")
    run_core(workspace, "ledger", chosen["selection"], "-o", str(tmp_path / "ledger.jsonl"))
    run_core(workspace, "ledger", chosen["selection"], "-o", str(tmp_path / "left.parquet"), "--left-out")
    picks = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    order = [pick["example_id"] for pick in picks]
    assert picks[0]["covered_by"] == ""
    for rank, pick in enumerate(picks):
        assert set(pick["covered_by"].split()) <= set(order[:rank])
    assert all(0 < pick["covered_share"] < 1 for pick in picks[1:])
    left = pq.read_table(tmp_path / "left.parquet").to_pylist()
    assert len(left) == 23 - 6
    for row in left:
        assert row["example_id"] not in order
        assert row["covered"] == pytest.approx(1 - row["gain"] / row["gain_alone"])
        assert 0 < row["covered_share"] <= row["covered"] + 1e-6
        assert set(row["covered_by"].split()) <= set(order)
    largest = max(row["gain"] for row in left)
    after = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "7")
    assert after["log_det"] - chosen["log_det"] == pytest.approx(largest, rel=1e-6)


def test_one_vector_an_example_is_a_selection_of_its_own(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        tokens = bench.select("chats", "fisher", "5")
        mean = bench.select("chats", "fisher", "5", settings=FisherSettings(features="mean"))
        assert mean.selection != tokens.selection
        assert mean.log_det < tokens.log_det
        rows = [pick.row for pick in bench.selections.picks(mean.selection)]
        assert set(bench.covers(mean.selection, rows)) == set(rows)


def test_numbers_too_far_apart_are_one_line(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workbench(workspace) as bench:
        pool = bench.pool(bench.finished_run("chats"))
        huge = replace(pool, factors=np.array(pool.factors) * np.float32(1e15))
        monkeypatch.setattr(bench, "pool", lambda _: huge)
        with pytest.raises(BadInput, match="too far apart"):
            bench.select("chats", "fisher", "5", settings=FisherSettings(ridge=1e-6))


def test_the_device_does_not_name_the_selection(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "ioptimal", "4", settings=IOptimalSettings(search="naive"), device="cpu")
        again = bench.select("chats", "ioptimal", "4", settings=IOptimalSettings(search="naive"))
        assert chosen == again
        with pytest.raises(BadInput):
            bench.select("chats", "fisher", "3", device="abacus")


def test_the_values_of_a_column_are_those_of_the_file_in_ascending_order(tmp_path: Path) -> None:
    values = ["é", "b", None, "a\u0000", "a", "Z", "😀", "b", "\uffff", 7, "(none)", [1]]
    source = tmp_path / "rows.jsonl"
    rows = [{"prompt": "p", "completion": str(i), "kind": value} for i, value in enumerate(values)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(source, "rows")
        found = bench.groups("rows", "kind")
        words = ["(none)" if v is None else "[1]" if v == [1] else str(v) for v in values]
        assert [found.names[code] for code in found.codes] == words
        assert list(found.names) == sorted(set(words))


def test_a_column_of_long_texts_is_refused_before_it_comes_into_memory(tmp_path: Path) -> None:
    source = tmp_path / "long.jsonl"
    with source.open("w") as stream:
        for i in range(3_000):
            asked = f"{i} " + "word " * (40_000 if i == 7 else 200)
            stream.write(json.dumps({"prompt": asked, "completion": "c", "part": i % 1_000, "half": i % 1_001}) + "\n")
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(source, "long")
        tracemalloc.start()
        with pytest.raises(BadInput, match="'prompt' has 3,000 values; a column with at most 1,000 can be grouped by"):
            bench.groups("long", "prompt")
        with pytest.raises(BadInput, match="'half' has 1,001 values"):
            bench.grouping("long", [Quota.parse("half")])
        assert len(bench.groups("long", "part").names) == 1_000
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert reached < 4_000_000  # as fixed-width text the prompts alone take 3,000 × 200,000 × 4 bytes
