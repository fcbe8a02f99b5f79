"""What do the pages show as chosen? The stored selection, or what another budget cuts from its order.

The budget that is tried stands in the address as `budget`, in the words of the command line (`812`, `10%`,
`20000tok`), so that every page and every link shows the same examples. Nothing is computed anew: a cut is
arithmetic on an order that exists.
"""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.choices import SelectionRow, WhatIf
from core.errors import GleanerError
from core.settings import Budget
from core.web.notices import escape_markdown
from core.web.scores import ledger_of
from core.web.session import current_selection, open_bench

ADDRESS, TRIED = "budget", "tried"


@dataclass(frozen=True, slots=True)
class Cut:
    """Examples in order, by `rows`; `is_tried` where another budget than the stored selection's cut them."""

    selection: SelectionRow
    rows: np.ndarray
    tokens: int
    information: float
    is_exact: bool
    is_tried: bool

    def mask(self, count: int) -> np.ndarray:
        """True at the rows that it holds, [count]."""
        mask = np.zeros(count, dtype=bool)
        mask[self.rows] = True
        return mask


def current_cut() -> Cut | None:
    """The selection that the frame names, cut by the budget that is tried."""
    selection = current_selection()
    if selection is None:
        return None
    tried = tried_budget(selection)
    if tried is not None:
        try:
            seen, rows = _cut_order(selection, tried)
            is_other = not np.array_equal(rows, ledger_of(selection.selection).rows)
            return Cut(selection, rows, seen.tokens, seen.information, seen.is_exact, is_tried=is_other)
        except GleanerError as error:
            st.caption(escape_markdown(str(error)))
            try_budget(selection, None)
    return stored_cut(selection)


def stored_cut(selection: SelectionRow) -> Cut:
    """The selection as it is stored."""
    rows = ledger_of(selection.selection).rows
    return Cut(selection, rows, selection.tokens, selection.log_det, is_exact=True, is_tried=False)


def tried_budget(selection: SelectionRow) -> str | None:
    """The budget that is tried on this selection, if it is not the selection's own."""
    found = st.session_state.get(TRIED, {}).get(selection.selection)
    return None if found in (None, selection.budget) else found


def try_budget(selection: SelectionRow, budget: str | None) -> None:
    """Try another budget on this selection from now on, or go back to its own."""
    tried: dict[str, str] = st.session_state.setdefault(TRIED, {})
    if budget is None or budget == selection.budget:
        tried.pop(selection.selection, None)
    else:
        tried[selection.selection] = budget
    _keep_address(selection)


def follow_address(selection: SelectionRow | None) -> None:
    """Once a session take the tried budget from the address; after that the address follows what is tried."""
    if TRIED not in st.session_state:
        asked = st.query_params.get(ADDRESS)
        st.session_state[TRIED] = {selection.selection: _checked(asked, selection)} if selection and asked else {}
    _keep_address(selection)


def take_budget(selection: SelectionRow) -> None:
    """Try on this selection what the address asks for, whatever was tried on it before."""
    if (asked := st.query_params.get(ADDRESS)) is not None:
        try_budget(selection, _checked(asked, selection))


def _keep_address(selection: SelectionRow | None) -> None:
    tried = tried_budget(selection) if selection else None
    if tried:
        st.query_params[ADDRESS] = tried
    else:
        st.query_params.pop(ADDRESS, None)


def _checked(asked: str, selection: SelectionRow) -> str:
    try:
        return str(Budget.parse(asked))
    except GleanerError:
        return selection.budget


def cut_order(selection: SelectionRow, budget: str) -> WhatIf:
    """What a budget gives under the decisions in force, worked out once. Raises BadInput where it cannot be."""
    return _cut_order(selection, budget)[0]


def _cut_order(selection: SelectionRow, budget: str) -> tuple[WhatIf, np.ndarray]:
    return _cut(selection.selection, budget, open_bench().decisions.newest(selection.dataset))


@st.cache_resource(show_spinner=False, max_entries=16)
def _cut(selection: str, budget: str, decision: int) -> tuple[WhatIf, np.ndarray]:
    """With its rows as an array, made once."""
    del decision
    seen = open_bench().what_if(selection, budget)
    return seen, np.array(seen.rows, dtype=np.int64)
