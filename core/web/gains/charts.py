"""The figures of the Gains page: what each pick brought, and what is held of each group."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.choices import Ledger, SelectionRow
from core.web.charts import (
    COLUMNS,
    add_band,
    add_information,
    add_line,
    add_ranges,
    label_groups,
    place_legend,
    plain_label,
    thin,
)
from core.web.theme import KNEE, LEFT_OUT, SELECTED, figure_layout, format_count, format_percent, format_sig
from core.workbench.coverage import Coverage

Axis = Literal["rank", "tokens"]
BEYOND = 1.5
"""So many times what is cut or stored is in view at first; zooming out shows the rest of the order."""
FEW = 20
"""Groups of fewer examples are marked: their shares say little."""
MOST_GROUPS = 30
AXES: dict[Axis, str] = {"rank": "Picks, in order", "tokens": "Response tokens spent"}


@dataclass(frozen=True)
class GainLine:
    """A selection's picks along one axis, with its random band, its order beyond the budget and the cut that is shown,
    as `cut_examples` of `cut_tokens`."""

    picks: Ledger
    selection: SelectionRow
    axis: Axis
    cut_examples: int
    cut_tokens: int

    @cached_property
    def spent(self) -> np.ndarray:
        """Tokens of the first 0, 1, … picks, [n + 1]."""
        return np.concatenate([[0], np.cumsum(self.picks.response_tokens)])

    @cached_property
    def held(self) -> np.ndarray:
        """What the first 0, 1, … picks hold together [n + 1], in nats."""
        return np.concatenate([[0.0], np.nan_to_num(self.picks.cumulative)])

    @property
    def gains(self) -> np.ndarray:
        """Each pick's gain [n] in nats."""
        return self.picks.gain

    @property
    def places(self) -> np.ndarray:
        """Where the first 0, 1, … picks stand on the axis, [n + 1]."""
        return np.arange(len(self.picks) + 1) if self.axis == "rank" else self.spent

    @property
    def cut(self) -> int:
        """Where the shown budget stands."""
        return self.cut_examples if self.axis == "rank" else self.cut_tokens

    @property
    def knee(self) -> int | None:
        """Where the order's knee stands, if it has one."""
        curve = self.selection.curve
        return None if not curve or curve["knee"] is None else int(self._along(curve)[curve["knee"]])

    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """Where on the axis the random band is known, and at which of its points: by rank where as many tokens are
        spent, since random subsets of equal tokens are compared."""
        tokens = np.array([0.0, *self.selection.envelope["tokens"]])
        if self.axis == "tokens":
            return tokens, tokens
        return np.interp(tokens, self.spent, np.arange(len(self.spent))), tokens

    def beyond(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The order beyond the budget: places [m], information [m], and the mean gain of a pick [m − 1] between."""
        curve = self.selection.curve or {"examples": [], "tokens": [], "information": []}
        further = np.array(curve["examples"], dtype=float) > len(self.picks)
        start = float(self.places[-1]), float(len(self.picks)), self.selection.log_det
        places, examples, held = (
            np.array([first, *np.asarray(values, dtype=float)[further]])
            for first, values in zip(start, (self._along(curve), curve["examples"], curve["information"]), strict=True)
        )
        return places, held, np.diff(held) / np.diff(examples)

    def _along(self, curve: dict[str, Any]) -> list[int]:
        return list(curve["examples"] if self.axis == "rank" else curve["tokens"])


def draw_gains(line: GainLine, *, log_axis: bool = False) -> go.Figure:
    """Above, the marginal gain of each pick; below, their sum; with the random band, the knee and the shown budget. The
    dots of the picks carry their ranks, for clicks."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.55, 0.45])
    figure.update_layout(figure_layout("What each pick brought, and what they hold together"), height=560)
    figure.update_layout(margin={"t": 44}, clickmode="event+select")
    place_legend(figure)
    _add_gains(figure, line, log_axis=log_axis)
    _add_sums(figure, line)
    for row, title in enumerate(("Gain of a pick (nats)", "Together (nats)"), 1):
        figure.update_yaxes(figure_layout(None, None, title)["yaxis"], row=row, col=1)
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    view = BEYOND * max(int(line.places[-1]), line.cut)
    figure.update_xaxes(tickformat=",", showgrid=False, range=[0, view])
    figure.update_xaxes(title={"text": AXES[line.axis]}, row=2, col=1)
    if line.knee is not None and line.knee <= view:
        _add_named_line(figure, line.knee, "knee", KNEE, "dash")
    _add_named_line(figure, line.cut, "budget", SELECTED, "solid", low=True)
    if log_axis:
        figure.update_yaxes(type="log", tickmode="array", row=1, col=1, **_log_ticks(line.gains))
    return figure


def describe_gains(line: GainLine) -> str:
    """The same in words."""
    first, last = line.gains[0], line.gains[-1]
    knee = line.knee
    unit = "picks" if line.axis == "rank" else "tokens"
    return (
        f"Marginal gain of {format_count(len(line.picks))} picks by {line.axis}: from {format_sig(float(first))} to "
        f"{format_sig(float(last))} nats; together they hold {format_sig(line.selection.log_det)} nats."
        + (f" The knee is at {format_count(knee)} {unit}." if knee is not None else "")
        + f" The shown budget is at {format_count(line.cut)} {unit}."
    )


def draw_coverage(found: Coverage, by: str) -> go.Figure:
    """The share of each group's information that is held, the least held on top; hollow for groups of few examples."""
    shown = list(reversed(found.groups[:MOST_GROUPS]))
    figure = go.Figure(
        layout=figure_layout(f"Held of each {plain_label(by, 60)}", "Share of its information (%)", None)
    )
    figure.update_layout(height=150 + 24 * max(len(shown), 3), margin={"t": 44})
    place_legend(figure)
    places = list(range(len(shown)))
    if shown and shown[0].random_low is not None:
        low, high = ([100 * (getattr(of, name) or 0.0) for of in shown] for name in ("random_low", "random_high"))
        add_ranges(figure, places, low, high)
    figure.add_scatter(
        x=[100 * of.share for of in shown],
        y=places,
        mode="markers",
        name="This selection",
        marker={
            "size": 10,
            "color": SELECTED,
            "symbol": ["circle-open" if of.examples < FEW else "circle" for of in shown],
            "line": {"width": 2, "color": SELECTED},
        },
        customdata=[(plain_label(of.group, 60), of.selected, of.examples) for of in shown],
        hovertemplate="%{customdata[0]}: %{x:.1f} % held<br>"
        "%{customdata[1]:,} of %{customdata[2]:,} examples selected<extra></extra>",
    )
    figure.add_vline(
        x=100 * found.share,
        line={"color": LEFT_OUT, "width": 1.5, "dash": "dot"},
        annotation={"text": "all examples", "yanchor": "bottom", "xanchor": "center", "showarrow": False},
    )
    label_groups(figure, [of.group for of in shown])
    figure.update_layout(showlegend=len(figure.data) > 1)
    return figure


def describe_coverage(found: Coverage, by: str) -> str:
    """The same in words: the least and the most held groups."""
    told = [f"{of.group} {format_percent(of.share)}" for of in found.groups if np.isfinite(of.share)]
    middle = f"{', '.join(told[:3])} are held least" if len(told) > 3 else ", ".join(told)
    end = f"; {told[-1]} is held most" if len(told) > 3 else ""
    of_all = f"of all examples {format_percent(found.share)}"
    return f"Share of the information of each {by} that is held: {middle}{end}; {of_all}."


def _log_ticks(gains: np.ndarray) -> dict[str, Any]:
    """Powers of ten, with 2 and 5 between them where there are few; each written out."""
    positive = gains[gains > 0]
    reach = np.ptp(np.log10(positive)) if len(positive) else 1.0
    marks = [factor * 10.0**power for power in range(-9, 10) for factor in ((1, 2, 5) if reach < 2 else (1,))]
    return {"tickvals": marks, "ticktext": [f"{mark:g}" for mark in marks]}


def _add_gains(figure: go.Figure, line: GainLine, *, log_axis: bool) -> None:
    envelope, (x, tokens), place = line.selection.envelope, line.band(), {"row": 1, "col": 1}
    least = line.gains[line.gains > 0].min(initial=np.inf) / 10 if log_axis else 0.0
    low, high = (
        np.maximum(np.interp(tokens, envelope["tokens"], envelope[name]), least) for name in ("gain_low", "gain_high")
    )
    add_band(figure, x, low, high, showlegend=False, **place)
    places, _, mean_gains = line.beyond()
    figure.add_scatter(
        x=(places[1:] + places[:-1]) / 2,
        y=mean_gains,
        mode="lines",
        line={"color": SELECTED, "width": 1.5, "dash": "dot"},
        showlegend=False,
        hovertemplate="beyond the budget<br>%{y:.3g} nats a pick on average<extra></extra>",
        **place,
    )
    at, gains = line.places[1:], line.gains
    kept = thin(at, gains, COLUMNS)
    figure.add_scatter(
        x=at[kept],
        y=gains[kept],
        customdata=kept + 1,
        mode="lines+markers",
        line={"color": SELECTED, "width": 1},
        marker={"size": 7 if len(kept) <= 200 else 4},
        selected={"marker": {"color": KNEE, "size": 12}},
        unselected={"marker": {"opacity": 1}},
        showlegend=False,
        hovertemplate="#%{customdata:,}: %{y:.3g} nats<extra></extra>",
        **place,
    )


def _add_sums(figure: go.Figure, line: GainLine) -> None:
    envelope, (x, _), place = line.selection.envelope, line.band(), {"row": 2, "col": 1}
    add_band(figure, x, [0.0, *envelope["low"]], [0.0, *envelope["high"]], **place)
    places, held, _ = line.beyond()
    if len(places) > 1:
        figure.add_scatter(
            x=places,
            y=held,
            mode="lines",
            name="The order beyond the budget",
            line={"color": SELECTED, "width": 1.5, "dash": "dot"},
            hovertemplate="%{x:,}: %{y:,.1f} nats<extra></extra>",
            **place,
        )
    add_information(figure, line.places, line.held, **place)


def _add_named_line(figure: go.Figure, x: float, name: str, colour: str, dash: str, *, low: bool = False) -> None:
    """Through both figures, named in the upper one."""
    add_line(figure, x, name, colour, dash, low=low)
    line = {"color": colour, "width": 1.5, "dash": dash}
    figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, xref="x2", yref="y2 domain", line=line)
