"""How does a chooser's value stand in the address as it is meant, and what of an address cannot be used?

Streamlit's own binding writes a chooser's labels, and fails for a number that has no end. A value that is not among the
options gives way to the usual one.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.web.notices import warn

T = TypeVar("T", bound=str)
NUMBERS = ("row", "at", "pick", "length", "seed", "pool", "price")
MOST_DIGITS = 15


def choose_linked(
    draw: Callable[..., Any],
    label: str,
    key: str,
    options: Sequence[T],
    names: Callable[[T], str],
    usual: T | None = None,
    **how: Any,
) -> T:
    """Draw a chooser, such as `st.selectbox`, that the address fills at first and then follows; `usual` is what it
    falls back to, the first option if not given."""
    asked = st.session_state.get(key) or st.query_params.get(key)
    st.session_state[key] = asked if asked in options else usual or options[0]
    chosen: T = draw(label, options, key=key, format_func=names, persist_state="session", **how)
    st.query_params[key] = chosen
    return chosen


def read_number(text: str | None) -> int | None:
    """A whole number from 0 on; nothing for what is none, and for one of more digits than anything here has."""
    return int(text) if text is not None and text.isdecimal() and len(text) <= MOST_DIGITS else None


def drop_endless_numbers() -> None:
    """Take numbers out of the address that no number field can hold, before one is drawn."""
    endless = [key for key in NUMBERS if _is_endless(st.query_params.get(key, ""))]
    if endless:
        warn(f"The link's {' and '.join(endless)} cannot be used: no number here is so large.")
        begin_without(endless)


def begin_without(keys: Iterable[str]) -> None:
    """Begin this run anew without what the address says of these: fields read the address that a run began with."""
    try:
        for key in keys:
            st.query_params.pop(key, None)
    except StreamlitAPIException:  # the browser went back to it, and its field is on the page
        st.warning("This address cannot be shown; open the page anew.")
        st.stop()
    st.rerun()


def _is_endless(text: str) -> bool:
    try:
        return math.isinf(float(text))
    except ValueError:
        return False
