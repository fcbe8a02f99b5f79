"""A random selection is told from random once in 21 times; a planted one always."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from core.selection.bands import compare_with_random, largest_deviations
from core.selection.envelope import random_envelope
from core.selection.pool import Grouping, Pool
from core.selection.vectors import log_det
from tests import oracles
from tests.selection.pools import factors_of, make_pool, select


def compared(pool: Pool, chosen: list[int], seed: int = 0):
    rows = np.array(chosen)
    empty = partial(log_det, pool.design_factors, 1.0)
    envelope = random_envelope(pool, int(pool.response_tokens[rows].sum()), empty, seed)
    design = empty()
    design.add_all(rows)
    return compare_with_random(pool, rows, envelope, design.value())


def big_pool(seed: int = 0) -> Pool:
    pool = make_pool(np.random.default_rng(seed), 400, 6)
    return replace(pool, groups=Grouping("topic", np.arange(400) % 4, ("a", "b", "c", "d")))


def test_shuffled_scores_get_the_random_mark_in_nineteen_of_twenty() -> None:
    pool = big_pool()
    told = 0
    for seed in range(60):
        shuffled = np.random.default_rng(seed).permutation(pool.delta_entropy)
        chosen = select(replace(pool, delta_entropy=shuffled), "instructdiff", "60", gamma=0.0)
        told += compared(pool, chosen, seed).is_distinguishable
    assert 1 <= told <= 8  # of 60 about 3 by chance; more than 8, and none, have a probability below 1 and 6 %


def test_planted_clusters_do_not_get_the_random_mark() -> None:
    pool = big_pool()
    rare = np.arange(40)
    pool.mean_features[rare] += 20.0
    assert compared(pool, rare.tolist()).is_distinguishable
    one_topic = np.flatnonzero(pool.groups.codes == 2)[:50]
    found = compared(pool, one_topic.tolist())
    assert found.is_distinguishable
    assert not found.bands["mix"].is_inside
    assert found.bands["mix"].value == pytest.approx(0.75)


def test_the_measures_are_what_they_say() -> None:
    pool = big_pool()
    chosen = select(pool, "fisher", "40")
    bands = compared(pool, chosen).bands
    assert bands["information"].value == pytest.approx(oracles.log_det_information(factors_of(pool), chosen, 1.0))
    assert bands["length"].value == pool.response_tokens[chosen].mean()
    assert bands["nll"].value == pytest.approx(pool.nll[chosen].mean())
    assert bands["coverage"].value == pytest.approx(oracles.mean_nearest_cosine(pool.mean_features, chosen), abs=1e-6)
    assert bands["mix"].low <= bands["mix"].high < 0.5
    assert bands["information"].value > bands["information"].high


def test_each_set_is_compared_with_the_others() -> None:
    measures = np.random.default_rng(1).standard_normal((6, 3))
    truth = []
    for i in range(6):
        others = [measures[j] for j in range(6) if j != i]
        mean = sum(others) / 5
        deviation = np.sqrt(sum((other - mean) ** 2 for other in others) / 4)
        truth.append(max(abs(measures[i] - mean) / deviation))
    assert largest_deviations(measures) == pytest.approx(truth)
    assert largest_deviations(np.ones((5, 2))).tolist() == [0.0] * 5
