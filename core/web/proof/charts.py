"""How do the subsets of a proof compare, and how did their models learn? Pure functions to plotly, and in words."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.reports import ArmResult
from core.web.charts import HEIGHT, label_groups, plain_label, start_figure
from core.web.theme import BANNED, CATEGORIES, KNEE, LEFT_OUT, SELECTED, format_count, format_sig

KINDS = {
    "selection": ("The selection", SELECTED, "circle"),
    "other": ("Other selections", CATEGORIES[3], "square"),
    "random": ("Random, equal tokens", LEFT_OUT, "diamond"),
    "matched": ("Random of like lengths", KNEE, "triangle-up"),
    "smaller": ("Smaller budgets, fewer tokens", CATEGORIES[4], "triangle-left"),
    "everything": ("Everything, more tokens", BANNED, "x"),
}
LONGEST_NAME = 34


def draw_losses(arms: Sequence[ArmResult]) -> go.Figure:
    """How much lower the held-out NLL of each subset but everything is than the mean of the random ones, with bounds
    over held-out examples."""
    shown = [arm for arm in arms if arm.beside is not None and arm.kind != "everything"]
    figure = start_figure("Held-out NLL", "Advantage over random (nats a token)", None, 120 + 30 * len(shown))
    places = {arm.name: len(shown) - 1 - i for i, arm in enumerate(shown)}
    for kind, (name, colour, symbol) in KINDS.items():
        of = [(arm, arm.beside) for arm in shown if arm.kind == kind and arm.beside is not None]
        if not of:
            continue
        figure.add_scatter(
            x=[beside[0] for _, beside in of],
            y=[places[arm.name] for arm, _ in of],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [beside[2] - beside[0] for _, beside in of],
                "arrayminus": [beside[0] - beside[1] for _, beside in of],
                "thickness": 1.5,
                "width": 4,
            },
            mode="markers",
            name=name,
            marker={"color": colour, "size": 10, "symbol": symbol},
            customdata=[[arm.loss, arm.tokens, arm.steps, arm.seeds] for arm, _ in of],
            hovertemplate="%{x:+.4f} nats a token; NLL %{customdata[0]:.4f}<br>%{customdata[1]:,} tokens, "
            "%{customdata[2]:,} steps, %{customdata[3]} seeds<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": LEFT_OUT, "dash": "dot", "width": 1})
    label_groups(figure, [arm.name for arm in reversed(shown)])
    figure.update_layout(showlegend=True)
    return figure


def describe_losses(arms: Sequence[ArmResult]) -> str:
    """The same in words."""
    told = [f"{arm.name} {arm.loss:.4f}" for arm in arms]
    return f"Held-out NLL in nats a token, lower is better: {', '.join(told)}."


def draw_curves(arms: Sequence[ArmResult], base: float) -> go.Figure:
    """The held-out NLL of each subset's models by optimiser step, from the model before tuning on."""
    figure = start_figure("Learning curves", "Optimiser steps", "Held-out NLL (nats a token)", HEIGHT)
    for kind, (name, colour, symbol) in KINDS.items():
        for number, arm in enumerate(of for of in arms if of.kind == kind):
            steps, losses = zip(*arm.curve, strict=True)
            figure.add_scatter(
                x=[0, *steps],
                y=[base, *losses],
                mode="lines+markers",
                name=name,
                legendgroup=kind,
                showlegend=number == 0,
                line={"color": colour, "width": 3 if kind == "selection" else 1.5},
                marker={"size": 6, "symbol": symbol},
                hovertemplate=plain_label(arm.name, LONGEST_NAME) + ": %{y:.4f} after %{x:,} steps<extra></extra>",
            )
    return figure


def describe_curves(arms: Sequence[ArmResult], base: float) -> str:
    """The same in words."""
    told = [
        f"{arm.name} falls to {format_sig(arm.curve[-1][1])} in {format_count(arm.curve[-1][0])} steps" for arm in arms
    ]
    return f"Held-out NLL before tuning {format_sig(base)} nats a token; {'; '.join(told)}."
