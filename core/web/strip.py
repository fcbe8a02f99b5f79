"""The job strip: what runs, how far it is, how long yet, and a button that stops it."""

import streamlit as st

from core.records import JobProgress
from core.web.session import open_bench
from core.web.theme import format_count, format_seconds, format_sig


def describe_progress(progress: JobProgress) -> str:
    """One line: counts, rate and time left, as far as they are known."""
    if not progress.is_working:
        return {"done": "Done", "new": "Not started"}.get(progress.state, progress.state.capitalize())
    parts = []
    if progress.total:
        parts.append(f"{format_count(progress.done)} of {format_count(progress.total)} {progress.unit}")
    if progress.rate:
        parts.append(f"{format_sig(progress.rate)} a second")
    if progress.seconds_left is not None:
        parts.append(f"{format_seconds(progress.seconds_left)} left")
    return " · ".join(parts) or "Working"


def show_progress(progress: JobProgress) -> None:
    """A bar with the phase above it and the figures below."""
    share = min(progress.done / progress.total, 1.0) if progress.total else 0.0
    st.progress(share, text=progress.phase or "Starting")
    st.caption(describe_progress(progress))


def job_strip(run: str | None) -> None:
    """Jobs of the chosen run in the sidebar; when one ends, the page is drawn again.

    It looks every second only while a job works. Such a look that is under way while `st.switch_page` leads to
    another page still names the old one, and the browser then takes the new page's content away: the fewer the better.
    """
    if run:
        working = any(progress.is_working for progress in _jobs(run).values())
        st.fragment(_look_at_jobs, run_every=1.0 if working else None)(run)


def _jobs(run: str) -> dict[str, JobProgress]:
    bench = open_bench()
    return {"scoring": bench.run_progress(run), "map": bench.map_progress(run)}


def _look_at_jobs(run: str) -> None:
    bench, jobs = open_bench(), _jobs(run)
    for name, progress in jobs.items():
        if progress.is_working:
            show_progress(progress)
            if name == "scoring" and st.button("Cancel", key="strip.cancel", help="What is finished is kept."):
                bench.cancel_run(run)
    ended = {f"{run} {name}" for name, progress in jobs.items() if progress.has_ended}
    if not ended <= st.session_state.setdefault("ended_jobs", ended):
        st.session_state["ended_jobs"] = ended
        bench.take_in()
        st.rerun()
    st.session_state["ended_jobs"] = ended
