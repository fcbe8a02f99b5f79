"""Where does each example lie? A map of the mean response features (UMAP, arXiv 1802.03426)."""

import numpy as np

from core.settings import ProjectionSettings

FEWEST_FOR_UMAP = 8


def fit_projection(features: np.ndarray, settings: ProjectionSettings) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n] that have features and their positions [n, 2] float32.

    `features` [N, d], NaN where an example was unscorable. Cosine distance, since length of a
    mean feature says little. A fixed seed makes the map repeatable, on one thread. Below eight
    examples there is no neighbourhood to learn, and the first two principal axes are used.
    """
    rows = np.flatnonzero(np.isfinite(features).all(axis=1))
    points = np.asarray(features[rows], dtype=np.float32)
    if len(rows) < FEWEST_FOR_UMAP:
        return rows, _principal_axes(points)
    from umap import UMAP

    model = UMAP(
        n_neighbors=min(settings.neighbors, len(rows) - 1),
        min_dist=settings.min_dist,
        metric="cosine",
        init="spectral" if len(rows) > 100 else "random",
        random_state=settings.seed,
        n_jobs=1,
    )
    return rows, np.asarray(model.fit_transform(points), dtype=np.float32)


def _principal_axes(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(axis=0, keepdims=True) if len(points) else points
    axes = np.zeros((len(points), 2), dtype=np.float32)
    if len(points) > 1:
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        width = min(2, len(s))
        axes[:, :width] = u[:, :width] * s[:width]
    return axes
