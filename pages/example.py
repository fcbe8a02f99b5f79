"""Why this one, or why not?"""

import numpy as np
import streamlit as st

from core.records import DatasetRow
from core.web.notices import missing, show_errors
from core.web.scores import SCORES, read_picks, scores_of
from core.web.session import current_dataset, current_run, current_selection, open_bench
from core.web.theme import format_count, format_percent, format_sig


def ask_row(dataset: DatasetRow) -> int:
    """The row, kept in the address so that a link shows the same example."""
    return int(
        st.number_input(
            f"Row, 0 to {format_count(dataset.rows_loaded - 1)}",
            min_value=0,
            max_value=dataset.rows_loaded - 1,
            step=1,
            key="row",
            bind="query-params",
        )
    )


def show_conversation(dataset: DatasetRow, row: int) -> None:
    """The turns, as text that nothing interprets."""
    (example,) = open_bench().datasets.examples(dataset.name, [row])
    for message in example.messages:
        with st.container(border=True):
            st.caption(str(message["role"]).capitalize())
            st.text(str(message.get("content") or ""))
            if message.get("tool_calls"):
                st.json(message["tool_calls"], expanded=False)
    with st.expander("The row as it came"):
        st.caption(f"Line {format_count(example.line)} of the source, id {example.example_id}")
        st.code(example.original, language=None, wrap_lines=True)


def tell_story(row: int) -> None:
    """Whether and why the selection holds it, in sentences."""
    selection = current_selection()
    if selection is None:
        st.write("Nothing is selected yet; choose examples on the Desk.")
        return
    pick = next((pick for pick in read_picks(selection.selection) if pick.row == row), None)
    if pick is None:
        st.markdown("**Left out** of this selection.")
        return
    st.markdown(f"**Picked as #{pick.rank:,}**: {pick.reason}.")
    if pick.gain is not None and pick.gain_alone:
        st.write(
            f"Gained {format_sig(pick.gain)} nats, {format_sig(pick.gain / max(pick.response_tokens, 1))} a token. "
            f"Alone it would bring {format_sig(pick.gain_alone)}: the earlier picks already held "
            f"{format_percent(1 - pick.gain / pick.gain_alone)} of it."
        )


def show_scores(row: int) -> None:
    """The scores with their place among all examples."""
    run = current_run()
    if run is None:
        st.write("This dataset has not been scored yet.")
        return
    frame = scores_of(run.run)
    if row >= len(frame) or frame["nll"].isna().iloc[row]:
        reason = frame["unscorable_reason"].iloc[row] if row < len(frame) else "not reached yet"
        st.caption("Not scored")
        st.text(str(reason))
        return
    for name, (title, unit, meaning) in SCORES.items():
        values = frame[name].to_numpy(dtype=float)
        if np.isfinite(values[row]):
            share = float(np.mean(values[np.isfinite(values)] <= values[row]))
            st.metric(title, f"{format_sig(values[row])} {unit}".strip(), help=meaning)
            st.caption(f"Higher than or equal to {format_percent(share)} of the examples")


with show_errors():
    chosen = current_dataset()
    if chosen is None:
        missing("First load a dataset.", "Load a dataset", "../../pages/dataset.py")
    else:
        chosen_row = ask_row(chosen)
        left, right = st.columns([2, 1], gap="large")
        with left:
            show_conversation(chosen, chosen_row)
        with right:
            tell_story(chosen_row)
            show_scores(chosen_row)
