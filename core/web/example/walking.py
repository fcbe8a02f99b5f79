"""Which example comes next? The order to walk through, and the keys that do it."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.people import Role
from core.records import DatasetRow
from core.web.cut import Cut
from core.web.deciding import BUTTONS, HELP, on_decide
from core.web.linked import choose_linked, read_number
from core.web.rows import ask_row
from core.web.session import allowed, open_bench
from core.web.slots import slot_key
from core.web.theme import format_count

ORDER, LEFT, ALL = "order", "left", "all"
WALKS = {ORDER: "The selection, in order", LEFT: "What was left out, by entry", ALL: "All rows"}
WALK_HELP = (
    "What previous and next go through: the selection in its order, what it leaves out by the budget at which each "
    "would enter, or every row."
)
SHORTCUTS = {"note": None, "pin": "P", "ban": "B"}
KEYS = {
    "←": "previous example",
    "→": "next example",
    "P": "pin it, with the reason typed, if any",
    "B": "ban it, with the reason typed, if any",
    "N": "write a note; Enter keeps it",
    "?": "open and close this list",
    "Tab, then ← →": "in the response: go from token to token",
}
POPOVER, DECIDE = "example-keys", "example-decide"

_listen = st.components.v2.component(
    "gleaner_keys",
    html="<span hidden></span>",
    js="""
let stop = () => {};  // Streamlit calls again on every change of data, and cleans up only when the page is left
export default function listen({ data }) {
  stop();
  const take = (event) => {
    const typing = event.composedPath().some((e) => e.isContentEditable || ["INPUT", "TEXTAREA"].includes(e.tagName));
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") document.querySelector(`.st-key-${data.popover} button`)?.click();
    if (event.key !== "n" && event.key !== "N") return;
    document.querySelector(`.st-key-${data.decide} input`)?.focus();
    event.preventDefault();
  };
  document.addEventListener("keydown", take);
  stop = () => document.removeEventListener("keydown", take);
  return stop;
}
""",
)


@dataclass(frozen=True, slots=True)
class Walk:
    """Rows in the order in which they are walked through, and where the row that is read stands; `place` is none
    where it is not among them."""

    rows: np.ndarray
    place: int | None

    @classmethod
    def at(cls, rows: np.ndarray, row: int) -> "Walk":
        """The walk through these rows, standing at this one."""
        found = np.flatnonzero(rows == row)
        return cls(rows, int(found[0]) if len(found) else None)

    def step(self, by: int) -> int | None:
        """The row so many places on, if there is one; one who is not on the way yet begins at the first."""
        place = (0 if by > 0 else -1) if self.place is None else self.place + by
        return int(self.rows[place]) if 0 <= place < len(self.rows) else None

    def tell(self) -> str:
        """Where one stands."""
        if self.place is None:
            return f"Not among these {format_count(len(self.rows))}"
        return f"{format_count(self.place + 1)} of {format_count(len(self.rows))}"


def walk_rows(kind: str, count: int, cut: Cut | None, entering: np.ndarray | None) -> np.ndarray:
    """The rows of a walk; `entering` are those outside the stored selection, the first to enter first. What another
    budget leaves of the selection comes before them, since it enters sooner."""
    if cut is None or kind == ALL:
        return np.arange(count)
    if kind == ORDER:
        return cut.rows
    assert entering is not None
    is_stored = np.ones(count, dtype=bool)
    is_stored[entering] = False
    stored, is_shown = np.flatnonzero(is_stored), cut.mask(count)
    return np.concatenate([stored[~is_shown[stored]], entering[~is_shown[entering]]])


def show_walk(dataset: DatasetRow, cut: Cut | None) -> int:
    """Previous, next, the row, what to walk through, and the keys; returns the row that is read."""
    asked = st.query_params.get("row")
    with st.container(horizontal=True, vertical_alignment="bottom", key="example-walk"):
        back, forth = st.empty(), st.empty()
        row = ask_row(dataset)
        kind = _ask_walk() if cut else ALL
        with st.popover("Keys", key=POPOVER, type="tertiary"):
            for key, what in KEYS.items():
                st.markdown(f"**{key}** {what}")
        entering = _entering(cut.selection.selection, dataset.rows_loaded) if cut and kind == LEFT else None
        walk = Walk.at(walk_rows(kind, dataset.rows_loaded, cut, entering), row)
        _offer(back, "Previous", "Left", walk, -1)
        _offer(forth, "Next", "Right", walk, 1)
        st.markdown(walk.tell())
    _listen(key="example.listen", data={"popover": POPOVER, "decide": DECIDE})
    if asked is not None and not ((number := read_number(asked)) is not None and number < dataset.rows_loaded):
        st.warning(f"There is no such row here: this dataset has rows 0 to {dataset.rows_loaded - 1:,}.")
    return row


def show_decisions(dataset: str, row: int) -> None:
    """Note, pin and ban this example, by button or key. Enter presses the first button, so that is the harmless one."""
    key = slot_key("example", f"{dataset}.{row}")
    with st.container(key=DECIDE), st.form(key, clear_on_submit=True, border=False):
        st.text_input("Why", key=f"{key}.why", placeholder="A reason; a note needs it")
        with st.container(horizontal=True):
            for kind, shortcut in SHORTCUTS.items():
                how = allowed(Role.ANNOTATOR, HELP[kind]) | on_decide(dataset, [row], kind, f"{key}.why")
                st.form_submit_button(BUTTONS[kind], key=f"{key}.{kind}", shortcut=shortcut, **how)


def _ask_walk() -> str:
    return choose_linked(
        st.selectbox, "Walk through", "walk", list(WALKS), WALKS.__getitem__, help=WALK_HELP, width=260
    )


def _offer(place: DeltaGenerator, label: str, key: str, walk: Walk, by: int) -> None:
    """A button that leads to another row, and has its key."""
    place.button(
        label,
        key=f"example.{label}",
        shortcut=key,
        disabled=walk.step(by) is None,
        on_click=_go,
        args=(walk.rows, by),
    )


def _go(rows: np.ndarray, by: int) -> None:
    """From the row that is asked for now: keys may come faster than the page is drawn."""
    asked = st.session_state.get("row")  # none where the key came before the page was drawn
    row = None if asked is None else Walk.at(rows, int(asked)).step(by)
    if row is not None:
        st.session_state["row"] = row


@st.cache_resource(show_spinner=False, max_entries=8)
def _entering(selection: str, count: int) -> np.ndarray:
    """The rows outside a selection, those first that would enter first, then those of which that is unknown."""
    places = open_bench().selections.places(selection, count)
    rows = np.flatnonzero(places["rank"] == 0)
    enters = places["enters"][rows]
    order: np.ndarray = rows[np.lexsort((rows, enters, enters < 0))]
    return order
