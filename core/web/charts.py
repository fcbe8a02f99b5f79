"""The figures of the pages, as pure functions from numbers to plotly."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.choices import Pick, SelectionRow
from core.web.theme import CATEGORIES, KNEE, LEFT_OUT, RANDOM_BAND, SELECTED, figure_layout
from core.workbench.comparing import Share

HEIGHT = 340
MOST_MARKERS = 400
MOST_GROUPS = 30
POOL = CATEGORIES[3]


def draw_cumulative(picks: Sequence[Pick], selection: SelectionRow, tried: int | None = None) -> go.Figure:
    """Information held by the first picks against their tokens, with the random band of equal tokens; beyond the
    budget how the order goes on, its knee, and the tokens of a budget that is tried."""
    figure = go.Figure(layout=figure_layout(None, "Response tokens", "Information (nats)"))
    _add_information(figure, picks, selection.envelope)
    if curve := selection.curve:
        beyond = [i for i, tokens in enumerate(curve["tokens"]) if tokens >= selection.tokens]
        figure.add_scatter(
            x=[selection.tokens, *(curve["tokens"][i] for i in beyond)],
            y=[selection.log_det, *(curve["information"][i] for i in beyond)],
            mode="lines",
            name="The order beyond the budget",
            line={"color": SELECTED, "width": 1.5, "dash": "dot"},
            hovertemplate="%{x:,} tokens<br>%{y:,.1f} nats<extra></extra>",
        )
        if curve["knee"] is not None:
            _add_line(figure, curve["tokens"][curve["knee"]], "knee", KNEE, "dash")
    if tried is not None:
        _add_line(figure, tried, "tried budget", SELECTED, "solid")
    figure.update_layout(height=HEIGHT)
    return figure


def draw_mixture(shares: Sequence[Share], examples: int) -> go.Figure:
    """Each group's share of the pool and of the selection, with the range of random subsets."""
    figure = go.Figure(layout=figure_layout(None, "Share of the examples (%)", None))
    shown = list(reversed(shares[:MOST_GROUPS]))
    groups = [share.group if len(share.group) <= 40 else share.group[:39] + "…" for share in shown]
    total = max(1, sum(share.pool for share in shares))
    of_pool = [100 * share.pool / total for share in shown]
    mine = [100 * share.selected / max(1, examples) for share in shown]
    low, high = ([100 * value / max(1, examples) for value in values] for values in _ranges(shown))
    figure.add_bar(
        y=groups,
        x=mine,
        orientation="h",
        name="Selected",
        marker={"color": SELECTED},
        width=0.55,
        customdata=[share.selected for share in shown],
        hovertemplate="%{y}: %{x:.1f} %, %{customdata:,}<extra></extra>",
    )
    figure.add_bar(
        y=groups,
        x=[b - a for a, b in zip(low, high, strict=True)],
        base=low,
        orientation="h",
        width=0.9,
        name="Random subsets of equal tokens",
        marker={"color": RANDOM_BAND},
        hoverinfo="skip",
    )
    figure.add_scatter(
        y=groups,
        x=of_pool,
        mode="markers",
        name="Pool",
        marker={"symbol": "line-ns-open", "size": 16, "color": POOL, "line": {"width": 3}},
        hovertemplate="%{y}: %{x:.1f} % of the pool<extra></extra>",
    )
    figure.update_layout(height=110 + 26 * len(shown), barmode="overlay")
    figure.update_yaxes(type="category")
    return figure


def draw_gains(picks: Sequence[Pick], selection: SelectionRow, *, log_axis: bool) -> go.Figure:
    """Above, the marginal gain of each pick; below, their sum; both against the tokens spent, with
    what random examples do after as many, and the knee where it lies within the budget."""
    envelope = selection.envelope
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    figure.update_layout(figure_layout(), height=560)
    tokens = np.cumsum([pick.response_tokens for pick in picks])
    band = (envelope["tokens"], envelope["gain_low"], envelope["gain_high"])
    _add_band(figure, *band, showlegend=False, row=1, col=1)
    figure.add_scatter(
        x=tokens,
        y=np.array([pick.gain for pick in picks], dtype=float),
        customdata=[pick.rank for pick in picks],
        mode="lines+markers" if len(picks) <= MOST_MARKERS else "lines",
        line={"color": SELECTED, "width": 1.5},
        marker={"size": 5},
        showlegend=False,
        hovertemplate="#%{customdata:,}: %{y:.3g} nats<br>after %{x:,} tokens<extra></extra>",
        row=1,
        col=1,
    )
    _add_information(figure, picks, envelope, row=2, col=1)
    axis = figure_layout()["yaxis"]
    figure.update_yaxes({**axis, "title": {"text": "Marginal gain (nats)"}}, row=1, col=1)
    figure.update_yaxes({**axis, "title": {"text": "Information (nats)"}}, row=2, col=1)
    figure.update_xaxes(title_text="Response tokens spent", separatethousands=True, showgrid=False, row=2, col=1)
    curve = selection.curve or {"knee": None}
    if curve["knee"] is not None and curve["tokens"][curve["knee"]] <= selection.tokens:
        _add_line(figure, curve["tokens"][curve["knee"]], "knee", KNEE, "dash")
    if log_axis:
        figure.update_yaxes(type="log", row=1, col=1)
    return figure


def draw_learning_curve(curve: Sequence[dict[str, float]]) -> go.Figure:
    """The loss of each optimiser step of the calibration."""
    figure = go.Figure(layout=figure_layout(None, "Optimiser step", "Loss (nats a token)"))
    figure.add_scatter(
        x=[point["step"] for point in curve],
        y=[point["loss"] for point in curve],
        customdata=[point["learning_rate"] for point in curve],
        mode="lines+markers" if len(curve) <= MOST_MARKERS else "lines",
        line={"color": SELECTED, "width": 1.5},
        marker={"size": 5},
        hovertemplate="step %{x:,}: %{y:.3f} nats<br>learning rate %{customdata:.2g}<extra></extra>",
    )
    figure.update_layout(height=HEIGHT, showlegend=False)
    return figure


def draw_histogram(values: np.ndarray, chosen: np.ndarray, title: str, cuts: Sequence[float] = ()) -> go.Figure:
    """How a score is spread over the pool and over the selection, with cut-offs; `chosen` is a mask over `values`."""
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
    for cut, name in zip(cuts, ("low cut-off", "high cut-off"), strict=False):
        _add_line(figure, cut, name, KNEE, "dash")
    figure.update_layout(height=260, barmode="stack")
    return figure


def _add_line(figure: go.Figure, x: float, name: str, colour: str, dash: str) -> None:
    figure.add_vline(x=x, line={"color": colour, "width": 1.5, "dash": dash}, annotation={"text": name, "textangle": 0})


def _ranges(shares: Sequence[Share]) -> tuple[list[int], list[int]]:
    return [share.random_low for share in shares], [share.random_high for share in shares]


def _add_information(figure: go.Figure, picks: Sequence[Pick], envelope: dict[str, list[float]], **place: int) -> None:
    low, high = ([0.0, *envelope[name]] for name in ("low", "high"))
    _add_band(figure, [0.0, *envelope["tokens"]], low, high, **place)
    figure.add_scatter(
        x=np.cumsum([0, *(pick.response_tokens for pick in picks)]),
        y=np.array([0.0, *(pick.cumulative or 0.0 for pick in picks)]),
        mode="lines",
        name="This selection",
        line={"color": SELECTED, "width": 2.5},
        hovertemplate="%{x:,} tokens<br>%{y:,.1f} nats<extra></extra>",
        **place,
    )


def _add_band(figure: go.Figure, x: Sequence[float], low: Sequence[float], high: Sequence[float], **rest: Any) -> None:
    outline: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=x, y=high, **outline, **{**rest, "showlegend": False})
    figure.add_scatter(
        x=x, y=low, fill="tonexty", fillcolor=RANDOM_BAND, name="Random subsets of equal tokens", **outline, **rest
    )
