"""The figures of the pages, as pure functions from numbers to plotly."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.records import Pick
from core.web.theme import LEFT_OUT, RANDOM_BAND, SELECTED, figure_layout

HEIGHT = 340


def draw_cumulative(picks: Sequence[Pick], envelope: dict[str, list[float]]) -> go.Figure:
    """Information held by the first picks against their tokens, with the random band of equal tokens."""
    tokens = np.cumsum([pick.response_tokens for pick in picks])
    figure = go.Figure(layout=figure_layout(None, "Response tokens", "Information (nats)"))
    _add_band(figure, envelope["tokens"], envelope["low"], envelope["high"], "Random subsets of equal tokens")
    figure.add_scatter(
        x=tokens,
        y=np.array([pick.cumulative for pick in picks], dtype=float),
        mode="lines",
        name="This selection",
        line={"color": SELECTED, "width": 2.5},
        hovertemplate="%{x:,} tokens<br>%{y:,.1f} nats<extra></extra>",
    )
    figure.update_layout(height=HEIGHT)
    return figure


def draw_gains(picks: Sequence[Pick], envelope: dict[str, list[float]], *, log_axis: bool) -> go.Figure:
    """Marginal gain of each pick by rank, with what random examples gain once as many tokens are spent."""
    figure = go.Figure(layout=figure_layout(None, "Rank of the pick", "Marginal gain (nats)"))
    spent = np.cumsum([pick.response_tokens for pick in picks])
    ranks = np.interp(envelope["tokens"], spent, [pick.rank for pick in picks])
    _add_band(figure, ranks, envelope["gain_low"], envelope["gain_high"], "Random examples after as many tokens")
    figure.add_scatter(
        x=[pick.rank for pick in picks],
        y=np.array([pick.gain for pick in picks], dtype=float),
        mode="lines+markers" if len(picks) <= 400 else "lines",
        name="This selection",
        line={"color": SELECTED, "width": 1.5},
        marker={"size": 5},
        hovertemplate="#%{x:,}<br>%{y:.3g} nats<extra></extra>",
    )
    figure.update_layout(height=HEIGHT)
    if log_axis:
        figure.update_yaxes(type="log")
    return figure


def draw_histogram(values: np.ndarray, chosen: np.ndarray, title: str) -> go.Figure:
    """How a score is spread over the pool and over the selection; `chosen` is a mask over `values`."""
    figure = go.Figure(layout=figure_layout(None, title, "Examples"))
    finite = np.isfinite(values)
    if finite.any():
        edges = np.histogram_bin_edges(values[finite], bins=40)
        centres, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
        parts = [("Left out", finite & ~chosen, LEFT_OUT)]
        if chosen.any():
            parts.insert(0, ("Selected", finite & chosen, SELECTED))
        for name, mask, colour in parts:
            counts = np.histogram(values[mask], bins=edges)[0]
            figure.add_bar(
                x=centres,
                y=counts,
                width=width * 0.94,
                name=name if chosen.any() else "Examples",
                marker={"color": colour if chosen.any() else SELECTED},
                hovertemplate="%{x:.3g}: %{y:,}<extra></extra>",
            )
    figure.update_layout(height=260, barmode="stack")
    return figure


def _add_band(
    figure: go.Figure, x: Sequence[float] | np.ndarray, low: Sequence[float], high: Sequence[float], name: str
) -> None:
    figure.add_scatter(x=x, y=high, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=x,
        y=low,
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor=RANDOM_BAND,
        name=name,
        hoverinfo="skip",
    )
