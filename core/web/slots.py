"""Keys for what comes and goes: a field for each example that one leafs through, a button for each line of a history.

Streamlit keeps a record of every key that a session ever had, some kilobytes with what its callback holds, until the
session ends. So keys are taken in turn. A widget's value, such as a text that was typed, is dropped at the end of the
first run that does not show it, unless that run is broken off by the next one: only then may another have the key.
What is put under a key by `st.session_state[key] = …` before there is such a widget is not dropped: give it to the
widget. Runs of a fragment are not counted, so that in one each thing takes a key of its own.
"""

import streamlit as st

FEW = 8
"""For what is shown one at a time. A key serves another only when so many others were shown since, so that a late press
cannot meet what took its place."""
RUNS = 3
"""That were drawn to their end since a key was shown: the one that showed it, one that dropped its value, and one more,
before which the browser may have sent that value again."""
DRAWN = "slots.drawn"


def slot_key(name: str, of: str, most: int = FEW) -> str:
    """The key, in this session, of the widget that belongs to `of`: the same one as long as it is shown, and another's
    when `most` others were shown, or more where they were hurried through."""
    taken = st.session_state.setdefault(f"slots.{name}", {})
    return f"{name}.{take_slot(taken, of, most, st.session_state.get(DRAWN, 0))}"


def count_run() -> None:
    """A run was drawn to its end."""
    st.session_state[DRAWN] = st.session_state.get(DRAWN, 0) + 1


def take_slot(taken: dict[str, tuple[int, int]], of: str, most: int, drawn: int) -> int:
    """The number that `of` holds in `taken`; else a free one below `most`, or that of what was not shown for the
    longest and for `RUNS` of the runs that were `drawn` to their end; else one more than there were.

    `taken` holds numbers, and how many runs had been drawn when they were shown last, the last shown last.
    """
    number = taken.pop(of, (None, 0))[0]
    if number is None:
        oldest = next(iter(taken), None)
        is_free = oldest is not None and len(taken) >= most and drawn - taken[oldest][1] >= RUNS
        number = taken.pop(oldest)[0] if oldest is not None and is_free else len(taken)
    taken[of] = number, drawn
    return number
