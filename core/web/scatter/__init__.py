"""The map: up to a million points drawn by WebGL2 in the browser, picked by numpy on the server.

A Streamlit component of version 2. Ten bytes a point travel to the browser (x and y as
float32, shape and colour as uint8), and a place or a polygon travels back.
"""

import re
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

from core.web.scatter.geometry import ScatterEvent, nearest_point, points_inside

__all__ = [
    "BANNED",
    "LEFT_OUT",
    "PINNED",
    "SELECTED",
    "LegendEntry",
    "LegendRamp",
    "ScatterEvent",
    "ScatterPoints",
    "nearest_point",
    "points_inside",
    "scatter",
]

LEFT_OUT, SELECTED, PINNED, BANNED = range(4)
"""Shapes: small dot, larger disc, diamond, cross."""

SHAPE_NAMES: Final = ("left out", "selected", "pinned", "banned")
FOLDER: Final = Path(__file__).parent
SCRIPTS: Final = ("gpu.js", "legend.js", "camera.js", "hand.js", "scatter.js")
HEX_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One class of the legend. `colour` is `#rrggbb`; `shape` one of the four."""

    label: str
    colour: str
    shape: int
    count: int


@dataclass(frozen=True, slots=True)
class LegendRamp:
    """The legend of a continuous palette: its ends in words or numbers, and what it shows."""

    low: str
    high: str
    title: str


@dataclass(frozen=True)
class ScatterPoints:
    """What to draw; index i of every array is one point. A NaN position is not drawn.

    Raises ValueError where the arrays do not fit together or a colour is not `#rrggbb`.
    """

    x: NDArray[np.float32]  # [N]
    y: NDArray[np.float32]  # [N]
    shape: NDArray[np.uint8]  # [N], 0 to 3
    colour: NDArray[np.uint8]  # [N], index into palette
    palette: list[str]
    legend: list[LegendEntry] | LegendRamp = field(default_factory=list)
    highlight: int | None = None

    def __post_init__(self) -> None:
        dtypes = {"x": np.float32, "y": np.float32, "shape": np.uint8, "colour": np.uint8}
        for name, dtype in dtypes.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != (len(self.x),):
                raise ValueError(
                    f"{name} is {array.dtype} {array.shape}; it must be {np.dtype(dtype)} ({len(self.x)},)."
                )
        if not 1 <= len(self.palette) <= 256:
            raise ValueError(f"The palette has {len(self.palette)} colours; it must have 1 to 256.")
        if len(self.x) and (self.shape.max() > BANNED or self.colour.max() >= len(self.palette)):
            raise ValueError("A shape is above 3 or a colour is not in the palette.")
        if self.highlight is not None and not 0 <= self.highlight < len(self.x):
            raise ValueError(f"Row {self.highlight} to highlight is not among the {len(self.x)} points.")
        entries = [] if isinstance(self.legend, LegendRamp) else self.legend
        for colour in [*self.palette, *(entry.colour for entry in entries)]:
            if not HEX_COLOUR.fullmatch(colour):
                raise ValueError(f"Colour {colour!r} is not of the form #rrggbb.")


_mount = st.components.v2.component(
    "gleaner_scatter",
    html=(FOLDER / "scatter.html").read_text(encoding="utf-8"),
    css=(FOLDER / "scatter.css").read_text(encoding="utf-8"),
    js="\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS),
)


def scatter(points: ScatterPoints, *, key: str, height: int = 620) -> ScatterEvent:
    """Draw the map and return what the hand did on it.

    Camera and lasso are kept while `key` and the positions stay the same, whatever happens to
    colours, shapes, legend and highlight. A lasso drawn over other positions is not returned.
    """
    fingerprint = _fingerprint(points)
    result: Any = _mount(
        key=key,
        data={
            "positions": pa.table({"x": points.x, "y": points.y}),
            "marks": pa.table({"shape": points.shape, "colour": points.colour}),
            "palette": points.palette,
            "legend": _describe_legend(points),
            "highlight": points.highlight,
            "height": height,
            "key": key,
            "fingerprint": fingerprint,
        },
        on_lasso_change=_ignore,
        on_click_change=_ignore,
    )
    click, lasso = result.click, result.lasso
    return ScatterEvent(
        clicked=(float(click["x"]), float(click["y"]), float(click["radius"])) if click else None,
        lasso=_corners(lasso) if lasso and lasso["fingerprint"] == fingerprint else None,
    )


def _ignore() -> None:
    """Streamlit offers a state or trigger only where a callback is given."""


def _corners(lasso: dict[str, Any]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(lasso["x"], lasso["y"], strict=True)]


def _fingerprint(points: ScatterPoints) -> str:
    digest = blake2b(np.ascontiguousarray(points.x).data, digest_size=8)
    digest.update(np.ascontiguousarray(points.y).data)
    return digest.hexdigest()


def _describe_legend(points: ScatterPoints) -> dict[str, Any]:
    """The legend as the browser reads it; shapes are explained where the entries do not do so."""
    ramp = points.legend if isinstance(points.legend, LegendRamp) else None
    entries = [] if isinstance(points.legend, LegendRamp) else points.legend
    counts = np.bincount(points.shape, minlength=len(SHAPE_NAMES))
    is_told = len({entry.shape for entry in entries}) > 1 or np.count_nonzero(counts) <= 1
    shapes = [
        {"label": name, "colour": None, "shape": shape, "count": int(counts[shape])}
        for shape, name in enumerate(SHAPE_NAMES)
        if counts[shape] and not is_told
    ]
    return {
        "ramp": asdict(ramp) if ramp else None,
        "entries": [asdict(entry) for entry in entries],
        "shapes": shapes,
    }
