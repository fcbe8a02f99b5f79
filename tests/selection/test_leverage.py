"""A token's leverage is what an explicit inverse gives, and an example's sum is the slope of log det V."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.selection.leverage import token_leverage
from core.selection.logdet import LogDet
from core.selection.pool import Pool
from tests import oracles
from tests.selection.pools import factors_of, of_factors, pools


def design_of(pool: Pool, chosen: list[int], ridge: float) -> LogDet:
    design = LogDet(pool.design_factors, ridge)
    design.add_all(np.array(chosen, dtype=np.int64))
    return design


@given(pool=pools, data=st.data(), ridge=st.sampled_from([0.1, 1.0, 50.0]))
def test_leverage_is_that_of_the_explicit_inverse(pool: Pool, data: st.DataObject, ridge: float) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(pool.nll) - 1), unique=True))
    X = np.random.default_rng(3).standard_normal((5, pool.factors.shape[1]))
    found = token_leverage(design_of(pool, chosen, ridge), X)
    expected = oracles.leverages(factors_of(pool), chosen, ridge, X)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(pool=pools, data=st.data())
def test_the_leverages_of_an_examples_rows_sum_to_its_slope(pool: Pool, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(pool.nll) - 1), unique=True))
    design = design_of(pool, chosen, 1.0)
    slopes = design.measure(np.arange(len(pool.nll))).slopes
    for row, F in enumerate(factors_of(pool)):
        assert token_leverage(design, F).sum() == pytest.approx(slopes[row], rel=1e-7, abs=1e-12)


def test_a_direction_nothing_was_chosen_in_has_the_ridges_leverage() -> None:
    pool_factors = np.zeros((1, 4), dtype=np.float32)
    pool_factors[0, 0] = 3.0
    design = design_of(of_factors([pool_factors, pool_factors]), [0], 2.0)
    found = token_leverage(design, np.eye(4))
    np.testing.assert_allclose(found, [1 / 11, 1 / 2, 1 / 2, 1 / 2])
