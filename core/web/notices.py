"""How does a page say that something is wrong, missing or done?

Streamlit's notices interpret markdown, and messages may carry dataset text or file names, so
every word is escaped.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import GleanerError

PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!$:<>|~&^=\"'@/])")


def escape_markdown(text: str) -> str:
    """Text that markdown leaves as it is."""
    return PUNCTUATION.sub(r"\\\1", text)


@contextmanager
def show_errors() -> Iterator[None]:
    """Show an error of ours as one notice instead of a traceback."""
    try:
        yield
    except GleanerError as error:
        st.error(escape_markdown(str(error)))


def say(text: str) -> None:
    """Good news, kept over the rerun that usually follows."""
    st.session_state["said"] = text


def show_said() -> None:
    """Show what was said before the rerun, once."""
    if text := st.session_state.pop("said", None):
        st.success(escape_markdown(text))


def missing(what: str, button: str, page: str) -> None:
    """An empty state: what is missing, and the button that leads to it."""
    with st.container(border=True):
        st.write(what)
        if st.button(button, type="primary"):
            st.switch_page(page)
