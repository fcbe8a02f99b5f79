"""Which workspace, dataset, run and selection is this session looking at?

The three choices are widgets of the frame and stand in the address, so a link shows what its
sender saw. Everything else lives in the database: a browser session holds nothing that
would be missed.
"""

import atexit
import gc
from typing import Any
from urllib.parse import unquote

import streamlit as st
from streamlit.runtime.app_session import AppSession

from core.choices import SelectionRow
from core.logs import log_into
from core.people import Person, Role, local_person
from core.records import DatasetRow, RunRow
from core.web.logs import PROCESS
from core.web.signing_in import account
from core.workbench import Workbench

NEXT, PERSON = "next_choice", "person"
PERSON_COOKIE, LONGEST_PERSON = "gleaner_person", 80


def _keep_caches(_session: AppSession) -> None:
    """Whoever reaches the server may ask for everybody's caches to be cleared, signed in or not."""


AppSession._handle_clear_cache_request = _keep_caches  # type: ignore[assignment, method-assign]


def open_bench() -> Workbench:
    """The server's one workbench: every page's one way to it. Raises Forbidden for somebody who may not see it."""
    if signed_in := account():
        signed_in.insist(Role.VIEWER, "see anything")
    return open_workspace()


_opened: list[Workbench] = []


def _let_go() -> None:
    if _opened:
        _opened[-1].close()


atexit.register(_let_go)


@st.cache_resource(show_spinner="Opening the workspace")
def open_workspace() -> Workbench:
    """Let go of when the server ends."""
    if _opened and not _opened[-1].is_closed:
        return _opened[-1]  # a workspace is opened once
    if not _opened:
        gc.freeze()  # what the libraries have loaded stays: collections need not look at it again
    bench = Workbench(supervise=True, who=current_account)
    _opened[:] = [bench]
    log_into(bench.folder.log, PROCESS)
    return bench


def go_on_with(**choices: str | None) -> None:
    """Rerun with other choices in the frame: `dataset`, `run` or `selection`."""
    st.session_state[NEXT] = choices
    st.rerun()


def apply_next_choice() -> None:
    """Put choices made by a page into the frame's widgets, before these are drawn."""
    for key, value in st.session_state.pop(NEXT, {}).items():
        st.session_state[key] = value
        if st.query_params.get(key) != value:
            st.query_params.pop(key, None)  # it names what was chosen before


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


def current_account() -> Person:
    """For whom this session works, and what they may do. Raises Forbidden for somebody who has to sign in first."""
    return account() or local_person(str(st.session_state.get(PERSON) or "").strip() or known_person())


def current_person() -> str:
    """Whose name stands on what this session decides and judges."""
    return current_account().name


def allowed(role: Role, help: str | None = None) -> dict[str, Any]:
    """How a button is drawn for what takes this role: with its help, or disabled with a word why."""
    if current_account().may(role):
        return {"help": help}
    return {"help": f"This takes {role.called}.", "disabled": True}


def known_person() -> str:
    """The name that this browser was told before; the account's on a server that nobody has told one. It counts only
    where nobody has to sign in."""
    told: object = st.context.cookies.get(PERSON_COOKIE)
    return (unquote(told)[:LONGEST_PERSON].strip() if isinstance(told, str) else "") or local_person().name
