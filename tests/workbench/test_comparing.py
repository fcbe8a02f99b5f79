"""Mixture, pattern, rounds, stability and repeats, through the workbench and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.selection.envelope import random_prefixes
from core.selection.registry import CRITERIA
from core.settings import RepeatSettings
from core.workbench import Workbench
from tests.conftest import Scored, core_json, run_core, write_chats


def test_the_mixture_adds_up(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "6")
        shares = bench.mixture(chosen.selection, "topic")
        assert [share.group for share in shares] == ["0", "1", "2"]
        assert sum(share.pool for share in shares) == 23
        assert sum(share.selected for share in shares) == 6
        assert all(share.random_low <= share.random_high for share in shares)
        assert bench.selections.get(chosen.selection).comparison["mix_column"] == "topic"
        with pytest.raises(BadInput, match="has a column 'nothing'"):
            bench.mixture(chosen.selection, "nothing")


def test_the_pattern_is_named_from_the_data(scored: Scored, workspace: Path) -> None:
    told = core_json(workspace, "pattern", scored.report["run"])
    with Workbench(workspace) as bench:
        values = bench.runs.scores(scored.report["run"])["delta_entropy"].to_numpy()
    values = values[np.isfinite(values)]
    assert told["negative_delta_entropy"] == pytest.approx(float((values < 0).mean()))
    share = float((values < 0).mean())
    assert told["pattern"] == ("compression" if share < 0.4 else "expansion" if share > 0.6 else "balanced")
    assert told["rounds"] == [{"number": 1, "examples": 7, "overlap": None}]


def test_the_same_choice_on_another_seed_tells_how_stable_it_is(
    scored: Scored, workspace: Path, tmp_path: Path
) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "instructdiff", "--budget", "6")
    assert "no other finished scoring run" in run_core(workspace, "stability", chosen["selection"], code=2).stderr
    words = ("--model", str(scored.model), "--calibrate", "0.3", "--max-length", "128")
    other = core_json(
        workspace, "score", "chats", *words, "--set", "epochs=1", "--set", "seed=5", "--set", "shard_rows=8"
    )
    out = tmp_path / "often.jsonl"
    told = core_json(workspace, "stability", chosen["selection"], "-o", str(out))
    assert told["runs"] == {scored.report["run"]: "this run", other["run"]: "seed 5"}
    with Workbench(workspace) as bench:
        a, b = ({pick.row for pick in bench.selections.picks(name)} for name in told["selections"].values())
    assert told["overlaps"][0]["shared"] == len(a & b)
    assert told["mean_overlap"] == pytest.approx(len(a & b) / 6)
    often = {line["row"]: line["frequency"] for line in map(json.loads, out.read_text().splitlines())}
    assert often == {row: 1.0 if row in a & b else 0.5 for row in a | b}


def test_stability_asks_the_same_question_whatever_was_decided_since(
    scored: Scored, workspace: Path, tmp_path: Path
) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "6")
        words = ("--model", str(scored.model), "--no-calibration", "--max-length", "128", "--set", "shard_rows=8")
    other = core_json(workspace, "score", "chats", *words)["run"]
    with Workbench(workspace) as bench:
        bench.decide("chats", [pick.row for pick in bench.selections.picks(chosen.selection)][:3], "ban")
        found = bench.stability(chosen.selection)
        theirs = bench.selections.get(found.selections[other])
        assert theirs.settings["banned"] == []
        assert found.mean_overlap == 1.0  # the base pass is the same
        assert found.differences[other] == "not calibrated"
        calibrated = bench.select("chats", "instructdiff", "3", run=scored.report["run"]).selection
        with pytest.raises(BadInput, match="no other finished scoring run"):
            bench.stability(calibrated)


def test_repeats_leave_one_of_each_group_and_name_it(scored: Scored, tmp_path: Path) -> None:
    rows = write_chats(tmp_path / "a.jsonl", 10).read_text().splitlines()
    again = [rows[2].replace("Say", "say  "), rows[2], rows[7]]
    (tmp_path / "b.jsonl").write_text("\n".join([*rows, *again]) + "\n")
    workspace = tmp_path / "workspace"
    core_json(workspace, "ingest", str(tmp_path / "b.jsonl"), "--name", "b")
    core_json(workspace, "score", "b", "--model", str(scored.model), "--no-calibration")
    for how in ("exact", "factor"):
        words = ("--criterion", "random", "--budget", "100%", "--repeats", how)
        chosen = core_json(workspace, "select", "b", *words)
        with Workbench(workspace) as bench:
            outcomes = bench.outcomes(chosen["selection"])
            picks = {pick.row for pick in bench.selections.picks(chosen["selection"])}
        gone = {outcome.row: outcome.other for outcome in outcomes if outcome.gate == "repeat"}
        assert {11: 2, 12: 7}.items() <= gone.items()
        assert how == "factor" or gone[10] == 2
        assert {2, 7} <= picks
    with Workbench(workspace) as bench:
        assert bench.select("b", "random", "5", repeats=RepeatSettings(repeats="near")).examples == 5
    with pytest.raises(BadInput, match="goes with repeats near and factor alone"):
        RepeatSettings.checked(repeats="exact", repeat_threshold=0.5)


def test_every_criterion_selects_by_the_command_line_or_says_what_it_lacks(workspace: Path) -> None:
    for name, rule in CRITERIA.items():
        words = ("select", "chats", "--criterion", name, "--budget", "5")
        if "ifd" in rule.needs:
            assert "score again with ifd=true" in run_core(workspace, *words, code=2).stderr
        else:
            assert core_json(workspace, *words)["examples"] == 5


def test_the_band_of_a_mixture_is_of_shares_of_each_random_subset(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "random", "6").selection
        run = bench.runs.get(bench.selections.get(chosen).run)
        pool = bench.pool(run)
        longest = pool.scored[np.argsort(-pool.response_tokens[pool.scored], kind="stable")][:2]
        tokens, topics = int(pool.response_tokens[longest].sum()), bench.groups("chats", "topic")
        prefixes = random_prefixes(bench.pool_of(bench.request_of(bench.selections.get(chosen))), 0)
        subsets = prefixes.of_tokens(tokens)
        assert max(len(subset) for subset in subsets) > len(longest)
        for share in bench.mixture(chosen, "topic", longest):
            own = [
                sum(topics.names[topics.codes[row]] == share.group for row in subset.tolist()) / len(subset)
                for subset in subsets
            ]
            assert (share.random_low, share.random_high) == pytest.approx((min(own), max(own)))
            assert 0 <= share.random_low <= share.random_high <= 1
        assert sum(share.random_low for share in bench.mixture(chosen, "topic", longest)) <= 1
