"""The objectives' numbers are those of whole determinants and traces, however large, small or repeated the features."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.selection.design import Design
from core.selection.factors import Factors
from core.selection.ioptimal import PredictiveVariance, second_moment
from core.selection.logdet import LogDet
from core.selection.pool import Pool
from core.selection.vectors import VectorLogDet
from tests import oracles
from tests.selection.pools import factors_of, make_pool, of_factors, pools, select


def random_moment(d: int, seed: int = 0) -> np.ndarray:
    X = np.random.default_rng(seed).standard_normal((2 * d, d))
    return X.T @ X / len(X)


@given(pools, st.sampled_from([0.1, 1.0, 10.0]))
def test_information_equals_determinants_from_scratch(pool: Pool, ridge: float) -> None:
    objective, factors = LogDet(pool.design_factors, ridge), factors_of(pool)
    added = objective.add(0)
    before = oracles.log_det_information(factors, [0], ridge)
    expected = [oracles.log_det_information(factors, [0, i], ridge) - before for i in range(len(factors))]
    np.testing.assert_allclose(objective.gains(np.arange(len(factors))), expected, rtol=1e-6, atol=1e-6)
    assert objective.value() == pytest.approx(before, rel=1e-9, abs=1e-9)
    assert added == pytest.approx(before, rel=1e-9, abs=1e-9)


@given(pools, st.sampled_from([0.3, 1.0, 30.0]))
def test_predictive_variance_equals_traces_from_scratch(pool: Pool, ridge: float) -> None:
    factors, M = factors_of(pool), random_moment(pool.factors.shape[1])
    objective = PredictiveVariance(pool.design_factors, ridge, torch.from_numpy(M))
    objective.add(0)
    before, nothing = (oracles.mean_variance(factors, chosen, ridge, M) for chosen in ([0], []))
    expected = [before - oracles.mean_variance(factors, [0, i], ridge, M) for i in range(len(factors))]
    np.testing.assert_allclose(objective.gains(np.arange(len(factors))), expected, rtol=1e-6, atol=1e-9)
    assert objective.value() == pytest.approx(nothing - before, rel=1e-6, abs=1e-9)


def test_with_the_identity_as_moment_it_is_a_optimality() -> None:
    pool = make_pool(np.random.default_rng(2), 8, 5)
    factors = factors_of(pool)
    objective = PredictiveVariance(pool.design_factors, 2.0, torch.eye(5))
    inverse_traces = []
    for chosen in ([], [3], [3, 1]):
        V = 2.0 * np.eye(5) + sum(factors[i].astype(float).T @ factors[i].astype(float) for i in chosen)
        inverse_traces.append(np.trace(np.linalg.inv(V)))
    for row, (before, after) in zip((3, 1), itertools.pairwise(inverse_traces), strict=True):
        assert objective.gains(np.array([row]))[0] == pytest.approx(before - after, rel=1e-9)
        objective.add(row)


def test_the_second_moment_is_the_mean_over_tokens() -> None:
    pool = make_pool(np.random.default_rng(0), 6, 4)
    X = np.concatenate([factors_of(pool)[row] for row in (1, 4, 5)]).astype(float)
    M = second_moment(pool.design_factors, np.array([1, 4, 5]), 17)
    np.testing.assert_allclose(M.numpy(), X.T @ X / 17, rtol=1e-6)


@pytest.mark.parametrize("kind", ["information", "variance"])
def test_a_slope_is_the_derivative_by_the_weight_and_their_sum_is_weighted(kind: str) -> None:
    pool = make_pool(np.random.default_rng(4), 9, 5)
    rows, weights = np.array([0, 3, 7]), np.array([1.0, 0.4, 0.7])

    def at(extra: float) -> Design:
        empty: Design = LogDet(pool.design_factors, 1.0)
        if kind == "variance":
            empty = PredictiveVariance(pool.design_factors, 1.0, torch.from_numpy(random_moment(5)))
        return empty.weighted(np.array([*rows, 5]), np.array([*weights, extra]))

    measures = at(0.0).measure(np.arange(9))
    assert measures.slopes[5] == pytest.approx((at(1e-6).value() - at(0.0).value()) / 1e-6, rel=1e-4)
    assert at(0.0).slope_sum() == pytest.approx(float(weights @ measures.slopes[rows]), rel=1e-9)
    assert np.all(measures.slopes >= measures.gains - 1e-12)


def test_halfway_between_two_designs_lie_the_mean_weights() -> None:
    pool = make_pool(np.random.default_rng(4), 5, 4)
    one, other = (LogDet(pool.design_factors, 1.0).weighted(np.array([row]), np.ones(1)) for row in (1, 2))
    direct = LogDet(pool.design_factors, 1.0).weighted(np.array([1, 2]), np.array([0.75, 0.25]))
    assert one.between(other, 0.25).value() == pytest.approx(direct.value(), rel=1e-12)


@given(st.integers(0, 500), st.integers(3, 40), st.integers(1, 6), st.sampled_from([1e-2, 1.0, 50.0]))
def test_one_vector_an_example_gives_the_same_numbers_sooner(seed: int, n: int, d: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    pool = make_pool(generator, n, d, scale)
    pool.nll[0] = np.nan
    factors = pool.as_vectors().design_factors
    quick, plain = VectorLogDet(factors, 0.7), LogDet(factors, 0.7)
    for _ in range(2 * d + 3):  # past the point where the picks are brought into V
        asked = np.unique(generator.integers(0, n, 5))
        np.testing.assert_allclose(quick.gains(asked), plain.gains(asked), rtol=1e-7, atol=1e-10)
        row = int(generator.integers(0, n))
        assert quick.add(row) == pytest.approx(plain.add(row), rel=1e-7, abs=1e-10)
    assert quick.value() == pytest.approx(plain.value(), rel=1e-9)
    np.testing.assert_allclose(
        quick.measure(np.arange(n)).slopes, plain.measure(np.arange(n)).slopes, rtol=1e-7, atol=1e-10
    )


def stressful_factors(kind: str, generator: np.random.Generator, n: int, d: int) -> list[np.ndarray]:
    factors = [generator.standard_normal((int(generator.integers(1, 5)), d)) for _ in range(n)]
    if kind == "repeated":
        return [factors[i % 7] for i in range(n)]
    if kind == "zero":
        return [F * (i % 2) for i, F in enumerate(factors)]
    if kind == "rank one":
        return [np.outer(F[:, 0], factors[0][0]) for F in factors]
    if kind == "tall":
        return [np.tile(F, (2 * d, 1)) for F in factors]
    scales = 10.0 ** generator.uniform(-4, 4, n)
    return [F * scale for F, scale in zip(factors, scales, strict=True)]


@pytest.mark.parametrize("kind", ["repeated", "zero", "rank one", "tall", "norms of 1e-4 to 1e4"])
def test_thousands_of_picks_do_not_drift(kind: str) -> None:
    generator = np.random.default_rng(1)
    stacked = [F.astype(np.float32) for F in stressful_factors(kind, generator, 5000, 12)]
    offsets = np.concatenate([[0], np.cumsum([len(F) for F in stacked])])
    factors = Factors(np.concatenate(stacked), offsets)
    M = torch.from_numpy(random_moment(12))
    objectives: list[Design] = [LogDet(factors, 1.0), PredictiveVariance(factors, 1.0, M)]
    looked_at = np.arange(0, 5000, 250)
    total = 0.0
    for row in generator.permutation(5000):
        for objective in objectives:
            objective.whitening()  # so that every pick is an update
            gain = objective.add(int(row))
        total += gain
    for objective in objectives:
        updated = objective.gains(looked_at)
        objective.add_all(np.zeros(0, dtype=np.int64))  # forgets the updates
        afresh = objective.gains(looked_at)
        assert np.isfinite(updated).all()
        np.testing.assert_allclose(updated, afresh, rtol=1e-6, atol=1e-12)
    assert total == pytest.approx(objectives[0].value(), rel=1e-6)
    assert total == pytest.approx(oracles.log_det_information(stacked, range(5000), 1.0), rel=1e-6)


def test_vectors_of_norm_1e_minus_4_to_1e4_do_not_drift() -> None:
    generator = np.random.default_rng(3)
    X = generator.standard_normal((3000, 10)) * 10.0 ** generator.uniform(-4, 4, (3000, 1))
    factors = Factors(X.astype(np.float32), np.arange(3001))
    quick = VectorLogDet(factors, 1.0)
    total = sum(quick.add(int(row)) for row in generator.permutation(3000))
    assert total == pytest.approx(oracles.log_det_information(list(X.astype(np.float32)[:, None]), range(3000), 1.0))


@given(pools, st.sampled_from([0.1, 1.0, 10.0]))
def test_gains_lie_within_their_bounds(pool: Pool, ridge: float) -> None:
    objective, rows = LogDet(pool.design_factors, ridge), np.arange(len(pool.nll))
    for row in rows[: len(rows) // 2]:
        lows, highs = objective.bounds(rows)
        gains = objective.gains(rows)
        assert np.all(lows <= gains)
        assert np.all(gains <= highs)
        objective.add(int(row))


@pytest.mark.parametrize("p", [576, 2048])
def test_the_bounds_hold_for_long_features_that_are_all_alike(p: int) -> None:
    generator = np.random.default_rng(0)
    factors = [np.full((2, p), 1.0 / p**0.5) * generator.uniform(0.5, 2) for _ in range(12)]
    objective, rows = LogDet(of_factors(factors).design_factors, 1.0), np.arange(12)
    objective.add(0)
    lows, highs = objective.bounds(rows)
    gains = objective.gains(rows)
    assert np.all(lows <= gains)
    assert np.all(gains <= highs)


@pytest.mark.parametrize("kind", ["repeated", "zero", "rank one", "tall", "norms of 1e-4 to 1e4"])
@pytest.mark.parametrize("ridge", [1e-6, 1.0])
def test_under_stress_lazy_search_reaches_what_naive_search_reaches(kind: str, ridge: float) -> None:
    pool = of_factors(stressful_factors(kind, np.random.default_rng(2), 60, 12))
    lazy, naive = (select(pool, "fisher", "15", search=how, ridge=ridge) for how in ("lazy", "naive"))
    factors = [F.astype(np.float64) for F in factors_of(pool)]
    values = [oracles.log_det_information(factors, rows, ridge) for rows in (lazy, naive)]
    assert values[0] == pytest.approx(values[1], rel=1e-6)
