"""Loads under way: how far, how long yet, and what to do about one that stopped."""

import streamlit as st

from core.people import Role
from core.records import IngestReport, JobProgress
from core.store.loads import LoadRow
from core.web.jobs import show_bad_end, show_work
from core.web.notices import escape_markdown, say, show_errors
from core.web.session import allowed, go_on_with, open_bench
from core.web.strip import show_progress, tell_amount
from core.web.theme import format_count
from core.workbench.watching import WorkingJob


@st.fragment(run_every=1.0)
def show_loads() -> None:
    """Every load that is not finished, and the end of the one that this session started."""
    bench = open_bench()
    for load, progress in bench.loads_under_way():
        with st.container(border=True), show_errors():
            _show_load(load, progress)
    mine = st.session_state.get("load")
    if mine:
        _greet_the_end(mine, bench.load_progress(mine))


def _show_load(load: LoadRow, progress: JobProgress) -> None:
    bench = open_bench()
    st.markdown(f"**Loading {escape_markdown(load.dataset)}**")
    if progress.is_working:
        show_work(WorkingJob("load", load.load, load.dataset, progress), "What was read is kept.")
        return
    if progress.state == "done":
        show_progress(progress)
        return
    show_bad_end("load", load.load, progress)
    st.caption(f"It had read {tell_amount(progress.done, progress.unit or 'rows')}.")
    with st.container(horizontal=True):
        if st.button("Resume", key=f"resume.{load.load}", type="primary", **allowed(Role.CURATOR)):
            st.session_state["load"] = load.load
            bench.resume_load(load.load)
        if st.button("Discard", key=f"discard.{load.load}", **allowed(Role.CURATOR, "Removes what was read so far.")):
            bench.discard_load(load.load)
            st.rerun()


def _greet_the_end(load: str, progress: JobProgress) -> None:
    if progress.state == "failed":
        st.error(escape_markdown(str(progress.error)))
    elif progress.state == "done" and load not in {row.load for row, _ in open_bench().loads_under_way()}:
        del st.session_state["load"]
        welcome(open_bench().load_report(load))


def welcome(report: IngestReport) -> None:
    """Say what was loaded, and go on with it."""
    say(f"Loaded {format_count(report.rows_loaded)} of {format_count(report.rows_read)} rows into {report.dataset}.")
    go_on_with(dataset=report.dataset, run=None, selection=None)
