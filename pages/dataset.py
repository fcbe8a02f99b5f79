"""What is in here, and what could not be read?"""

import pandas as pd
import streamlit as st

from core.records import DatasetRow
from core.web.dataset.loading import load_card
from core.web.dataset.loads import show_loads
from core.web.dataset.overview import show_overview
from core.web.dataset.quarantine import show_quarantine
from core.web.deciding import decide_in_table
from core.web.notices import lead_to, show_errors
from core.web.scores import find_rows, shorten
from core.web.session import current_dataset, open_bench
from core.web.tables import turn_pages
from core.web.theme import format_count

PAGE_ROWS = 50
FIRST = (
    "Gleaner finds the few examples of an instruction dataset that are worth training on. Load yours, or the demo; "
    "then score it, choose on the Desk, and export."
)


def show_dataset(dataset: DatasetRow) -> None:
    """Counts that add up, the rows that could not be loaded, and the examples."""
    with st.container(horizontal=True, gap="medium"):
        st.metric("Rows read", format_count(dataset.rows_read), width="content")
        st.metric("Loaded", format_count(dataset.rows_loaded), width="content")
        kept_aside = "Rows kept aside with their reason."
        st.metric("Quarantined", format_count(dataset.rows_quarantined), help=kept_aside, width="content")
        st.metric("Shape", dataset.format, width="content")
    with st.container(key="go_on"):
        lead_to("scoring", "Score this dataset")
    with show_errors():
        show_quarantine(dataset)
    show_overview(dataset)
    show_examples(dataset)


@st.fragment
def show_examples(dataset: DatasetRow) -> None:
    """The examples, a page at a time, with a search over prompts and responses."""
    st.header("Examples")
    search = st.text_input(
        "Search prompts and responses",
        key="search",
        type="search",
        placeholder="A word or a phrase",
        bind="query-params",
    )
    bench = open_bench()
    found = find_rows(dataset.name, search) if search else None
    total = dataset.rows_loaded if found is None else len(found)
    if not total:
        st.write("No example contains that. Search for something shorter.")
        return
    shown = turn_pages(total, PAGE_ROWS, f"dataset.page.{search}")
    rows = list(range(shown.start, shown.stop)) if found is None else found[shown].tolist()
    st.caption(f"{format_count(shown.start + 1)} to {format_count(shown.stop)} of {format_count(total)}")
    texts = bench.datasets.texts(dataset.name, rows)
    lines = [(text.row, shorten(text.prompt), shorten(text.response)) for text in texts]
    table = pd.DataFrame(lines, columns=["Row", "Prompt", "Response"])
    decide_in_table(dataset.name, table, f"dataset.table.{dataset.name}.{shown.start}.{search}")


with show_errors():
    chosen = current_dataset()
    if chosen is None:
        st.write(FIRST)
    with st.expander("Load a dataset", expanded=chosen is None, icon=":material/upload:"), show_errors():
        load_card()
    show_loads()
    if chosen:
        show_dataset(chosen)
