"""Coverage by group and main covers, through the workbench, against the factors of a scored run."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.workbench import Workbench
from core.workbench import coverage as coverage_module
from core.workbench.coverage import MAP_CELLS
from tests import oracles


def factors_of_run(bench: Workbench, run: str) -> list[np.ndarray]:
    arrays = bench.arrays(run)
    return [arrays.factors[a:b] for a, b in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)]


def test_the_coverage_of_a_stored_selection_is_that_of_explicit_determinants(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.selections.get(bench.select("chats", "fisher", "6").selection)
        found, grouping = bench.coverage(chosen.selection, "topic"), bench.groups("chats", "topic")
        picks = [pick.row for pick in bench.selections.picks(chosen.selection)]
        factors, scored = factors_of_run(bench, chosen.run), bench.pool(bench.runs.get(chosen.run)).scored
    places = {row: place for place, row in enumerate(scored.tolist())}
    of_groups, of_all = oracles.held_shares(
        [factors[row] for row in scored], grouping.codes[scored].tolist(), [places[row] for row in picks], ridge=1.0
    )
    assert {of.group: of.share for of in found.groups} == pytest.approx(
        dict(zip(grouping.names, of_groups, strict=True)), rel=1e-6
    )
    assert found.share == pytest.approx(of_all, rel=1e-6)
    assert [of.share for of in found.groups] == sorted(of.share for of in found.groups)
    assert sum(of.examples for of in found.groups) == len(scored)
    assert sum(of.selected for of in found.groups) == 6
    assert not found.is_sampled


def test_beside_random_subsets_the_shares_stay_and_a_band_comes(workspace: Path) -> None:
    told = []
    with Workbench(workspace) as bench:
        name = bench.select("chats", "fisher", "6").selection
        rows = np.array([pick.row for pick in bench.selections.picks(name)])
        assert not bench.has_coverage_beside_random(name, "topic", rows)
        beside = bench.coverage_beside_random(name, "topic", rows, lambda done, of: told.append((done, of)))
        assert bench.has_coverage_beside_random(name, "topic", rows)
        alone = {of.group: of for of in bench.coverage(name, "topic").groups}
    assert told[-1] == (21, 21)
    for of in beside.groups:
        assert of.share == pytest.approx(alone[of.group].share, rel=1e-9)  # groups this small are measured whole
        assert (of.examples, of.selected) == (alone[of.group].examples, alone[of.group].selected)
        assert 0 <= of.random_low < of.random_high <= 1


def test_more_of_the_same_order_holds_more(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        name = bench.select("chats", "fisher", "4").selection
        more = bench.what_if(name, "9").rows
        stored, tried = bench.coverage(name, "topic"), bench.coverage_beside_random(name, "topic", np.array(more))
    assert sum(of.selected for of in tried.groups) == 9
    assert tried.share > stored.share


def test_the_neighbourhoods_of_the_map_are_groups_once_it_is_drawn(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.selections.get(bench.select("chats", "fisher", "6").selection)
        with pytest.raises(BadInput, match="has no map yet"):
            bench.coverage(chosen.selection, MAP_CELLS)
        scored = bench.pool(bench.runs.get(chosen.run)).scored
        points = np.random.default_rng(0).normal(np.repeat([[0.0, 0.0], [9.0, 9.0]], [10, len(scored) - 10], axis=0))
        bench.runs.store_map(chosen.run, "points.npz", scored, points.astype(np.float32))
        found = bench.coverage(chosen.selection, MAP_CELLS)
        assert sorted(of.examples for of in found.groups) == [10, len(scored) - 10]
        assert found.share == pytest.approx(bench.coverage(chosen.selection, "topic").share)


def test_every_example_left_out_has_its_main_cover(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.selections.get(bench.select("chats", "fisher", "4").selection)
        assert bench.main_covers_seconds(chosen.selection) > 0
        found = bench.main_covers(chosen.selection)
        assert bench.main_covers_seconds(chosen.selection) == 0
        picks = [pick.row for pick in bench.selections.picks(chosen.selection)]
        left = [one.row for one in bench.selections.left_out(chosen.selection)]
        factors = factors_of_run(bench, chosen.run)
    assert found.rows.tolist() == left
    assert found.left_out == len(left)
    for row, rank, share in zip(left, found.ranks.tolist(), found.shares.tolist(), strict=True):
        best, told = oracles.best_cover(factors, row, picks, 1.0)
        assert (picks[rank - 1], share) == (best, pytest.approx(told, rel=1e-6))


def test_of_very_many_examples_left_out_a_sample_stands_for_all(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage_module, "MOST_COVERED", 7)
    with Workbench(workspace) as bench:
        name = bench.select("chats", "fisher", "4").selection
        found = bench.main_covers(name)
        left = [one.row for one in bench.selections.left_out(name)]
    assert len(found.rows) == 7
    assert set(found.rows.tolist()) < set(left)
    assert found.left_out == len(left)


def test_a_selection_of_an_older_version_tells_what_to_do(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        name = bench.select("chats", "fisher", "4").selection
        with bench.database.writing() as cursor:
            cursor.execute("UPDATE selections SET upper_bound = NULL")
        for ask in (bench.coverage, bench.main_covers):
            with pytest.raises(BadInput, match="select again"):
                ask(name)
