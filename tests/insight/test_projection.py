"""The map is repeatable, holds every scored example, and keeps alike examples together."""

import numpy as np
import pytest

from core.insight.projection import fit_projection
from core.settings import ProjectionSettings


def clusters(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features around three directions, [count, 16], and which each belongs to."""
    generator = np.random.default_rng(seed)
    belongs = generator.integers(0, 3, count)
    features = 4 * np.eye(16)[belongs] + 0.3 * generator.standard_normal((count, 16))
    return features.astype(np.float32), belongs


def test_alike_examples_lie_together_and_the_map_is_repeatable() -> None:
    features, belongs = clusters(90)
    rows, points = fit_projection(features, ProjectionSettings())
    again = fit_projection(features, ProjectionSettings())[1]
    assert rows.tolist() == list(range(90))
    np.testing.assert_array_equal(points, again)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(belongs[distances.argmin(axis=1)] == belongs) > 0.95


def test_unscorable_examples_have_no_place() -> None:
    features, _ = clusters(20)
    features[[3, 7]] = np.nan
    rows, points = fit_projection(features, ProjectionSettings())
    assert not {3, 7} & set(rows.tolist())
    assert points.shape == (18, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_a_handful_of_examples_still_has_a_map(count: int) -> None:
    features, _ = clusters(count)
    rows, points = fit_projection(features, ProjectionSettings())
    assert (len(rows), points.shape) == (count, (count, 2))
    assert np.isfinite(points).all()
