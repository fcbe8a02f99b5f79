"""Which rows did the hand on the map mean? Answered on the server, for any number of points.

The browser sends a place and a polygon, never row numbers, so what comes back stays small
and the answer is exact even where marks overlap.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Coordinates = NDArray[np.floating]


class ScatterEvent(NamedTuple):
    """What the hand did. `clicked` is (x, y, radius) in data units and lasts one run;
    `lasso` is a closed polygon's corners, kept until it is cleared; `hidden` are the shapes
    that the legend has switched off."""

    clicked: tuple[float, float, float] | None = None
    lasso: list[tuple[float, float]] | None = None
    hidden: tuple[int, ...] = ()


def visible_points(shape: NDArray[np.uint8], hidden: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which points are drawn, and so can be clicked and lassoed, with these shapes switched off."""
    is_hidden = np.zeros(256, dtype=bool)
    is_hidden[list(hidden)] = True
    return ~is_hidden[shape]


def nearest_point(
    x: Coordinates, y: Coordinates, event: ScatterEvent, visible: NDArray[np.bool_] | None = None
) -> int | None:
    """The visible row nearest to the click and within its radius, the lowest on a tie; None without one."""
    if event.clicked is None:
        return None
    click_x, click_y, radius = event.clicked
    is_near = (np.abs(x - click_x) <= radius) & (np.abs(y - click_y) <= radius)
    near = np.flatnonzero(is_near if visible is None else is_near & visible)
    if not near.size:
        return None
    squared = (x[near].astype(np.float64) - click_x) ** 2 + (y[near].astype(np.float64) - click_y) ** 2
    best = int(np.argmin(squared))
    return int(near[best]) if squared[best] <= radius**2 else None


def points_inside(
    x: Coordinates,
    y: Coordinates,
    polygon: list[tuple[float, float]] | None,
    visible: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Visible rows inside the closed polygon, ascending, by the even-odd rule.

    A point is inside if a ray to its right crosses an odd number of edges. Sorted by y, the
    points that an edge can cross are one slice, so the cost follows the crossings and not
    corners × points. Rows without a position (NaN) are never inside.
    """
    if polygon is None or len(polygon) < 3:
        return np.empty(0, dtype=np.int64)
    corners = np.asarray(polygon, dtype=np.float64)  # [V, 2]
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    is_boxed = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
    boxed = np.flatnonzero(is_boxed if visible is None else is_boxed & visible)
    by_height = boxed[np.argsort(y[boxed], kind="stable")]
    xs, ys = x[by_height].astype(np.float64), y[by_height].astype(np.float64)

    inside = np.zeros(len(by_height), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        first, end = np.searchsorted(ys, (min(y0, y1), max(y0, y1)))
        if first < end:
            crossing = x0 + (ys[first:end] - y0) * ((x1 - x0) / (y1 - y0))
            inside[first:end] ^= xs[first:end] < crossing
    return np.sort(by_height[inside]).astype(np.int64)
