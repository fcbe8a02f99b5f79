"""Two choices, example by example: what each has, where it places the rest, and how far apart they are."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.settings import RepeatSettings, RunSettings, ScoringSettings
from core.workbench import Workbench
from core.workbench.sides import SCORES, tell_place
from tests.conftest import Scored, core_json, run_core, write_chats


def rows_of(bench: Workbench, selection: str) -> list[int]:
    return [pick.row for pick in bench.selections.picks(selection)]


def test_what_each_side_has_and_where_the_other_places_it(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        a, b = (bench.select("chats", name, "6").selection for name in ("fisher", "ppl"))
        found, (in_a, in_b) = bench.compare(a, b), (rows_of(bench, a), rows_of(bench, b))
        assert found.only_a().tolist() == [row for row in in_a if row not in in_b]
        assert found.only_b().tolist() == [row for row in in_b if row not in in_a]
        assert (found.overlap.both, found.unlike) == (len({*in_a} & {*in_b}), None)
        whole = [rows_of(bench, bench.select("chats", name, "23").selection) for name in ("fisher", "ppl")]
        places = [{row: place for place, row in enumerate(order)} for order in whole]
        for row in range(23):  # these few are ordered to the end, so that every place is known
            assert found.distance[row] == pytest.approx(abs(places[0][row] - places[1][row]) / 23)
        assert not found.is_least[:23].any()
        assert np.isnan(found.distance[23])
        told = tell_place(found.b, int(found.only_a()[0]))
        assert told == f"left out, enters at {places[1][int(found.only_a()[0])] + 1} examples"
        assert tell_place(found.a, in_a[2]) == "picked as #3"
        assert tell_place(found.a, 23) == "could not be scored"
        queue = found.disagreements()
        assert (np.diff(found.distance[queue]) <= 0).all()
        assert set(queue.tolist()) == {row for row in range(23) if places[0][row] != places[1][row]}


def test_beyond_the_end_of_an_order_only_what_is_sure_is_claimed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.workbench.choosing.ORDERED_WHOLE", 0)
    with Workbench(workspace) as bench:
        a, b = bench.select("chats", "fisher", "3").selection, bench.select("chats", "ppl", "3").selection
        short = bench.compare(a, b)
        monkeypatch.setattr("core.workbench.choosing.ORDERED_WHOLE", 1_000)
        whole = [rows_of(bench, bench.select("chats", name, "23").selection) for name in ("fisher", "ppl")]
        truth = np.array([abs(whole[0].index(row) - whole[1].index(row)) / 23 for row in range(23)])
        assert (short.distance[:23] <= truth + 1e-12).all()
        assert short.is_least[:23].any()
        np.testing.assert_allclose(short.distance[:23][~short.is_least[:23]], truth[~short.is_least[:23]])
        beyond = next(row for row in range(23) if short.a.enters[row] < 0 and not short.a.chosen[row])
        assert tell_place(short.a, beyond) == "left out, beyond place 6"


def test_what_an_order_refuses_comes_last_and_what_it_never_sees_has_no_place(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        bench.decide("chats", [4], "ban")
        codes = np.arange(24)
        codes[[2, 9]] = 2
        bench.orders.put_repeats(f"{bench.datasets.get('chats').content_hash} exact 1", codes)
        a = bench.select("chats", "instructdiff", "4", repeats=RepeatSettings(repeats="exact")).selection
        found = bench.compare(a, bench.select("chats", "random", "4").selection)
        assert np.isnan(found.distance[[4, 9, 23]]).all()
        refused = np.flatnonzero(found.a.is_in("filter"))
        assert len(refused)
        assert (found.a.spans.last[refused] == found.a.spans.count).all()
        assert (
            np.nanmax(np.where(found.a.is_in("filter"), np.nan, found.a.spans.last)) < found.a.spans.first[refused[0]]
        )
        assert tell_place(found.a, 9) == "near-duplicate of row 2"
        assert tell_place(found.a, 4) == "banned"


def test_another_budget_of_a_changes_what_it_has_and_no_place(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        a, b = bench.select("chats", "fisher", "6").selection, bench.select("chats", "ppl", "6").selection
        rows = bench.what_if(a, "9").rows
        cut, stored = bench.compare(a, b, cut_a=rows), bench.compare(a, b)
        assert np.flatnonzero(cut.a.chosen).tolist() == sorted(rows)
        np.testing.assert_array_equal(cut.distance, stored.distance)


def test_runs_are_compared_by_the_order_of_a_score(scored: Scored, workspace: Path) -> None:
    words = ("--model", str(scored.model), "--no-calibration", "--max-length", "128", "--set", "template=plain")
    other = core_json(workspace, "score", "chats", *words, "--set", "shard_rows=8")["run"]
    with Workbench(workspace) as bench:
        found = bench.compare(scored.report["run"], other)
        values = [bench.runs.scores(run)["nll"].to_numpy() for run in (scored.report["run"], other)]
        both = np.isfinite(values[0]) & np.isfinite(values[1])
        counts = [np.isfinite(of).sum() for of in values]
        row = int(np.flatnonzero(both)[3])
        places = [int((of > of[row]).sum()) + 0.5 for of in values]
        assert found.distance[row] == pytest.approx(abs(places[0] / counts[0] - places[1] / counts[1]))
        assert found.overlap.both == 0
        assert "template" in str(found.unlike)
        with pytest.raises(BadInput, match="not calibrated"):
            bench.compare(scored.report["run"], other, by="delta_nll")
        selection = bench.select("chats", "fisher", "3").selection
        with pytest.raises(BadInput, match="not one with the other"):
            bench.compare(selection, other)
        with pytest.raises(BadInput, match="on both sides"):
            bench.compare(other, other)


def test_versions_are_compared_by_example_id_and_strangers_not_at_all(tmp_path: Path, tiny_model: Path) -> None:
    settings = RunSettings(scoring=ScoringSettings(model=str(tiny_model), shard_rows=8), calibration=None)
    with Workbench(tmp_path / "workspace") as bench:
        source = write_chats(tmp_path / "chats.jsonl", 12)
        bench.ingest(source, "chats")
        bench.score("chats", settings)
        first = bench.select("chats", "fisher", "5").selection
        lines = source.read_text().splitlines()
        source.write_text("\n".join([json.dumps({"instruction": "New", "output": "row"}), *lines[:4], *lines[5:]]))
        bench.ingest(source, "chats")
        bench.score("chats@2", settings)
        second = bench.select("chats@2", "fisher", "5").selection
        found = bench.compare(first, second)
        assert len(found.rows_a) == 13
        assert found.rows_a.tolist() == [*range(12), -1]
        assert found.rows_b.tolist() == [1, 2, 3, 4, -1, *range(5, 12), 0]
        assert tell_place(found.b, 4) == "not in this version"
        assert np.isnan(found.distance[[4, 12]]).all()
        ids = [bench.datasets.example_ids(name) for name in ("chats", "chats@2")]
        shared = {ids[0][row] for row in rows_of(bench, first)} & {ids[1][row] for row in rows_of(bench, second)}
        assert found.overlap.both == len(shared)
        assert "norm of their own dataset" in str(found.unlike)
        written = bench.write_comparison(found, tmp_path / "both.jsonl").read_text().splitlines()
        assert {json.loads(line)["example_id"] for line in written} >= {ids[0][0], ids[1][1]}
        bench.ingest(_others(tmp_path / "others.jsonl"), "others")
        bench.score("others", settings)
        with pytest.raises(BadInput, match="no example in common"):
            bench.compare(first, bench.select("others", "fisher", "2").selection)


def _others(path: Path) -> Path:
    path.write_text("".join(json.dumps({"instruction": f"Ask {i}", "output": "yes"}) + "\n" for i in range(4)))
    return path


def test_other_ridges_measure_other_information(workspace: Path) -> None:
    a = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "5")["selection"]
    b = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "5", "--set", "ridge=0.1")
    told = core_json(workspace, "compare", a, b["selection"])
    assert "another ridge" in told["information_cannot_be_compared"]


def test_the_command_writes_a_line_for_each_example(workspace: Path, tmp_path: Path) -> None:
    a, b = (
        core_json(workspace, "select", "chats", "--criterion", name, "--budget", "6")["selection"]
        for name in ("fisher", "ppl")
    )
    out = tmp_path / "both.jsonl"
    told = core_json(workspace, "compare", a, b, "-o", str(out))
    lines = {line["row_a"]: line for line in map(json.loads, out.read_text().splitlines())}
    assert sorted(lines) == list(range(23))
    with Workbench(workspace) as bench:
        ranks = {pick.row: pick.rank for pick in bench.selections.picks(a)}
        enters = {outcome.row: outcome.enters for outcome in bench.outcomes(b)}
    assert {row: line["rank_a"] for row, line in lines.items() if line["rank_a"]} == ranks
    assert all(line["enters_b"] == enters.get(row) for row, line in lines.items())
    assert told["only_a"] + told["both"] == told["only_b"] + told["both"] == 6
    assert told["disagreements"] == sum(line["distance"] > 0 for line in lines.values())
    assert "by nll, entropy" in run_core(workspace, "compare", a, b, "--by", "x", code=2).stderr
    assert "There is no scoring run 'nope'" in run_core(workspace, "compare", "nope", "no", code=2).stderr


def test_two_selections_of_a_run_share_its_scores_and_keep_a_byte_for_each_state(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        a, b = (bench.select("chats", name, "6").selection for name in ("fisher", "ppl"))
        found, pool = bench.compare(a, b), bench.pool(bench.finished_run("chats"))
        for name in SCORES:
            assert found.a.scores[name] is found.b.scores[name] is getattr(pool, name)
        assert found.a.codes.dtype == found.b.codes.dtype == np.uint8
        states = [found.a.state(row) for row in range(24)]
        assert states == ["selected" if row in rows_of(bench, a) else "budget" for row in range(23)] + ["unscorable"]
        assert found.a.cut(np.array([23])).is_in("selected").tolist() == [False] * 23 + [True]
