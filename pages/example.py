"""Why this one, or why not?"""

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import SelectionRow
from core.records import DatasetRow
from core.web.deciding import decide_on, show_history, standing_of, tell_prices
from core.web.notices import escape_markdown, missing, show_errors
from core.web.rows import ask_row
from core.web.scores import SCORES, read_covers, read_left_out, read_picks, scores_of, tell_covers
from core.web.session import current_dataset, current_run, current_selection, open_bench
from core.web.theme import format_count, format_sig
from core.workbench.explaining import tell_outcome


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
    picks = read_picks(selection.selection)
    pick = next((pick for pick in picks if pick.row == row), None)
    covers = tell_covers(read_covers(selection.selection, (row,))[row], {other.row: other.rank for other in picks})
    if pick is None:
        outcome = next(iter(open_bench().outcomes(selection.selection, [row])), None)
        why = tell_outcome(outcome, selection) if outcome else "this selection was made by an older version"
        st.markdown(f"**Left out**: {escape_markdown(why)}.")
        tell_left_out(selection, row, covers)
        return
    st.markdown(f"**Picked as #{pick.rank:,}**: {pick.reason}.")
    if pick.gain is not None and pick.gain_alone:
        st.write(
            f"Gained {format_sig(pick.gain)} nats, {format_sig(pick.gain / max(pick.response_tokens, 1))} a token. "
            f"Alone it would bring {format_sig(pick.gain_alone)}: the earlier picks already held "
            f"{100 * max(0.0, 1 - pick.gain / pick.gain_alone):.0f} % of it."
        )
    if covers:
        st.write(covers)


def tell_left_out(selection: SelectionRow, row: int, covers: str) -> None:
    """What it would bring now, and which picks already tell it."""
    left = read_left_out(selection.selection, row)
    if left is None:
        return
    st.write(
        f"It would add {format_sig(left.gain)} nats now, alone {format_sig(left.gain_alone)}: the selection already "
        f"holds {100 * left.covered:.0f} % of it."
    )
    if covers:
        st.write(covers)


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
    lines = []
    for name, (title, unit, _) in SCORES.items():
        values = frame[name].to_numpy(dtype=float)
        if np.isfinite(values[row]):
            percentile = 100 * float(np.mean(values[np.isfinite(values)] <= values[row]))
            shown = format_count(values[row]) if name == "response_tokens" else format_sig(values[row])
            lines.append({"Score": f"{title} ({unit})" if unit else title, "Value": shown, "Percentile": percentile})
    share = st.column_config.NumberColumn(format="%.0f", help="Percentage of the examples that are not above it.")
    st.dataframe(pd.DataFrame(lines), hide_index=True, height="content", column_config={"Percentile": share})


def show_decisions(dataset: DatasetRow, row: int) -> None:
    """What stands, what a decision would cost, the buttons, and the history."""
    standing, selection = open_bench().decisions.standing(dataset.name), current_selection()
    with st.container(border=True):
        st.markdown(f"**Your decision**{': it is ' + word if (word := standing_of(standing, row)) else ''}")
        if selection:
            tell_prices(selection, row, standing)
        decide_on(dataset.name, [row], f"example.{dataset.name}.{row}")
        show_history(dataset.name, row)


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
            show_decisions(chosen, chosen_row)
            show_scores(chosen_row)
