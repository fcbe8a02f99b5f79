"""Pin, ban and note, wherever examples are shown; and what such a decision costs."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.choices import Decision, SelectionRow, Standing, WhatIf
from core.errors import GleanerError
from core.web.notices import escape_markdown, say
from core.web.session import current_selection, open_bench
from core.web.theme import format_count, format_sig

BUTTONS = {"pin": "Pin", "ban": "Ban", "note": "Note"}
HELP = {
    "pin": "It is in every selection made from now on.",
    "ban": "It is in no selection made from now on.",
    "note": "Keeps the words beside it; changes no selection.",
}
DONE = {"pin": "Pinned", "ban": "Banned", "note": "Noted"}
MOST_NAMED = 3


def decide_on(dataset: str, rows: Sequence[int], key: str) -> None:
    """The three buttons for these examples, with a reason."""
    if not rows:
        return
    what = f"row {rows[0]:,}" if len(rows) == 1 else f"{format_count(len(rows))} examples"
    why = st.text_input(f"Why, for {what}", key=f"{key}.why", placeholder="A note needs it")
    for column, (kind, label) in zip(st.columns(len(BUTTONS)), BUTTONS.items(), strict=True):
        if column.button(label, key=f"{key}.{kind}", help=HELP[kind], width="stretch"):
            open_bench().decide(dataset, rows, kind, why)
            say(f"{DONE[kind]} {what}. {tell_change(current_selection())}".strip())
            st.rerun()


def decide_in_table(dataset: str, table: pd.DataFrame, key: str, config: dict) -> None:
    """A table of examples with a column Row, whose chosen lines can be decided on."""
    event = st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config=config,
        on_select="rerun",
        selection_mode="multi-row",
        key=key,
    )
    rows = [int(table["Row"].iloc[line]) for line in event.selection.rows if line < len(table)]
    if rows:
        decide_on(dataset, rows, f"{key}.decide")
    else:
        st.caption("Tick lines to pin, ban or note their examples.")


def tell_change(selection: SelectionRow | None) -> str:
    """What the decisions in force change in a selection, as sentences; nothing where they change nothing."""
    if selection is None or not open_bench().newer_decisions(selection):
        return ""
    try:
        seen = open_bench().what_if(selection.selection)
    except GleanerError:
        return "They count when you select again."
    if not seen.entered and not seen.displaced:
        return "They leave it as it is."
    return f"{describe_change(selection, seen)} Select again to keep to them."


def describe_change(selection: SelectionRow, seen: WhatIf) -> str:
    """Information lost or won, and who comes and goes."""
    if not seen.entered and not seen.displaced:
        return "The selection stays as it is."
    change = seen.information - selection.log_det
    about = "" if seen.is_exact else "about "
    words = "no information" if abs(change) < 5e-4 else f"{about}{format_sig(abs(change))} nats"
    told = [f"{'Loses' if change < 0 else 'Wins'} {words}"]
    told += [f"{_name(seen.entered)} would enter"] if seen.entered else []
    told += [f"{_name(seen.displaced)} would leave"] if seen.displaced else []
    return ", ".join(told) + "."


def tell_prices(selection: SelectionRow, row: int, standing: Standing) -> None:
    """What pinning and banning this example would cost, before anybody does."""
    kinds = [kind for kind, held in (("pin", standing.pinned), ("ban", standing.banned)) if row not in held]
    try:
        for kind in kinds:
            seen = open_bench().price(selection.selection, kind, row)
            if seen.entered or seen.displaced:
                st.caption(f"{BUTTONS[kind]}: {describe_change(selection, seen)}")
    except GleanerError as error:
        st.caption(escape_markdown(f"What it would change: {error}"))


def show_history(dataset: str, row: int) -> None:
    """Who decided what about an example, the newest first, with a way back."""
    made = open_bench().history(dataset, row)
    if made:
        st.markdown("**History**")
        _list_decisions(made, f"history.{dataset}.{row}")


def show_decisions(dataset: str, key: str, most: int = 50) -> None:
    """The decisions on a dataset, the newest first."""
    made = open_bench().history(dataset)
    standing = open_bench().decisions.standing(dataset)
    st.caption(f"{format_count(len(standing.pinned))} pinned, {format_count(len(standing.banned))} banned.")
    _list_decisions(made[-most:], key, with_rows=True)
    if len(made) > most:
        st.caption(f"The last {most} of {format_count(len(made))}; the command `decisions` lists all.")


def _list_decisions(made: Sequence[Decision], key: str, *, with_rows: bool = False) -> None:
    undone = {one.undoes for one in made}
    for one in reversed(made):
        left, right = st.columns([2, 1], vertical_alignment="center")
        what = f"undid #{one.undoes}" if one.undoes else one.kind
        where = f" row {one.row:,}" if with_rows else ""
        left.text(f"#{one.decision} {what}{where}, {one.who}, {one.made_at:%d %b %Y %H:%M}" + _why(one))
        if one.decision not in undone and right.button("Undo", key=f"{key}.{one.decision}"):
            open_bench().undo(one.decision)
            say(f"Undid #{one.decision}. {tell_change(current_selection())}".strip())
            st.rerun()


def _why(decision: Decision) -> str:
    return f": {decision.why}" if decision.why else ""


def _name(rows: Sequence[int]) -> str:
    shown = ", ".join(f"{row:,}" for row in rows[:MOST_NAMED])
    word = "row" if len(rows) == 1 else "rows"
    return f"{word} {shown}" if len(rows) <= MOST_NAMED else f"{format_count(len(rows))} rows"


def standing_of(standing: Standing, row: int) -> str:
    """Whether an example is pinned or banned, as a word."""
    return "pinned" if row in standing.pinned else "banned" if row in standing.banned else ""
