"""The job strip: what runs, how far it is, how long yet, and a button that stops it."""

import streamlit as st

from core.people import Role
from core.records import JobProgress
from core.web.notices import escape_markdown
from core.web.scores import shorten
from core.web.session import allowed, open_bench
from core.web.theme import format_count, format_seconds, format_sig
from core.workbench.watching import WorkingJob

WORKING, SHOWN, TRIED = "working_jobs", "proof.shown", "trial.shown"
LONGEST_LINE = 300
SHOWN_BY = {"scoring": "scoring", "map": "map", "dataset": "load", "plan": "trial", "export": "check", "proof": "proof"}
"""Which kind of job a page shows itself."""
KINDS = {
    "load": "Loading",
    "scoring": "Scoring",
    "map": "Drawing the map of",
    "trial": "Trying a sample of",
    "check": "Dry run of",
    "proof": "Proof of",
}


def describe_progress(progress: JobProgress) -> str:
    """One line: counts, rate and time left, as far as they are known."""
    if progress.state == "queued":
        return "It starts by itself"
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


def cancel_button(job: WorkingJob, key: str, help: str = "What is finished is kept.") -> None:
    """The button that stops a job."""
    if st.button("Cancel", key=key, **allowed(Role.CURATOR, help)):
        open_bench().stop_job(job)
        st.toast("Stopping. It takes two seconds at most.")


def warn_of_silence(kind: str, of: str, progress: JobProgress) -> None:
    """Say when nothing was heard of a worker for long, how its log ends, and what to do."""
    bench = open_bench()
    if not bench.launcher.is_stalled(progress):
        return
    log = bench.job_log(kind, of, 1)
    ends = f" Its log ends with: {shorten(log, LONGEST_LINE)}." if log else ""
    minutes = format_count(int(progress.silent_seconds // 60))
    told = f"No progress for {minutes} minutes.{ends} Cancel it and resume: what is finished is kept."
    st.warning(escape_markdown(told))


def job_strip(page: str, *, is_needed: bool) -> None:
    """Every job that works in this workspace, in the sidebar; when one ends, the page is drawn again.

    It looks every second only while a job works, which `is_needed` says. Such a look that is under way while a page
    is left still names the old page, and the browser then takes the new page's content away: the fewer the better. A
    page that shows a job itself (`page`) has it there alone.
    """
    if is_needed or st.session_state.get(WORKING):
        shown = SHOWN_BY.get(page)
        st.fragment(_look_at_jobs, run_every=1.0 if is_needed else None)(shown)


def _look_at_jobs(shown_by_page: str | None) -> None:
    bench = open_bench()
    jobs = bench.working_jobs()
    for job in jobs:
        mine = tuple(st.session_state.get(name) for name in ("run", "load", TRIED, SHOWN))
        if job.kind == shown_by_page and (job.kind == "check" or job.of in mine):
            continue
        st.caption(escape_markdown(f"{KINDS[job.kind]} {job.dataset}"))
        show_progress(job.progress)
        warn_of_silence(job.kind, job.of, job.progress)
        cancel_button(job, f"strip.cancel.{job.kind}.{job.of}")
    now = {(job.kind, job.of) for job in jobs}
    ended = st.session_state.get(WORKING, now) - now
    st.session_state[WORKING] = now
    if ended:
        bench.take_in()
        st.rerun()
