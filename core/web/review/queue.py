"""Which queue, which example of it, and what does this person say of it? One example at a time, three keys.

Others' verdicts on an example are shown after one's own, never before.
"""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.choices import Judgement, SelectionRow
from core.people import Role
from core.web.linked import choose_linked, read_number
from core.web.naming import describe_selection
from core.web.notices import escape_markdown, lead_to, missing, show_errors
from core.web.reading import show_whole
from core.web.session import allowed, current_person, open_bench
from core.web.slots import slot_key
from core.web.theme import format_count
from core.workbench.reviewing import QUEUES, VERDICTS, Asked, QueueRequest

FIRST = (
    "Review shows one example at a time to keep, drop or leave unsure: those at the cut, those that selections "
    "disagree about, near-duplicates, truncated responses, or a random check."
)
MEANINGS = {
    "border": "The last picks and the first left out, in turn from the cut outwards: here the budget decided, not you.",
    "disagree": "What one of two selections has and the other has not, the farthest apart in rank first.",
    "repeats": "Examples that repeat another, beside the one that stands for them: drop what adds nothing.",
    "truncated": "Examples that the model was shown only a part of, the selected ones first.",
    "random": "Selected examples drawn by the seed: is the selection what you wanted?",
}
NOTHING = {
    "border": "Nothing lies at the cut: everything in it is pinned.",
    "disagree": "The two selections have the same examples.",
    "repeats": "No example repeats another.",
    "truncated": "No response of this run was truncated.",
    "random": "The selection is empty.",
}
KEYS = {"keep": ("Keep", "K"), "drop": ("Drop", "D"), "unsure": ("Unsure", "U")}
HELP = {
    "keep": "It belongs into what a model is tuned on.",
    "drop": "It does not.",
    "unsure": "Somebody else should say.",
}
NEXT, OF = "review.next", "review.of"
KEYS_HELP = "K keeps, D drops, U is unsure; ← and → turn the pages."
Judged = dict[str, dict[int, Judgement]]


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of a dataset, its examples, and what was said of them by whom."""

    dataset: str
    request: QueueRequest
    asked: list[Asked]
    judged: Judged

    @property
    def rows(self) -> list[int]:
        """Its rows, in order."""
        return [one.row for one in self.asked]

    def said_by(self, person: str) -> dict[int, Judgement]:
        """What one person said, by row."""
        return self.judged.get(person, {})


def ask_queue(selection: SelectionRow) -> Queue | None:
    """Draw the choosers; the queue they name, or what is missing."""
    against, seed = None, 0
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = choose_linked(
            st.segmented_control, "Queue", "queue", list(QUEUES), QUEUES.__getitem__, required=True, width="content"
        )
        length = st.number_input(
            "Length", min_value=1, max_value=1_000, value=50, step=10, key="length", bind="query-params", width=130
        )
        if kind == "random":
            seed = st.number_input("Seed", min_value=0, value=0, step=1, key="seed", bind="query-params", width=130)
        if kind == "disagree":
            against = _ask_against(selection)
            if against is None:
                return None
    st.caption(MEANINGS[kind])
    request = QueueRequest(selection.selection, kind, int(length), int(seed), against)
    asked = read_queue(request, selection.created_at)
    if not asked:
        st.write(NOTHING[kind])
        if kind == "disagree":
            lead_to("compare", "Compare them")
        return None
    rows = [one.row for one in asked]
    return Queue(selection.dataset, request, asked, open_bench().judged(selection.dataset, kind, rows))


def _ask_against(selection: SelectionRow) -> str | None:
    others = {row.selection: row for row in open_bench().selections.of_run(selection.run)}
    del others[selection.selection]
    if not others:
        missing("This run has no other selection to disagree with.", "Choose by another goal", "select")
        return None
    return choose_linked(
        st.selectbox, "Against", "against", list(others), lambda name: describe_selection(others[name]), width=300
    )


@st.cache_resource(show_spinner="Looking for examples", max_entries=32)
def read_queue(request: QueueRequest, made_at: object) -> list[Asked]:
    """A queue, shared by all sessions; it stays the same until the selection is made anew."""
    del made_at
    return open_bench().review_queue(request)


def ask_position(queue: Queue) -> int:
    """Which example of the queue is shown, 0 first; kept in the address."""
    count, person = len(queue.asked), current_person()
    said = queue.said_by(person)
    if st.session_state.get(OF, queue.request) != queue.request:
        st.session_state[NEXT] = 1
    st.session_state[OF] = queue.request
    if NEXT in st.session_state:
        st.session_state["at"] = st.session_state.pop(NEXT)
    st.session_state["at"] = min(max(1, int(st.session_state.get("at") or _asked_position())), count)
    done = sum(row in said for row in queue.rows)
    left, right = st.columns([1, 3], vertical_alignment="bottom", gap="medium")
    at = left.number_input(
        f"Example, 1 to {format_count(count)}", min_value=1, max_value=count, step=1, key="at", bind="query-params"
    )
    right.progress(done / count, f"{format_count(done)} of {format_count(count)} judged by you")
    return int(at) - 1


def _asked_position() -> int:
    return read_number(st.query_params.get("at")) or 1


def ask_verdict(queue: Queue, at: int) -> None:
    """Previous, the three verdicts, next; each by a key."""
    one = queue.asked[at]
    own, note = queue.said_by(current_person()).get(one.row), _note_key(queue, one.row)
    with st.container(horizontal=True, gap="small"):
        if st.button("Previous", shortcut="Left", disabled=at == 0, width="stretch"):
            _go_to(at - 1)
        for verdict in VERDICTS:
            label, key = KEYS[verdict]
            is_own = own is not None and own.verdict == verdict
            how: Any = {"type": "primary" if is_own else "secondary", "key": f"review.{verdict}"}
            how |= allowed(Role.ANNOTATOR, HELP[verdict])
            if st.button(label, shortcut=key, width="stretch", **how):
                with show_errors():
                    _judge(queue, one.row, verdict)
                    _go_to(min(at + 1, len(queue.asked) - 1))
        if st.button("Next", shortcut="Right", disabled=at == len(queue.asked) - 1, width="stretch"):
            _go_to(at + 1)
    hint = "A note, kept with your verdict"
    st.text_input("Note", _note_of(own), key=note, placeholder=hint, label_visibility="collapsed")
    st.caption(escape_markdown(st.session_state.get(_own_key(queue, f"last.{queue.request.queue}"), KEYS_HELP)))


def _judge(queue: Queue, row: int, verdict: str) -> None:
    """Keep the verdict with its note, and say what others said of this example."""
    person = current_person()
    before = queue.said_by(person).get(row)
    why = str(st.session_state.get(_note_key(queue, row), _note_of(before)) or "")
    open_bench().judge(queue.dataset, row, queue.request.queue, verdict, why, person)
    others = [f"{who} {said[row].verdict}" for who, said in _others(queue, person) if row in said]
    told = f"others said: {', '.join(others)}" if others else "nobody else has judged it yet"
    st.session_state[_own_key(queue, f"last.{queue.request.queue}")] = f"Row {row:,}: {verdict}; {told}."


def _note_of(own: Judgement | None) -> str:
    return own.why if own else ""


def _note_key(queue: Queue, row: int) -> str:
    return slot_key(_own_key(queue, "note"), f"{queue.request.queue}.{row}")


def _own_key(queue: Queue, what: str) -> str:
    """Of this person and dataset alone: a note that one types, and what was said of others, is nobody else's."""
    return f"review.{what}.{queue.dataset}.{current_person()}"


def _go_to(at: int) -> None:
    st.session_state[NEXT] = at + 1
    st.rerun()


def show_asked(queue: Queue, at: int) -> None:
    """The example, large; of a near-duplicate also what it repeats."""
    one = queue.asked[at]
    rows = [one.row] if one.other is None else [one.row, one.other]
    examples = open_bench().datasets.examples(queue.dataset, rows)
    for column, example, name in zip(
        st.columns(len(rows), gap="medium"), examples, ("", "stands for it"), strict=False
    ):
        with column, st.container(border=True):
            st.markdown(f"**Row {example.row:,}**" + (f", {name}" if name else ""))
            if not name:
                st.caption(escape_markdown(one.why[:1].upper() + one.why[1:] + "."))
            show_whole(example, lambda _: False, f"review.turns.{example.row}")
            lead_to("example", "Its own page", row=str(example.row))


def show_said(queue: Queue, at: int) -> None:
    """One's own verdict, and once it is given those of others."""
    row, person = queue.asked[at].row, current_person()
    own = queue.said_by(person).get(row)
    if own is None:
        st.caption("What others said shows once you have said what you think.")
        return
    st.text(f"You said {own.verdict}, {own.made_at:%d %b %Y %H:%M}" + (f": {own.why}" if own.why else ""))
    others = [(who, said[row]) for who, said in _others(queue, person) if row in said]
    for who, made in others:
        st.text(f"{who} said {made.verdict}" + (f": {made.why}" if made.why else ""))
    if not others:
        st.caption("Nobody else judged it yet.")


def _others(queue: Queue, person: str) -> list[tuple[str, dict[int, Judgement]]]:
    return [(who, said) for who, said in sorted(queue.judged.items()) if who != person]
