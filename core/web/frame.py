"""The frame around every page: navigation, the three choosers, the job strip."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from core.errors import WorkspaceBusy
from core.web.cut import follow_address, take_budget
from core.web.linked import begin_without, drop_endless_numbers
from core.web.naming import describe_run, describe_selection
from core.web.navigation import PAGES
from core.web.notices import FRAME_CHOICES, escape_markdown, show_errors, show_said, warn
from core.web.person import is_in, show_door, show_person
from core.web.pulse import follow_others
from core.web.scores import shorten
from core.web.session import apply_next_choice, current_selection, open_bench
from core.web.slots import count_run
from core.web.strip import job_strip

ASSETS = Path(__file__).parent / "assets"
OF_A_CHOICE = ("budget", "lasso", "row", "pick")
LONGEST_NAME = 60


def draw() -> None:
    """Draw the frame and run the page that the address names."""
    st.set_page_config(page_title="Gleaner", page_icon=str(ASSETS / "icon.svg"), layout="wide")
    st.logo(ASSETS / "logo.svg", size="large")
    st.html(ASSETS / "frame.css")
    page = st.navigation(
        {
            group: [
                st.Page(f"../../pages/{name}.py", title=title, url_path=name, default=name == "dataset")
                for name, title in pages
            ]
            for group, pages in PAGES.items()
        },
        position="sidebar" if is_in() else "hidden",
        expanded=True,
    )
    if not is_in():
        st.html(ASSETS / "door.css")
        show_door()
        st.stop()
    with show_errors():
        try:
            jobs = open_bench().working_jobs()
        except WorkspaceBusy as error:
            _wait_for_workspace(page.title, error)
            return
        drop_endless_numbers()
        apply_next_choice()
        _take_over()
        with st.sidebar:
            _choosers()
            job_strip(page.url_path or "dataset", is_needed=bool(jobs))
            show_person()
            follow_others(page.url_path or "dataset", st.session_state.get("dataset"), jobs)
        follow_address(current_selection())
        st.title(page.title, anchor=False)
        show_said()
        page.run()
        count_run()


def _wait_for_workspace(title: str, error: WorkspaceBusy) -> None:
    """Say who has the workspace, and look again until it is free."""
    st.title(title, anchor=False)
    st.error(escape_markdown(str(error)))
    st.caption("This page looks again by itself.")
    st.fragment(_look_again, run_every=3.0)()


def _look_again() -> None:
    with suppress(WorkspaceBusy):
        open_bench()
        st.rerun()


def _choosers() -> None:
    """Draw the three choosers."""
    bench = open_bench()
    datasets = [dataset.name for dataset in bench.datasets.all()]
    dataset = _choose("Dataset", "dataset", datasets, {})
    runs = {row.run: describe_run(row) for row in bench.runs.of_dataset(dataset)} if dataset else {}
    run = _choose("Scoring run", "run", list(runs), runs)
    selections = {row.selection: describe_selection(row) for row in bench.selections.of_run(run)} if run else {}
    _choose("Selection", "selection", list(selections), selections)


def _take_over() -> None:
    """A link may name what is to be chosen in place of what is: `take`, a selection, with its dataset and run, and
    the budget that is tried on it."""
    if (taken := st.query_params.get("take")) is not None:
        if open_bench().selections.has(taken):
            row = open_bench().selections.get(taken)
            st.session_state.update(dataset=row.dataset, run=row.run, selection=taken)
            take_budget(row)
        st.query_params.pop("take")


def _choose(label: str, key: str, options: list[str], names: dict[str, str]) -> str | None:
    """A chooser that the address fills at first and then follows; a choice that is gone falls back to the newest."""
    linked = st.query_params.get(key)
    if linked and linked not in options and not st.session_state.get(key):
        _tell_missing(label, key, linked, names.get(options[0], options[0]) if options else None)
    wanted = st.session_state.get(key) or linked
    st.session_state[key] = wanted if wanted in options else next(iter(options), None)
    chosen = st.selectbox(
        label,
        options,
        key=key,
        format_func=lambda option: names.get(option, option),
        persist_state="session",
        placeholder="None yet",
        disabled=not options,
    )
    if chosen:
        st.query_params[key] = chosen
    else:
        st.query_params.pop(key, None)
    return chosen


def _tell_missing(label: str, key: str, linked: str, shown: str | None) -> None:
    """Say once that a link names what is not here, and begin anew without what it says of that."""
    instead = f"shown is {shown}" if shown else "there is none yet"
    warn(f"The link names {label.lower()} {shorten(linked, LONGEST_NAME)}, which is not here; {instead}.")
    begin_without([*FRAME_CHOICES[FRAME_CHOICES.index(key) :], *OF_A_CHOICE])


draw()
