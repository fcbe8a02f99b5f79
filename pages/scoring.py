"""What will it cost, and how far is it?"""

import itertools

import pandas as pd
import streamlit as st

from core.people import Role
from core.records import DatasetRow, RunRow
from core.web.charts import describe_learning_curve, draw_learning_curve, figure_config
from core.web.histograms import draw_spread
from core.web.jobs import show_bad_end, show_work
from core.web.notices import escape_markdown, lead_to, show_errors
from core.web.scores import SCORES, scores_of
from core.web.scoring.run_form import ask_settings
from core.web.session import allowed, current_run, go_on_with, open_bench
from core.web.steps import require_dataset
from core.web.theme import format_count, format_percent, format_seconds
from core.workbench.watching import WorkingJob

FIRST = "One forward pass of a model over every example finds what it knows of it already, and what it could learn."


def start_card(dataset: DatasetRow) -> None:
    """Ask, then start the job."""
    st.write(
        f"One forward pass over {format_count(dataset.rows_loaded)} examples, and a second by a lightly tuned model "
        "unless the base model is all that you ask for."
    )
    settings = ask_settings(dataset.name)
    how = {"disabled": settings.calibrated_model == ""} | allowed(Role.CURATOR)
    if st.button("Start scoring", type="primary", **how):
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
    show_work(WorkingJob("scoring", run.run, run.dataset, progress), "What is finished is kept; it can be resumed.")
    show_figures(run, None)


def show_run(run: RunRow) -> None:
    """Where the run stands and what it has found."""
    bench = open_bench()
    progress = bench.run_progress(run.run)
    if progress.is_working:
        show_job(run)
        return
    if progress.state != "done":
        show_bad_end("scoring", run.run, progress)
        if st.button("Resume", type="primary", **allowed(Role.CURATOR)):
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
    shown = [("Scored", format_count(counts["scored"])), ("Unscorable", format_count(counts["unscorable"]))]
    shown += [("Held out for a proof", format_count(counts["held_out"]))] if run.settings.get("held_out") else []
    shown += [("Response tokens", format_count(counts["tokens"])), ("Time", format_seconds(seconds))]
    for column, (title, figure) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(title, figure)
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
                figure, alt = draw_spread(values, f"{title} ({unit})")
                st.plotly_chart(figure, key=f"histogram.{name}", config=figure_config(name), alt=alt)
                st.caption(meaning)
    for before, after in itertools.pairwise(bench.rounds(run.run)):
        st.caption(
            f"Round {after.number} tuned on {format_count(after.examples)} examples, {format_percent(after.overlap)} "
            f"of them the same as in round {before.number}."
        )
    if curve := bench.learning_curve(run.run):
        st.plotly_chart(draw_learning_curve(curve), key="learning_curve", alt=describe_learning_curve(curve))


with show_errors():
    chosen = require_dataset(FIRST)
    if chosen:
        latest = current_run()
        with st.expander("New scoring run", expanded=latest is None, icon=":material/play_arrow:"), show_errors():
            start_card(chosen)
        if latest:
            show_run(latest)
            if open_bench().run_progress(latest.run).state == "done":
                with st.container(key="go_on"):
                    lead_to("select", "Choose examples")
