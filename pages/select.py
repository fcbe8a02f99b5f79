"""Which examples, and how many?"""

import streamlit as st

from core.choices import SelectionRow
from core.records import RunRow
from core.web.budget import show_budget
from core.web.cut import Cut, current_cut
from core.web.deciding import show_decisions
from core.web.desk.choosing import ask_budget, offer_to_select
from core.web.desk.compared import show_bands, show_gates, show_histogram, show_mixture, show_stability, tell_pattern
from core.web.desk.controls import ask_goal, ask_rest
from core.web.desk.selected import show_curve, show_figures, show_table, tell_verdict
from core.web.notices import lead_to, show_errors
from core.web.session import open_bench
from core.web.steps import require_finished_run
from core.web.theme import format_count

FIRST = "The Desk chooses examples: a goal, a budget, and what they bring against random ones."
NEXT_STEPS = {"map": "See it on the map", "gains": "See each gain", "export": "Export"}
PARTS = {"Against random": show_bands, "Left out": show_gates, "Stability": show_stability}


def show_controls(run: RunRow, cut: Cut | None) -> str:
    """What to choose by, and how much; the button makes the selection. Returns the budget's unit."""
    shown, asked = cut.selection if cut else None, None
    with st.container(border=True):
        name = ask_goal(run, shown)
        budget, unit = ask_budget(run, cut)
        with show_errors():
            asked = ask_rest(run, shown, name)
        with st.expander(f"Decisions ({format_count(open_bench().decisions.count(run.dataset))})", key="desk.decided"):
            show_decisions(run.dataset, "desk.decisions")
        with show_errors():
            offer_to_select(run, cut, asked, budget)
    return unit


def show_cut(cut: Cut, unit: str) -> None:
    """The budget and all that follows it: figures, curve, spread, mixture."""
    show_budget(cut, unit)
    show_figures(cut)
    tell_verdict(cut)
    with st.container(horizontal=True):
        for page, label in NEXT_STEPS.items():
            lead_to(page, label)
    show_curve(cut)
    left, right = st.columns(2, gap="medium")
    with left:
        show_histogram(cut)
    with right:
        show_mixture(cut)
    tell_pattern(cut.selection)
    show_more(cut.selection)


def show_more(selection: SelectionRow) -> None:
    """What is known of the stored selection beyond its figures."""
    part = st.segmented_control("More about the stored selection", list(PARTS), key="desk.part")
    if part:
        with show_errors():
            PARTS[part](selection)


@st.fragment
def desk(run: RunRow) -> None:
    """Drawn again alone when the budget moves."""
    cut = current_cut()
    left, right = st.columns([2, 5], gap="medium")
    with left:
        unit = show_controls(run, cut)
    with right:
        if cut is None:
            with st.container(border=True):
                st.write("Choose a goal and a budget, then press Select. What is chosen, and why, appears here.")
        else:
            show_cut(cut, unit)
    if cut is not None:
        show_table(cut)


with show_errors():
    finished = require_finished_run(FIRST)
    if finished:
        desk(finished)
