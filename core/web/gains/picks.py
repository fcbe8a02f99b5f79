"""The Gains page's parts about the picks: their figures, the curve that can be clicked, one pick, and the ledger."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import Ledger, Pick
from core.web.charts import figure_config
from core.web.cut import Cut
from core.web.deciding import decide_in_table
from core.web.drawn import draw_once
from core.web.gains.charts import AXES, Axis, GainLine, describe_gains, draw_gains
from core.web.notices import lead_to
from core.web.scores import describe_covers, ledger_of, read_covers, scores_of, shorten
from core.web.session import open_bench
from core.web.tables import decimals_of, turn_pages
from core.web.theme import NO_NUMBER, format_count, format_percent, format_sig

PAGE_ROWS = 25
WIDTH = 156
PICK, AXIS, LOG = "pick", "by", "log"
"""Names in the address: the pick that is shown, what the curve is drawn by, and whether gains are logarithmic."""
GAIN_HELP = (
    "log det(I + F V⁻¹ Fᵀ): how much this example adds to what the earlier picks already tell about the "
    "model's last layer. A nat is 1.44 bits."
)
KNEE_HELP = "Where the curve of information bends most (Kneedle): what comes after it brings less for each pick."
COVERS_HELP = (
    "The earlier picks that already tell most of what this example would tell alone, each with the share that it and "
    "those named before it cover together."
)
BEFORE_HELP = "The share of what it would tell alone that the earlier picks held already."


def line_of(cut: Cut, axis: Axis) -> GainLine:
    """The curve of what is shown."""
    return GainLine(ledger_of(cut.selection.selection), cut.selection, axis, len(cut.rows), cut.tokens)


def show_figures(cut: Cut) -> None:
    """Information, the first and the last gain, what half of it takes, and the knee."""
    picks, curve = ledger_of(cut.selection.selection), cut.selection.curve
    known = known_picks(cut, picks)
    is_known, half = known == len(cut.rows), picks_for(cut, picks, cut.information / 2)
    last = f"{format_sig(float(picks.gain[known - 1]))} nats" if is_known else NO_NUMBER
    knee = curve["examples"][curve["knee"]] if curve and curve["knee"] is not None else None
    about = "" if cut.is_exact else "about "
    with st.container(horizontal=True, gap="medium"):
        st.metric("Information", f"{about}{format_sig(cut.information)} nats", help=GAIN_HELP, width=WIDTH)
        st.metric("First pick", f"{format_sig(float(picks.gain[0]))} nats", width=WIDTH)
        st.metric("Last pick", last, help=None if is_known else "Known once it is selected.", width=WIDTH)
        st.metric("Half is held by", f"the first {format_count(half)}" if half else NO_NUMBER, width=WIDTH)
        st.metric("Knee", f"at {format_count(knee)} picks" if knee else NO_NUMBER, help=KNEE_HELP, width=WIDTH)


def known_picks(cut: Cut, picks: Ledger) -> int:
    """How many of the cut's first rows are the selection's first picks: their gains are in the ledger."""
    count = min(len(cut.rows), len(picks))
    differs = np.flatnonzero(cut.rows[:count] != picks.rows[:count])
    return int(differs[0]) if len(differs) else count


def picks_for(cut: Cut, picks: Ledger, information: float) -> int | None:
    """How many of the first picks hold so much; nothing where the order is not that of the ledger."""
    if known_picks(cut, picks) < min(len(cut.rows), len(picks)):
        return None
    curve = cut.selection.curve or {"examples": [], "information": []}
    further = np.array(curve["examples"], dtype=np.int64) > len(picks)
    beyond, held_beyond = (np.array(curve[name], dtype=float)[further] for name in ("examples", "information"))
    held = np.concatenate([np.nan_to_num(picks.cumulative), held_beyond])
    place = min(int(np.searchsorted(held, information)), len(held) - 1)
    return place + 1 if place < len(picks) else int(beyond[place - len(picks)])


def show_curve(cut: Cut) -> None:
    """The gains and their sum, by rank or by tokens; a click shows the pick."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis: Axis = st.segmented_control(
            "By",
            list(AXES),
            default="rank",
            required=True,
            key=AXIS,
            bind="query-params",
            persist_state="session",
        )
        log_axis = st.toggle("Logarithmic gains", key=LOG, bind="query-params", persist_state="session")
    line, key = line_of(cut, axis or "rank"), f"gains.plot.{cut.selection.selection}"
    of = "gains", cut.selection.selection, line.axis, log_axis, len(cut.rows), cut.tokens
    st.plotly_chart(
        draw_once(lambda: draw_gains(line, log_axis=log_axis), *of),
        key=key,
        config=figure_config(f"gains-{cut.selection.selection}"),
        alt=describe_gains(line),
        on_select=partial(_take_click, key),
        selection_mode="points",
    )


def _take_click(key: str) -> None:
    """A clicked dot names its pick; a click beside the dots changes nothing."""
    points = st.session_state[key]["selection"]["points"]
    ranks = [point["customdata"] for point in points if point.get("customdata") is not None]
    if ranks:
        rank = ranks[0]
        st.session_state[PICK] = int(rank[0] if isinstance(rank, list) else rank)


def show_pick(cut: Cut) -> None:
    """One pick, clicked or named by its rank: what it brought, its texts, and the way to its page."""
    picks = ledger_of(cut.selection.selection)
    if (st.session_state.get(PICK) or 0) > len(picks):
        st.session_state[PICK] = None
    with st.container(border=True):
        rank = st.number_input(
            "Pick",
            min_value=1,
            max_value=len(picks),
            value=None,
            step=1,
            key=PICK,
            bind="query-params",
            persist_state="session",
            placeholder="Click a dot of the figure, or type a rank",
        )
        if rank is None:
            return
        (pick,) = open_bench().selections.picks(cut.selection.selection, [int(picks.rows[rank - 1])])
        (text,) = open_bench().datasets.texts(cut.selection.dataset, [pick.row])
        st.write(f"**Pick #{pick.rank:,}**, row {pick.row:,}: {pick.reason}. {tell_gain(pick)}")
        st.caption("Prompt")
        st.text(shorten(text.prompt, 400) or "(none)")
        st.caption("Response")
        st.text(shorten(text.response, 600))
        lead_to("example", f"Read row {pick.row:,}", row=str(pick.row))


def tell_gain(pick: Pick) -> str:
    """What a pick brought, in sentences."""
    if pick.gain is None:
        return ""
    each = format_sig(pick.gain / max(pick.response_tokens, 1))
    told = f"It brought {format_sig(pick.gain)} nats with {format_count(pick.response_tokens)} tokens, {each} a token."
    if not pick.gain_alone:
        return told
    return (
        f"{told} Alone it would bring {format_sig(pick.gain_alone)}: the earlier picks held "
        f"{format_percent(held_before(pick))} of it."
    )


def held_before(pick: Pick) -> float:
    """The share of what a pick would tell alone that the earlier picks held."""
    return max(0.0, 1 - (pick.gain or 0.0) / pick.gain_alone) if pick.gain_alone else float("nan")


def show_ledger(cut: Cut) -> None:
    """What is shown as chosen, in order, a page at a time."""
    st.subheader("Ledger")
    picks = ledger_of(cut.selection.selection)
    if known_picks(cut, picks) < len(cut.rows):
        st.caption("Examples that only the tried budget holds have no gains yet: they are computed on selecting.")
    name = cut.selection.selection
    shown = turn_pages(len(cut.rows), PAGE_ROWS, f"gains.page.{name}")
    table = ledger_page(cut, picks, cut.rows[shown].tolist(), shown.start + 1)
    decide_in_table(cut.selection.dataset, table, f"gains.table.{name}.{shown.start}", ledger_columns(cut, table))


def ledger_page(cut: Cut, picks: Ledger, rows: list[int], first: int) -> pd.DataFrame:
    """These rows of the cut, from rank `first` on, with texts and what covered them before."""
    selection, covers = cut.selection, read_covers(cut.selection.selection, tuple(rows))
    named = {*rows, *(cover.row for of in covers.values() for cover in of)}
    by_row = {pick.row: pick for pick in open_bench().selections.picks(selection.selection, sorted(named))}
    ranks = {row: pick.rank for row, pick in by_row.items()}
    texts = {text.row: text for text in open_bench().datasets.texts(selection.dataset, rows)}
    tokens = scores_of(selection.run)["response_tokens"]
    found = [by_row.get(row) for row in rows]
    nothing = float("nan")
    table = pd.DataFrame(
        {
            "#": range(first, first + len(rows)),
            "Row": rows,
            "Prompt": [shorten(texts[row].prompt, 160) for row in rows],
            "Response": [shorten(texts[row].response, 160) for row in rows],
            "Gain": [nothing if pick is None else pick.gain for pick in found],
            "Alone": [nothing if pick is None else pick.gain_alone for pick in found],
            "Held before": [nothing if pick is None else 100 * held_before(pick) for pick in found],
            "Cumulative": [nothing if pick is None else pick.cumulative for pick in found],
            "Own gain": [nothing if pick is None else pick.objective_gain for pick in found],
            "Tokens": tokens.iloc[rows].to_numpy(),
            "Covered by": [describe_covers(covers[row], ranks) for row in rows],
            "Reason": ["only in the tried budget" if pick is None else pick.reason for pick in found],
        }
    )
    return table if np.isfinite(picks.objective_gain).any() else table.drop(columns="Own gain")


def ledger_columns(cut: Cut, table: pd.DataFrame) -> dict:
    """What the ledger's columns need beside what every table of examples has."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    config = {
        "Held before": number("Held before", format="%.0f %%", help=BEFORE_HELP),
        "Covered by": text(width=230, help=COVERS_HELP),
        "Reason": text(width=200),
    }
    if "Own gain" in table:
        digits = decimals_of(table["Own gain"].to_numpy(dtype=float))
        own = f"What it added to the objective of {cut.selection.criterion}, in that objective's unit."
        config["Own gain"] = number(f"Gain in {cut.selection.criterion}", format=f"%.{digits}f", help=own)
    return config
