"""Queues are the same for all; judgements stand side by side and change nothing by themselves."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.settings import RepeatSettings
from core.workbench import Workbench
from core.workbench.reviewing import QueueRequest
from tests.conftest import core_json, run_core, write_chats


def test_at_the_cut_are_the_last_picks_and_the_first_to_enter_in_turn(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        bench.decide("chats", [20], "pin")
        chosen = bench.select("chats", "fisher", "6").selection
        order = [pick.row for pick in bench.selections.picks(bench.select("chats", "fisher", "10").selection)]
        rows = [one.row for one in bench.review_queue(QueueRequest(chosen, "border", 6))]
        assert rows == [order[5], order[6], order[4], order[7], order[3], order[8]]
        assert 20 not in [one.row for one in bench.review_queue(QueueRequest(chosen, "border", 100))]


def test_selections_disagree_about_what_one_of_them_has(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        a = bench.select("chats", "fisher", "6").selection
        with pytest.raises(BadInput, match="no other selection"):
            bench.review_queue(QueueRequest(a, "disagree"))
        b = bench.select("chats", "ppl", "6").selection
        queue, found = bench.review_queue(QueueRequest(a, "disagree", 100)), bench.compare(a, b)
        in_a, in_b = ({pick.row for pick in bench.selections.picks(name)} for name in (a, b))
        assert {one.row for one in queue} == in_a ^ in_b
        assert (np.diff(found.distance[[one.row for one in queue]]) <= 0).all()
        assert bench.review_queue(QueueRequest(a, "disagree", 100, against=b)) == queue
        assert "by ppl 6" in queue[0].why


def test_near_duplicates_stand_beside_what_stands_for_them(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        codes = np.arange(24)
        codes[[2, 9, 14]], codes[[5, 6]], codes[[7, 8]] = 2, 5, 7
        bench.orders.put_repeats(f"{bench.datasets.get('chats').content_hash} exact 1", codes)
        bench.decide("chats", [8], "ban")
        chosen = bench.select("chats", "fisher", "8", repeats=RepeatSettings(repeats="exact")).selection
        queue = bench.review_queue(QueueRequest(chosen, "repeats"))
        assert {(one.row, one.other) for one in queue} == {(9, 2), (14, 2), (6, 5)}
        ranks = {pick.row: pick.rank for pick in bench.selections.picks(chosen)}
        places = [ranks.get(one.other, 99) for one in queue]
        assert places == sorted(places)


def test_a_selection_that_kept_repeats_is_asked_about_near_ones(tmp_path: Path, workspace: Path) -> None:
    lines = write_chats(tmp_path / "a.jsonl", 11).read_text().splitlines()
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, lines[3]]))
    with Workbench(workspace) as bench:
        model = bench.runs.of_dataset("chats")[0].settings["scoring"]["model"]
    core_json(workspace, "ingest", str(tmp_path / "a.jsonl"), "--name", "a")
    core_json(workspace, "score", "a", "--model", model, "--no-calibration", "--max-length", "128")
    with Workbench(workspace) as bench:
        chosen = bench.select("a", "length", "12").selection
        (pair,) = bench.review_queue(QueueRequest(chosen, "repeats"))
        ranks = {pick.row: pick.rank for pick in bench.selections.picks(chosen)}
        assert {pair.row, pair.other} == {3, 11}
        assert ranks[pair.other or 0] < ranks[pair.row]


def test_a_longer_random_check_goes_on_where_a_shorter_one_ends(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "10").selection
        long, short = (bench.review_queue(QueueRequest(chosen, "random", n, seed=3)) for n in (10, 4))
        assert long[:4] == short
        assert {one.row for one in long} == {pick.row for pick in bench.selections.picks(chosen)}
        assert bench.review_queue(QueueRequest(chosen, "random", 10, seed=4)) != long


def test_truncated_responses_come_with_the_selected_first(workspace: Path, tmp_path: Path) -> None:
    rows = [{"instruction": "Say.", "output": "word " * (60 if i in (2, 7) else 3)} for i in range(9)]
    (tmp_path / "long.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with Workbench(workspace) as bench:
        model = bench.runs.of_dataset("chats")[0].settings["scoring"]["model"]
        nothing = bench.select("chats", "fisher", "4").selection
        assert bench.review_queue(QueueRequest(nothing, "truncated")) == []
    core_json(workspace, "ingest", str(tmp_path / "long.jsonl"), "--name", "long")
    core_json(workspace, "score", "long", "--model", model, "--no-calibration", "--max-length", "128")
    with Workbench(workspace) as bench:
        bench.decide("long", [7], "pin")
        chosen = bench.select("long", "random", "1").selection
        queue = bench.review_queue(QueueRequest(chosen, "truncated"))
        assert [one.row for one in queue] == [7, 2]
        assert queue[0].why.startswith("cut at 128 tokens")


def test_two_persons_stand_side_by_side_and_the_last_of_each_counts(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        bench.judge("chats", 3, "random", "keep", who="eve")
        bench.judge("chats", 3, "random", "drop", "a joke", who="eve")
        bench.judge("chats", 3, "random", "keep", who="adam")
        bench.judge("chats", 3, "border", "unsure", who="eve")
        said = bench.judged("chats", "random", [3, 4])
        assert {who: of[3].verdict for who, of in said.items()} == {"eve": "drop", "adam": "keep"}
        assert said["eve"][3].why == "a joke"
        assert len(bench.judgements.of_dataset("chats")) == 4
        assert bench.history("chats") == []
        with pytest.raises(BadInput, match="no verdict 'yes'"):
            bench.judge("chats", 3, "random", "yes")
        with pytest.raises(BadInput, match="no row 99"):
            bench.judge("chats", 99, "random", "keep")
        with pytest.raises(BadInput, match="no queue 'x'"):
            bench.judge("chats", 3, "x", "keep")


def test_only_what_every_judge_said_becomes_a_decision_once(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        for row, eve, adam in ((1, "drop", "drop"), (2, "drop", "keep"), (3, "drop", ""), (4, "keep", "keep")):
            bench.judge("chats", row, "random", eve, who="eve")
            if adam:
                bench.judge("chats", row, "random", adam, who="adam")
        assert bench.agreed("chats", "random", "drop") == {1: ("adam", "eve")}
        assert sorted(bench.agreed("chats", "random", "drop", least=1)) == [1, 3]
        assert bench.agreed("chats", "random", "drop", [2, 3]) == {}
        assert len(bench.apply_judgements("chats", "random", "drop", who="carol")) == 1
        assert len(bench.apply_judgements("chats", "random", "keep", who="carol")) == 1
        made = bench.history("chats")
        assert [(one.row, one.kind, one.who) for one in made] == [(1, "ban", "carol"), (4, "pin", "carol")]
        assert "adam, eve" in made[0].why
        assert bench.apply_judgements("chats", "random", "drop", who="carol") == []
        with pytest.raises(BadInput, match="can be applied"):
            bench.apply_judgements("chats", "random", "unsure")


def test_judgements_go_with_their_example_into_the_next_version(tmp_path: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        source = write_chats(tmp_path / "chats.jsonl", 6)
        bench.ingest(source, "chats")
        bench.judge("chats", 1, "random", "drop", "spam", who="eve")
        bench.judge("chats", 4, "random", "keep", who="eve")
        lines = source.read_text().splitlines()
        source.write_text("\n".join([json.dumps({"instruction": "New", "output": "row"}), *lines[:4], lines[5]]))
        bench.ingest(source, "chats")
        (kept,) = bench.judgements.of_dataset("chats@2")
        assert (kept.row, kept.verdict, kept.who, kept.why) == (2, "drop", "eve", "spam")
        assert kept.made_at == bench.judgements.of_dataset("chats")[0].made_at


def test_queues_and_judgements_by_the_command_line(workspace: Path, tmp_path: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")["selection"]
    out = tmp_path / "queue.jsonl"
    core_json(workspace, "review", chosen, "--queue", "border", "--length", "4", "-o", str(out))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    with Workbench(workspace) as bench:
        queue = bench.review_queue(QueueRequest(chosen, "border", 4))
        ids = bench.datasets.example_ids("chats")
        for one in queue:
            bench.judge("chats", one.row, "border", "keep", who="eve")
        bench.judge("chats", queue[0].row, "border", "drop", who="adam")
        bench.judge("chats", queue[0].row, "border", "keep", who="adam")
    assert [(line["row"], line["example_id"]) for line in lines] == [(one.row, ids[one.row]) for one in queue]
    told = core_json(workspace, "judgements", "chats", "-o", str(tmp_path / "said.csv"))
    assert told["border"]["persons"] == {"adam": {"keep": 1}, "eve": {"keep": 4}}
    assert told["border"]["pairs"][0]["agreement"] == 1.0
    assert told["border"]["krippendorffs_alpha"] is None
    written = (tmp_path / "said.csv").read_text().splitlines()
    assert len(written) == 7
    assert sum(line.endswith("true") for line in written) == 5
    assert (
        "There is no queue 'x'" in run_core(workspace, "review", chosen, "--queue", "x", "-o", str(out), code=2).stderr
    )
    assert "from 1 to" in run_core(workspace, "review", chosen, "--length", "0", "-o", str(out), code=2).stderr
    assert "There is no dataset" in run_core(workspace, "judgements", "nope", code=2).stderr
