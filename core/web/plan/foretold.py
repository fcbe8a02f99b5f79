"""What a trial foretells: a figure of each kind, and a table with a line for each number of devices."""

import pandas as pd
import streamlit as st

from core.reports import Forecast, Trial
from core.web.notices import escape_markdown
from core.web.session import open_bench
from core.web.status.tables import format_bytes
from core.web.theme import format_count, format_percent, format_seconds, format_sig

POOL_OF = "plan.pool_of"
HOW = (
    "Scoring is shared out to all devices; calibrating and choosing keep one of them busy, and the others are paid for "
    "meanwhile. Choosing is a tenth of the pool by lazy search; stochastic search takes less of a large one. More "
    "devices are foretold, not measured: they are taken to be like this one, and fed as fast."
)


def describe_trial(trial: str) -> str:
    """A trial by its model, its sample and its name."""
    settings, rows = open_bench().trial_settings(trial), open_bench().trial_rows(trial)
    model = settings.scoring.model.rstrip("/").rpartition("/")[2]
    second = " with calibration" if settings.calibration else " and a tuned one" if settings.calibrated_model else ""
    return f"{model}{second}, {format_count(rows)} rows, trial {trial[:6]}"


def show_forecast(trial: str) -> None:
    """The whole dataset's figures, with a price and another pool's size to be put in."""
    bench = open_bench()
    of = bench.trial_dataset(trial)
    own = bench.datasets.get(of).rows_loaded
    if st.session_state.setdefault(POOL_OF, of) != of:
        st.session_state.update({POOL_OF: of, "pool": None})
    left, right = st.columns(2)
    with left:
        rows = st.number_input(
            "Rows of the pool",
            min_value=1,
            max_value=10**12,
            value=None,
            placeholder=f"{format_count(own)}, those of this dataset",
            help="Another number foretells a pool of so many rows like these.",
            key="pool",
            bind="query-params",
        )
    with right:
        price = st.number_input(
            "Price of one device for an hour",
            min_value=0.0,
            value=None,
            placeholder="not given",
            help="In any currency.",
            key="price",
            bind="query-params",
        )
    measured, forecast = bench.foretell(trial, price, int(rows or own))
    _show_figures(measured, forecast)
    st.dataframe(pd.DataFrame(_lines(forecast)), hide_index=True, height="content")
    st.caption(HOW)
    st.caption(escape_markdown(_measured(measured)))


def _show_figures(measured: Trial, forecast: Forecast) -> None:
    with st.container(horizontal=True, gap="medium"):
        tokens = f"{format_count(forecast.tokens)} ± {format_percent(forecast.tokens_off)}"
        st.metric("Tokens, prompts too", tokens, width="content")
        st.metric("Memory while it scores", format_bytes(measured.memory_mb * 1024**2), width="content")
        st.metric("Disk of the run", format_bytes(forecast.disk_bytes), width="content")
        st.metric("On one device", format_seconds(3600 * forecast.waits[0].hours), width="content")


def _lines(forecast: Forecast) -> list[dict[str, str | int]]:
    lines: list[dict[str, str | int]] = []
    for wait in forecast.waits:
        line: dict[str, str | int] = {
            "Devices": wait.gpus,
            "All of it": format_seconds(3600 * wait.hours),
            "Scoring": format_seconds(wait.scoring_seconds),
            "Calibrating": format_seconds(wait.calibrating_seconds),
            "Choosing": format_seconds(wait.choosing_seconds),
            "Device hours": format_sig(wait.gpu_hours),
        }
        lines.append(line if wait.cost is None else line | {"Cost": format_sig(wait.cost)})
    return lines


def _measured(trial: Trial) -> str:
    rate = trial.mean_tokens * trial.rows / max(trial.pass_seconds, 1e-9)
    told = (
        f"Measured on {format_count(trial.rows)} rows, {trial.device}: {format_count(trial.scorable)} scorable, "
        f"{format_sig(trial.mean_tokens)} tokens each; {format_sig(rate)} tokens a second in one pass"
    )
    if trial.tuned_tokens:
        told += f", {format_sig(trial.tuned_tokens / max(trial.tuning_seconds, 1e-9))} in training"
    return told + f"; loading the model took {format_seconds(trial.loading_seconds)}."
