"""The map is repeatable, holds every scored example, and keeps alike examples together."""

import threading

import numpy as np
import pytest
from tqdm import tqdm

from core.insight import projection
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


class Watched:
    """Notes what it is told, and stops after so many looks."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.phases: list[tuple[str, int]] = []
        self.done, self.looks, self.stop_after = 0, 0, stop_after

    def begin(self, phase: str, total: int, unit: str) -> None:
        self.phases.append((phase, total))

    def advance(self, count: int) -> None:
        self.done, self.looks = self.done + count, self.looks + 1
        if self.looks > self.stop_after:
            raise InterruptedError


def test_who_watches_sees_every_round_and_gets_the_same_map() -> None:
    features, watched = clusters(60)[0], Watched()
    watched_points = fit_projection(features, ProjectionSettings(), watched)[1]
    np.testing.assert_array_equal(watched_points, fit_projection(features, ProjectionSettings())[1])
    ((phase, total),) = watched.phases
    assert phase == "Laying out the map"
    assert watched.done == total > 0


def test_of_many_examples_some_are_laid_out_and_the_others_lie_among_their_like() -> None:
    features, belongs = clusters(1_400, seed=1)
    features[5] = np.nan
    watched, settings = Watched(), ProjectionSettings(fitted=1_000)
    rows, points = fit_projection(features, settings, watched)
    assert len(rows) == 1_399
    assert np.isfinite(points).all()
    assert watched.phases[-1] == ("Placing the other examples", 399)
    np.testing.assert_array_equal(points, fit_projection(features, settings)[1])
    _, others = projection._draw_fitted(len(rows), settings)
    assert len(others) == 399
    centres = np.stack([points[belongs[rows] == group].mean(axis=0) for group in range(3)])
    nearest = np.linalg.norm(points[others][:, None] - centres, axis=2).argmin(axis=1)
    assert np.mean(nearest == belongs[rows][others]) > 0.95


def test_the_time_of_a_map_counts_what_is_laid_out_and_what_is_only_placed() -> None:
    settings = ProjectionSettings(fitted=100_000)
    few, many, most = (projection.foretell_seconds(count, settings) for count in (1_000, 100_000, 1_000_000))
    assert few < many
    assert 0 < most - many < 9 * (many - projection.foretell_seconds(0, settings))


def test_drawing_stops_when_the_watcher_says_so() -> None:
    with pytest.raises(InterruptedError):
        fit_projection(clusters(60)[0], ProjectionSettings(), Watched(stop_after=0))


def test_a_stopped_drawing_leaves_no_bar_locked() -> None:
    with pytest.raises(InterruptedError):
        fit_projection(clusters(60)[0], ProjectionSettings(), Watched(stop_after=0))
    taken = list[bool]()

    def take_and_give_back() -> None:
        for lock in tqdm.get_lock().locks:
            taken.append(lock.acquire(True, 1))
            if taken[-1]:
                lock.release()

    other = threading.Thread(target=take_and_give_back)
    other.start()
    other.join()
    assert taken == [True, True]
