"""The Gains page's parts about the pool: what is held of each group, and which picks cover what was left out."""

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import SelectionRow
from core.errors import GleanerError
from core.web.charts import figure_config
from core.web.cut import Cut
from core.web.deciding import decide_in_table
from core.web.drawn import draw_once
from core.web.gains.charts import FEW, MOST_GROUPS, describe_coverage, draw_coverage
from core.web.linked import choose_linked
from core.web.notices import escape_markdown, lead_to
from core.web.scores import ledger_of, map_of, shorten
from core.web.session import open_bench
from core.web.theme import format_count, format_percent, format_seconds
from core.workbench.coverage import MAP_CELLS, Coverage, MainCovers

GROUP, AMONG = "group", "among"
"""Names in the address: by what examples are grouped, and whose covers are shown."""
BY_MAP = "Neighbourhoods of the map"
ALL, ONE = "all", "is:"
"""What `among` says: all examples left out, or those of one group by its name, which may be any text."""
TOP = 15
EXAMPLES_NAMED = 2
AT_ONCE_SECONDS = 1.0
HELD_HELP = (
    "1 − Σ gain now ÷ Σ gain alone, over the group's examples: 100 % where the selection already tells whatever they "
    "would tell one by one. Selected examples count as held."
)
COVER_HELP = "For each example left out the one pick that alone covers most of its information."

NUMBER = st.column_config.NumberColumn
COVERAGE_COLUMNS = {
    "Held": NUMBER(format="%.1f %%", help=HELD_HELP),
    "Random, lowest": NUMBER(format="%.1f %%"),
    "Random, highest": NUMBER(format="%.1f %%"),
    "Examples": NUMBER(format="localized"),
    "Selected": NUMBER(format="localized"),
}


def ask_groups(selection: SelectionRow) -> str | None:
    """By which column, or by the map; nothing, and the way to a map, where there is neither."""
    options = [*open_bench().group_columns(selection.dataset), *([BY_MAP] if len(map_of(selection.run)["x"]) else [])]
    if not options:
        st.write("No column of these rows has from 2 to 60 values. With a map, coverage is told by its neighbourhoods.")
        lead_to("map", "Draw the map")
        return None
    chosen: str = st.selectbox(
        "Groups", options, key=GROUP, bind="query-params", persist_state="session", help=HELD_HELP
    )
    return MAP_CELLS if chosen == BY_MAP else chosen


def show_coverage(cut: Cut, column: str) -> None:
    """What is held of each group; beside random subsets once asked for."""
    by = "neighbourhood" if column == MAP_CELLS else column
    place = st.container()
    try:
        found = _measure(cut, column)
    except GleanerError as error:
        st.caption(escape_markdown(str(error)))
        return
    with place:
        st.plotly_chart(
            draw_once(lambda: draw_coverage(found, by), "coverage", found, by),
            key="gains.coverage",
            config=figure_config(f"coverage-{cut.selection.selection}"),
            alt=describe_coverage(found, by),
        )
    notes = [f"Hollow: fewer than {FEW} examples."] if any(of.examples < FEW for of in found.groups) else []
    notes += [f"Measured on a sample of each {by}." if found.is_sampled else ""]
    notes += [f"The {MOST_GROUPS} least held are drawn." if len(found.groups) > MOST_GROUPS else ""]
    st.caption(escape_markdown(" ".join(note for note in notes if note)))
    with st.expander("The groups as a table"):
        st.dataframe(coverage_table(found), hide_index=True, height="content", column_config=COVERAGE_COLUMNS)


def _measure(cut: Cut, column: str) -> Coverage:
    """The coverage of what is shown, as far as it is known or asked for."""
    bench, selection = open_bench(), cut.selection
    measured = bench.has_coverage_beside_random(selection.selection, column, cut.rows)
    if not measured:
        if cut.is_tried:
            st.caption(f"Of the selection as it is stored, {format_count(selection.examples)} examples.")
        label = "Measure the tried budget" if cut.is_tried else "Compare with random subsets"
        measured = st.button(label, key="gains.measure", help="Twenty random subsets of as many tokens, on a sample.")
    if not measured:
        return bench.coverage(selection.selection, column)
    bar = st.progress(0.0, "Measuring")
    found = bench.coverage_beside_random(
        selection.selection,
        column,
        cut.rows,
        lambda done, of: bar.progress(done / of, f"{done} of {of} sets measured"),  # type: ignore[arg-type]
    )
    bar.empty()
    return found


def coverage_table(found: Coverage) -> pd.DataFrame:
    """Every group with its counts."""
    table = pd.DataFrame(
        {
            "Group": [of.group for of in found.groups],
            "Held": [100 * of.share for of in found.groups],
            "Selected": [of.selected for of in found.groups],
            "Examples": [of.examples for of in found.groups],
            "Random, lowest": [_percent(of.random_low) for of in found.groups],
            "Random, highest": [_percent(of.random_high) for of in found.groups],
        }
    )
    return table.dropna(axis=1, how="all")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def show_covering(cut: Cut, column: str | None) -> None:
    """The picks that are the main cover of most examples left out, of all or of one group."""
    st.subheader("Who covers whom", help=COVER_HELP)
    found = _find_covers(cut.selection)
    if found is None:
        return
    if not len(found.rows):
        st.write("No scored example was left out.")
        return
    group = _ask_group(cut.selection, column)
    inside = np.ones(len(found.rows), dtype=bool)
    if group is not None and column is not None:
        grouping = open_bench().grouping_of(cut.selection, column)
        inside = grouping.codes[found.rows] == grouping.names.index(group)
    told = f"Of {format_count(int(inside.sum()))} examples left out"
    if found.left_out > len(found.rows):
        told += f", of a random sample of {format_count(len(found.rows))} out of {format_count(found.left_out)}"
    told += (
        f", one pick alone covers {format_percent(float(found.shares[inside].mean()))} on average"
        if inside.any()
        else ""
    )
    st.caption(told + (", of the selection as it is stored." if cut.is_tried else "."))
    if inside.any():
        key = f"gains.covers.{cut.selection.selection}.{column}.{group}"
        config = {
            "Main cover of": NUMBER(format="localized", help=COVER_HELP),
            "Covers": NUMBER("Covers", format="%.0f %%", help="Of their information, on average."),
            "Prompt": st.column_config.TextColumn(width=220),
            "For example": st.column_config.TextColumn(width=420),
        }
        decide_in_table(cut.selection.dataset, covers_table(cut.selection, found, inside), key, config)


def _find_covers(selection: SelectionRow) -> MainCovers | None:
    bench = open_bench()
    try:
        seconds = bench.main_covers_seconds(selection.selection)
        if seconds > AT_ONCE_SECONDS and not st.button(
            "Find who covers whom", key="gains.covers.find", help=f"Takes about {format_seconds(seconds)}."
        ):
            st.write("Which picks stand for most of the examples left out, with some of those that they stand for.")
            return None
        if not seconds:
            return bench.main_covers(selection.selection)
        bar = st.progress(0.0, "Looking at the picks")
        found = bench.main_covers(
            selection.selection,
            lambda done, of: bar.progress(done / of, f"{done:,} of {of:,} picks looked at"),  # type: ignore[arg-type]
        )
        bar.empty()
        return found
    except GleanerError as error:
        st.caption(escape_markdown(str(error)))
        return None


def _ask_group(selection: SelectionRow, column: str | None) -> str | None:
    """All examples left out, or those of one group."""
    if column is None:
        return None
    options = [ALL, *(f"{ONE}{name}" for name in open_bench().grouping_of(selection, column).names)]
    chosen = choose_linked(st.selectbox, "Among", AMONG, options, _name_group)
    return None if chosen == ALL else chosen.removeprefix(ONE)


def _name_group(option: str) -> str:
    return "All examples left out" if option == ALL else shorten(option.removeprefix(ONE), 60) or "(empty)"


def covers_table(selection: SelectionRow, found: MainCovers, inside: np.ndarray) -> pd.DataFrame:
    """The picks that cover most examples among those `inside` [n], with the ones that they cover best."""
    picks = ledger_of(selection.selection).rows
    ranks, rows, shares = found.ranks[inside], found.rows[inside], found.shares[inside]
    counts = np.bincount(ranks, minlength=len(picks) + 1)
    best = [rank for rank in np.argsort(-counts, kind="stable")[:TOP].tolist() if counts[rank]]
    covered = [rows[ranks == rank][np.argsort(-shares[ranks == rank], kind="stable")].tolist() for rank in best]
    shown = [int(picks[rank - 1]) for rank in best]
    named = sorted({row for of in covered for row in of[:EXAMPLES_NAMED]} | set(shown))
    texts = {text.row: text for text in open_bench().datasets.texts(selection.dataset, named)}
    return pd.DataFrame(
        {
            "#": best,
            "Row": shown,
            "Prompt": [shorten(texts[row].prompt, 160) for row in shown],
            "Main cover of": [int(counts[rank]) for rank in best],
            "Covers": [100 * float(shares[ranks == rank].mean()) for rank in best],
            "For example": [
                " · ".join(f"row {row:,}: {shorten(texts[row].prompt, 80)}" for row in of[:EXAMPLES_NAMED])
                for of in covered
            ],
        }
    )
