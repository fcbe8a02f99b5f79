"""Which two choices are compared, and what do they share? The choosers of Compare, the overlap and the figures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import SelectionRow
from core.records import RunRow
from core.web.compare.charts import MOST_GROUPS, Part, draw_overlap, draw_two_mixtures
from core.web.cut import current_cut
from core.web.linked import choose_linked
from core.web.naming import describe_run, describe_selection
from core.web.notices import escape_markdown, missing
from core.web.scores import SCORES
from core.web.session import current_selection, open_bench
from core.web.theme import NO_NUMBER, format_count, format_percent, format_sig
from core.workbench.differing import Difference
from core.workbench.sides import SCORES as ORDERS
from core.workbench.sides import Score, Side, find_score

FIRST = (
    "Compare shows what two selections share, what each takes instead of the other, and about which examples they "
    "disagree most."
)
KINDS = {"selections": "Two selections", "runs": "Two scoring runs"}
JACCARD_HELP = "Shared ÷ chosen by either: 100 % where both hold the same examples, 0 % where they share none."
SMALLER_HELP = "Shared ÷ the smaller selection: 100 % where it lies inside the other."
CORRELATION_HELP = (
    "Spearman's ρ over the examples that both orders place: 1 is the same order, 0 none in common, −1 the reverse. "
    "Examples whose places are not told apart share the middle of them."
)
TOKENS_HELP = "Response tokens, each selection's by its own scoring run; what both have is counted by A's."
MEASURED = "Measured by each side's own scoring run, over what it chose."


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared: two selections or two runs by name, the score of runs, and where the budget slider cuts A
    otherwise than it is stored, A's rows and their information in nats."""

    a: str
    b: str
    by: Score = "nll"
    cut_a: bytes | None = None
    information_a: float | None = None


def ask_pair(run: RunRow) -> Pair | None:
    """Draw the choosers; what they say, or what is missing."""
    bench, mine = open_bench(), current_selection()
    selections = _other_selections(run, mine)
    runs = [other for other in _runs_of_title(run) if other.run != run.run]
    possible = [kind for kind, there in (("selections", mine and selections), ("runs", runs)) if there]
    if not possible:
        what = "There is only one selection, and nothing to compare it with." if mine else "Nothing is selected yet."
        missing(f"{what} Choose by another goal, budget or seed.", "Choose examples", "select", FIRST)
        return None
    kind = possible[0]
    if len(possible) > 1:
        kind = choose_linked(
            st.segmented_control,
            "Compare",
            "compare",
            possible,
            KINDS.__getitem__,
            required=True,
            label_visibility="collapsed",
        )
    left, right = st.columns(2, gap="medium")
    if kind == "runs":
        left.selectbox("A, from the sidebar", [describe_run(run)], disabled=True)
        others = {other.run: describe_run(other) + _where(other, run) for other in runs}
        with right:
            other = choose_linked(st.selectbox, "B", "with_run", list(others), others.__getitem__)
        by = find_score(choose_linked(st.selectbox, "In the order of", "order", _orders(run), _name_score))
        return Pair(run.run, other, by)
    assert mine is not None
    cut = current_cut()
    is_tried = cut is not None and cut.is_tried
    tried = f", cut to {format_count(len(cut.rows))} by the budget slider" if cut and is_tried else ""
    left.selectbox("A, from the sidebar", [describe_selection(mine) + tried], disabled=True)
    named = {row.selection: describe_selection(row) + _where(bench.runs.get(row.run), run) for row in selections}
    with right:
        other = choose_linked(st.selectbox, "B", "with", list(named), named.__getitem__)
    if cut and is_tried:
        return Pair(mine.selection, other, cut_a=cut.rows.tobytes(), information_a=cut.information)
    return Pair(mine.selection, other)


@st.cache_resource(show_spinner="Comparing", max_entries=2)
def read_difference(pair: Pair, state: tuple[Any, ...]) -> Difference:
    """The comparison, shared by all sessions; `state` changes where a selection was made anew."""
    del state
    rows = None if pair.cut_a is None else np.frombuffer(pair.cut_a, dtype=np.int64)
    return open_bench().compare(pair.a, pair.b, by=pair.by, cut_a=rows)


def compare_pair(pair: Pair) -> Difference:
    """The comparison as the database has it now."""
    bench = open_bench()
    is_there = [bench.selections.get(name).created_at for name in (pair.a, pair.b) if bench.selections.has(name)]
    return read_difference(pair, tuple(is_there))


def show_overlap(found: Difference) -> None:
    """What both have, what one alone has, and how alike the orders are."""
    shared = found.overlap
    if found.a.selection is not None:
        counts = [shared.only_a, shared.both, shared.only_b]
        tokens = [shared.tokens_only_a, shared.tokens_both, shared.tokens_only_b]
        parts = [Part("Examples", counts), Part("Response tokens", tokens)]
        st.plotly_chart(draw_overlap(parts), key="compare.overlap", config={"displayModeBar": False})
    figures = st.columns(4)
    if found.a.selection is not None:
        of_all = format_percent(shared.tokens_both / max(1, sum(tokens)))
        figures[0].metric("Shared examples", format_count(shared.both))
        figures[1].metric("Shared of the tokens", of_all, help=TOKENS_HELP)
        figures[2].metric("Jaccard", format_percent(shared.jaccard), help=JACCARD_HELP)
        figures[3].metric("Of the smaller", format_percent(shared.of_smaller), help=SMALLER_HELP)
    else:
        figures[0].metric("Ordered by both", format_count(int(np.isfinite(found.distance).sum())))
        figures[1].metric("Rank correlation", format_sig(found.correlation), help=CORRELATION_HELP)


def show_figures(found: Difference, information_a: float | None) -> None:
    """The two selections' figures side by side; `information_a` is that of A where another budget cuts it."""
    a, b = found.a, found.b
    lines = [_line(name, left, right, how) for name, left, right, how in _numbers(a, b)]
    if a.selection and b.selection:
        is_cut = information_a is not None
        held_a = a.selection.log_det if information_a is None else information_a
        information = _line("Information (nats)", held_a, b.selection.log_det, format_sig)
        if found.unlike:
            information["B − A"] = "not comparable"
        of_variance = [name for name, of in (("A", a.selection), ("B", b.selection)) if of.variance]
        what = "At least of the best" + (f" (variance in {' and '.join(of_variance)})" if of_variance else "")
        share = (what, NO_NUMBER if is_cut else _at_least(a.selection), _at_least(b.selection), NO_NUMBER)
        lines[2:2] = [information, dict(zip(COLUMNS, share, strict=True))]
        words = (("Criterion", "criterion"), ("Budget", "budget"), ("Seed", "seed"))
        told: list[tuple[str, str, str, str]] = [
            (title, str(getattr(a.selection, of)), str(getattr(b.selection, of)), "") for title, of in words
        ]
        if is_cut:
            told[1] = ("Budget", f"cut to {format_count(int(a.chosen.sum()))}", told[1][2], "")
        lines = [dict(zip(COLUMNS, line, strict=True)) for line in told] + lines
    st.dataframe(pd.DataFrame(lines, columns=COLUMNS), hide_index=True, height="content")
    if found.unlike:
        st.caption(escape_markdown(f"Information in nats of A and B cannot be compared: {found.unlike}."))
    if a.run.run != b.run.run:
        st.caption(MEASURED)


COLUMNS = ["Figure", "A", "B", "B − A"]


def show_mixtures(found: Difference) -> None:
    """The shares of a column's values in both."""
    bench = open_bench()
    columns = bench.group_columns(found.a.run.dataset)
    if not columns:
        st.caption("No column of these rows has from 2 to 60 values, so there is no mixture to compare.")
        return
    column = st.selectbox("Mixture by", columns, key="mixture", bind="query-params")
    counts = []
    for side, rows in ((found.a, found.rows_a), (found.b, found.rows_b)):
        groups = bench.groups(side.run.dataset, column)
        chosen = np.bincount(groups.codes[rows[side.chosen]], minlength=len(groups.names))
        counts.append(dict(zip(groups.names, chosen.tolist(), strict=True)))
    st.plotly_chart(draw_two_mixtures(*counts), key="compare.mixture")
    if (more := len({*counts[0], *counts[1]}) - MOST_GROUPS) > 0:
        st.caption(f"The {MOST_GROUPS} largest; {format_count(more)} more values are smaller in both.")


def _numbers(a: Side, b: Side) -> list[tuple[str, float, float, Any]]:
    totals = [(int(side.chosen.sum()), float(side.tokens[side.chosen].sum())) for side in (a, b)]
    lines: list[tuple[str, float, float, Any]] = [
        ("Examples", totals[0][0], totals[1][0], format_count),
        ("Response tokens", totals[0][1], totals[1][1], format_count),
        ("Mean response (tokens)", a.mean("response_tokens"), b.mean("response_tokens"), format_sig),
    ]
    for score in ("nll", "entropy", "delta_nll", "delta_entropy"):
        lines.append((f"Mean {SCORES[score][0]} (nats)", a.mean(score), b.mean(score), format_sig))
    return [line for line in lines if np.isfinite([line[1], line[2]]).any()]


def _line(name: str, a: float, b: float, how: Any) -> dict[str, str]:
    change = b - a
    signed = ("+" if change > 0 else "") + how(change) if np.isfinite(change) else NO_NUMBER
    return dict(zip(COLUMNS, (name, how(a), how(b), signed), strict=True))


def _at_least(selection: SelectionRow) -> str:
    return NO_NUMBER if selection.at_least is None else f"≥ {np.floor(1000 * selection.at_least) / 10:.1f} %"


def _runs_of_title(run: RunRow) -> list[RunRow]:
    """The finished runs of the dataset and of its other versions, those of the dataset first."""
    bench, title = open_bench(), open_bench().datasets.get(run.dataset).title
    names = [dataset.name for dataset in bench.datasets.all() if dataset.title == title]
    names.sort(key=lambda name: name != run.dataset)
    found = [of for name in names for of in bench.runs.of_dataset(name)]
    return [of for of in found if bench.run_progress(of.run).state == "done"]


def _other_selections(run: RunRow, mine: SelectionRow | None) -> list[SelectionRow]:
    """Those of the run, the newest first, then those of the other runs."""
    runs = sorted(_runs_of_title(run), key=lambda of: of.run != run.run)
    found = [row for of in runs for row in open_bench().selections.of_run(of.run)]
    return [row for row in found if mine is None or row.selection != mine.selection]


def _orders(run: RunRow) -> list[Score]:
    pool = open_bench().pool(run)
    return [score for score in ORDERS if np.isfinite(getattr(pool, score)).any()]


def _name_score(score: str) -> str:
    return f"{SCORES[score][0]}, highest first"


def _where(run: RunRow, mine: RunRow) -> str:
    if run.dataset != mine.dataset:
        return f", version {open_bench().datasets.get(run.dataset).version}, run {run.run[:6]}"
    return "" if run.run == mine.run else f", run {run.run[:6]}"
