"""How a selection stands beside the pool and random subsets: spread, mixture, measures, gates, stability."""

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import SelectionRow
from core.people import Role
from core.web.charts import describe_mixture, draw_mixture, figure_config
from core.web.cut import Cut
from core.web.drawn import draw_once
from core.web.histograms import describe_histogram, draw_histogram
from core.web.linked import choose_linked
from core.web.notices import escape_markdown, show_errors
from core.web.scores import SCORES, binned, scores_of
from core.web.session import allowed, open_bench
from core.web.theme import format_count, format_percent, format_sig

MEASURES = {
    "information": ("Information (nats)", "log det of the design matrix above its ridge."),
    "coverage": ("Coverage (mean cosine)", "Mean cosine of the pool's examples to the nearest selected one."),
    "length": ("Mean response (tokens)", "Response tokens of an example."),
    "nll": ("Mean NLL (nats)", SCORES["nll"][2]),
    "entropy": ("Mean entropy H (nats)", SCORES["entropy"][2]),
    "mix": ("Mixture, distance to the pool", "0: the groups' shares are the pool's; 1: they share nothing."),
}
GATES = {
    "budget": "Over budget",
    "filter": "Dropped by the criterion's filter",
    "quota": "Quota full",
    "repeat": "Near-duplicate of another",
    "banned": "Banned",
    "unscorable": "Could not be scored",
    "held out": "Held out for a proof",
}
PATTERNS = {
    "compression": "Light tuning made the model surer of most examples (compression).",
    "expansion": "Light tuning made the model less sure of most examples (expansion).",
    "balanced": "Light tuning made the model surer of some examples and less sure of as many (balanced).",
}
HISTOGRAM_OF = {
    "instructdiff": "delta_entropy",
    "hybrid": "delta_entropy",
    "ppl": "ppl",
    "entropy": "entropy",
    "length": "response_tokens",
}
MOST_SHARES = 8
PATTERN_HELP = "InstructDiff's paper finds ΔH clearly above 0 for general instructions, around 0 for maths."


def show_bands(selection: SelectionRow) -> None:
    """Each measure with its random band."""
    if selection.comparison is None:
        st.write("This selection was made by an older version; select again to compare it.")
        return
    column = selection.comparison.get("mix_column")
    lines = []
    for name, band in selection.comparison["bands"].items():
        title = MEASURES[name][0] + (f" by {column}" if name == "mix" else "")
        where = "inside" if band["low"] <= band["value"] <= band["high"] else "outside"
        low, high = format_sig(band["low"]), format_sig(band["high"])
        lines.append((title, format_sig(band["value"]), f"{low} to {high}", where))
    names = ["Measure", "This selection", "20 random subsets", "Band"]
    st.dataframe(pd.DataFrame(lines, columns=names), hide_index=True, height="content")
    for name in ("coverage", "mix"):
        st.caption(f"{MEASURES[name][0]}: {MEASURES[name][1]}")


def show_histogram(cut: Cut) -> None:
    """How a score is spread over what is chosen and what is left out, with the criterion's cut-offs."""
    frame, selection = scores_of(cut.selection.run), cut.selection
    possible = [name for name in SCORES if name in frame and frame[name].notna().any()]
    possible.sort(key=lambda name: name != HISTOGRAM_OF.get(selection.criterion, "nll"))
    told = " ".join(f"{SCORES[score][0]}: {SCORES[score][2]}" for score in possible)
    key = f"spread_{selection.criterion}"
    name = choose_linked(st.selectbox, "Spread of", key, possible, lambda score: SCORES[score][0], help=told)
    title, unit, _ = SCORES[name]
    title, all_of = f"{title} ({unit})" if unit else title, binned(selection.run, name)
    chosen = all_of.count(cut.rows)
    counts = (all_of.edges, chosen, all_of.totals - chosen, title)
    cut_offs = _cut_offs(cut, name, frame[name].to_numpy(dtype=float))
    figure = draw_once(lambda: draw_histogram(*counts, cut_offs), "histogram", *counts, cut_offs)
    config = figure_config("spread")
    st.plotly_chart(figure, key="desk.histogram", alt=describe_histogram(*counts), config=config)


def _cut_offs(cut: Cut, name: str, values: np.ndarray) -> tuple[float, ...]:
    """Where the criterion cuts this score, if it does."""
    settings, criterion = cut.selection.settings, cut.selection.criterion
    if name == "delta_nll" and "gamma" in settings and settings.get("mode") != "weight":
        middle = open_bench().middle(cut.selection.run, settings.get("rule", "paper"), settings["gamma"])
        return middle.low, middle.high
    is_sorted = HISTOGRAM_OF.get(criterion) == name and settings.get("take") in ("min", "max")
    return (float(values[cut.rows[-1]]),) if is_sorted and len(cut.rows) else ()


def show_mixture(cut: Cut) -> None:
    """The shares of a column's values in the pool, in what is chosen and in random subsets."""
    columns = open_bench().group_columns(cut.selection.dataset)
    column = st.selectbox(
        "Mixture by",
        columns,
        index=0 if columns else None,
        key="mix",
        bind="query-params",
        persist_state="session",
        accept_new_options=True,
        placeholder="A column of the rows as they came",
        help="A column of the rows as they came; those with 2 to 60 values are offered, any other can be typed.",
    )
    if column:
        with show_errors():
            shares = open_bench().mixture(cut.selection.selection, column, cut.rows)
            drawn, alt = (shares, len(cut.rows)), describe_mixture(shares, len(cut.rows))
            figure = draw_once(lambda: draw_mixture(*drawn, MOST_SHARES), "mixture", *drawn)
            st.plotly_chart(figure, key="desk.mixture", alt=alt, config=figure_config("mixture"))
            if len(shares) > MOST_SHARES:
                st.caption(f"The {MOST_SHARES} largest of {format_count(len(shares))} values.")


def tell_pattern(selection: SelectionRow) -> None:
    """What light tuning did to the pool."""
    if not scores_of(selection.run)["delta_entropy"].notna().any():
        return
    found = open_bench().pattern(selection.run)
    st.caption(
        f"{PATTERNS[found.name]} ΔH is negative for {format_percent(found.negative)} of the examples, "
        f"{format_sig(found.mean)} nats on average (standard deviation {format_sig(found.deviation)}).",
        help=PATTERN_HELP,
    )


def show_gates(selection: SelectionRow) -> None:
    """How many examples each gate left out, and what the command for all of them is."""
    gates = open_bench().selections.gates(selection.selection)
    quarantined = open_bench().datasets.get(selection.dataset).rows_quarantined
    lines = [(GATES[gate], format_count(count)) for gate, count in gates]
    lines += [("Quarantined, never loaded", format_count(quarantined))] if quarantined else []
    st.dataframe(pd.DataFrame(lines, columns=["Left out because", "Examples"]), hide_index=True, height="content")
    st.caption("The Example page tells each one's reason, and the budget at which it would enter.")
    st.code(f"python -m core reasons {selection.selection} -o reasons.jsonl", language=None, wrap_lines=True)


def show_stability(selection: SelectionRow) -> None:
    """The same choice on the dataset's other runs, once asked for."""
    st.write(
        "Scores depend on the warm-up's seed, the template, the precision and the model. Score this dataset again with "
        "another of them, and see here whether the same criterion chooses the same examples."
    )
    key = f"desk.stability.{selection.selection}"
    if st.button("Compare with the other runs", **allowed(Role.CURATOR)) or st.session_state.get(key):
        st.session_state[key] = True
        with st.spinner("Selecting on the other runs"):
            found = open_bench().stability(selection.selection)
        st.caption(
            f"{format_percent(found.mean_overlap)} of the examples are shared by two runs on average; "
            f"{format_count(found.always)} of {format_count(len(found.frequency))} were chosen by every run."
        )
        told = [
            {"Run": f"{a} ({found.differences[a]})", "and": f"{b} ({found.differences[b]})", "Overlap": pair["overlap"]}
            for pair in found.overlaps
            for a, b in [pair["runs"]]
        ]
        share = st.column_config.NumberColumn(format="percent")
        st.dataframe(pd.DataFrame(told), hide_index=True, height="content", column_config={"Overlap": share})
        often = np.array(list(found.frequency.values()))
        st.caption(f"Chosen by one run only: {format_count(int((often <= 1 / len(found.selections)).sum()))}.")
        for run, why in found.skipped.items():
            st.caption(escape_markdown(f"Run {run} could not make this choice: {why}"))
