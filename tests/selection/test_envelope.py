"""The random band is what random subsets hold, and it is smooth."""

from functools import partial

import numpy as np
import pytest

from core.selection.envelope import random_envelope, random_prefixes
from core.selection.vectors import log_det
from tests import oracles
from tests.selection.pools import factors_of, make_pool


def envelope_of(pool, tokens: int, **options):
    return random_envelope(pool, tokens, partial(log_det, pool.design_factors, 1.0), seed=0, **options)


def test_the_last_value_of_each_curve_is_that_of_its_subset() -> None:
    pool = make_pool(np.random.default_rng(1), 120, 6)
    envelope = envelope_of(pool, 500, subsets=5)
    for rows, values in zip(envelope.subsets, envelope.values, strict=True):
        held = oracles.log_det_information(factors_of(pool), rows.tolist(), 1.0)
        assert values[-1] == pytest.approx(held, rel=1e-9)
    for rows, again in zip(envelope.subsets, random_prefixes(pool, 0, subsets=5).of_tokens(500), strict=True):
        assert np.array_equal(rows, again)


def test_a_curve_lies_between_what_the_whole_examples_beside_each_point_hold() -> None:
    pool = make_pool(np.random.default_rng(2), 120, 6)
    envelope = envelope_of(pool, 400, subsets=3, points=200)
    for rows, values in zip(envelope.subsets, envelope.values, strict=True):
        spent = np.cumsum(pool.response_tokens[rows])
        held = [oracles.log_det_information(factors_of(pool), rows[: k + 1].tolist(), 1.0) for k in range(len(rows))]
        spent, held = np.array([0, *spent]), np.array([0.0, *held])
        inner = envelope.tokens < spent[-2]
        place = np.searchsorted(spent, envelope.tokens[inner], side="right")
        assert np.all(values[inner] >= held[place - 1] - 1e-9)
        assert np.all(values[inner] <= held[place] + 1e-9)


def test_the_band_of_gains_falls_and_its_gains_add_up_to_what_the_subset_holds() -> None:
    pool = make_pool(np.random.default_rng(3), 300, 8)
    envelope = envelope_of(pool, 2_000)
    bands = envelope.bands()
    for name in ("gain_low", "gain_high"):
        assert np.all(np.diff(bands[name]) <= 1e-12)
    counts = np.array([len(rows) for rows in envelope.subsets])
    assert np.all(envelope.gains[:, 0] * counts >= envelope.values[:, -1])
    assert np.all(envelope.gains[:, -1] * counts <= envelope.values[:, -1])


def test_the_band_does_not_stand_still_where_the_grid_is_finer_than_an_example() -> None:
    pool = make_pool(np.random.default_rng(4), 60, 6)
    bands = envelope_of(pool, 60).bands()
    assert np.all(np.diff(bands["high"]) > 0)
