"""Which row is being read?"""

import streamlit as st

from core.records import DatasetRow
from core.web.theme import format_count


def ask_row(dataset: DatasetRow) -> int:
    """The row, kept in the address so that a link shows the same example."""
    last = dataset.rows_loaded - 1
    if st.session_state.get("row", 0) > last:
        st.session_state["row"] = last
    with st.container(width=240):
        row = st.number_input(
            f"Row, 0 to {format_count(last)}", min_value=0, max_value=last, step=1, key="row", bind="query-params"
        )
    return int(row)
