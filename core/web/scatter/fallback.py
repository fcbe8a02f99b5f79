"""What does a browser without WebGL2 show? A plotly figure of at most 10,000 points.

It is drawn as SVG, which needs no graphics card but gets slow: with 30,000 points, dragging a lasso
took about four times as long, and its answer eleven times. The polygon is still counted on the
server over all points, so what is lassoed does not depend on what is drawn.
"""

from functools import partial
from html import escape
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from core.web.scatter.geometry import ScatterEvent, visible_points
from core.web.scatter.points import (
    BANNED,
    LEFT_OUT,
    PINNED,
    QUARANTINED,
    SELECTED,
    SHAPE_NAMES,
    ScatterPoints,
    fingerprint_positions,
)
from core.web.theme import figure_layout, format_count

MOST_POINTS: Final = 10_000
MOST_LABELS: Final = 12
DRAW_ORDER: Final = (LEFT_OUT, QUARANTINED, SELECTED, PINNED, BANNED)
SYMBOLS: Final = ("circle", "circle", "diamond", "x", "square-open")
SIZES: Final = (3, 5, 11, 10, 8)
SIGNS: Final = ("·", "●", "◆", "✕", "□")
FADED: Final = 0.2
LEFT_OUT_SHARE: Final = 0.2
NOT_DRAWN: Final = 255
CLICK_SHARE: Final = 1e-3
ACCENT: Final = "#3F6CEB"
ACCENT_WASH: Final = "rgba(63, 108, 235, 0.12)"
LABEL_LOOKS: Final = {
    "light": {"bgcolor": "rgba(255, 255, 255, 0.8)", "font": {"color": "#1B1F24"}},
    "dark": {"bgcolor": "rgba(15, 18, 22, 0.8)", "font": {"color": "#E6E9EE"}},
}

Polygon = list[tuple[float, float]]


def scatter_with_plotly(points: ScatterPoints, *, key: str, height: int) -> ScatterEvent:
    """Draw the figure and return what the hand did on it, as the component does."""
    fingerprint = fingerprint_positions(points.x, points.y)
    kept = st.session_state.get(f"{key}.lasso")  # (fingerprint, corners or None)
    lasso = kept[1] if kept and kept[0] == fingerprint else points.start_lasso
    hidden = _choose_hidden(points, key)
    rows = sample_rows(points, hidden)
    st.plotly_chart(
        draw_figure(points, rows, lasso, height),
        key=f"{key}.figure",
        on_select=partial(_take_selection, key, fingerprint, _click_radius(points)),
        selection_mode=("points", "box", "lasso"),
        config={"scrollZoom": True, "displaylogo": False},
        alt=f"Map of {format_count(len(points.x))} examples",
    )
    if lasso:
        st.button("Clear the lasso", key=f"{key}.clear", on_click=partial(_keep_lasso, key, fingerprint, None))
    placed = int(np.count_nonzero(visible_points(points.shape, hidden) & np.isfinite(points.x + points.y)))
    drawn = f"{format_count(len(rows))} of {format_count(placed)} points are drawn; a lasso counts all."
    st.caption(f"This browser does not offer WebGL2. {drawn if len(rows) < placed else ''}")
    return ScatterEvent(st.session_state.pop(f"{key}.clicked", None), lasso, hidden)


def sample_rows(points: ScatterPoints, hidden: tuple[int, ...] = (), most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Rows to draw, ascending: the highlighted, pinned and banned, found, selected, quarantined, then left out.

    A group that does not fit is thinned evenly, and what is left out keeps a fifth of the room, so
    that the others are seen against it. A point that is drawn stays so when others change.
    """
    importance = np.array([0, 2, 4, 4, 1], dtype=np.uint8)[points.shape]
    if points.found is not None:
        importance[(points.found > 0) & (importance < 3)] = 3
    if points.highlight is not None:
        importance[points.highlight] = 5
    is_placed = np.isfinite(points.x) & np.isfinite(points.y)
    importance = np.where(is_placed & visible_points(points.shape, hidden), importance, NOT_DRAWN)
    lot = np.random.default_rng(0).permutation(len(points.x))
    reserve = min(int(np.count_nonzero(importance == 0)), int(LEFT_OUT_SHARE * most))
    taken: list[NDArray[np.int64]] = []
    room = most - reserve
    for level in range(5, -1, -1):
        room += reserve if level == 0 else 0
        group = np.flatnonzero(importance == level)
        if len(group) > room:
            group = group[np.argsort(lot[group])[:room]]
        taken.append(group)
        room -= len(group)
    return np.sort(np.concatenate(taken)).astype(np.int64)


def draw_figure(points: ScatterPoints, rows: NDArray[np.int64], lasso: Polygon | None, height: int) -> go.Figure:
    """The rows as plotly draws them, with legend, words and lasso. Dataset text is escaped: plotly reads tags."""
    figure = go.Figure(layout=figure_layout())
    found = np.zeros(len(rows), dtype=bool) if points.found is None else points.found[rows] > 0
    for is_found in (False, True):
        for shape in DRAW_ORDER:
            layer = rows[(points.shape[rows] == shape) & (found == is_found)]
            if len(layer):
                figure.add_trace(_trace(points, layer, shape, is_faded=points.found is not None and not is_found))
    for entry in points.entries:
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=escape(f"{entry.label}  {entry.count:,}"),
            marker={"symbol": SYMBOLS[entry.shape], "color": entry.colour, "size": SIZES[entry.shape] + 3},
        )
    if points.highlight is not None:
        figure.add_scatter(
            x=points.x[[points.highlight]],
            y=points.y[[points.highlight]],
            mode="markers",
            marker={"symbol": "circle-open", "size": 16, "color": ACCENT, "line": {"width": 2}},
            hoverinfo="skip",
            showlegend=False,
        )
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(
        height=height,
        dragmode="lasso",
        hovermode=False,
        clickmode="event+select",
        xaxis=axis,
        yaxis={**axis, "scaleanchor": "x"},
        legend={"itemclick": False, "itemdoubleclick": False},
        shapes=[_outline(lasso)] if lasso else [],
        annotations=_annotations(points),
    )
    return figure


def _trace(points: ScatterPoints, layer: NDArray[np.int64], shape: int, *, is_faded: bool) -> go.Scatter:
    palette = points.palette
    last = max(len(palette) - 1, 1)
    bar = points.ramp and {
        "title": {"text": escape(points.ramp.title), "side": "top"},
        "tickvals": [0, last],
        "ticktext": [escape(points.ramp.low), escape(points.ramp.high)],
        "orientation": "h",
        "thickness": 10,
        "len": 0.4,
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
    }
    marker = {
        "symbol": SYMBOLS[shape],
        "size": SIZES[shape],
        "color": points.colour[layer],
        "colorscale": [(index / last, colour) for index, colour in enumerate(palette)]
        if last + 1 == len(palette)
        else [(0, palette[0]), (1, palette[0])],
        "cmin": 0,
        "cmax": last,
        "colorbar": bar,
        "showscale": bool(bar),
        "opacity": (0.75 if shape == LEFT_OUT else 1) * (FADED if is_faded else 1),
    }
    return go.Scatter(
        x=points.x[layer], y=points.y[layer], mode="markers", marker=marker, name=SHAPE_NAMES[shape], showlegend=False
    )


def _outline(lasso: Polygon) -> dict[str, Any]:
    path = "L".join(f"{x},{y}" for x, y in lasso)
    return {
        "type": "path",
        "path": f"M{path}Z",
        "fillrule": "evenodd",
        "fillcolor": ACCENT_WASH,
        "line": {"color": ACCENT, "width": 2},
    }


def _annotations(points: ScatterPoints) -> list[dict[str, Any]]:
    """Words of the largest neighbourhoods that lie apart from one another."""
    if not points.labels:
        return []
    width, height = (float(np.ptp(axis[np.isfinite(axis)])) or 1.0 for axis in (points.x, points.y))
    kept: list[Any] = []
    for label in sorted(points.labels, key=lambda label: -label.count):
        is_free = all(abs(label.x - o.x) > width / 5 or abs(label.y - o.y) > height / 20 for o in kept)
        if is_free and len(kept) < MOST_LABELS:
            kept.append(label)
    look = LABEL_LOOKS["dark" if st.context.theme.type == "dark" else "light"]
    return [{"x": o.x, "y": o.y, "text": escape(o.text), "showarrow": False, **look} for o in kept]


def _choose_hidden(points: ScatterPoints, key: str) -> tuple[int, ...]:
    counts = points.count_shapes()
    present = [shape for shape, count in enumerate(counts) if count]
    if len(present) < 2:
        return ()
    shown = st.pills(
        "Show",
        present,
        selection_mode="multi",
        default=present,
        format_func=lambda shape: f"{SIGNS[shape]} {SHAPE_NAMES[shape]} {format_count(counts[shape])}",
        key=f"{key}.shown",
        persist_state="session",
    )
    return tuple(shape for shape in present if shape not in shown)


def _click_radius(points: ScatterPoints) -> float:
    finite = points.x[np.isfinite(points.x)]
    return CLICK_SHARE * float(np.ptp(finite) or 1.0) if len(finite) else 0.0


def _keep_lasso(key: str, fingerprint: str, lasso: Polygon | None) -> None:
    st.session_state[f"{key}.lasso"] = fingerprint, lasso


def _take_selection(key: str, fingerprint: str, radius: float) -> None:
    """Before the script runs: the figure is about to change, and with it plotly's own selection is lost."""
    polygon, clicked = read_selection(st.session_state[f"{key}.figure"]["selection"], radius)
    if polygon:
        _keep_lasso(key, fingerprint, polygon)
    elif clicked:
        st.session_state[f"{key}.clicked"] = clicked


def read_selection(
    selection: dict[str, Any], radius: float
) -> tuple[Polygon | None, tuple[float, float, float] | None]:
    """The polygon that was drawn, a box as its four corners; or else the place that was clicked."""
    for lasso in selection.get("lasso", []):
        return [(float(x), float(y)) for x, y in zip(lasso["x"], lasso["y"], strict=True)], None
    for box in selection.get("box", []):
        (left, right), (bottom, top) = box["x"], box["y"]
        return [(left, bottom), (right, bottom), (right, top), (left, top)], None
    for point in selection.get("points", []):
        return None, (float(point["x"]), float(point["y"]), radius)
    return None, None
