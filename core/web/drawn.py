"""Figures, drawn once for all sessions: plotly takes longer than most of a page."""

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import streamlit as st


def draw_once(draw: Callable[[], go.Figure], *of: object) -> go.Figure:
    """What `draw` gives, kept as long as `of` says the same: the figure's name, and all that it is drawn from, told
    apart by the bytes of arrays and the `repr` of all else."""
    return _drawn(tuple(part.tobytes() if isinstance(part, np.ndarray) else repr(part) for part in of), draw)


@st.cache_resource(show_spinner=False, max_entries=100)
def _drawn(of: tuple[bytes | str, ...], _draw: Callable[[], go.Figure]) -> go.Figure:
    del of
    return _draw()
