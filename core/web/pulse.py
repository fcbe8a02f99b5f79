"""How does a page see within seconds what other people did?

The browser asks a small address every two seconds, less often while the server is busy. Where the answer changed, a
part of the page that is not to be seen tells who decided what, and has all of it drawn again only if it shows any of
that: an idle page costs the server a look into the counters at most once a second, and no script runs.
"""

import secrets
from collections.abc import Sequence, Set
from pathlib import Path

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.choices import Made
from core.web.cut import tried_budget
from core.web.deciding import DONE
from core.web.notices import escape_markdown, keep_said, show_errors
from core.web.session import current_person, current_selection, open_bench
from core.web.theme import format_count
from core.workbench import Workbench
from core.workbench.pulsing import changed, decisions_of
from core.workbench.watching import WorkingJob

ROUTE = "/pulse/{key}"
DID = {kind: word.lower() for kind, word in DONE.items()} | {"undo": "undid decisions on"}
SEEN = "pulse.decisions"
JUST_DRAWN, PRICES = "pulse.just_drawn", "example.prices"
SHOWN_BY = {
    "decisions": ("select", "map", "compare", "review", "proof", "export"),
    "judgements": ("review",),
    "repairs": ("dataset",),
}
"""Which pages show what is counted; all show the rest."""
SCRIPT = Path(__file__).parent / "assets" / "pulse.js"

_ask = st.components.v2.component("gleaner_pulse", html="<span hidden></span>", js=SCRIPT.read_text(encoding="utf-8"))

_keys: dict[str, str] = {}
_watched: dict[str, tuple[Workbench, str]] = {}
"""By a random word that only the pages of this server are told."""


def follow_others(page: str, dataset: str | None, jobs: Sequence[WorkingJob]) -> None:
    """Have this page drawn again when others, or jobs, change what it shows, and say who decided what."""
    name = dataset or ""
    st.session_state[JUST_DRAWN] = True
    _look(page, name, open_bench().pulse(name, jobs))


@st.fragment
def _look(page: str, dataset: str, drawn: str) -> None:
    """Drawn alone when the pulse is no longer `drawn`, what it was when the whole page was."""
    with show_errors():
        bench = open_bench()
        now = drawn if st.session_state.pop(JUST_DRAWN, False) else bench.pulse(dataset, bench.working_jobs())
        if now != drawn and concerns(page, changed(drawn, now), is_tried=_is_tried(), is_read=_is_read(dataset, drawn)):
            keep_said()
            st.rerun()
        key = _keys.setdefault(dataset, secrets.token_urlsafe(16))
        _watched[key] = bench, dataset
        _ask(key="pulse", data={"address": f"pulse/{key}", "seen": now}, on_changed_change=lambda: None, height=1)
        if dataset:
            _tell_decisions(dataset)


def concerns(page: str, news: Set[str], *, is_tried: bool, is_read: bool) -> bool:
    """Whether a page shows any of what changed. Where a budget is tried, what it cuts hangs on all decisions; else the
    Example page shows those about what `is_read` there."""
    if news - SHOWN_BY.keys() or any(page in SHOWN_BY[name] for name in news):
        return True
    is_shown = {"example": is_tried or is_read, "gains": is_tried}.get(page, False)
    return is_shown and "decisions" in news


def _is_tried() -> bool:
    selection = current_selection()
    return selection is not None and tried_budget(selection) is not None


def _is_read(dataset: str, drawn: str) -> bool:
    """Whether something was decided on the example that is read, or its prices are, which hang on all decisions."""
    decided = open_bench().decisions.rows_since(dataset, decisions_of(drawn))
    return st.session_state.get("row") in decided or bool(decided and st.session_state.get(PRICES))


async def answer_pulse(request: Request) -> Response:
    """The pulse of a dataset, for the pages of this server."""
    watched = _watched.get(request.path_params["key"])
    if watched is None:
        return PlainTextResponse("Load the page again.", status_code=410)
    bench, dataset = watched
    pulse = await run_in_threadpool(bench.pulse, dataset)
    return PlainTextResponse(pulse, headers={"cache-control": "no-store"})


def tell_made(made: Made) -> str:
    """`Ada banned row 17`, or how many."""
    what = f"row {made.row:,}" if made.decisions == 1 else f"{format_count(made.decisions)} examples"
    return f"{made.who} {DID[made.kind]} {what}"


def _tell_decisions(dataset: str) -> None:
    """What others decided since this session looked at the dataset last."""
    seen: dict[str, int] = st.session_state.setdefault(SEEN, {})
    bench, newest = open_bench(), open_bench().decisions.newest(dataset)
    if newest > seen.setdefault(dataset, newest):
        for made in bench.made_since(dataset, seen[dataset]):
            if made.who != current_person():
                st.toast(escape_markdown(tell_made(made)))
    seen[dataset] = newest
