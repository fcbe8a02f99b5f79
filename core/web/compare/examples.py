"""What does one choice take instead of the other? The tables of Compare, each line with its place in both."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.web.deciding import decide_in_table
from core.web.scores import shorten
from core.web.session import open_bench
from core.web.tables import turn_pages
from core.web.theme import NO_NUMBER, format_count, format_percent
from core.workbench.differing import Difference
from core.workbench.sides import ABSENT, HELD_OUT, REPEAT, STATES, UNSCORABLE, Side, tell_place

PAGE_ROWS = 50
DISTANCE_HELP = (
    "How far apart the two orders place the example, as a share of the order's length: 0 % is the same place, 100 % "
    "first against last. With ≥, one order tells only that it lies beyond its end, and the distance may be larger."
)


def show_only(found: Difference, letter: str) -> None:
    """What one side alone has, in its order, with its place in the other."""
    other = "B" if letter == "A" else "A"
    places = found.only_a() if letter == "A" else found.only_b()
    if not len(places):
        st.write(f"{letter} has nothing that {other} has not.")
        return
    st.caption(f"{format_count(len(places))} examples, in the order of {letter}.")
    show_places(found, places, f"compare.only.{letter}", letter)


def show_disagreements(found: Difference) -> None:
    """The examples that the two orders place farthest apart."""
    places = found.disagreements()
    st.caption(" ".join([_tell_known(found), *_tell_unknown(found)]))
    if not len(places):
        st.write("The two orders prove no disagreement: all that both place may have the same place in each.")
        return
    show_places(found, places, "compare.disagree", "")


def show_places(found: Difference, places: np.ndarray, key: str, letter: str) -> None:
    """A page of these examples as a table, to read, pin, ban or note."""
    at = f"{key}.{found.a.name}.{found.b.name}"
    shown = turn_pages(len(places), PAGE_ROWS, f"{at}.page")
    side, rows = (found.b, found.rows_b) if letter == "B" else (found.a, found.rows_a)
    table = table_of(found, places[shown], side, rows, letter)
    config = {
        "In A": st.column_config.TextColumn(width=230),
        "In B": st.column_config.TextColumn(width=230),
        "Distance": st.column_config.TextColumn(width=90, help=DISTANCE_HELP),
    }
    decide_in_table(side.run.dataset, table, f"{at}.{shown.start}", config)


def table_of(found: Difference, places: np.ndarray, side: Side, rows: np.ndarray, letter: str) -> pd.DataFrame:
    """These examples with their texts, by the rows of a side's dataset."""
    wanted = [int(row) for row in rows[places]]
    texts = {text.row: text for text in open_bench().datasets.texts(side.run.dataset, wanted)}
    columns: dict[str, Sequence[object]] = {"#": side.spans.first[places]} if letter else {}
    columns |= {"Row": wanted}
    for name, of in (("A", found.a), ("B", found.b)):
        if name != letter:
            columns[f"In {name}"] = [tell_place(of, i) for i in places.tolist()]
    columns |= {
        "Distance": _tell_distances(found, places),
        "Prompt": [shorten(texts[row].prompt) for row in wanted],
        "Response": [shorten(texts[row].response) for row in wanted],
        "NLL": side.scores["nll"][places],
        "Tokens": side.tokens[places],
    }
    return pd.DataFrame(columns)


def _tell_distances(found: Difference, places: np.ndarray) -> list[str]:
    return [
        ("≥ " if is_least else "") + format_percent(distance) if np.isfinite(distance) else NO_NUMBER
        for distance, is_least in zip(found.distance[places].tolist(), found.is_least[places].tolist(), strict=True)
    ]


def _tell_known(found: Difference) -> str:
    both = np.isfinite(found.distance)
    exact = int((both & ~found.is_least).sum())
    return f"Both orders place {format_count(int(both.sum()))} examples, {format_count(exact)} of them exactly in both."


def _tell_unknown(found: Difference) -> list[str]:
    """What has no distance, and why, in sentences."""
    told = []
    for name, side in (("A", found.a), ("B", found.b)):
        is_out = np.isnan(side.spans.first)
        counts = np.bincount(side.codes[is_out], minlength=len(STATES)).tolist()
        words = [
            f"{format_count(count)} {WORDS.get(state, state)}"
            for state, count in zip(STATES, counts, strict=True)
            if count
        ]
        told += [f"Without a place in {name}: {', '.join(words)}."] if words else []
    return told


WORDS = {
    ABSENT: "not in its version of the dataset",
    REPEAT: "near-duplicates",
    UNSCORABLE: "not scored",
    HELD_OUT: "held out for a proof",
}
