"""Which workspace, dataset, run and selection is this session looking at?

The three choices are widgets of the frame and stand in the address, so a link shows what its
sender saw. Everything else lives in the database: a browser session holds nothing that
would be missed.
"""

import atexit
from typing import Any

import streamlit as st

from core.choices import SelectionRow
from core.records import DatasetRow, RunRow
from core.workbench import Workbench

NEXT = "next_choice"


@st.cache_resource(show_spinner="Opening the workspace")
def open_bench() -> Workbench:
    """The server's one workbench, let go of when the server ends."""
    bench = Workbench(supervise=True)
    atexit.register(bench.close)
    return bench


def go_on_with(**choices: str | None) -> None:
    """Rerun with other choices in the frame: `dataset`, `run` or `selection`."""
    st.session_state[NEXT] = choices
    st.rerun()


def apply_next_choice() -> None:
    """Put choices made by a page into the frame's widgets, before these are drawn."""
    for key, value in st.session_state.pop(NEXT, {}).items():
        st.session_state[key] = value


def current_dataset() -> DatasetRow | None:
    """The dataset chosen in the frame."""
    name: Any = st.session_state.get("dataset")
    return open_bench().datasets.get(name) if name else None


def current_run() -> RunRow | None:
    """The scoring run chosen in the frame."""
    run: Any = st.session_state.get("run")
    return open_bench().runs.get(run) if run else None


def current_selection() -> SelectionRow | None:
    """The selection chosen in the frame."""
    selection: Any = st.session_state.get("selection")
    return open_bench().selections.get(selection) if selection else None
