"""Which examples are like this one, and how does one get to them?"""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.insight.neighbours import Neighbour
from core.records import DatasetRow, RunRow
from core.web.cut import Cut
from core.web.example.story import Mentioned
from core.web.notices import frame_address
from core.web.scores import shorten
from core.web.session import open_bench

SHOWN = 100
HELP = "By the cosine between mean response features: 1.00 is the same direction."


def link_to(other: Mentioned, beside: str = "") -> None:
    """To another example, in the same view."""
    address = frame_address() | {"row": str(other.row)}
    st.page_link("../../pages/example.py", label=f"{other.name}{beside}", icon="", query_params=address)


def show_neighbours(dataset: DatasetRow, run: RunRow, row: int, cut: Cut | None) -> None:
    """The examples most like it by mean feature: selected and left out, or of all where nothing is selected."""
    everything = np.ones(dataset.rows_loaded, dtype=bool)
    is_chosen = cut.mask(dataset.rows_loaded) if cut else everything
    titles = ["Nearest selected", "Nearest left out"] if cut else ["Nearest"]
    masks = [is_chosen, ~is_chosen][: len(titles)]
    for title, found in zip(titles, open_bench().nearest(run.run, row, masks), strict=True):
        with st.container(gap="xsmall"):
            st.markdown(f"**{title}**", help=HELP)
            _list(dataset.name, found, cut)


def _list(dataset: str, found: Sequence[Neighbour], cut: Cut | None) -> None:
    """Each with its likeness and the beginning of its text."""
    texts = {text.row: text for text in open_bench().datasets.texts(dataset, [near.row for near in found])}
    for near in found:
        places = np.flatnonzero(cut.rows == near.row) if cut else np.empty(0)
        rank = int(places[0]) + 1 if len(places) else None
        link_to(Mentioned(near.row, rank), f", cosine {near.similarity:.2f}")
        st.text(shorten(texts[near.row].prompt, SHOWN))
    if not found:
        st.caption("There is none.")
