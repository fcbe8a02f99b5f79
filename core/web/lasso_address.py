"""A lasso in the address: `12.34_-5.6~12.9_-5.1~…`, short enough for a link, the same group wherever it is opened.

Corners are rounded to a five-hundredth of the lasso's own extent, about a pixel of the screen on which it was drawn,
however far the map was zoomed in.
"""

import math

import numpy as np

MOST_CORNERS, LONGEST, STEPS, MOST_DECIMALS = 60, 4_000, 500, 12

Polygon = list[tuple[float, float]]


def simplify(polygon: Polygon) -> Polygon:
    """The polygon with rounded corners, at most 60: those that cut off least go first (Visvalingam, 1993)."""
    corners = _round(polygon)
    while len(corners) > MOST_CORNERS:
        corners.pop(int(_areas(np.array(corners)).argmin()))
    return corners


def write_lasso(polygon: Polygon) -> str:
    """A simplified polygon as the address holds it."""
    return "~".join("_".join(np.format_float_positional(value, trim="-") for value in corner) for corner in polygon)


def read_lasso(text: str | None) -> Polygon | None:
    """The polygon that an address holds; nothing where it holds none that can be drawn."""
    if not text or len(text) > LONGEST:
        return None
    try:
        corners = [(float(x), float(y)) for x, y in (corner.split("_") for corner in text.split("~"))]
    except ValueError:
        return None
    is_whole = len(corners) >= 3 and all(math.isfinite(value) and abs(value) < 1e9 for xy in corners for value in xy)
    return simplify(corners) if is_whole else None


def _round(corners: Polygon) -> Polygon:
    """To as many decimals as the extent asks for; where rounding makes it larger, so that fewer do, once more."""
    decimals = _decimals(corners)
    rounded = [(round(x, decimals), round(y, decimals)) for x, y in corners]
    return rounded if _decimals(rounded) >= decimals else _round(rounded)


def _decimals(corners: Polygon) -> int:
    """So many decimals tell a five-hundredth of the corners' extent."""
    extent = float(np.ptp(np.array(corners), axis=0).max())
    return min(max(math.ceil(-math.log10(max(extent / STEPS, 10.0**-MOST_DECIMALS))), 0), MOST_DECIMALS)


def _areas(corners: np.ndarray) -> np.ndarray:
    """The area of the triangle that each corner makes with its neighbours, [n]."""
    before, after = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
    areas: np.ndarray = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) / 2
    return areas
