"""Where does each example lie? A map of the mean response features (UMAP, arXiv 1802.03426)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from core.settings import ProjectionSettings

FEWEST_FOR_UMAP = 8
BLOCK_ROWS = 10_000
SECONDS_TO_START, SECONDS_AN_EXAMPLE, SECONDS_A_PLACED = 15.0, 0.001, 0.00065
"""Measured on one core at 576 features: 300 examples take 13 s, 20,000 take 21 s, 60,000 take 71 s; at 128 features,
beside other work, 1,540 a second are placed among 100,000."""


class Watch(Protocol):
    """Who wants to know how far it is; a job's progress is one. `advance` may raise to stop the work."""

    def begin(self, phase: str, total: int, unit: str) -> None:
        """A new phase of `total` units, 0 where nobody knows."""

    def advance(self, count: int) -> None:
        """So many units are done."""


def fit_projection(
    features: np.ndarray, settings: ProjectionSettings, watch: Watch | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n] that have features and their positions [n, 2] float32.

    `features` [N, d], NaN where an example was unscorable. Cosine distance, since length of a
    mean feature says little. A fixed seed makes the map repeatable, on one thread. Of more examples than
    `settings.fitted` a random sample is laid out, and the others are placed among it. Below eight
    examples there is no neighbourhood to learn, and the first two principal axes are used.
    """
    rows = _finite_rows(features)
    if len(rows) < FEWEST_FOR_UMAP:
        return rows, _principal_axes(np.asarray(features[rows], dtype=np.float32))
    from umap import UMAP

    fitted, others = _draw_fitted(len(rows), settings)
    model = UMAP(
        n_neighbors=min(settings.neighbors, len(fitted) - 1),
        min_dist=settings.min_dist,
        metric="cosine",
        init="spectral" if len(fitted) > 100 else "random",
        random_state=settings.seed,
        n_jobs=1,
        tqdm_kwds=_told_to(watch),
    )
    places = np.empty((len(rows), 2), dtype=np.float32)
    with _lock_of_bars():
        places[fitted] = model.fit_transform(np.asarray(features[rows[fitted]], dtype=np.float32))
        model.tqdm_kwds = _told_to(None)
        for block in _followed(others, watch):
            places[block] = model.transform(np.asarray(features[rows[block]], dtype=np.float32))
    return rows, places


def foretell_seconds(examples: int, settings: ProjectionSettings) -> float:
    """About how long a map of so many examples takes."""
    fitted = min(examples, settings.fitted)
    return SECONDS_TO_START + SECONDS_AN_EXAMPLE * fitted + SECONDS_A_PLACED * (examples - fitted)


def _finite_rows(features: np.ndarray) -> np.ndarray:
    blocks = (features[start : start + BLOCK_ROWS] for start in range(0, len(features), BLOCK_ROWS))
    finite = [np.isfinite(block).all(axis=1) for block in blocks]
    return np.flatnonzero(np.concatenate(finite)) if finite else np.zeros(0, dtype=np.int64)


def _draw_fitted(count: int, settings: ProjectionSettings) -> tuple[np.ndarray, np.ndarray]:
    """The places of those that are laid out together, and of those that are placed among them, ascending."""
    shuffled = np.arange(count)
    if count > settings.fitted:
        shuffled = np.random.default_rng(settings.seed).permutation(count)
    return np.sort(shuffled[: settings.fitted]), np.sort(shuffled[settings.fitted :])


def _followed(others: np.ndarray, watch: Watch | None) -> Iterator[np.ndarray]:
    """Blocks of these places, each told of when it is done."""
    if len(others) and watch:
        watch.begin("Placing the other examples", len(others), "examples")
    for start in range(0, len(others), BLOCK_ROWS):
        block = others[start : start + BLOCK_ROWS]
        yield block
        if watch:
            watch.advance(len(block))


class _Rounds:
    """A file that UMAP writes its progress bar to, of which only the numbers are read."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._done = watch, -1

    def write(self, bar: str) -> None:
        """Take one look at the bar."""
        found = re.search(r"(\d+) of (\d+)", bar)
        if not found:
            return
        done, total = int(found[1]), int(found[2])
        if self._done < 0:
            self._watch.begin("Laying out the map", total, "rounds")
            self._done = 0
        self._watch.advance(done - self._done)
        self._done = done

    def flush(self) -> None:
        """Nothing is held back."""


def _told_to(watch: Watch | None) -> dict[str, Any]:
    if watch is None:
        return {"disable": True}
    return {"disable": False, "file": _Rounds(watch), "bar_format": "{n} of {total}", "mininterval": 0.2}


@contextmanager
def _lock_of_bars() -> Iterator[None]:
    """A bar of tqdm whose writing raises keeps tqdm's lock, and every later bar in this process would wait for it."""
    try:
        yield
    except BaseException:
        with suppress(RuntimeError, AssertionError):  # nobody held it
            tqdm.get_lock().release()
        raise


def _principal_axes(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(axis=0, keepdims=True) if len(points) else points
    axes = np.zeros((len(points), 2), dtype=np.float32)
    if len(points) > 1:
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        width = min(2, len(s))
        axes[:, :width] = u[:, :width] * s[:width]
    return axes
