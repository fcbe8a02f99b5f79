"""Which examples, and how many?"""

import streamlit as st

from core.choices import SelectionRow
from core.records import RunRow
from core.web.compared import show_bands, show_gates, show_mixture, show_scores, show_stability
from core.web.deciding import show_decisions
from core.web.desk import ask_selection
from core.web.notices import escape_markdown, show_errors
from core.web.selected import show_curve, show_figures, show_table, tell_verdict
from core.web.session import current_selection, go_on_with, open_bench
from core.web.steps import require_finished_run

NEXT_STEPS = {
    "See it on the map": "../../pages/map.py",
    "See each gain": "../../pages/gains.py",
    "Export": "../../pages/export.py",
}
PARTS = {
    "Against random": show_bands,
    "Scores": show_scores,
    "Mixture": show_mixture,
    "Left out": show_gates,
    "Stability": show_stability,
}


def controls(run: RunRow) -> None:
    """What to choose by, and how much; Select makes the selection."""
    asked = ask_selection(run)
    with st.expander(f"Decisions ({len(open_bench().history(run.dataset))})"):
        show_decisions(run.dataset, "desk.decisions")
    if asked is None:
        return
    with st.spinner("Selecting"):
        report = open_bench().select(
            run.dataset,
            asked.criterion,
            asked.budget,
            run=run.run,
            seed=asked.seed,
            settings=asked.settings,
            quotas=asked.quotas,
            target_run=asked.target_run,
            repeats=asked.repeats,
        )
    go_on_with(selection=report.selection)


def show_selection(selection: SelectionRow) -> None:
    """The figures that matter, the information curve, how it compares, and the examples."""
    show_figures(selection)
    tell_verdict(selection)
    for column, (label, page) in zip(st.columns(len(NEXT_STEPS)), NEXT_STEPS.items(), strict=True):
        if column.button(label, width="stretch"):
            st.switch_page(page)
    show_curve(selection)
    part = st.segmented_control(
        "Look at", list(PARTS), default="Against random", required=True, key="desk.part", label_visibility="collapsed"
    )
    with show_errors():
        PARTS[part](selection)
    show_table(selection)


with show_errors():
    finished = require_finished_run()
    if finished:
        left, right = st.columns([1, 3], gap="large")
        with left, show_errors():
            controls(finished)
        with right:
            shown_selection = current_selection()
            if shown_selection is None:
                st.write(escape_markdown("Choose a goal and a budget, then press Select: the examples appear here."))
            else:
                show_selection(shown_selection)
