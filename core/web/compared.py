"""How a selection stands beside the pool and random subsets: measures, mixture, scores, gates, stability."""

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import SelectionRow
from core.errors import GleanerError
from core.web.charts import draw_histogram, draw_mixture
from core.web.notices import escape_markdown
from core.web.scores import SCORES, read_picks, scores_of, selected_mask
from core.web.session import open_bench
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
}
PATTERNS = {
    "compression": "Light tuning made the model surer of most examples (compression).",
    "expansion": "Light tuning made the model less sure of most examples (expansion).",
    "balanced": "Light tuning made the model surer of some examples and less sure of as many (balanced).",
}
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


def show_mixture(selection: SelectionRow) -> None:
    """The shares of a column's values in the pool, the selection and random subsets."""
    columns = open_bench().group_columns(selection.dataset)
    asked = None
    if columns:
        asked = st.segmented_control(
            "Mixture by", columns[:8], default=columns[0], format_func=escape_markdown, key="desk.mix"
        )
    else:
        st.caption("No column of these rows has from 2 to 60 values.")
    column = st.text_input("Or by another column", key="desk.mix.other", placeholder="its name") or asked
    if not column:
        return
    try:
        shares = open_bench().mixture(selection.selection, column)
    except GleanerError as error:
        st.error(escape_markdown(str(error)))
        return
    st.plotly_chart(draw_mixture(shares, selection.examples), key="desk.mixture")


def show_scores(selection: SelectionRow) -> None:
    """The distributions that the criterion looks at, with the cut-offs and what is kept."""
    frame, picks = scores_of(selection.run), read_picks(selection.selection)
    mask = selected_mask(picks, len(frame))
    bench, names, cuts = open_bench(), ["nll", "entropy"], tuple[float, ...]()
    if frame["delta_entropy"].notna().any():
        names = ["delta_nll", "delta_entropy"]
        found = bench.pattern(selection.run)
        st.caption(
            f"{PATTERNS[found.name]} ΔH is negative for {format_percent(found.negative)} of the examples, "
            f"{format_sig(found.mean)} nats on average (standard deviation {format_sig(found.deviation)}).",
            help=PATTERN_HELP,
        )
        if "gamma" in selection.settings and selection.settings.get("mode") != "weight":
            rule = selection.settings.get("rule", "paper")
            middle = bench.middle(selection.run, rule, selection.settings["gamma"])
            cuts = (middle.low, middle.high)
    for name in names:
        title, unit, meaning = SCORES[name]
        st.markdown(f"**{title}, selected and left out**", help=meaning)
        values = frame[name].to_numpy(dtype=float)
        shown = cuts if name == "delta_nll" else ()
        st.plotly_chart(draw_histogram(values, mask, f"{title} ({unit})", shown), key=f"desk.histogram.{name}")


def show_gates(selection: SelectionRow) -> None:
    """How many examples each gate left out, and what the command for all of them is."""
    gates = open_bench().selections.gates(selection.selection)
    quarantined = open_bench().datasets.get(selection.dataset).rows_quarantined
    lines = [(GATES[gate], format_count(count)) for gate, count in gates]
    lines += [("Quarantined, never loaded", format_count(quarantined))] if quarantined else []
    st.dataframe(pd.DataFrame(lines, columns=["Left out because", "Examples"]), hide_index=True, height="content")
    st.caption("The Example page tells each one's reason, and the budget at which it would enter.")
    st.code(f"python -m core reasons {selection.selection} -o reasons.jsonl", language=None)


def show_stability(selection: SelectionRow) -> None:
    """The same choice on the dataset's other runs, once asked for."""
    st.write(
        "Scores depend on the warm-up's seed, the template, the precision and the model. Score this dataset again with "
        "another of them, and see here whether the same criterion chooses the same examples."
    )
    key = f"desk.stability.{selection.selection}"
    if st.button("Compare with the other runs") or st.session_state.get(key):
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
