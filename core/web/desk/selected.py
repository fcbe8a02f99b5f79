"""What is chosen: the figures that matter, the verdict against random, the curve, and the examples in order."""

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import SelectionRow
from core.web.charts import describe_cumulative, draw_cumulative, figure_config
from core.web.cut import Cut
from core.web.deciding import decide_in_table, tell_change
from core.web.drawn import draw_once
from core.web.notices import escape_markdown
from core.web.scores import counts_of, find_rows, ledger_of, scores_of, shorten
from core.web.session import open_bench
from core.web.tables import turn_pages
from core.web.theme import format_count, format_percent, format_sig

PAGE_ROWS = 50
WORDS = {"nll": "NLL", "mix": "mixture"}
PLAIN: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
INFORMATION_HELP = (
    "What the chosen examples tell about the model's last layer: log det of their design matrix above its ridge, as a "
    "share of what all examples tell together. A nat is 1.44 bits. Beside it what 20 random subsets of as many "
    "response tokens tell."
)
PROOF_HELP = (
    "A proof, not an estimate: no selection within the same budget, pins and quotas can hold more than an upper bound "
    "that follows from the objective being submodular and concave; this selection reaches at least this share of it."
)
MORE_OF_THEM = (
    " They may be more examples than the budget allows, and so hold more than its best possible; a budget in tokens "
    "compares like with like."
)
VERDICT_HELP = (
    "Information, coverage, length, mixture, NLL and entropy are compared with 20 random subsets of equal tokens in "
    "one test. A random selection passes for special once in 21 times. Being special is not being better: only a "
    "fine-tune tells that."
)


def show_figures(cut: Cut) -> None:
    """Examples, tokens, information and the proof."""
    selection, counts, figures = cut.selection, counts_of(cut.selection.run), st.columns(4)
    share, token_share = len(cut.rows) / max(counts["scored"], 1), cut.tokens / max(counts["tokens"], 1)
    figures[0].metric("Examples", format_count(len(cut.rows)), f"{format_percent(share)} of the pool", **PLAIN)
    figures[1].metric(
        "Response tokens", format_count(cut.tokens), f"{format_percent(token_share)} of the pool", **PLAIN
    )
    value, beside = tell_information(cut)
    figures[2].metric("Information held", value, beside, help=INFORMATION_HELP, **PLAIN)
    of_what = "of explained variance" if selection.variance else "of information"
    proven = cut.selection.at_least if not cut.is_tried else None
    figures[3].metric(
        "Of the best possible",
        "–" if proven is None else f"≥ {math.floor(1000 * proven) / 10:.1f} %",
        "proven when you save it" if cut.is_tried else of_what,
        help=PROOF_HELP,
        **PLAIN,
    )


def tell_information(cut: Cut) -> tuple[str, str]:
    """The information held, and what random subsets of as many tokens hold."""
    everything, band = cut.selection.everything, random_band(cut)
    about = "" if cut.is_exact else "≈ "
    if not everything:
        beside = f"random {format_sig(band[0])} to {format_sig(band[1])}" if band else "above the ridge"
        return f"{about}{format_sig(cut.information)} nats", beside
    share = f"{about}{format_percent(cut.information / everything)}"
    if not band:
        return share, f"{format_sig(cut.information)} nats"
    low, high = (format_percent(value / everything) for value in band)
    return share, f"random {low}" if low == high else f"random {low.removesuffix(' %')} to {high}"


def random_band(cut: Cut) -> tuple[float, float] | None:
    """What random subsets of as many tokens hold, in nats, as far as the stored band goes."""
    band = cut.selection.envelope
    tokens = [0.0, *band["tokens"]]
    if cut.tokens > tokens[-1] * 1.001:
        return None
    low, high = (float(np.interp(cut.tokens, tokens, [0.0, *band[name]])) for name in ("low", "high"))
    return low, high


def tell_verdict(cut: Cut) -> None:
    """Against random, and for another objective than information its own figures."""
    selection = cut.selection
    if change := tell_change(selection):
        st.info(escape_markdown(change))
    if cut.is_tried:
        return
    if missed := selection.settings.get("quotas_missed_by"):
        st.caption(f"The quotas of at least so much were missed by {format_count(missed)} tokens.")
    if (own := selection.variance) is not None:
        left = [f"{100 * (1 - own[name]):.3g}" for name in ("explained", "random_high", "random_low", "upper_bound")]
        st.caption(
            f"Leaves {left[0]} % of the mean predictive variance; random subsets of as many tokens, whatever the "
            f"number of their examples, {left[1]} to {left[2]} %; no selection within this budget less than "
            f"{left[3]} %."
        )
    _tell_random(selection)


def _tell_random(selection: SelectionRow) -> None:
    compared = selection.comparison
    if compared is None:
        return
    if compared["is_distinguishable"]:
        bands = compared["bands"].items()
        outside = ", ".join(WORDS.get(name, name) for name, of in bands if not of["low"] <= of["value"] <= of["high"])
        st.caption(f"Can be told from random: outside the band in {outside or 'no single measure'}.", help=VERDICT_HELP)
    else:
        st.caption("**Not distinguishable from random here**: random subsets differ as much.", help=VERDICT_HELP)
    if selection.log_det < selection.envelope["low"][-1]:
        more = "" if selection.unit == "tokens" else MORE_OF_THEM
        st.caption(f"By information below the random band: random examples of as many tokens hold more.{more}")


def show_curve(cut: Cut) -> None:
    """Information against tokens along the order, its knee, and the budget that is tried."""
    selection = cut.selection
    tried = cut.tokens if cut.is_tried else None
    drawn = (ledger_of(selection.selection), selection, tried)
    alt, config = describe_cumulative(*drawn), figure_config("information")
    figure = draw_once(lambda: draw_cumulative(*drawn), "cumulative", selection.selection, tried)
    st.plotly_chart(figure, key="desk.cumulative", alt=alt, config=config)
    curve = selection.curve
    if curve and (knee := curve["knee"]) is not None:
        st.caption(
            f"Along the first {format_count(curve['examples'][-1])} of the order the knee, where more begins to pay "
            f"less, is at {format_count(curve['examples'][knee])} examples ({format_count(curve['tokens'][knee])} "
            "tokens)."
        )


def show_table(cut: Cut) -> None:
    """The chosen examples in order, those that a search finds; ticked lines can be decided on."""
    title, search = st.columns([2, 1], vertical_alignment="bottom")
    title.header("In order")
    sought = search.text_input(
        "Search the chosen",
        key="sought",
        type="search",
        placeholder="Search prompts and responses",
        label_visibility="collapsed",
        bind="query-params",
    )
    ranks = np.arange(1, len(cut.rows) + 1)
    if sought:
        ranks = ranks[np.isin(cut.rows, find_rows(cut.selection.dataset, sought))]
        st.caption(f"{format_count(len(ranks))} of {format_count(len(cut.rows))} chosen examples contain it.")
    if not len(ranks):
        return
    name = cut.selection.selection
    shown = turn_pages(len(ranks), PAGE_ROWS, f"desk.page.{name}")
    decide_in_table(cut.selection.dataset, ordered_table(cut, ranks[shown]), f"desk.table.{name}.{shown.start}")


def ordered_table(cut: Cut, ranks: np.ndarray) -> pd.DataFrame:
    """The lines of these ranks, 1-based; a pick that is not stored has no gain yet."""
    rows = cut.rows[ranks - 1]
    ledger = ledger_of(cut.selection.selection)
    known = np.flatnonzero(np.isin(ledger.rows, rows))
    gains = dict(zip(ledger.rows[known].tolist(), ledger.gain[known].tolist(), strict=True))
    texts = {text.row: text for text in open_bench().datasets.texts(cut.selection.dataset, rows.tolist())}
    scores = scores_of(cut.selection.run).iloc[rows]
    table = pd.DataFrame(
        {
            "#": ranks,
            "Row": rows,
            "Gain": np.array([gains.get(row) for row in rows.tolist()], dtype=float),
            "NLL": scores["nll"].to_numpy(),
            "ΔH": scores["delta_entropy"].to_numpy(dtype=float),
            "Tokens": scores["response_tokens"].to_numpy(),
            "Prompt": [shorten(texts[row].prompt) for row in rows.tolist()],
            "Response": [shorten(texts[row].response) for row in rows.tolist()],
        }
    )
    return table.dropna(axis="columns", how="all")
