"""A session's keys are taken in turn: few of them, never one for two things that are shown together, and never one
whose value may still be there."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.web.review import queue
from core.web.session import current_person, open_bench
from core.web.slots import RUNS, take_slot
from core.workbench import Workbench
from core.workbench.reviewing import QueueRequest
from tests.pages.conftest import Open, button

SLOTS = 16


@given(st.lists(st.tuples(st.integers(0, 2 * SLOTS), st.booleans()), max_size=6 * SLOTS))
def test_what_was_shown_of_late_keeps_its_own_slot(shown: list[tuple[int, bool]]) -> None:
    taken, drawn, last, holder = dict[str, tuple[int, int]](), 0, dict[int, int](), dict[int, int]()
    for each, is_drawn in shown:
        number = take_slot(taken, str(each), SLOTS, drawn)
        before = holder.get(number, each)
        assert before == each or drawn - last[before] >= RUNS
        assert each not in holder.values() or holder.get(number) == each
        holder = {of: who for of, who in holder.items() if who != each} | {number: each}
        last[each] = drawn
        drawn += is_drawn
    assert all(is_drawn for _, is_drawn in shown) <= (set(holder) <= set(range(SLOTS)))


def _list_lines() -> None:
    import streamlit as st

    from core.web.slots import count_run, slot_key

    first = st.session_state.get("first", 0)
    for line in range(first, first + 10):
        st.button(f"Undo {line}", key=slot_key("line", str(line), 24))
    count_run()


def test_streamlit_keeps_records_of_no_more_widgets_than_there_are_slots() -> None:
    app = AppTest.from_function(_list_lines).run()
    for first in range(60):
        app.session_state["first"] = first
        app.run()
    assert [button.label for button in app.button] == [f"Undo {line}" for line in range(first, first + 10)]
    wrapped: Any = app.session_state
    state = wrapped._state._state
    keys = state._key_id_mapper.id_key_mapping
    assert len(keys) == len(state._new_widget_state.widget_metadata) == 24


def test_a_judged_examples_note_is_not_carried_to_a_later_one_by_runs_that_end_before_its_field(
    open_app: Open, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "6").selection
        second = bench.review_queue(QueueRequest(chosen, "border", 50))[1].row
        bench.judge("chats", second, "border", "keep", "said of the second", current_person())
    app = open_app(workspace, "review")
    allow, ends = queue.allowed, iter(range(2, 8))

    def press_next(*asked: Any) -> dict[str, Any]:
        if app.number_input(key="at").value > 1 and (at := next(ends, None)) is not None:
            queue._go_to(at)
        return allow(*asked)

    monkeypatch.setattr(queue, "allowed", press_next)
    for _ in range(6):
        button(app, "Next").click().run()
        (note,) = [field for field in app.text_input if field.key and field.key.startswith("review.note")]
        assert not app.exception and note.value == ""
    button(app, "Unsure").click().run()
    made = {made.row: made.why for made in open_bench().judgements.standing("chats")}
    assert made.pop(second) == "said of the second" and list(made.values()) == [""]


@pytest.mark.parametrize("is_hurried", [True, False])
def test_a_note_is_not_carried_to_a_later_example_however_fast_one_steps_there(
    open_app: Open, workspace: Path, monkeypatch: pytest.MonkeyPatch, is_hurried: bool
) -> None:
    with Workbench(workspace) as bench:
        bench.select("chats", "fisher", "6")
    app = open_app(workspace, "review")
    app.text_input(key=f"review.note.chats.{current_person()}.0").set_value("only of the first").run()
    show = queue.show_asked

    def be_late(asked: queue.Queue, at: int) -> None:
        if 1 <= at < 8:  # the next press of Right comes before the page is drawn
            queue._go_to(at + 1)
        show(asked, at)

    if is_hurried:
        monkeypatch.setattr(queue, "show_asked", be_late)
    for _ in range(1 if is_hurried else 8):
        button(app, "Next").click().run()
    assert not app.exception and app.number_input(key="at").value == 9
    assert [field.value for field in app.text_input if field.key and field.key.startswith("review.note")] == [""]
    button(app, "Keep").click().run()
    assert [made.why for made in open_bench().judgements.standing("chats")] == [""]
