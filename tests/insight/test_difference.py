"""Places, overlap and rank distance are what brute force over all orders finds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from core.insight.difference import by_distance, overlap, rank_correlation, rank_distance, spans_of
from tests import oracles

levels = st.one_of(st.integers(0, 5).map(float), st.just(math.nan))


@given(st.lists(st.tuples(levels, levels), min_size=1, max_size=9))
def test_the_distance_is_the_least_that_any_breaking_of_ties_leaves(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(of) for of in zip(*pairs, strict=True))
    one, other = spans_of(a), spans_of(b)
    found = rank_distance(one, other)
    expected = np.array([oracles.sure_rank_distance(a.tolist(), b.tolist(), i) for i in range(len(a))])
    is_sure = (found > 0) | np.isnan(found) | (one.count == other.count)
    np.testing.assert_allclose(found[is_sure], expected[is_sure], atol=1e-12)
    if not is_sure.all():  # orders of unlike lengths whose spans meet have no place in common, but nearly
        assert (expected[~is_sure] <= 0.5 / min(one.count, other.count) + 1e-12).all()


@given(st.lists(levels, min_size=1, max_size=9))
def test_spans_hold_every_place_that_an_example_may_have(given_levels: list[float]) -> None:
    spans = spans_of(np.array(given_levels))
    for i in range(len(given_levels)):
        places = oracles.possible_places(given_levels, i)
        if places:
            assert (spans.first[i], spans.last[i]) == (places[0], places[-1])
        else:
            assert np.isnan(spans.first[i])
    assert spans.count == sum(not math.isnan(level) for level in given_levels)


@given(st.lists(st.tuples(levels, levels), min_size=2, max_size=12))
def test_the_correlation_is_spearman_s(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(of) for of in zip(*pairs, strict=True))
    found, both = rank_correlation(spans_of(a), spans_of(b)), ~np.isnan(a) & ~np.isnan(b)
    if both.sum() < 2 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(a[both], b[both]).statistic, abs=1e-9)


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_the_overlap_counts_what_sets_count(a: set[int], b: set[int]) -> None:
    tokens_a, tokens_b = np.arange(21) + 3.0, np.arange(21) * 2.0
    rows = np.arange(21)
    found = overlap(np.isin(rows, list(a)), np.isin(rows, list(b)), tokens_a, tokens_b)
    assert (found.only_a, found.both, found.only_b) == (len(a - b), len(a & b), len(b - a))
    assert found.jaccard == (len(a & b) / len(a | b) if a | b else 0)
    assert found.of_smaller == (len(a & b) / min(len(a), len(b)) if a and b else 0)
    expected = (sum(r + 3 for r in a - b), sum(r + 3 for r in a & b), sum(2 * r for r in b - a))
    assert (found.tokens_only_a, found.tokens_both, found.tokens_only_b) == expected


def test_orders_of_different_lengths_agree_at_both_ends_and_in_the_middle() -> None:
    long, short = spans_of(np.arange(101.0)), spans_of(np.r_[np.arange(101.0)[::10], np.full(90, np.nan)])
    rows = np.r_[np.arange(0, 101, 10), np.full(90, -1)]
    assert np.nanmax(rank_distance(long.at(rows), short)) < 0.05
    assert np.isnan(rank_distance(long.at(rows), short)[11:]).all()


def test_the_queue_begins_with_the_farthest_and_then_with_the_better_place() -> None:
    a, b = spans_of(np.array([1.0, 2, 3, 4, 5])), spans_of(np.array([3.0, 2, 1, 5, 4]))
    assert by_distance(rank_distance(a, b), a.first, b.first).tolist() == [0, 2, 3, 4]
