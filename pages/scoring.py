"""What will it cost, and how far is it?"""

import itertools

import pandas as pd
import streamlit as st

from core.records import DatasetRow, RunRow
from core.web.charts import draw_histogram, draw_learning_curve
from core.web.notices import escape_markdown, missing, show_errors
from core.web.run_form import ask_settings
from core.web.scores import SCORES, scores_of
from core.web.session import current_dataset, current_run, go_on_with, open_bench
from core.web.strip import describe_progress, show_progress
from core.web.theme import format_count, format_percent, format_seconds


def start_card(dataset: DatasetRow) -> None:
    """Ask, then start the job."""
    st.write(
        f"One forward pass over {format_count(dataset.rows_loaded)} examples, then a second by a lightly tuned model."
    )
    settings = ask_settings()
    if st.button("Start scoring", type="primary", disabled=settings.calibrated_model == ""):
        with st.spinner("Reading the model's tokenizer"):
            run = open_bench().start_scoring(dataset.name, settings)
        go_on_with(run=run, selection=None)


@st.fragment(run_every=2.0)
def show_job(run: RunRow) -> None:
    """The running job and what it has found so far, drawn again as it goes on."""
    bench = open_bench()
    progress = bench.run_progress(run.run)
    if not progress.is_working:
        st.rerun()
    show_progress(progress)
    if st.button("Cancel", key="job.cancel", help="What is finished is kept, and the run can be resumed."):
        bench.cancel_run(run.run)
    show_figures(run, None)


def show_run(run: RunRow) -> None:
    """Where the run stands and what it has found."""
    bench = open_bench()
    progress = bench.run_progress(run.run)
    if progress.is_working:
        show_job(run)
        return
    if progress.state != "done":
        st.warning(escape_markdown(f"{describe_progress(progress)}. {progress.error or 'What was finished is kept.'}"))
        if st.button("Resume", type="primary"):
            bench.resume_run(run.run)
            st.rerun()
    show_figures(run, progress.result.get("seconds"))
    show_settings(run)


def show_settings(run: RunRow) -> None:
    """What the run was asked to compute."""
    with st.expander(f"Settings of run {run.run}"):
        groups = {"scoring": run.settings["scoring"], "calibration": run.settings["calibration"] or {}}
        lines = [
            {"Of": group, "Option": name, "Value": str(value)}
            for group, values in groups.items()
            for name, value in values.items()
            if value is not None
        ]
        st.dataframe(pd.DataFrame(lines), hide_index=True, height="content")


def show_figures(run: RunRow, seconds: float | None) -> None:
    """Counts and the distributions of the scores."""
    bench = open_bench()
    counts = bench.runs.counts(run.run)
    figures = st.columns(4)
    figures[0].metric("Scored", format_count(counts["scored"]))
    figures[1].metric("Unscorable", format_count(counts["unscorable"]))
    figures[2].metric("Response tokens", format_count(counts["tokens"]))
    figures[3].metric("Time", format_seconds(seconds))
    if counts["truncated"]:
        st.caption(
            f"{format_count(counts['truncated'])} responses were cut at max_length and scored as far as they go."
        )
    for reason, count in bench.runs.unscorable_reasons(run.run):
        st.caption(escape_markdown(f"{format_count(count)} unscorable: {reason}"))
    for note in bench.run_notes(run.run):
        st.caption(escape_markdown(note))
    frame = scores_of(run.run)
    names = [name for name in ("nll", "entropy", "delta_nll", "delta_entropy") if frame[name].notna().any()]
    for left in range(0, len(names), 2):
        for column, name in zip(st.columns(2), names[left : left + 2], strict=False):
            title, unit, meaning = SCORES[name]
            values = frame[name].to_numpy(dtype=float)
            with column:
                st.markdown(f"**{title}**", help=f"{meaning} A nat is 1.44 bits.")
                st.plotly_chart(draw_histogram(values, values != values, f"{title} ({unit})"), key=f"histogram.{name}")
    for before, after in itertools.pairwise(bench.rounds(run.run)):
        st.caption(
            f"Round {after.number} tuned on {format_count(after.examples)} examples, {format_percent(after.overlap)} "
            f"of them the same as in round {before.number}."
        )
    if curve := bench.learning_curve(run.run):
        st.markdown("**Calibration**", help="The loss on the responses of the warm-up examples, step by step.")
        st.plotly_chart(draw_learning_curve(curve), key="learning_curve")


with show_errors():
    chosen = current_dataset()
    if chosen is None:
        missing("Scoring needs a dataset.", "Load a dataset", "../../pages/dataset.py")
    else:
        latest = current_run()
        with st.expander("New scoring run", expanded=latest is None, icon=":material/play_arrow:"), show_errors():
            start_card(chosen)
        if latest:
            show_run(latest)
            if open_bench().run_progress(latest.run).state == "done" and st.button(
                "Choose examples", type="primary", icon=":material/arrow_forward:"
            ):
                st.switch_page("../../pages/select.py")
