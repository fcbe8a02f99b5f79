"""What does the other choice take instead?"""

import streamlit as st

from core.web.compare.choices import FIRST, Pair, ask_pair, compare_pair, show_figures, show_mixtures, show_overlap
from core.web.compare.examples import show_disagreements, show_only
from core.web.compare.two_maps import show_maps
from core.web.notices import show_errors
from core.web.steps import require_finished_run
from core.workbench.differing import Difference

PARTS = {
    "Only A": lambda found: show_only(found, "A"),
    "Only B": lambda found: show_only(found, "B"),
    "Disagreement": show_disagreements,
    "Maps": show_maps,
}


def show_difference(found: Difference, pair: Pair) -> None:
    """The overlap and the figures, then the examples."""
    show_overlap(found)
    of_selections = found.a.selection is not None
    if of_selections:
        left, right = st.columns(2, gap="large")
        with left:
            show_figures(found, pair.information_a)
        with right:
            show_mixtures(found)
    part = st.segmented_control(
        "Look at",
        list(PARTS) if of_selections else ["Disagreement"],
        default="Only A" if of_selections else "Disagreement",
        required=True,
        key="part",
        bind="query-params",
        label_visibility="collapsed",
    )
    PARTS[part](found)


with show_errors():
    finished = require_finished_run(FIRST)
    if finished and (pair := ask_pair(finished)):
        show_difference(compare_pair(pair), pair)
