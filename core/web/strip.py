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
        done = tell_amount(progress.done, progress.unit).rpartition(" ")[0]
        parts.append(f"{done} of {tell_amount(progress.total, progress.unit)}")
    if progress.rate:
        rate = tell_amount(progress.rate, progress.unit) if progress.unit == "bytes" else format_sig(progress.rate)
        parts.append(f"{rate} a second")
    if progress.seconds_left is not None:
        parts.append(f"{format_seconds(progress.seconds_left)} left")
    return " · ".join(parts) or "Working"


def tell_amount(amount: float, unit: str) -> str:
    """So many of a unit; bytes as megabytes."""
    return f"{format_sig(amount / 1e6)} MB" if unit == "bytes" else f"{format_count(int(amount))} {unit}"


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
