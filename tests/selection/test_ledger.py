"""The ledger's gains add up, what is left out has its gain, and what covers an example really does."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.selection import covers as covers_module
from core.selection.choose import choose, order, prepare
from core.selection.covers import Covers
from core.selection.pool import Pool
from core.selection.registry import find_criterion
from core.settings import Budget
from tests import oracles
from tests.selection.pools import factors_of, make_pool, of_factors, pools


def choice_of(pool: Pool, budget: str, criterion: str = "fisher", **options):
    rule = find_criterion(criterion)
    task = prepare(pool, rule, Budget.parse(budget), rule.settings(**options), 0)
    return choose(task, order(task))


@given(pools)
def test_gains_never_rise_and_sum_to_the_information(pool: Pool) -> None:
    picks = choice_of(pool, "100%").picks
    gains = [pick.gain for pick in picks]
    assert all(later <= earlier + 1e-8 for earlier, later in itertools.pairwise(gains))
    assert all(pick.gain <= pick.gain_alone + 1e-8 for pick in picks)
    truth = oracles.log_det_information(factors_of(pool), [pick.row for pick in picks], 1.0)
    assert math.fsum(gains) == pytest.approx(truth, rel=1e-6, abs=1e-9)
    assert picks[-1].cumulative == pytest.approx(truth, rel=1e-6, abs=1e-9)


@given(pools)
def test_what_is_left_out_has_its_gain_now_and_alone(pool: Pool) -> None:
    choice = choice_of(pool, "1")
    chosen, factors = [choice.picks[0].row], factors_of(pool)
    assert sorted([*choice.left_out.rows.tolist(), *chosen]) == list(range(len(factors)))
    value = oracles.log_det_information(factors, chosen, 1.0)
    for row, gain, alone in zip(*(getattr(choice.left_out, n) for n in ("rows", "gains", "gains_alone")), strict=True):
        both = oracles.log_det_information(factors, [*chosen, row], 1.0)
        assert gain == pytest.approx(both - value, rel=1e-6, abs=1e-8)
        assert alone == pytest.approx(oracles.log_det_information(factors, [row], 1.0), rel=1e-6, abs=1e-9)


def test_banned_examples_have_their_gain_too() -> None:
    pool = make_pool(np.random.default_rng(0), 10, 4, banned=frozenset({2, 3}))
    assert {2, 3} <= set(choice_of(pool, "3").left_out.rows.tolist())


def test_the_criterions_own_gain_stands_beside_the_information() -> None:
    pool = make_pool(np.random.default_rng(0), 12, 4, pinned=(5,))
    information = choice_of(pool, "4").picks
    assert information[0].objective_gain is None
    assert [p.objective_gain for p in information[1:]] == pytest.approx([p.gain for p in information[1:]])
    variance = choice_of(pool, "4", "ioptimal", ridge=2.0)
    factors = factors_of(pool)
    X = np.concatenate(factors).astype(float)
    M = X.T @ X / pool.response_tokens.sum()
    prior, pinned = (oracles.mean_variance(factors, rows, 2.0, M) for rows in ([], [5]))
    total = prior - pinned + sum(p.objective_gain for p in variance.picks[1:])
    assert total == pytest.approx(variance.variance.explained * prior, rel=1e-6)
    assert all(p.objective_gain is None for p in choice_of(pool, "4", "random").picks)


@settings(max_examples=50)
@given(st.integers(0, 1000), st.integers(3, 9), st.sampled_from([0.5, 1.0, 10.0]))
def test_what_covers_an_example_is_found_and_its_share_is_exact(seed: int, n: int, ridge: float) -> None:
    pool = make_pool(np.random.default_rng(seed), n, 4)
    factors, picks = factors_of(pool), np.arange(n - 1)
    row = n - 1
    found = Covers(pool.design_factors, picks, ridge).of([row])[0]
    if oracles.log_det_information(factors, [row], ridge) == 0:
        assert found == []
        return
    _, share = oracles.best_cover(factors, row, picks.tolist(), ridge)
    if share < covers_module.LEAST_SHARE:
        assert found == []
        return
    assert found[0].share == pytest.approx(share, rel=1e-6)
    assert len({cover.row for cover in found}) == len(found)
    alone, named = oracles.log_det_information(factors, [row], ridge), [cover.row for cover in found]
    for k, cover in enumerate(found, 1):
        both = oracles.log_det_information(factors, [*named[:k], row], ridge)
        left = both - oracles.log_det_information(factors, named[:k], ridge)
        assert cover.share == pytest.approx(1 - left / alone, rel=1e-6, abs=1e-9)


def test_a_pick_is_covered_by_earlier_picks_alone_and_a_twin_by_its_twin() -> None:
    generator = np.random.default_rng(0)
    factors = [generator.standard_normal((3, 30)) for _ in range(40)]
    factors[31] = factors[7]
    pool = of_factors(factors)
    covers = Covers(pool.design_factors, np.arange(20), 1.0)
    assert covers.of([31])[0][0].row == 7
    assert covers.of([0]) == [[]]
    for row in range(1, 20):
        assert all(cover.row < row for cover in covers.of([row])[0])


def test_the_sketches_shortlist_what_looking_at_every_pick_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    basis = generator.standard_normal((10, 6, 40))
    factors = [generator.standard_normal((4, 6)) @ basis[i % 10] / 3 for i in range(300)]
    pool = of_factors(factors)
    covers, rows = Covers(pool.design_factors, np.arange(100), 1.0), list(range(100, 160))
    few = covers.of(rows)
    monkeypatch.setattr(covers_module, "SHORTLIST", 100)
    every = covers.of(rows)
    assert np.mean([a[0].share for a in few]) > 0.98 * np.mean([b[0].share for b in every])
