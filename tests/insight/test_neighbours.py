"""The nearest examples are those that a whole matrix of cosines names."""

import numpy as np
import pytest

from core.insight import neighbours
from core.insight.neighbours import Neighbours
from tests import oracles


def make_features(n: int = 60, d: int = 7) -> np.ndarray:
    features = np.random.default_rng(2).standard_normal((n, d)).astype(np.float32)
    features[[4, 17]] = np.nan  # could not be scored
    features[20] = 3 * features[9]  # the same direction
    return features


@pytest.mark.parametrize("block_rows", [8, 16_384])
def test_the_nearest_are_those_of_brute_force(block_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", block_rows)
    features = make_features()
    chosen = np.arange(len(features)) % 3 == 0
    finder = Neighbours(features)
    for row in (0, 9, 20, 59):
        for mask, found in zip([chosen, ~chosen], finder.nearest(row, [chosen, ~chosen], 3), strict=True):
            expected = oracles.nearest_by_cosine(features, row, np.flatnonzero(mask).tolist(), 3)
            assert [near.row for near in found] == [other for other, _ in expected]
            np.testing.assert_allclose(
                [near.similarity for near in found], [cosine for _, cosine in expected], atol=1e-6
            )


def test_an_example_is_not_its_own_neighbour_and_its_double_is_the_nearest() -> None:
    (found,) = Neighbours(make_features()).nearest(9, [np.ones(60, dtype=bool)], 1)
    assert found[0].row == 20
    assert found[0].similarity == pytest.approx(1.0)


def test_of_equally_near_ones_the_first_rows_are_named() -> None:
    features = np.ones((9, 3), dtype=np.float32)
    (found,) = Neighbours(features).nearest(1, [np.ones(9, dtype=bool)], 3)
    assert [near.row for near in found] == [0, 2, 3]


def test_one_that_was_not_scored_is_near_nothing_and_nothing_to_it() -> None:
    finder = Neighbours(make_features())
    assert finder.nearest(4, [np.ones(60, dtype=bool)], 3) == [[]]
    (found,) = finder.nearest(0, [np.isin(np.arange(60), [4, 17])], 3)
    assert found == []
