"""A job on the page that it belongs to: how far it is, what its log says, and what to do where it ended badly."""

import streamlit as st

from core.records import JobProgress
from core.web.notices import escape_markdown
from core.web.session import open_bench
from core.web.strip import KINDS, cancel_button, show_progress, warn_of_silence
from core.workbench.watching import WorkingJob


def show_work(job: WorkingJob, help: str = "What is finished is kept.") -> None:
    """Progress, an alarm where there is none, the button that stops it, and the log."""
    show_progress(job.progress)
    warn_of_silence(job.kind, job.of, job.progress)
    cancel_button(job, f"cancel.{job.kind}.{job.of}", help)
    show_log(job.kind, job.of)


def show_bad_end(kind: str, of: str, progress: JobProgress) -> None:
    """Why a job ended without its result, and its log."""
    name = KINDS[kind].removesuffix(" of")
    if progress.state == "failed":
        st.error(escape_markdown(f"{name} failed: {progress.error}"))
    elif progress.state == "interrupted":
        st.warning(escape_markdown(f"{name} was interrupted. {progress.error or 'What was finished is kept.'}"))
    else:
        st.info(f"{name} was {progress.state}. What was finished is kept.")
    show_log(kind, of)


def show_log(kind: str, of: str) -> None:
    """The last lines of its log, as text."""
    if text := open_bench().job_log(kind, of):
        with st.expander("Log", icon=":material/notes:"):
            st.code(text, language=None, wrap_lines=True)
