"""The token lens: a response whose tokens are shaded by one number each, and what the shades mean.

A Streamlit component of version 2: pieces of text and numbers travel to the browser, where they become text nodes;
nothing of a dataset is ever interpreted.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import streamlit as st

from core.records import SpokenTurn
from core.web.theme import CIVIDIS, DIVERGING, format_sig

FOLDER: Final = Path(__file__).parent
CLIPPED: Final = 98
"""Shades end at this percentile of the sizes: one token far off would leave all others alike."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What the tokens are shaded by. A difference is shaded from 0 to both sides."""

    title: str
    unit: str
    help: str
    is_difference: bool = False


MEASURES: Final = {
    "delta_nll": Measure(
        "ΔNLL", "nats", "NLL after calibration − before: below 0, light tuning made the token likelier.", True
    ),
    "delta_entropy": Measure(
        "ΔH", "nats", "Entropy before calibration − after: above 0, light tuning made the model surer here.", True
    ),
    "nll": Measure("NLL", "nats", "−log p of the token: how surprising it is to the model."),
    "entropy": Measure("Entropy H", "nats", "Entropy of the model's prediction here: how undecided it is."),
    "leverage": Measure(
        "Leverage",
        "",
        "xᵀV⁻¹x of the token's feature x and the selection's design V: how little the selection tells of it. 0 is all "
        "told; the higher, the newer. Needs one pass of the model over this example.",
    ),
}

_mount = st.components.v2.component(
    "gleaner_lens",
    html=(FOLDER / "lens.html").read_text(encoding="utf-8"),
    css=(FOLDER / "lens.css").read_text(encoding="utf-8"),
    js=(FOLDER / "lens.js").read_text(encoding="utf-8"),
)


def token_lens(turn: SpokenTurn, values: Sequence[float], measure: str, most: float, *, key: str) -> None:
    """One scored turn, its tokens shaded by their `values`, as many as `turn.pieces`; the deepest shade from `most` on.

    Raises ValueError where tokens and values are not equally many.
    """
    if len(turn.pieces) != len(values):
        raise ValueError(f"{len(turn.pieces)} tokens have {len(values)} values.")
    of = MEASURES[measure]
    _mount(
        key=key,
        data={
            "pieces": turn.pieces,
            "cut": turn.cut,
            "values": [float(value) for value in values],
            "most": most,
            "title": of.title,
            "unit": of.unit,
            "ramp": [DIVERGING[0], DIVERGING[-1]] if of.is_difference else CIVIDIS[::4],
            "is_difference": of.is_difference,
        },
    )


def deepest(values: Sequence[float]) -> float:
    """The size from which on a token has the deepest shade."""
    return float(np.percentile(np.abs(values), CLIPPED)) if len(values) else 0.0


def show_legend(measure: str, most: float) -> None:
    """What the shades mean: the ends in numbers, and the words for them."""
    of = MEASURES[measure]
    unit = f" {of.unit}" if of.unit else ""
    if of.is_difference:
        ramp, low = f"{DIVERGING[0]}, transparent, {DIVERGING[-1]}", f"≤ {format_sig(-most)}"
    else:
        ramp, low = ", ".join(CIVIDIS[::15]), "0"
    ends = [f'<span style="white-space:nowrap">{end}{unit}</span>' for end in (low, f"≥ {format_sig(most)}")]
    st.html(
        f'<div style="{LEGEND}">{ends[0]}<div style="{STRIP};background:linear-gradient(90deg, {ramp})"></div>{ends[1]}'
        f'<span style="opacity:0.75">{"No shade: 0. " if of.is_difference else ""}{html.escape(of.help)}</span></div>'
    )


LEGEND = (
    "display:flex;flex-wrap:wrap;align-items:center;gap:4px 8px;font-size:0.8125rem;font-variant-numeric:tabular-nums"
)
STRIP = "flex:0 1 160px;height:10px;border-radius:2px;border:1px solid rgba(128,134,144,0.35)"
