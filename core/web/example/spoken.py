"""What was said in this example, and what did the model make of each token of the response?"""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.errors import GleanerError
from core.records import DatasetRow, Example, RunRow
from core.web.cut import Cut
from core.web.example.lens import MEASURES, deepest, show_legend, token_lens
from core.web.linked import choose_linked
from core.web.notices import escape_markdown
from core.web.reading import show_whole
from core.web.session import open_bench
from core.web.theme import format_count
from core.workbench.lensing import TokenLens

PLAIN, LENS = "plain", "lens"


@dataclass(frozen=True, slots=True)
class Shading:
    """What the tokens of an example are shaded by, and from which size on most deeply."""

    lens: TokenLens
    measure: str
    values: list[float]
    most: float


def show_conversation(dataset: DatasetRow, row: int, run: RunRow | None, cut: Cut | None) -> None:
    """Every turn as text that nothing interprets, the scored ones token by token where there is a lens to see by."""
    (example,) = open_bench().datasets.examples(dataset.name, [row])
    shading = _ask_shading(run, row, cut) if run else None
    starts = _starts(shading.lens) if shading else {}

    def draw(place: int) -> bool:
        if shading is None or place not in starts:
            return False
        turn, start = shading.lens.turns[place], starts[place]
        values = shading.values[start : start + len(turn.pieces)]
        token_lens(turn, values, shading.measure, shading.most, key=f"lens.turn.{place}")
        return True

    show_whole(example, draw, f"example.turns.{dataset.name}.{row}")
    _show_original(example)


def _show_original(example: Example) -> None:
    with st.expander("The row as it came"):
        st.caption(f"Line {format_count(example.line)} of the source, id {escape_markdown(example.example_id)}")
        st.code(example.original, language=None, wrap_lines=True)


def _ask_shading(run: RunRow, row: int, cut: Cut | None) -> Shading | None:
    """The choice of the lens, as far as this run has it; nothing for a row that has no scores."""
    try:
        with st.spinner("Reading the tokenizer"):
            lens = open_bench().token_lens(run.run, row)
    except GleanerError as error:
        st.caption(escape_markdown(f"Tokens cannot be shaded: {error}"))
        return None
    kinds = [kind for kind in MEASURES if kind in lens.values or (kind == "leverage" and cut is not None)]
    measure = _ask_measure(kinds)
    if measure == PLAIN:
        return None
    try:
        values = lens.values[measure] if measure in lens.values else _leverage(cut, row)
    except GleanerError as error:
        st.caption(escape_markdown(str(error)))
        return None
    most = deepest(values)
    show_legend(measure, most)
    return Shading(lens, measure, values, most)


def _ask_measure(kinds: list[str]) -> str:
    """Kept in the address; a kind that this run lacks gives way to the first that it has."""
    return choose_linked(
        st.segmented_control,
        "Shade the response by",
        LENS,
        [*kinds, PLAIN],
        lambda kind: "Nothing" if kind == PLAIN else MEASURES[kind].title,
        required=True,
    )


def _leverage(cut: Cut | None, row: int) -> list[float]:
    assert cut is not None  # offered only then
    with st.spinner("Reading the model"):
        return open_bench().leverage(cut.selection.selection, row, cut.rows)


def _starts(lens: TokenLens) -> dict[int, int]:
    """Where the values of each turn's tokens begin."""
    lengths = [len(turn.pieces) for turn in lens.turns.values()]
    return dict(zip(lens.turns, (np.cumsum(lengths) - lengths).tolist(), strict=True))
