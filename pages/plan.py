"""What would the whole pool take?"""

import streamlit as st

from core.people import Role
from core.records import DatasetRow
from core.settings import TrialSettings
from core.web.forms import settings_form
from core.web.jobs import show_bad_end, show_work
from core.web.linked import choose_linked
from core.web.notices import show_errors
from core.web.plan.foretold import describe_trial, show_forecast
from core.web.scoring.run_form import ask_settings
from core.web.session import allowed, go_on_with, open_bench
from core.web.steps import require_dataset
from core.web.strip import TRIED
from core.web.theme import format_count
from core.workbench.watching import WorkingJob

FIRST = "Plan times a small sample of a dataset, and tells what all of it would take."
WHAT = (
    "A small sample is scored, tuned on and chosen from on this machine, which takes minutes. By what that took you "
    "see the hours, the memory, the disk and the cost of the whole pool, here or on more of the same devices. Nothing "
    "is kept of it but the figures."
)


@st.fragment(run_every=2.0)
def follow(trial: str, dataset: str) -> None:
    """The running trial, drawn again as it goes on."""
    progress = open_bench().trial_progress(trial)
    if not progress.is_working:
        st.rerun()
    show_work(WorkingJob("trial", trial, dataset, progress), "Nothing is kept of a trial that was stopped.")


def ask_trial(dataset: DatasetRow, *, is_first: bool) -> None:
    """The form of a scoring run, and how large a sample of it is tried."""
    with st.expander("New trial", expanded=is_first, icon=":material/timer:"), show_errors():
        st.write(WHAT)
        settings = ask_settings(dataset.name, "plan", can_hold_out=False)
        sample = settings_form(TrialSettings, "plan.sample", columns=2)
        how = {"disabled": settings.calibrated_model == ""} | allowed(Role.CURATOR)
        rows = min(sample.rows, dataset.rows_loaded)
        if st.button(f"Try {format_count(rows)} rows", type="primary", **how):
            with st.spinner("Reading the model's tokenizer"):
                trial = open_bench().start_trial(dataset.name, settings, sample)
            go_on_with(trial=trial)


def show_trials(dataset: DatasetRow) -> None:
    """What the trials of a dataset foretell, the newest first."""
    bench = open_bench()
    found = bench.trials(dataset.name)
    if found:
        trial, linked = found[0], st.query_params.get("trial", found[0])
        if linked not in found:
            st.warning(f"The link names a trial that is not here; shown is {describe_trial(trial)}.")
        if len(found) > 1 or linked not in found:
            trial = choose_linked(st.selectbox, "Trial", "trial", found, describe_trial)
        st.session_state[TRIED] = st.query_params["trial"] = trial
        progress = bench.trial_progress(trial)
        if progress.is_working:
            follow(trial, dataset.name)
        elif progress.state == "done":
            with show_errors():
                show_forecast(trial)
        else:
            show_bad_end("trial", trial, progress)
    ask_trial(dataset, is_first=not found)


with show_errors():
    chosen = require_dataset(FIRST)
    if chosen:
        show_trials(chosen)
