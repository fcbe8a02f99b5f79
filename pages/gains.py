"""What did each pick bring, and where does it stop paying?"""

import streamlit as st

from core.web.budget import show_budget
from core.web.cut import current_cut
from core.web.gains.coverage import ask_groups, show_coverage, show_covering
from core.web.gains.picks import show_curve, show_figures, show_ledger, show_pick
from core.web.notices import show_errors
from core.web.steps import require_selection

FIRST = (
    "Gains shows what each pick added to the picks before it, where adding more stops paying, what is held of each "
    "group of the pool, and which picks stand for what was left out."
)


@st.fragment
def show_gains() -> None:
    """The whole page: all of it follows the budget slider."""
    with show_errors():
        cut = current_cut()
        if cut is None:
            return
        show_budget(cut)
        show_figures(cut)
        left, right = st.columns([3, 2], gap="large")
        with left:
            show_curve(cut)
            show_pick(cut)
        with right:
            column = ask_groups(cut.selection)
            if column is not None:
                show_coverage(cut, column)
        show_covering(cut, column)
        show_ledger(cut)


with show_errors():
    if require_selection(FIRST):
        show_gains()
