"""The map: up to a million points drawn by WebGL2 in the browser, picked by numpy on the server.

A Streamlit component of version 2. Eight bytes a point travel once (x and y as float32), two or
three with every change of colours, and a place or a polygon travels back. A browser without
WebGL2 gets a plotly figure of fewer points and the same answers (`fallback.py`).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import streamlit as st

from core.web.scatter.fallback import scatter_with_plotly
from core.web.scatter.geometry import ScatterEvent, nearest_point, points_inside, visible_points
from core.web.scatter.points import (
    BANNED,
    LEFT_OUT,
    PINNED,
    QUARANTINED,
    SELECTED,
    LegendEntry,
    LegendRamp,
    MapLabel,
    ScatterPoints,
    describe_legend,
    digest_of,
    fingerprint_positions,
)

__all__ = [
    "BANNED",
    "LEFT_OUT",
    "PINNED",
    "QUARANTINED",
    "SELECTED",
    "LegendEntry",
    "LegendRamp",
    "MapLabel",
    "ScatterEvent",
    "ScatterPoints",
    "nearest_point",
    "points_inside",
    "scatter",
    "visible_points",
]

FOLDER: Final = Path(__file__).parent
SCRIPTS: Final = (
    "shaders.js",
    "gpu.js",
    "density.js",
    "looks.js",
    "labels.js",
    "legend.js",
    "camera.js",
    "hand.js",
    "frame.js",
    "scatter.js",
)
NO_WEBGL: Final = "scatter.has_no_webgl"

_mount = st.components.v2.component(
    "gleaner_scatter",
    html=(FOLDER / "scatter.html").read_text(encoding="utf-8"),
    css=(FOLDER / "scatter.css").read_text(encoding="utf-8"),
    js="\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS),
)


def scatter(points: ScatterPoints, *, key: str, height: int = 620) -> ScatterEvent:
    """Draw the map and return what the hand did on it.

    Camera, lasso, tool and switched-off shapes are kept while `key` and the positions stay the
    same, whatever happens to the rest. A lasso drawn over other positions is not returned.
    """
    if st.session_state.get(NO_WEBGL):
        return scatter_with_plotly(points, key=key, height=height)
    fingerprint = fingerprint_positions(points.x, points.y)
    result = _draw(points, fingerprint, key, height)
    return ScatterEvent(
        clicked=_place(result.click) if result.click else None,
        lasso=_corners(result.lasso, fingerprint) if result.lasso else points.start_lasso,
        hidden=tuple(int(shape) for shape in result.hidden or ()),
    )


def _draw(points: ScatterPoints, fingerprint: str, key: str, height: int) -> Any:
    """Mount the component. Arrays travel once: the browser keeps them, and asks where it has lost them."""
    sent = f"{key}.sent"
    before = st.session_state.get(sent, ("", ""))
    marks = {"shape": points.shape, "colour": points.colour}
    if points.found is not None:
        marks["found"] = points.found
    now = fingerprint, digest_of(*marks.values())
    st.session_state[sent] = now
    return _mount(
        key=key,
        data={
            "positions": None if now[0] == before[0] else pa.table({"x": points.x, "y": points.y}),
            "marks": None if now == before else pa.table(marks),
            "fingerprint": now[0],
            "marksFingerprint": now[1],
            "palette": points.palette,
            "legend": describe_legend(points),
            "labels": [asdict(label) for label in points.labels],
            "startLasso": points.start_lasso,
            "highlight": points.highlight,
            "height": height,
            "key": key,
        },
        on_needs_change=lambda: st.session_state.pop(sent, None),
        on_lasso_change=_ignore,
        on_click_change=_ignore,
        on_hidden_change=_ignore,
        on_webgl_change=_remember_no_webgl,
    )


def _ignore() -> None:
    """Streamlit offers a state or trigger only where a callback is given."""


def _remember_no_webgl() -> None:
    """For the whole session: the component's own state would end as soon as plotly takes its place."""
    st.session_state[NO_WEBGL] = True


def _place(click: dict[str, Any]) -> tuple[float, float, float]:
    return float(click["x"]), float(click["y"]), float(click["radius"])


def _corners(lasso: dict[str, Any], fingerprint: str) -> list[tuple[float, float]] | None:
    """The lasso's corners; None if it was cleared or drawn over other positions."""
    if not lasso["x"] or lasso["fingerprint"] != fingerprint:
        return None
    return [(float(x), float(y)) for x, y in zip(lasso["x"], lasso["y"], strict=True)]
