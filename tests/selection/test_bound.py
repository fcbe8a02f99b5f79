"""No subset within the budget beats the bound that stands beside a selection."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.selection.choose import choose, order, prepare
from core.selection.registry import find_criterion
from core.settings import Budget
from tests import oracles
from tests.selection.pools import factors_of, make_pool, with_quotas


def chosen_by(pool, criterion: str, budget: str, **options):
    rule = find_criterion(criterion)
    task = prepare(pool, rule, Budget.parse(budget), rule.settings(**options), 0)
    return choose(task, order(task))


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(2, 8), st.integers(1, 4), st.sampled_from(["fisher", "random"]))
def test_greedy_reaches_its_share_of_the_best_subset_and_no_subset_beats_the_bound(
    seed: int, n: int, count: int, criterion: str
) -> None:
    pool = make_pool(np.random.default_rng(seed), n, 4)
    count = min(count, n)
    choice, best = chosen_by(pool, criterion, str(count)), oracles.best_subset(factors_of(pool), count, 1.0)
    assert best <= choice.certificate.upper_bound + 1e-9
    assert choice.certificate.value <= best + 1e-9
    if best > 0:
        assert choice.certificate.share <= choice.certificate.value / best + 1e-9
    if criterion == "fisher":
        assert choice.certificate.value >= (1 - 1 / math.e) * best - 1e-9


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(2, 8), st.floats(0.1, 1.0))
def test_no_subset_within_the_tokens_beats_the_bound(seed: int, n: int, share: float) -> None:
    pool = make_pool(np.random.default_rng(seed), n, 4)
    budget = max(int(share * pool.response_tokens.sum()), int(pool.response_tokens.min()))
    choice = chosen_by(pool, "fisher", f"{budget}tok")
    best = oracles.best_subset(factors_of(pool), budget, 1.0, pool.response_tokens.tolist())
    assert choice.certificate.value - 1e-9 <= best <= choice.certificate.upper_bound + 1e-9
    assert choice.certificate.value >= 0.3 * best


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 7), st.integers(1, 4), st.sampled_from([1.0, 30.0]))
def test_no_subset_beats_the_bound_on_the_fall_of_variance(seed: int, n: int, count: int, ridge: float) -> None:
    pool = make_pool(np.random.default_rng(seed), n, 3)
    factors, count = factors_of(pool), min(count, n)
    X = np.concatenate(factors).astype(float)
    if not len(X):
        return
    choice = chosen_by(pool, "ioptimal", str(count), ridge=ridge)
    M = X.T @ X / pool.response_tokens.sum()
    prior = oracles.mean_variance(factors, [], ridge, M)
    shares = [
        1 - oracles.mean_variance(factors, subset, ridge, M) / prior
        for subset in itertools.combinations(range(n), count)
    ]
    assert choice.variance is not None
    assert max(shares) <= choice.variance.upper_bound + 1e-9
    picked = [pick.row for pick in choice.picks]
    own = 1 - oracles.mean_variance(factors, picked, ridge, M) / prior
    assert choice.variance.explained == pytest.approx(own, rel=1e-6, abs=1e-9)


def test_the_bound_counts_pins_and_quotas() -> None:
    pool = make_pool(np.random.default_rng(3), 8, 4, pinned=(6,), banned=frozenset({0}))
    codes = np.arange(8) % 2
    pool = with_quotas(pool, codes, "topic=t1<=1")
    choice = chosen_by(pool, "fisher", "4")
    best = max(
        oracles.log_det_information(factors_of(pool), subset, 1.0)
        for subset in itertools.combinations(range(1, 8), 4)
        if 6 in subset and sum(codes[list(subset)]) <= 1
    )
    assert choice.certificate.value - 1e-9 <= best <= choice.certificate.upper_bound + 1e-9


def test_the_bound_of_a_single_example_is_that_example() -> None:
    pool = make_pool(np.random.default_rng(0), 30, 6)
    assert chosen_by(pool, "fisher", "1").certificate.share == pytest.approx(1.0, abs=1e-9)


def test_the_bound_is_tight_where_everything_is_selected_and_close_on_a_larger_pool() -> None:
    pool = make_pool(np.random.default_rng(0), 300, 12)
    assert chosen_by(pool, "fisher", "100%").certificate.share == pytest.approx(1.0, abs=1e-6)
    assert chosen_by(pool, "fisher", "60").certificate.share > 0.95
    assert chosen_by(pool, "random", "60").certificate.share < 0.9
