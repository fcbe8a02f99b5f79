"""How does a page see within seconds what other people did?

The browser asks a small address every two seconds, less often while the server is busy, and has the page drawn again
only when the answer changed: an idle page costs the server a look into the counters at most once a second, and no
script runs.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.choices import Made
from core.web.deciding import DONE
from core.web.notices import escape_markdown, keep_said
from core.web.session import current_person, open_bench
from core.web.theme import format_count
from core.workbench import Workbench
from core.workbench.watching import WorkingJob

ROUTE = "/pulse/{key}"
DID = {kind: word.lower() for kind, word in DONE.items()} | {"undo": "undid decisions on"}
SEEN = "pulse.decisions"
SCRIPT = Path(__file__).parent / "assets" / "pulse.js"

_ask = st.components.v2.component("gleaner_pulse", html="<span hidden></span>", js=SCRIPT.read_text(encoding="utf-8"))

_keys: dict[str, str] = {}
_watched: dict[str, tuple[Workbench, str]] = {}
"""By a random word that only the pages of this server are told."""


def follow_others(dataset: str | None, jobs: Sequence[WorkingJob]) -> None:
    """Have this page drawn again when others, or jobs, change what it shows, and say who decided what."""
    bench, name = open_bench(), dataset or ""
    key = _keys.setdefault(name, secrets.token_urlsafe(16))
    _watched[key] = bench, name
    _ask(
        key="pulse",
        data={"address": f"pulse/{key}", "seen": bench.pulse(name, jobs)},
        on_changed_change=keep_said,
        height=1,
    )
    if dataset:
        _tell_decisions(dataset)


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
