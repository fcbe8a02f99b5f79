"""The rows that could not be loaded: by kind, each kind to ignore or keep, each row to mend."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.people import Role
from core.records import DatasetRow, Entry, EntryGroup
from core.web.notices import escape_markdown, say, show_errors
from core.web.scores import shorten
from core.web.session import allowed, go_on_with, open_bench
from core.web.slots import slot_key
from core.web.theme import format_count

SHOWN_GROUPS, SHOWN_ROWS = 20, 50
LONGEST_EDITED = 200_000
STATES = {"open": "", "ignored": "left out on purpose", "kept": "to be admitted as they are", "fixed": "fixed"}


def show_quarantine(dataset: DatasetRow) -> None:
    """Kinds with their counts and what can be done about each, then the rows of the kind chosen."""
    groups = open_bench().quarantine_groups(dataset.name)
    if not groups:
        return
    still_open = sum(group.rows for group in groups if group.state == "open")
    title = f"Quarantine: {_rows(sum(group.rows for group in groups))}, {format_count(still_open)} open"
    with st.expander(title, expanded=still_open > 0, icon=":material/rule:"):
        st.caption("Rows that could not be loaded. None is lost: each is kept with its place, its reason and its text.")
        _offer_admission(dataset, groups)
        for number, group in enumerate(groups[:SHOWN_GROUPS]):
            with st.container(border=True), show_errors():
                _show_group(dataset, group, f"{dataset.name}.{number}.{group.state}")
        if len(groups) > SHOWN_GROUPS:
            st.caption(f"and {format_count(len(groups) - SHOWN_GROUPS)} more kinds; the command `quarantine` has all")


def _offer_admission(dataset: DatasetRow, groups: list[EntryGroup]) -> None:
    waiting = sum(group.rows for group in groups if group.state in ("fixed", "kept"))
    if not waiting:
        return
    is_scored = bool(open_bench().runs.of_dataset(dataset.name))
    where = "as a new version of the dataset, since this one was scored" if is_scored else "at the end of the dataset"
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.write(f"{_rows(waiting)} {'waits' if waiting == 1 else 'wait'} to be admitted, {where}.")
    if right.button("Admit", type="primary", key="quarantine.admit", width="stretch", **allowed(Role.CURATOR)):
        after = open_bench().admit(dataset.name)
        say(f"Admitted {_rows(waiting)} to {after.name}.")
        go_on_with(dataset=after.name, run=None, selection=None)


def _show_group(dataset: DatasetRow, group: EntryGroup, key: str) -> None:
    bench = open_bench()
    state = f" · {STATES[group.state]}" if STATES[group.state] else ""
    st.markdown(f"**{_rows(group.rows)}**{state}")
    st.text(group.reason)
    with st.container(horizontal=True, vertical_alignment="center"):
        is_shown = st.toggle("Show", key=f"quarantine.show.{key}")
        if group.state == "open":
            how = allowed(Role.CURATOR, "Leave these rows out on purpose.")
            if st.button("Ignore", key=f"quarantine.ignore.{key}", **how):
                bench.ignore(dataset.name, group.reason)
                st.rerun()
            help = "Load these rows as they are, where they are conversations at all; they may not be scorable."
            if bench.can_keep(dataset.name, group.reason) and st.button(
                "Keep", key=f"quarantine.keep.{key}", **allowed(Role.CURATOR, help)
            ):
                bench.keep(dataset.name, group.reason)
                st.rerun()
        elif st.button("Reopen", key=f"quarantine.reopen.{key}", **allowed(Role.CURATOR, "Take the decision back.")):
            bench.reopen(dataset.name, group.reason, group.state)
            st.rerun()
    if is_shown:
        _show_entries(dataset, group, key)


def _show_entries(dataset: DatasetRow, group: EntryGroup, key: str) -> None:
    entries = open_bench().repairs.entries(dataset.name, reason=group.reason, state=group.state, limit=SHOWN_ROWS)
    if len(entries) < group.rows:
        st.caption(f"The first {len(entries)}, in the order of the file")
    table = pd.DataFrame(
        [(Path(e.file).name, e.line, e.byte_offset, shorten(e.text or e.raw)) for e in entries],
        columns=["File", "Line", "Byte", "Row"],
    )
    chosen = st.dataframe(
        table, hide_index=True, on_select="rerun", selection_mode="single-row", key=f"quarantine.table.{key}"
    )
    rows = chosen["selection"]["rows"]
    if rows:
        _edit(dataset, entries[rows[0]], key)
    else:
        st.caption("Choose a row to mend it.")


def _edit(dataset: DatasetRow, entry: Entry, key: str) -> None:
    text = entry.text or entry.raw
    if len(text) > LONGEST_EDITED:
        st.caption(f"This row has {format_count(len(text))} characters: too long to mend here; the command `fix` can.")
        return
    edited = st.text_area(
        f"Line {entry.line} of {escape_markdown(Path(entry.file).name)}",
        value=text,
        height=220,
        key=slot_key(f"quarantine.text.{key}", str(entry.entry)),
        help="One JSON object with the fields of this dataset's shape.",
    )
    key = slot_key(f"quarantine.fix.{key}", str(entry.entry))
    if st.button("Check and keep the fix", type="primary", key=key, **allowed(Role.CURATOR)):
        example = open_bench().fix(dataset.name, entry.entry, edited or "")
        said = " → ".join(str(message["role"]) for message in example.messages)
        say(f"Fixed: line {entry.line} will be loaded as {said}.")
        st.rerun()


def _rows(count: int) -> str:
    return f"{format_count(count)} {'row' if count == 1 else 'rows'}"
