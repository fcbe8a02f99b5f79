"""The figures of the pages, as pure functions from numbers to plotly, each with its description in words.

`draw_…` gives the figure, `describe_…` of the same numbers what it shows, for those who hear the page. Names of groups
come from datasets: plotly reads a little HTML in labels, so they are escaped.
"""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.choices import Ledger, SelectionRow
from core.web.theme import (
    CATEGORIES,
    KNEE,
    RANDOM_BAND,
    SELECTED,
    figure_layout,
    format_count,
    format_percent,
    format_sig,
)
from core.workbench.comparing import Share

HEIGHT = 360
LEGEND_BELOW = {"yref": "container", "y": 0, "yanchor": "bottom"}
MOST_MARKERS = 400
MOST_GROUPS = 30
LONGEST_LABEL = 28
COLUMNS = 600
"""A line is drawn with the lowest and the highest of its points in so many columns: 1,200 points at most."""
POOL = CATEGORIES[3]
BAND_NAME = "20 random subsets of equal tokens"


def figure_config(name: str) -> dict[str, Any]:
    """What a figure's tool bar offers; `name` is that of the file it is saved as."""
    clean = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
    return {
        "displaylogo": False,
        "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
        "toImageButtonOptions": {"format": "png", "filename": clean, "scale": 2},
    }


def draw_cumulative(ledger: Ledger, selection: SelectionRow, tried: int | None = None) -> go.Figure:
    """Information held by the first picks against their tokens, with the random band of equal tokens; beyond the
    budget how the order goes on, its knee, and the tokens of a budget that is tried."""
    figure = start_figure("Information by response tokens", "Response tokens", "Information (nats)", HEIGHT)
    envelope = selection.envelope
    add_band(figure, [0.0, *envelope["tokens"]], [0.0, *envelope["low"]], [0.0, *envelope["high"]])
    held = np.concatenate([[0.0], np.nan_to_num(ledger.cumulative)])
    add_information(figure, np.concatenate([[0], np.cumsum(ledger.response_tokens)]), held)
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
            add_line(figure, curve["tokens"][curve["knee"]], "knee", KNEE, "dash")
    if tried is not None:
        add_line(figure, tried, "tried budget", SELECTED, "solid", low=True)
    return figure


def describe_cumulative(ledger: Ledger, selection: SelectionRow, tried: int | None = None) -> str:
    """The same in words."""
    told = (
        f"Information by response tokens: {format_count(len(ledger))} picks of {format_count(selection.tokens)} tokens "
        f"hold {format_sig(selection.log_det)} nats; random subsets of equal tokens "
        f"{format_sig(selection.envelope['low'][-1])} to {format_sig(selection.envelope['high'][-1])}."
    )
    curve = selection.curve
    if curve and curve["knee"] is not None:
        told += f" The knee is at {format_count(curve['tokens'][curve['knee']])} tokens."
    return told + (f" The tried budget is at {format_count(tried)} tokens." if tried is not None else "")


def draw_mixture(shares: Sequence[Share], examples: int, most: int = MOST_GROUPS) -> go.Figure:
    """The share of the pool and of the selection of each of the first groups, with the range of random subsets."""
    shown = list(reversed(shares[:most]))
    figure = start_figure("Mixture", "Share of the examples (%)", None, 150 + 26 * len(shown))
    total = max(1, sum(share.pool for share in shares))
    places = list(range(len(shown)))
    of_pool = [100 * share.pool / total for share in shown]
    mine = [100 * share.selected / max(1, examples) for share in shown]
    low, high = ([100 * getattr(share, name) for share in shown] for name in ("random_low", "random_high"))
    names = [plain_label(share.group, 60) for share in shown]
    figure.add_bar(
        y=places,
        x=mine,
        orientation="h",
        name="Selected",
        marker={"color": SELECTED},
        width=0.5,
        customdata=list(zip(names, [share.selected for share in shown], strict=True)),
        hovertemplate="%{customdata[0]}: %{x:.1f} %, %{customdata[1]:,}<extra></extra>",
    )
    add_ranges(figure, places, low, high)
    figure.add_scatter(
        y=places,
        x=of_pool,
        mode="markers",
        name="Pool",
        marker={"symbol": "line-ns-open", "size": 16, "color": POOL, "line": {"width": 3}},
        customdata=names,
        hovertemplate="%{customdata}: %{x:.1f} % of the pool<extra></extra>",
    )
    figure.update_layout(barmode="overlay")
    label_groups(figure, [share.group for share in shown])
    return figure


def describe_mixture(shares: Sequence[Share], examples: int) -> str:
    """The same in words: the largest groups."""
    total = max(1, sum(share.pool for share in shares))
    told = []
    for share in shares[:5] if examples else []:
        of_pool, mine = format_percent(share.pool / total), format_percent(share.selected / examples)
        told.append(f"{share.group} {of_pool} of the pool, {mine} of the selection")
    more = f", and {format_count(len(shares) - 5)} more groups" if len(shares) > 5 else ""
    return f"Mixture: {'; '.join(told)}{more}."


def draw_learning_curve(curve: Sequence[dict[str, float]]) -> go.Figure:
    """The loss of each optimiser step of the calibration."""
    figure = start_figure("Loss of the warm-up", "Optimiser step", "Loss (nats a token)", 300)
    figure.add_scatter(
        x=[point["step"] for point in curve],
        y=[point["loss"] for point in curve],
        customdata=[point["learning_rate"] for point in curve],
        mode="lines+markers" if len(curve) <= MOST_MARKERS else "lines",
        line={"color": SELECTED, "width": 1.5},
        marker={"size": 5},
        hovertemplate="step %{x:,}: %{y:.3f} nats<br>learning rate %{customdata:.2g}<extra></extra>",
    )
    figure.update_layout(showlegend=False)
    return figure


def describe_learning_curve(curve: Sequence[dict[str, float]]) -> str:
    """The same in words."""
    first, last = curve[0]["loss"], curve[-1]["loss"]
    return (
        f"Loss of the warm-up over {format_count(curve[-1]['step'])} optimiser steps: from {format_sig(first)} to "
        f"{format_sig(last)} nats a token."
    )


def start_figure(title: str, x_title: str | None, y_title: str | None, height: int) -> go.Figure:
    """An empty figure; its legend stands below the axis, where it may take several lines."""
    layout = figure_layout(title, x_title, y_title)
    layout |= {"height": height, "margin": layout["margin"] | {"t": 44}, "legend": layout["legend"] | LEGEND_BELOW}
    return go.Figure(layout=layout)


def place_legend(figure: go.Figure) -> None:
    """Below everything, in its own room: it never lies over the plot or the title, however narrow the page."""
    figure.update_layout(legend=LEGEND_BELOW)


def add_line(figure: go.Figure, x: float, name: str, colour: str, dash: str, *, low: bool = False) -> None:
    """A named vertical line in the first plot; `low` puts its name lower, below another's."""
    place = {"xref": "x", "yref": "y domain"}
    figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, line={"color": colour, "width": 1.5, "dash": dash}, **place)
    figure.add_annotation(
        x=x, y=1, text=name, showarrow=False, xanchor="left", yanchor="top", yshift=-18 if low else 0, **place
    )


def add_information(figure: go.Figure, x: np.ndarray, held: np.ndarray, columns: int = COLUMNS, **place: int) -> None:
    """What the first 0, 1, … picks hold together, `held` [picks + 1]; `x` is where each number of them stands."""
    kept = thin(x, held, columns)
    figure.add_scatter(
        x=x[kept],
        y=held[kept],
        mode="lines",
        name="This selection",
        line={"color": SELECTED, "width": 2.5},
        customdata=kept,
        hovertemplate="first %{customdata:,}: %{y:,.1f} nats<extra></extra>",
        **place,
    )


def add_band(
    figure: go.Figure, x: Sequence[float] | np.ndarray, low: Sequence[float], high: Sequence[float], **rest: Any
) -> None:
    """From the lowest to the highest of random subsets."""
    outline: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=x, y=high, **outline, **{**rest, "showlegend": False})
    figure.add_scatter(x=x, y=low, fill="tonexty", fillcolor=RANDOM_BAND, name=BAND_NAME, **outline, **rest)


def add_ranges(figure: go.Figure, places: Sequence[int], low: Sequence[float], high: Sequence[float]) -> None:
    """For each line of groups the range of random subsets, behind its dot or bar."""
    figure.add_bar(
        y=places,
        x=[b - a for a, b in zip(low, high, strict=True)],
        base=low,
        orientation="h",
        width=0.9,
        name=BAND_NAME,
        marker={"color": RANDOM_BAND, "line": {"width": 0}},
        hoverinfo="skip",
    )


def label_groups(figure: go.Figure, groups: Sequence[str]) -> None:
    """Name the lines 0, 1, … of a chart of groups, from the bottom up."""
    texts = [plain_label(group) for group in groups]
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(texts))),
        ticktext=texts,
        range=[-0.7, len(texts) - 0.3],
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(showgrid=True, zeroline=False)


def plain_label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Dataset text as plotly shows it unread, on one line."""
    flat = " ".join(text.split())
    return html.escape(flat if len(flat) <= longest else flat[: longest - 1] + "…")


def thin(x: np.ndarray, y: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """The places of the points that a line in so many columns of pixels needs, ascending: the lowest and the highest of
    each column, the first and the last."""
    n = len(x)
    if n <= 2 * columns:
        return np.arange(n)
    reach = float(x[-1] - x[0]) or 1.0
    column = np.minimum(((np.asarray(x) - x[0]) / reach * columns).astype(np.int64), columns - 1)
    order = np.lexsort((np.nan_to_num(y), column))
    ends = np.flatnonzero(np.diff(column[order])) + 1
    return np.unique(
        np.concatenate([[0, n - 1], order[np.concatenate([[0], ends])], order[np.concatenate([ends, [n]]) - 1]])
    )
