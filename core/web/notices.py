"""How does a page say that something is wrong, missing or done?

Streamlit's notices interpret markdown, and messages may carry dataset text or file names, so
every word is escaped.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from core.errors import GleanerError, faults_in_words

FRAME_CHOICES = ("dataset", "run", "selection")
KEPT, IS_TO_TELL = "said.kept", "said.by_callback"
TOLD_BY = {"failed": st.error, "warned": st.warning, "said": st.success}
ADDRESS = re.compile(r"(?i)https?:(?=//)|www(?=\.)")
PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!$:<>|~&^=\"'@/])")


def escape_markdown(text: str) -> str:
    """Text that markdown leaves as it is. It would make links of addresses all the same, so that these get a sign that
    is not to be seen."""
    return PUNCTUATION.sub(r"\\\1", ADDRESS.sub("\\g<0>\u2060", text))


@contextmanager
def show_errors() -> Iterator[None]:
    """Show an error of ours, and what the machine did to us, as one notice instead of a traceback."""
    try:
        with faults_in_words():
            yield
    except GleanerError as error:
        st.error(escape_markdown(str(error)))


@contextmanager
def keep_errors() -> Iterator[None]:
    """The same for a button's callback, which runs before anything is drawn: what it says comes with the page."""
    st.session_state[IS_TO_TELL] = True
    try:
        with faults_in_words():
            yield
    except GleanerError as error:
        st.session_state["failed"] = str(error)


def say(text: str) -> None:
    """Good news, kept until the page is drawn."""
    st.session_state["said"] = text


def warn(text: str) -> None:
    """What to know, kept until the page is drawn."""
    st.session_state["warned"] = text


def redraw_to_tell() -> None:
    """After a button's callback where a part of the page is drawn alone: draw all of it."""
    if st.session_state.pop(IS_TO_TELL, False):
        st.rerun()


def keep_said() -> None:
    """The rerun that follows is nobody's doing: what is said stays."""
    st.session_state[KEPT] = True


def show_said() -> None:
    """Show what was said before the rerun, until somebody does the next thing."""
    is_kept = st.session_state.pop(KEPT, False)
    st.session_state.pop(IS_TO_TELL, None)
    for kind, show in TOLD_BY.items():
        shown = f"{kind}.shown"
        text = st.session_state.pop(kind, None) or (is_kept and st.session_state.get(shown)) or ""
        st.session_state[shown] = text
        if text:
            show(escape_markdown(text))


def missing(what: str, link: str, page: str, first: str = "") -> None:
    """An empty state: what the page will show, what is missing, and the link that leads to it."""
    with st.container(border=True, key="next_step"):
        if first:
            st.write(first)
        st.write(what)
        lead_to(page, link)


def lead_to(page: str, label: str, **address: str) -> None:
    """A link to a page, `address` being what else its address says.

    A link and no button: a fragment that is under way while `st.switch_page` leads away would empty the new page.
    """
    place: Any = {**frame_address(), **address}
    st.page_link(f"../../pages/{page}.py", label=label, icon=":material/arrow_forward:", query_params=place)


def frame_address() -> dict[str, str]:
    """What every address says: dataset, run and selection, as far as they are chosen."""
    return {name: str(chosen) for name in FRAME_CHOICES if (chosen := st.session_state.get(name))}
