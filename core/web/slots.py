"""Keys for what comes and goes: a field for each example that one leafs through, a button for each line of a history.

Streamlit keeps a record of every key that a session ever had, some kilobytes with what its callback holds, until the
session ends (SessionState.remove_stale_widgets drops the values alone). So keys are taken in turn.
"""

import streamlit as st

FEW = 8
"""For what is shown one at a time. A key serves another only when so many others were shown since, so that a late press
cannot meet what took its place."""


def slot_key(name: str, of: str, most: int = FEW) -> str:
    """The key, in this session, of the widget that belongs to `of`: the same one as long as it is shown, and another's
    `most` others later."""
    return f"{name}.{take_slot(st.session_state.setdefault(f'slots.{name}', {}), of, most)}"


def take_slot(taken: dict[str, int], of: str, most: int) -> int:
    """The number, below `most`, that `of` holds in `taken`, where the last shown is last; else a free one, or that of
    what was not shown for the longest."""
    number = taken.pop(of, None)
    if number is None:
        number = len(taken) if len(taken) < most else taken.pop(next(iter(taken)))
    taken[of] = number
    return number
