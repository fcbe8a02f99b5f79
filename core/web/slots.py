"""Keys for what comes and goes: a field for each example that one leafs through, a button for each line of a history.

Streamlit keeps a record of every key that a session ever had, some kilobytes with what its callback holds, until the
session ends (SessionState.remove_stale_widgets drops the values alone). So keys are taken in turn.
"""

import streamlit as st

SLOTS = 128
"""More than are shown at once: a key serves another only when so many others were shown since, so that a late press
cannot meet what took its place."""


def slot_key(name: str, of: str) -> str:
    """The key, in this session, of the widget that belongs to `of`: the same one as long as it is shown, and another's
    `SLOTS` others later."""
    return f"{name}.{take_slot(st.session_state.setdefault(f'slots.{name}', {}), of)}"


def take_slot(taken: dict[str, int], of: str) -> int:
    """The number that `of` holds in `taken`, the last shown last; else a free one, or that of the longest not shown."""
    number = taken.pop(of, None)
    if number is None:
        number = len(taken) if len(taken) < SLOTS else taken.pop(next(iter(taken)))
    taken[of] = number
    return number
