"""How do two choices look beside each other? The overlap and two mixtures, as pure functions to plotly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from core.web.charts import label_groups, plain_label
from core.web.theme import CATEGORIES, LEFT_OUT, SELECTED, figure_layout, format_count, format_percent

ONLY_A, BOTH, ONLY_B, NEITHER = CATEGORIES[1], SELECTED, CATEGORIES[3], LEFT_OUT
NAMES = (("Only A", ONLY_A), ("Both", BOTH), ("Only B", ONLY_B))
MOST_GROUPS = 10
NARROW = 0.09


@dataclass(frozen=True, slots=True)
class Part:
    """One bar: how many only A has, both have, and only B has."""

    name: str
    counts: Sequence[int]


def draw_overlap(parts: Sequence[Part]) -> go.Figure:
    """A bar for each measure, cut into only A, both and only B; the legend counts the first measure."""
    figure = go.Figure(layout=figure_layout(None, "Share of what either has (%)", None))
    shown = list(reversed(parts))
    for i, (name, colour) in enumerate(NAMES):
        shares = [part.counts[i] / max(1, sum(part.counts)) for part in shown]
        counts = [format_count(part.counts[i]) for part in shown]
        figure.add_bar(
            y=[part.name for part in shown],
            x=[100 * share for share in shares],
            orientation="h",
            name=f"{name}: {counts[-1]}",
            marker={"color": colour},
            width=0.6,
            text=[
                f"{count} ({format_percent(share)})" if share >= NARROW else ""
                for count, share in zip(counts, shares, strict=True)
            ],
            customdata=counts,
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            constraintext="none",
            textfont={"color": "#FFFFFF" if colour == BOTH else "#1B1F24"},
            hovertemplate="%{y}, " + name.lower() + ": %{customdata}, %{x:.2g} %<extra></extra>",
        )
    figure.update_layout(
        barmode="stack", height=190, xaxis={"range": [0, 100]}, yaxis={"showgrid": False},
        legend={"traceorder": "normal"}, uniformtext={"minsize": 11, "mode": "hide"},
    )  # fmt: skip
    return figure


def draw_two_mixtures(a: Mapping[str, int], b: Mapping[str, int]) -> go.Figure:
    """Each value's share of A and of B, the largest of either first."""
    totals = [max(1, sum(counts.values())) for counts in (a, b)]
    names = sorted({*a, *b}, key=lambda name: (-max(a.get(name, 0) / totals[0], b.get(name, 0) / totals[1]), name))
    names = list(reversed(names[:MOST_GROUPS]))
    places, labels = list(range(len(names))), [plain_label(name, 60) for name in names]
    figure = go.Figure(layout=figure_layout(None, "Share of the examples (%)", None))
    for label, counts, total, colour in (("B", b, totals[1], ONLY_B), ("A", a, totals[0], ONLY_A)):
        figure.add_bar(
            y=places,
            x=[100 * counts.get(name, 0) / total for name in names],
            customdata=list(zip(labels, [counts.get(name, 0) for name in names], strict=True)),
            orientation="h",
            name=label,
            marker={"color": colour},
            hovertemplate="%{customdata[0]}, " + label + ": %{x:.1f} %, %{customdata[1]:,}<extra></extra>",
        )
    figure.update_layout(
        barmode="group", height=110 + 28 * len(names), bargap=0.3,
        legend={"traceorder": "reversed"},
    )  # fmt: skip
    label_groups(figure, names)
    return figure
