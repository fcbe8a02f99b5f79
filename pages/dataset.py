"""What is in here, and what could not be read?"""

import pandas as pd
import streamlit as st

from core.records import DatasetRow
from core.web.deciding import decide_in_table
from core.web.loading import load_card
from core.web.loads import show_loads
from core.web.notices import show_errors
from core.web.overview import show_overview
from core.web.quarantine import show_quarantine
from core.web.scores import shorten
from core.web.session import current_dataset, open_bench
from core.web.theme import format_count

PAGE_ROWS = 50


def show_dataset(dataset: DatasetRow) -> None:
    """Counts that add up, the rows that could not be loaded, and the examples."""
    with st.container(horizontal=True, gap="large"):
        st.metric("Rows read", format_count(dataset.rows_read), width="content")
        st.metric("Loaded", format_count(dataset.rows_loaded), width="content")
        kept_aside = "Rows kept aside with their reason."
        st.metric("Quarantined", format_count(dataset.rows_quarantined), help=kept_aside, width="content")
        st.metric("Shape", dataset.format, width="content")
    with show_errors():
        show_quarantine(dataset)
    show_overview(dataset)
    show_examples(dataset)


def show_examples(dataset: DatasetRow) -> None:
    """The examples, a page at a time, with a search over prompts and responses."""
    st.subheader("Examples")
    search = st.text_input("Search prompts and responses", key="dataset.search", placeholder="A word or a phrase")
    bench = open_bench()
    total = bench.datasets.page(dataset.name, 0, 1, search).total
    if not total:
        st.write("No example contains that. Search for something shorter.")
        return
    pages = -(-total // PAGE_ROWS)
    page = st.pagination(pages, key=f"dataset.page.{search}") if pages > 1 else 1
    shown = bench.datasets.page(dataset.name, (page - 1) * PAGE_ROWS, PAGE_ROWS, search)
    first = (page - 1) * PAGE_ROWS
    st.caption(f"{format_count(first + 1)} to {format_count(first + len(shown.rows))} of {format_count(total)}")
    table = pd.DataFrame(
        [(row.row, shorten(row.prompt), shorten(row.response)) for row in shown.rows],
        columns=["Row", "Prompt", "Response"],
    )
    config = {"Row": st.column_config.NumberColumn(width=60)}
    decide_in_table(dataset.name, table, f"dataset.table.{dataset.name}.{page}.{search}", config)


with show_errors():
    chosen = current_dataset()
    with st.expander("Load a dataset", expanded=chosen is None, icon=":material/upload:"), show_errors():
        load_card()
    show_loads()
    if chosen:
        show_dataset(chosen)
        if st.button("Score this dataset", type="primary", icon=":material/arrow_forward:"):
            st.switch_page("../../pages/scoring.py")
