"""What a selection is: its figures, its verdict against random, another budget at once, and its examples in order."""

import math
from typing import Any

import streamlit as st

from core.choices import SelectionRow
from core.errors import GleanerError
from core.web.charts import draw_cumulative
from core.web.deciding import decide_in_table, tell_change
from core.web.notices import escape_markdown
from core.web.scores import SCORES, ledger_table, read_picks, scores_of
from core.web.session import open_bench
from core.web.theme import format_count, format_percent, format_sig

PAGE_ROWS = 50
WORDS = {"nll": "NLL", "mix": "mixture"}
PLAIN: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
PROOF_HELP = (
    "A proof, not an estimate: no selection within the same budget, pins and quotas can hold more than an upper bound "
    "that follows from the objective being submodular and concave; this selection reaches at least this share of it."
)
VERDICT_HELP = (
    "Information, coverage, length, mixture, NLL and entropy are compared with 20 random subsets of equal tokens in "
    "one test. A random selection passes for special once in 21 times. Being special is not being better: only a "
    "fine-tune tells that."
)


def show_figures(selection: SelectionRow) -> None:
    """Examples, tokens, information and the proof."""
    counts = open_bench().runs.counts(selection.run)
    low, high = selection.envelope["low"][-1], selection.envelope["high"][-1]
    figures = st.columns(4)
    share, token_share = selection.examples / counts["scored"], selection.tokens / counts["tokens"]
    figures[0].metric("Examples", format_count(selection.examples), f"{format_percent(share)} of the pool", **PLAIN)
    figures[1].metric(
        "Response tokens", format_count(selection.tokens), f"{format_percent(token_share)} of the pool", **PLAIN
    )
    figures[2].metric(
        "Information (nats)",
        format_sig(selection.log_det),
        f"random {format_sig(low)} to {format_sig(high)}",
        help="log det of the design matrix above its ridge; 20 random subsets of equal tokens beside it.",
        **PLAIN,
    )
    if selection.at_least is not None:
        what = "variance explained" if selection.variance else "information"
        figures[3].metric(
            "Of the best possible",
            f"≥ {math.floor(1000 * selection.at_least) / 10:.1f} %",
            what,
            help=PROOF_HELP,
            **PLAIN,
        )


def tell_verdict(selection: SelectionRow) -> None:
    """Against random, and for another objective than information its own figures."""
    if missed := selection.settings.get("quotas_missed_by"):
        st.caption(f"The quotas of at least so much were missed by {format_count(missed)} tokens.")
    if change := tell_change(selection):
        st.info(escape_markdown(f"Decisions were made since this selection. {change}"))
    if (own := selection.variance) is not None:
        left = [f"{100 * (1 - own[name]):.3g}" for name in ("explained", "random_high", "random_low", "upper_bound")]
        st.caption(
            f"Leaves {left[0]} % of the mean predictive variance; random subsets of as many tokens, whatever the "
            f"number of their examples, {left[1]} to {left[2]} %; no selection within this budget less than "
            f"{left[3]} %."
        )
    if (compared := selection.comparison) is None:
        return
    if compared["is_distinguishable"]:
        bands = compared["bands"].items()
        outside = ", ".join(WORDS.get(name, name) for name, of in bands if not of["low"] <= of["value"] <= of["high"])
        st.caption(f"Can be told from random: outside the band in {outside or 'no single measure'}.", help=VERDICT_HELP)
    else:
        st.caption("**Not distinguishable from random here**: random subsets differ as much.", help=VERDICT_HELP)
    if selection.log_det < selection.envelope["low"][-1]:
        st.caption("By information below the random band: random examples of as many tokens hold more.")


def show_curve(selection: SelectionRow) -> None:
    """Information against tokens along the order, its knee, and what another budget would give, at once."""
    st.markdown("**Information by response tokens**")
    curve, seen = selection.curve, None
    if curve and curve["examples"][-1] > 1:
        held = selection.tokens if selection.unit == "tokens" else selection.examples
        amount = st.slider(
            f"Try a budget ({selection.unit})",
            curve[selection.unit][0],
            max(held, curve[selection.unit][-1]),
            held,
            key=f"desk.try.{selection.selection}",
            help="Cut from the order that was computed, under the decisions in force; nothing is searched again.",
        )
        _tell_knee(curve)
        seen = _tell_budget(selection, amount) if amount != held else None
    st.plotly_chart(draw_cumulative(read_picks(selection.selection), selection, seen), key="desk.cumulative")


def _tell_knee(curve: dict[str, Any]) -> None:
    if (knee := curve["knee"]) is not None:
        st.caption(
            f"Along the first {format_count(curve['examples'][-1])} of the order the knee, where more begins to pay "
            f"less, is at {format_count(curve['examples'][knee])} examples ({format_count(curve['tokens'][knee])} "
            "tokens)."
        )


def _tell_budget(selection: SelectionRow, amount: int) -> int | None:
    """What another budget in the selection's unit gives; the tokens it takes."""
    try:
        seen = open_bench().what_if(selection.selection, f"{amount}tok" if selection.unit == "tokens" else str(amount))
    except GleanerError as error:
        st.caption(escape_markdown(str(error)))
        return None
    about = "" if seen.is_exact else "about "
    decided = ", under the decisions made since" if open_bench().newer_decisions(selection) else ""
    st.caption(
        f"{format_count(len(seen.rows))} examples: {format_count(seen.tokens)} tokens, {about}"
        f"{format_sig(seen.information)} nats; {format_count(len(seen.entered))} more and "
        f"{format_count(len(seen.displaced))} fewer than selected{decided}."
    )
    return seen.tokens


def show_table(selection: SelectionRow) -> None:
    """The selected examples in order; ticked lines can be decided on."""
    st.subheader("In order")
    picks = read_picks(selection.selection)
    pages = -(-len(picks) // PAGE_ROWS)
    page = st.pagination(pages, key=f"desk.page.{selection.selection}") if pages > 1 else 1
    shown = picks[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    number = st.column_config.NumberColumn
    config = {
        "#": number(width=40),
        "Row": number(width=60),
        "Gain": number("Gain (nats)", format="%.3g", help="Information this pick added to the earlier picks."),
        "NLL": number("NLL (nats)", format="%.3f", help=SCORES["nll"][2]),
        "ΔH": number("ΔH (nats)", format="%.4f", help=SCORES["delta_entropy"][2]),
        "Tokens": number("Tokens", format="localized"),
        "Prompt": st.column_config.TextColumn(width=220),
        "Response": st.column_config.TextColumn(width=320),
    }
    table = ledger_table(selection.dataset, shown, scores_of(selection.run))
    decide_in_table(selection.dataset, table, f"desk.table.{selection.selection}.{page}", config)
