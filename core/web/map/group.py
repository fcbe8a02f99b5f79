"""The lassoed group: how many, what is special about them, what they are worth, and who they are."""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import Standing
from core.errors import GleanerError
from core.insight.special import Difference
from core.records import RunRow
from core.web.cut import Cut
from core.web.deciding import decide_in_table, decide_on
from core.web.linked import choose_linked
from core.web.notices import escape_markdown
from core.web.scores import SCORES, ledger_of, scores_of, shorten
from core.web.session import open_bench
from core.web.theme import NO_NUMBER, format_count, format_percent, format_seconds, format_sig
from core.workbench.lassoing import Worth

GROUP_ROWS, MOST_SENTENCES, INSTANT_SECONDS = 200, 5, 0.1
GAIN = "gain"
SORTS = {GAIN: "Gain"} | {name: SCORES[name][0] for name in ("nll", "entropy", "delta_entropy", "response_tokens")}
SORT, RISING = "sort", "rising"
"""Names in the address: what the group is sorted by, and whether the lowest comes first."""


def show_group(run: RunRow, cut: Cut | None, rows: np.ndarray) -> None:
    """The panel beside the map: the group in figures and sentences, and the buttons that decide on all of it."""
    count = len(scores_of(run.run))
    st.markdown(f"**{format_count(len(rows))} examples in the lasso**")
    if cut:
        selected = int(cut.mask(count)[rows].sum())
        share, overall = format_percent(selected / len(rows)), format_percent(len(cut.rows) / count)
        st.caption(f"{format_count(selected)} of them selected: {share}, of all examples {overall}.")
    st.markdown("**What is special about these**")
    for sentence in tell_special(find_special(run, rows), len(rows)):
        st.text(sentence)
    if cut:
        st.markdown("**What they are worth**")
        _show_worth(cut, rows)
    decide_on(run.dataset, rows.tolist(), f"map.{run.run}.lasso")


def find_special(run: RunRow, rows: np.ndarray) -> list[Difference]:
    """What sets a group apart, computed once a group."""
    return _find_special(run.run, _digest(rows), rows)


@st.cache_data(show_spinner=False, max_entries=32)
def _find_special(run: str, digest: str, _rows: np.ndarray) -> list[Difference]:
    del digest
    return open_bench().special(open_bench().runs.get(run), _rows)


def tell_special(found: Sequence[Difference], count: int) -> list[str]:
    """At most five sentences, the strongest difference first; all terms share one."""
    if not found:
        few = " With so few, only large differences would show." if count < 20 else ""
        return [f"Nothing that chance would not explain: they score and read like the rest.{few}"]
    terms = [one for one in found if not one.name]
    told = list[str]()
    for one in found:
        if one.name in SCORES:
            told.append(_tell_score(one))
        elif one.name:
            inside, outside = format_percent(one.inside), format_percent(one.outside)
            told.append(
                f"{shorten(one.name, 40)} is {shorten(str(one.value), 40)} for {inside}, elsewhere for {outside}."
            )
        elif one is terms[0]:
            shares = [f"“{t.value}” ({format_percent(t.inside)}, elsewhere {format_percent(t.outside)})" for t in terms]
            told.append(f"Words that their texts share: {', '.join(shares)}.")
    return told[:MOST_SENTENCES]


def _tell_score(one: Difference) -> str:
    title, unit, _ = SCORES[one.name]
    pairs = format_percent((1 + abs(one.strength)) / 2)
    if one.name == "response_tokens":
        medians = f"median {format_count(round(one.inside))} tokens, elsewhere {format_count(round(one.outside))}"
        return f"Responses are {'longer' if one.strength > 0 else 'shorter'}: {medians}; so in {pairs} of pairs."
    medians = f"median {format_sig(one.inside)} {unit}, elsewhere {format_sig(one.outside)}"
    return f"{title} is {'higher' if one.strength > 0 else 'lower'}: {medians}; so in {pairs} of pairs."


def _show_worth(cut: Cut, rows: np.ndarray) -> None:
    """What adding and taking out would change, at once or, where it takes longer, on request."""
    selection = cut.selection
    newest = open_bench().decisions.newest(selection.dataset)
    key = (selection.selection, newest, _digest(cut.rows), _digest(rows))
    asked = st.session_state.get("map.worth")
    try:
        seconds = open_bench().worth_seconds(selection.selection, cut.rows, rows)
        if seconds > INSTANT_SECONDS and asked != key:
            wait = format_seconds(math.ceil(seconds)) if seconds > 1 else "under a second"
            if st.button(f"Compute it, {wait}", key="map.worth.compute", width="stretch"):
                st.session_state["map.worth"] = key
                with st.spinner("Computing"):
                    _tell_worth(_find_worth(*key, cut.rows, rows), cut)
            return
        _tell_worth(_find_worth(*key, cut.rows, rows), cut)
    except GleanerError as error:
        st.caption(escape_markdown(str(error)))


@st.cache_data(show_spinner=False, max_entries=32)
def _find_worth(
    selection: str, decision: int, cut_digest: str, group_digest: str, _cut: np.ndarray, _group: np.ndarray
) -> Worth:
    del decision, cut_digest, group_digest
    return open_bench().worth(selection, _cut, _group)


def _tell_worth(worth: Worth, cut: Cut) -> None:
    average = f" The selection holds {format_sig(cut.information / cut.tokens)} a token." if cut.tokens else ""
    if worth.entering:
        amount = _amount(worth.added, worth.added_tokens)
        st.text(f"Adding the {format_count(worth.entering)} that it lacks would bring {amount}.{average}")
    if worth.leaving:
        amount = _amount(worth.lost, worth.lost_tokens)
        st.text(f"Taking out the {format_count(worth.leaving)} selected would lose {amount}.")
    if not worth.entering and not worth.leaving:
        st.text("None of them can be added: they are banned.")


def _amount(nats: float, tokens: int) -> str:
    return f"{format_sig(nats)} nats, {format_sig(nats / tokens) if tokens else NO_NUMBER} a token"


def show_table(run: RunRow, cut: Cut | None, rows: np.ndarray, standing: Standing) -> None:
    """The group's first examples in the order of a gain or score, whose ticked lines can be decided on."""
    sorts = list(SORTS) if cut else list(SORTS)[1:]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = choose_linked(st.selectbox, "Sort by", SORT, sorts, SORTS.__getitem__, width=200)
        is_rising = st.toggle("Lowest first", key=RISING, bind="query-params", persist_state="session")
    shown = sort_group(run, cut, rows, by, is_rising=is_rising)
    table = group_table(run, cut, shown, standing)
    if len(rows) > len(shown):
        st.caption(f"The first {format_count(len(shown))} of {format_count(len(rows))}.")
    height: int | Literal["content"] = 420 if len(table) > 10 else "content"
    decide_in_table(run.dataset, table, f"map.table.{_digest(shown)}", height=height)


def sort_group(run: RunRow, cut: Cut | None, rows: np.ndarray, by: str, *, is_rising: bool) -> np.ndarray:
    """At most two hundred of a group's rows, by a gain or score; those without it last."""
    if by == GAIN and cut:
        values = gains_of(cut.selection.selection, len(scores_of(run.run)))[rows]
    else:
        values = scores_of(run.run)[by].to_numpy(dtype=float)[rows]
    order = np.argsort(values if is_rising else -values, kind="stable")  # NaN comes last either way
    return rows[order[:GROUP_ROWS]]


def group_table(run: RunRow, cut: Cut | None, rows: np.ndarray, standing: Standing) -> pd.DataFrame:
    """Some of a group as a table shows them."""
    scores = scores_of(run.run).iloc[rows]
    texts = {text.row: text for text in open_bench().datasets.texts(run.dataset, rows.tolist())}
    columns: dict[str, Any] = {"Row": rows, "Choice": _tell_choice(cut, rows, standing)}
    if cut:
        columns["Gain"] = gains_of(cut.selection.selection, len(scores_of(run.run)))[rows]
    columns |= {
        "NLL": scores["nll"].to_numpy(),
        "ΔH": scores["delta_entropy"].to_numpy(),
        "Tokens": scores["response_tokens"].to_numpy(),
        "Prompt": [shorten(texts[row].prompt) for row in rows.tolist()],
        "Response": [shorten(texts[row].response) for row in rows.tolist()],
    }
    return pd.DataFrame(columns)


@st.cache_resource(show_spinner=False, max_entries=8)
def gains_of(selection: str, count: int) -> np.ndarray:
    """What each example gained when it was picked, or would add to the selection, [count] nats."""
    gains = np.full(count, np.nan)
    known, picks = open_bench().selections.gains(selection), ledger_of(selection)
    gains[known["row"]] = known["gain"]
    gains[picks.rows] = picks.gain
    return gains


def _tell_choice(cut: Cut | None, rows: np.ndarray, standing: Standing) -> list[str]:
    """Whether each of these rows is selected, and what was decided about it."""
    chosen = np.where(np.isin(rows, cut.rows) if cut else np.zeros(len(rows), dtype=bool), "selected", "left out")
    decided = np.where(
        np.isin(rows, standing.pinned), ", pinned", np.where(np.isin(rows, standing.banned), ", banned", "")
    )
    return [f"{what}{by}" for what, by in zip(chosen, decided, strict=True)]


def _digest(rows: np.ndarray) -> str:
    return blake2b(np.ascontiguousarray(rows).data, digest_size=12).hexdigest()
