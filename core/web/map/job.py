"""The map's job: offer to draw it, say how far it is, and why it failed."""

from typing import Literal

import streamlit as st

from core.people import Role
from core.records import RunRow
from core.settings import ProjectionSettings
from core.web.forms import settings_form
from core.web.jobs import show_bad_end, show_work
from core.web.session import allowed, open_bench
from core.web.theme import format_count, format_seconds
from core.workbench.watching import WorkingJob

WHAT = "The map places every example by its mean response feature (UMAP), so that alike responses lie together."


def offer_map(run: RunRow) -> None:
    """No map yet: say what it will show and draw it on request."""
    with st.container(border=True):
        st.write(WHAT)
        if not _follow(run.run):
            with st.expander("Settings"):
                chosen = _ask_settings(run)
            _offer(run, chosen, "Draw the map", "primary")


def offer_again(run: RunRow) -> None:
    """A map is there: how far a new one is, or the way to draw one."""
    progress = open_bench().map_progress(run.run)
    is_noteworthy = progress.is_working or progress.state in ("failed", "interrupted")
    with st.expander("Draw again", expanded=is_noteworthy, icon=":material/refresh:"):
        st.caption("The same settings make the same map; this one stays until the new one is there.")
        if not _follow(run.run):
            _offer(run, _ask_settings(run), "Draw again", "secondary")


def _ask_settings(run: RunRow) -> ProjectionSettings:
    """The form, beginning with what the last drawing was asked for."""
    start = open_bench().map_settings(run.run)
    return settings_form(ProjectionSettings, f"map.settings.{run.run}", start=start, columns=3)


def _offer(run: RunRow, chosen: ProjectionSettings, label: str, kind: Literal["primary", "secondary"]) -> None:
    """The button, with the time that it will take."""
    bench = open_bench()
    scored = bench.runs.counts(run.run)["scored"]
    st.caption(
        f"{format_count(scored)} examples take about {format_seconds(bench.map_seconds(run.run))} on one core. "
        "It goes on if you leave this page, and can be cancelled."
    )
    if st.button(label, type=kind, key="map.draw", **allowed(Role.CURATOR)):
        bench.start_map(run.run, chosen)
        st.rerun()


def _follow(run: str) -> bool:
    """Whether the job works; how far it is then, and why it ended where it ended badly."""
    progress = open_bench().map_progress(run)
    if progress.is_working:
        _wait_for_map(run)
    elif progress.state in ("failed", "cancelled", "interrupted"):
        show_bad_end("map", run, progress)
    return progress.is_working


@st.fragment(run_every=1.0)
def _wait_for_map(run: str) -> None:
    """The map's job, until its points are there."""
    bench = open_bench()
    progress = bench.map_progress(run)
    if progress.has_ended:
        bench.take_in()
        st.rerun()
    if not progress.total:
        worked = format_seconds(progress.seconds + progress.silent_seconds)
        st.caption(f"For {worked} so far; this step cannot tell how far it is.")
    dataset = bench.runs.get(run).dataset
    show_work(WorkingJob("map", run, dataset, progress), "A map that was there stays.")
