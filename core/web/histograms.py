"""How is a score spread? Histograms, drawn from counts so that a million rows are counted once."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.web.charts import add_line, start_figure
from core.web.theme import KNEE, LEFT_OUT, SELECTED, format_count, format_sig

HISTOGRAM_HEIGHT = 320


def histogram_edges(values: np.ndarray, bins: int = 40) -> np.ndarray:
    """The edges [bins + 1] of equal bins over the finite values."""
    edges: np.ndarray = np.histogram_bin_edges(values[np.isfinite(values)], bins=bins)
    return edges


def count_histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How many of the `values` [n] lie in each bin, [bins]; what is not finite, or beyond the edges, lies in none."""
    counts: np.ndarray = np.histogram(values, edges)[0]
    return counts


def draw_histogram(
    edges: np.ndarray,
    chosen_counts: np.ndarray,
    rest_counts: np.ndarray,
    title: str,
    cuts: Sequence[float] = (),
) -> go.Figure:
    """How a score is spread over the selection beside the examples left out, each as shares of its own number, since
    a small selection would be nothing beside the rest; with cut-offs. `title` is the score's name with its unit.
    Where nothing is selected, counts of all examples."""
    name, is_compared = title.partition(" (")[0], bool(np.any(chosen_counts))
    figure = start_figure(
        f"{name} of the examples", title, "Share of each (%)" if is_compared else "Examples", HISTOGRAM_HEIGHT
    )
    centres, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    figure.add_bar(
        x=centres,
        y=100 * rest_counts / max(rest_counts.sum(), 1) if is_compared else rest_counts,
        customdata=rest_counts,
        width=width * 0.94,
        name="Left out" if is_compared else "Examples",
        marker={"color": LEFT_OUT if is_compared else SELECTED},
        hovertemplate="%{x:.3g}: %{customdata:,}<extra></extra>",
    )
    if is_compared:
        figure.add_scatter(
            x=np.repeat(edges, 2)[1:-1],
            y=np.repeat(100 * chosen_counts / chosen_counts.sum(), 2),
            customdata=np.repeat(chosen_counts, 2),
            mode="lines",
            name="Selected",
            line={"color": SELECTED, "width": 2.5},
            hovertemplate="%{x:.3g}: %{customdata:,}<extra></extra>",
        )
    for i, (cut, word) in enumerate(zip(cuts, ("low cut-off", "high cut-off"), strict=False)):
        add_line(figure, cut, word if len(cuts) > 1 else "cut", KNEE, "dash", low=i == 1)
    figure.update_layout(showlegend=is_compared)
    return figure


def draw_spread(values: np.ndarray, title: str) -> tuple[go.Figure, str]:
    """How a score is spread over all examples, drawn and in words."""
    edges = histogram_edges(values)
    nothing, counts = np.zeros(len(edges) - 1, dtype=np.int64), count_histogram(values, edges)
    return draw_histogram(edges, nothing, counts, title), describe_histogram(edges, nothing, counts, title)


def describe_histogram(edges: np.ndarray, chosen_counts: np.ndarray, rest_counts: np.ndarray, title: str) -> str:
    """The same in words: counts, range and the middle bins."""

    def middle(counts: np.ndarray) -> str:
        place = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
        return f"{format_sig(float(edges[place]))} to {format_sig(float(edges[place + 1]))}"

    told = [
        f"{format_count(counts.sum())} {name}, the middle one at {middle(counts)}"
        for name, counts in (
            ("selected", chosen_counts),
            ("left out" if np.any(chosen_counts) else "examples", rest_counts),
        )
        if counts.sum()
    ]
    reach = f"from {format_sig(float(edges[0]))} to {format_sig(float(edges[-1]))}"
    return f"{title}, {reach}: {'; '.join(told) or 'no examples'}."
