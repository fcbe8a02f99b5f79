"""Pin, ban and note, wherever examples are shown; and what such a decision costs."""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from core.choices import Decided, Decision, SelectionRow, Standing, WhatIf
from core.errors import BadInput, GleanerError
from core.people import Role
from core.web.cut import cut_order
from core.web.notices import escape_markdown, keep_errors, lead_to, redraw_to_tell, say, warn
from core.web.session import allowed, current_person, current_selection, open_bench
from core.web.slots import slot_key
from core.web.tables import example_columns
from core.web.theme import NO_NUMBER, format_count, format_sig

BUTTONS = {"pin": "Pin", "ban": "Ban", "note": "Note"}
HELP = {
    "pin": "It is in every selection made from now on.",
    "ban": "It is in no selection made from now on.",
    "note": "Keeps the words beside it; changes no selection.",
}
DONE = {"pin": "Pinned", "ban": "Banned", "note": "Noted"}
MOST_NAMED, MOST_SHOWN, MOST_OF_A_ROW = 3, 10, 50


def decide_on(dataset: str, rows: Sequence[int], key: str) -> None:
    """The three buttons for these examples, with a reason."""
    redraw_to_tell()
    if not rows:
        return
    what = name_rows(rows)
    st.text_input(f"Why, for {what}", key=f"{key}.why", placeholder="A reason; a note needs it")
    for column, (kind, label) in zip(st.columns(len(BUTTONS)), BUTTONS.items(), strict=True):
        how = allowed(Role.ANNOTATOR, HELP[kind]) | on_decide(dataset, rows, kind, f"{key}.why")
        column.button(label, key=f"{key}.{kind}", width="stretch", **how)


def on_decide(dataset: str, rows: Sequence[int], kind: str, why: str) -> dict[str, Any]:
    """What a button does that decides: before the page is drawn, so that it is drawn once. `why` is the key of the
    reason's field."""
    return {"on_click": _decide, "args": (dataset, rows, kind, why)}


@keep_errors()
def _decide(dataset: str, rows: Sequence[int], kind: str, field: str) -> None:
    """Decide in the name of who sits here; say what it changed, and what others had decided about the same."""
    bench, person, why = open_bench(), current_person(), str(st.session_state.get(field) or "")
    before = rows_of(bench.decisions.standing(dataset), kind)
    made = set(bench.decide(dataset, rows, kind, why, person))
    others = [one for one in bench.decisions.open_of_rows(dataset, rows) if one.decision not in made]
    told = [f"{DONE[kind]} {name_rows(rows)}."]
    if held := sum(row in before for row in rows):
        told.append(f"{'It was' if len(rows) == 1 else f'{format_count(held)} of them were'} that already.")
    told += tell_others([one for one in others if one.who != person], kind)
    say(" ".join([*told, tell_change(current_selection())]).strip())


def rows_of(standing: Standing, kind: str) -> frozenset[int]:
    """The examples for which a pin or a ban is in force; none for a note."""
    return frozenset({"pin": standing.pinned, "ban": standing.banned}.get(kind, ()))


def tell_others(made: Sequence[Decision], kind: str) -> list[str]:
    """What others decided about examples on which somebody decides now, of one example the last of each of them."""
    if not made:
        return []
    rows, last = {one.row for one in made}, list({one.who: one for one in made}.values())
    if len(rows) > 1:
        who = f"{last[0].who} decided" if len(last) == 1 else f"{format_count(len(last))} others decided"
        told = f"{who} on {format_count(len(rows))} of them before"
    else:
        told = ", ".join(
            f"{one.who} {DONE[one.kind].lower()} it {one.made_at:%d %b %Y %H:%M}" for one in last[-MOST_NAMED:]
        )
    counts = ", the last one counts" if kind != "note" and any(one.kind != "note" for one in made) else ""
    return [f"{told}; {'both' if len(made) == 1 else 'all'} stand{counts}."]


def name_rows(rows: Sequence[int]) -> str:
    """`row 17`, or how many."""
    return f"row {rows[0]:,}" if len(rows) == 1 else f"{format_count(len(rows))} examples"


def decide_in_table(
    dataset: str,
    table: pd.DataFrame,
    key: str,
    config: dict[str, Any] | None = None,
    height: int | Literal["content"] = "content",
) -> list[int]:
    """A table of examples with a column Row, whose ticked lines can be read and decided on; returns their rows.

    `config` is what some columns need beside what all tables of examples have in common.
    """
    redraw_to_tell()
    event: Any = st.dataframe(
        table,
        hide_index=True,
        height=height,
        column_config=example_columns(table) | (config or {}),
        placeholder=NO_NUMBER,
        on_select="rerun",
        selection_mode="multi-row",
        key=key,
    )
    rows = [int(table["Row"].iloc[line]) for line in event["selection"]["rows"] if line < len(table)]
    if rows:
        with st.container(border=True):
            if len(rows) == 1:
                lead_to("example", f"Read row {rows[0]:,}", row=str(rows[0]))
            decide_on(dataset, rows, f"{key}.decide")
    else:
        st.caption("Tick lines to read, pin, ban or note their examples.")
    return rows


def tell_change(selection: SelectionRow | None) -> str:
    """What the decisions in force change in a selection, as sentences; nothing where they change nothing."""
    if selection is None:
        return ""
    try:
        if not open_bench().newer_decisions(selection):
            return ""
        seen = cut_order(selection, selection.budget)
    except GleanerError:
        return "The decisions made since this selection count when you select again."
    if not seen.entered and not seen.displaced:
        return "The decisions made since this selection leave it as it is."
    return (
        f"All decisions since this selection together: {describe_change(selection, seen)} Select again to keep to them."
    )


def describe_change(selection: SelectionRow, seen: WhatIf) -> str:
    """Information lost or won, and who comes and goes."""
    if not seen.entered and not seen.displaced:
        return "The selection stays as it is."
    change = seen.information - selection.log_det
    about = "" if seen.is_exact else "about "
    words = "no information" if abs(change) < 5e-4 else f"{about}{format_sig(abs(change))} nats"
    told = [f"{'loses' if change < 0 else 'wins'} {words}"]
    told += [f"{_name(seen.entered)} would enter"] if seen.entered else []
    told += [f"{_name(seen.displaced)} would leave"] if seen.displaced else []
    return ", ".join(told) + "."


def tell_prices(selection: SelectionRow, row: int, standing: Standing) -> None:
    """What pinning and banning this example would cost, before anybody does."""
    kinds = [kind for kind, held in (("pin", standing.pinned), ("ban", standing.banned)) if row not in held]
    try:
        for kind in kinds:
            seen = open_bench().price(selection.selection, kind, row)
            st.caption(f"{BUTTONS[kind]}: {describe_change(selection, seen)}")
    except GleanerError as error:
        st.caption(escape_markdown(f"What it would change: {error}"))


def show_history(dataset: str, row: int) -> None:
    """Who decided what about an example, the newest first, with a way back."""
    made, every = open_bench().made_together(dataset, MOST_OF_A_ROW, row)
    if made:
        st.markdown("**History**")
        _list_decisions(made, "history.row", MOST_OF_A_ROW)
        _tell_older(len(made), every)


def show_decisions(dataset: str, key: str, most: int = MOST_SHOWN) -> None:
    """The decisions on a dataset, the newest first; those made at once on one line."""
    made, every = open_bench().made_together(dataset, most)
    standing = open_bench().decisions.standing(dataset)
    st.caption(f"{format_count(len(standing.pinned))} pinned, {format_count(len(standing.banned))} banned.")
    _list_decisions(made, key, most, with_rows=True)
    _tell_older(len(made), every)


def _tell_older(shown: int, every: int) -> None:
    if every > shown:
        st.caption(f"The last {shown} of {format_count(every)} lines; the command `decisions` lists all.")


def _list_decisions(made: Sequence[Decided], key: str, most: int, *, with_rows: bool = False) -> None:
    """Of at most so many lines: those made at once stand together, and are undone together: all or none."""
    redraw_to_tell()
    for one in made:
        left, right = st.columns([3, 1], vertical_alignment="center")
        many = f"{format_count(one.decisions)} examples" if one.decisions > 1 else f"row {one.row:,}"
        what = f"undid #{one.undoes}" if one.undoes else one.kind
        left.text(
            f"#{one.first} {what}{f' {many}' if with_rows else ''}, {one.who}, {one.made_at:%d %b %Y %H:%M}"
            + (f": {one.why}" if one.why else "")
        )
        taken = f"#{one.first}" if one.decisions == 1 else f"{format_count(one.open)} decisions"
        how = allowed(Role.ANNOTATOR, f"Takes back {taken}.")
        if one.open:
            own = slot_key(key, f"{one.dataset}.{one.first}", 2 * most)
            right.button("Undo", key=own, on_click=_undo, args=(one, taken), **how)


@keep_errors()
def _undo(one: Decided, taken: str) -> None:
    """Take back what was decided at once, and say where another decision still holds."""
    bench, told = open_bench(), [f"Undid {taken}."]
    try:
        bench.undo_together(one, who=current_person())
    except BadInput as error:
        warn(str(error))  # somebody else was quicker
        return
    if one.decisions == 1 and one.row in rows_of(bench.decisions.standing(one.dataset), one.kind):
        told.append(f"Another decision still holds: row {one.row:,} stays {DONE[one.kind].lower()}.")
    say(" ".join([*told, tell_change(current_selection())]).strip())


def _name(rows: Sequence[int]) -> str:
    shown = ", ".join(f"{row:,}" for row in rows[:MOST_NAMED])
    word = "row" if len(rows) == 1 else "rows"
    return f"{word} {shown}" if len(rows) <= MOST_NAMED else f"{format_count(len(rows))} rows"


def standing_of(standing: Standing, row: int) -> str:
    """Whether an example is pinned or banned, as a word."""
    return "pinned" if row in standing.pinned else "banned" if row in standing.banned else ""
