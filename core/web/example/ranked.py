"""Where does one example stand among all of a run, score by score?"""

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.records import RunRow
from core.web.scores import SCORES, reason_of, scores_of
from core.web.theme import LEFT_OUT, SELECTED, format_count, format_percent, format_sig


@dataclass(frozen=True, slots=True)
class Ranked:
    """One score of an example, and the share of the scored examples below it; `is_highest` where none is above."""

    title: str
    unit: str
    help: str
    value: str
    below: float
    is_highest: bool

    @property
    def words(self) -> str:
        """Its place in words."""
        if self.is_highest:
            return "the highest"
        return f"higher than {format_percent(self.below)}" if self.below else "the lowest"


def why_not_scored(run: RunRow, row: int) -> str | None:
    """What kept a row from being scored; nothing for one that was."""
    frame = scores_of(run.run)
    if row >= len(frame):
        return "the run has not reached it yet"
    if np.isfinite(frame["nll"].iloc[row]):
        return None
    return reason_of(run.run, row) or "it has no scores"


def show_ranked(run: RunRow, row: int) -> None:
    """The scores with their places among all examples, as a small table."""
    frame = scores_of(run.run)
    lines = rank_scores(frame, _sorted(run.run, int(frame["nll"].count()), frame), row)
    st.html(f'<table style="{TABLE}"><tbody>{"".join(_line(line) for line in lines)}</tbody></table>')
    st.caption(f"Places are among the {format_count(frame['nll'].count())} examples that were scored.")


def rank_scores(frame: pd.DataFrame, ordered: dict[str, np.ndarray], row: int) -> list[Ranked]:
    """Each score that the row has; `ordered` are the finite values of each, ascending."""
    lines = []
    for name, (title, unit, meaning) in SCORES.items():
        value, values = float(frame[name].iloc[row]), ordered[name]
        if not np.isfinite(value):
            continue
        below = np.searchsorted(values, value, side="left") / len(values)
        is_highest = bool(below > 0 and np.searchsorted(values, value, side="right") == len(values))
        shown = format_count(value) if name == "response_tokens" else format_sig(value)
        lines.append(Ranked(title, unit, meaning, shown, float(below), is_highest))
    return lines


@st.cache_resource(show_spinner=False, max_entries=8)
def _sorted(run: str, scored: int, _frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every score's finite values in order, once for a run as far as it has got."""
    del run, scored
    columns = {name: _frame[name].to_numpy(dtype=float) for name in SCORES}
    return {name: np.sort(values[np.isfinite(values)]) for name, values in columns.items()}


TABLE = (
    "width:100%;border-collapse:collapse;font-size:0.875rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere"
)
CELL = "padding:4px 8px 4px 0;border:0;text-align:left;font-weight:400"


def _line(line: Ranked) -> str:
    width, unit = round(100 * (1 if line.is_highest else line.below)), f" {line.unit}" if line.unit else ""
    bar = (
        f'<div aria-hidden="true" style="height:4px;border-radius:2px;background:{LEFT_OUT}55">'
        f'<div style="height:4px;border-radius:2px;'
        f'width:{width}%;background:{SELECTED}"></div></div>'
    )
    return (
        f'<tr><th scope="row" style="{CELL}" title="{html.escape(line.help)}">{html.escape(line.title)}</th>'
        f'<td style="{CELL};text-align:right">{line.value}{unit}</td>'
        f'<td style="{CELL}">{line.words}{bar}</td></tr>'
    )
