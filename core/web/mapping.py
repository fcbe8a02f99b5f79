"""The map page's parts: points in colour, and the cards beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import Pick, Standing
from core.records import RunRow
from core.web.deciding import decide_on
from core.web.scatter import BANNED as BANNED_SHAPE
from core.web.scatter import LEFT_OUT as LEFT_OUT_SHAPE
from core.web.scatter import PINNED as PINNED_SHAPE
from core.web.scatter import SELECTED as SELECTED_SHAPE
from core.web.scatter import LegendEntry, LegendRamp, ScatterPoints
from core.web.scores import SCORES, shorten
from core.web.session import open_bench
from core.web.theme import BANNED, CIVIDIS, DIVERGING, LEFT_OUT, PINNED, SELECTED, format_count, format_sig

COLOURS = {"selection": "Selected or left out"} | {name: title for name, (title, _, _) in SCORES.items()}
SIGNED = {"delta_nll", "delta_entropy"}
GROUP_ROWS = 200
CLASSES = {
    LEFT_OUT_SHAPE: ("Left out", LEFT_OUT),
    SELECTED_SHAPE: ("Selected", SELECTED),
    PINNED_SHAPE: ("Pinned", PINNED),
    BANNED_SHAPE: ("Banned", BANNED),
}


def map_points(
    points: dict[str, Any],
    scores: pd.DataFrame,
    selected: np.ndarray,
    standing: Standing,
    colour: str,
    clicked: int | None,
) -> ScatterPoints:
    """Points as the map draws them; `scores` and `selected` are aligned with `points`."""
    shape = np.where(selected, SELECTED_SHAPE, LEFT_OUT_SHAPE).astype(np.uint8)
    rows = points["row_number"]
    shape[np.isin(rows, standing.pinned)], shape[np.isin(rows, standing.banned)] = PINNED_SHAPE, BANNED_SHAPE
    legend: list[LegendEntry] | LegendRamp
    if colour == "selection":
        palette, index = [colour for _, colour in CLASSES.values()], shape
        legend = [
            LegendEntry(label, colour, of, int((shape == of).sum()))
            for of, (label, colour) in CLASSES.items()
            if of in (SELECTED_SHAPE, LEFT_OUT_SHAPE) or (shape == of).any()
        ]
    else:
        values = scores[colour].to_numpy(dtype=float)
        low, high = colour_range(values, signed=colour in SIGNED)
        palette = DIVERGING if colour in SIGNED else CIVIDIS
        scaled = np.nan_to_num((values - low) / max(high - low, 1e-12) * 255, nan=0.0)
        index = np.clip(scaled, 0, 255).astype(np.uint8)
        title, unit, _ = SCORES[colour]
        legend = LegendRamp(format_sig(low), format_sig(high), f"{title} ({unit})" if unit else title)
    return ScatterPoints(points["x"], points["y"], shape, index, palette, legend, clicked)


def colour_range(values: np.ndarray, *, signed: bool) -> tuple[float, float]:
    """From the 1st to the 99th percentile, so that a single outlier does not wash out the rest;
    centred on 0 where the sign matters."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, [1, 99]))
    if signed:
        reach = max(abs(low), abs(high))
        return -reach, reach
    return low, high


def show_example_card(run: RunRow, row: int, scores: pd.DataFrame, picks: Sequence[Pick]) -> None:
    """The clicked example: its texts, its scores, and the way to its page."""
    (example,) = open_bench().datasets.texts(run.dataset, [row])
    pick = next((pick for pick in picks if pick.row == row), None)
    with st.container(border=True):
        st.markdown(f"**Row {format_count(row)}**")
        if picks:
            st.caption(f"Picked as #{pick.rank:,}" if pick else "Left out")
        st.caption("Prompt")
        st.text(shorten(example.prompt, 600) or "(none)")
        st.caption("Response")
        st.text(shorten(example.response, 900))
        values = scores.iloc[row]
        for name in ("nll", "entropy", "delta_nll", "delta_entropy"):
            if np.isfinite(values[name]):
                st.caption(f"{SCORES[name][0]} {format_sig(float(values[name]))} nats")
        if pick and pick.gain is not None:
            st.caption(f"Gain {format_sig(pick.gain)} nats; alone {format_sig(pick.gain_alone)}")
        decide_on(run.dataset, [row], f"map.{run.run}.{row}")
        st.page_link(  # a link, since a click that is already under way would cancel a switch by the server
            "../../pages/example.py",
            label="Read the whole example",
            icon=":material/arrow_forward:",
            query_params={"row": str(row)},
        )


def show_group(run: RunRow, rows: np.ndarray, scores: pd.DataFrame, selected: np.ndarray) -> None:
    """The lassoed examples: how many, how many of them selected, what they score, and the examples."""
    with st.container(border=True):
        st.markdown(f"**{format_count(len(rows))} examples in the lasso**")
        st.caption(f"{format_count(int(selected.sum()))} of them selected")
        group = scores.iloc[rows]
        for name in ("nll", "entropy", "delta_entropy"):
            if group[name].notna().any():
                inside, everywhere = float(group[name].mean()), float(scores[name].mean())
                st.caption(f"Mean {SCORES[name][0]} {format_sig(inside)}, of all {format_sig(everywhere)} nats")
        decide_on(run.dataset, [int(row) for row in rows], f"map.{run.run}.lasso")
    texts = open_bench().datasets.texts(run.dataset, [int(row) for row in rows[:GROUP_ROWS]])
    st.dataframe(
        pd.DataFrame(
            [(text.row, shorten(text.prompt, 120), shorten(text.response, 120)) for text in texts],
            columns=["Row", "Prompt", "Response"],
        ),
        hide_index=True,
    )
    if len(rows) > GROUP_ROWS:
        st.caption(f"The first {GROUP_ROWS} are listed.")
