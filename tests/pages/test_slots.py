"""A session's keys are taken in turn: few of them, never one for two things that are shown together."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.web.slots import take_slot

SLOTS = 16


@given(st.lists(st.integers(0, 2 * SLOTS), max_size=6 * SLOTS))
def test_what_was_shown_of_late_keeps_its_own_slot(shown: list[int]) -> None:
    taken, late = dict[str, int](), dict[int, int]()
    for each in shown:
        number = take_slot(taken, str(each), SLOTS)
        assert late.pop(each, number) == number
        assert number not in late.values() and 0 <= number < SLOTS
        late[each] = number
        if len(late) > SLOTS - 1:
            late.pop(next(iter(late)))


def _list_lines() -> None:
    import streamlit as st

    from core.web.slots import slot_key

    first = st.session_state.get("first", 0)
    for line in range(first, first + 10):
        st.button(f"Undo {line}", key=slot_key("line", str(line), 16))


def test_streamlit_keeps_records_of_no_more_widgets_than_there_are_slots() -> None:
    app = AppTest.from_function(_list_lines).run()
    for first in range(0, 3 * SLOTS, 7):
        app.session_state["first"] = first
        app.run()
    assert [button.label for button in app.button] == [f"Undo {line}" for line in range(first, first + 10)]
    wrapped: Any = app.session_state
    state = wrapped._state._state
    keys = state._key_id_mapper.id_key_mapping
    assert len(keys) == len(state._new_widget_state.widget_metadata) == SLOTS
