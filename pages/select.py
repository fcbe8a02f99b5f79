"""Which examples, and how many?"""

import math
from typing import Any

import streamlit as st

from core.records import RunRow, SelectionRow
from core.web.charts import draw_cumulative, draw_histogram
from core.web.desk import ask_selection
from core.web.notices import escape_markdown, show_errors
from core.web.scores import SCORES, ledger_table, read_picks, scores_of, selected_mask
from core.web.session import current_selection, go_on_with, open_bench
from core.web.steps import require_finished_run
from core.web.theme import format_count, format_percent, format_sig

PAGE_ROWS = 50
NEXT_STEPS = {
    "See it on the map": "../../pages/map.py",
    "See each gain": "../../pages/gains.py",
    "Export": "../../pages/export.py",
}
PROOF_HELP = (
    "A proof, not an estimate: no selection within the same budget, pins and quotas can hold more than an upper bound "
    "that follows from the objective being submodular and concave; this selection reaches at least this share of it."
)


def controls(run: RunRow) -> None:
    """What to choose by, and how much; Select makes the selection."""
    asked = ask_selection(run)
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
        )
    go_on_with(selection=report.selection)


def say_how_good(selection: SelectionRow) -> None:
    """Against random, and for another objective than information its own figures."""
    if missed := selection.settings.get("quotas_missed_by"):
        st.caption(f"The quotas of at least so much were missed by {format_count(missed)} tokens.")
    low, high = selection.envelope["low"][-1], selection.envelope["high"][-1]
    if (own := selection.variance) is not None:
        left = [f"{100 * (1 - own[name]):.3g}" for name in ("explained", "random_high", "random_low", "upper_bound")]
        st.caption(
            f"Leaves {left[0]} % of the mean predictive variance; random subsets of as many tokens, whatever the "
            f"number of their examples, {left[1]} to {left[2]} %; no selection within this budget less than "
            f"{left[3]} %."
        )
        if own["explained"] < own["random_low"]:
            st.caption("Below the random band: random examples of as many tokens leave less variance.")
        elif own["explained"] <= own["random_high"]:
            st.caption("Within the random band: by variance, not distinguishable from random.")
    elif selection.log_det < low:
        st.caption("Below the random band: random examples of as many tokens hold more information.")
    elif selection.log_det <= high:
        st.caption("Within the random band: by information, not distinguishable from random.")


def show_selection(selection: SelectionRow) -> None:
    """The figures that matter, the information curve, the criterion's histogram and the examples."""
    frame, picks = scores_of(selection.run), read_picks(selection.selection)
    counts = open_bench().runs.counts(selection.run)
    low, high = selection.envelope["low"][-1], selection.envelope["high"][-1]
    figures = st.columns(4)
    share, token_share = selection.examples / counts["scored"], selection.tokens / counts["tokens"]
    plain: Any = {"delta_color": "off", "delta_arrow": "off"}
    figures[0].metric("Examples", format_count(selection.examples), f"{format_percent(share)} of the pool", **plain)
    figures[1].metric(
        "Response tokens", format_count(selection.tokens), f"{format_percent(token_share)} of the pool", **plain
    )
    figures[2].metric(
        "Information (nats)",
        format_sig(selection.log_det),
        f"random {format_sig(low)} to {format_sig(high)}",
        help="log det of the design matrix above its ridge; 20 random subsets of equal tokens beside it.",
        **plain,
    )
    if selection.at_least is not None:
        what = "variance explained" if selection.variance else "information"
        figures[3].metric(
            "Of the best possible",
            f"≥ {math.floor(1000 * selection.at_least) / 10:.1f} %",
            what,
            help=PROOF_HELP,
            **plain,
        )
    say_how_good(selection)
    for column, (label, page) in zip(st.columns(len(NEXT_STEPS)), NEXT_STEPS.items(), strict=True):
        if column.button(label, width="stretch"):
            st.switch_page(page)
    st.markdown("**Information by response tokens**")
    st.plotly_chart(draw_cumulative(picks, selection.envelope), key="desk.cumulative")
    score = "delta_entropy" if selection.criterion == "instructdiff" else "nll"
    title, unit, meaning = SCORES[score]
    st.markdown(f"**{title}, selected and left out**", help=meaning)
    mask = selected_mask(picks, len(frame))
    st.plotly_chart(draw_histogram(frame[score].to_numpy(dtype=float), mask, f"{title} ({unit})"), key="desk.histogram")
    show_table(selection)


def show_table(selection: SelectionRow) -> None:
    """The selected examples in order; a row leads to its example."""
    st.subheader("In order")
    picks = read_picks(selection.selection)
    pages = -(-len(picks) // PAGE_ROWS)
    page = st.pagination(pages, key=f"desk.page.{selection.selection}") if pages > 1 else 1
    shown = picks[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    table = ledger_table(selection.dataset, shown, scores_of(selection.run))
    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            "#": number(width=40),
            "Row": number(width=60),
            "Gain": number("Gain (nats)", format="%.3g", help="Information this pick added to the earlier picks."),
            "NLL": number("NLL (nats)", format="%.3f", help=SCORES["nll"][2]),
            "ΔH": number("ΔH (nats)", format="%.4f", help=SCORES["delta_entropy"][2]),
            "Tokens": number("Tokens", format="localized"),
            "Prompt": st.column_config.TextColumn(width=220),
            "Response": st.column_config.TextColumn(width=320),
        },
    )


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
