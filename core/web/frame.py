"""The frame around every page: navigation, the three choosers, the job strip."""

from pathlib import Path

import streamlit as st

from core.choices import SelectionRow
from core.errors import GleanerError
from core.records import RunRow
from core.web.notices import escape_markdown, show_said
from core.web.session import apply_next_choice, open_bench
from core.web.strip import job_strip

ASSETS = Path(__file__).parent / "assets"
PAGES = {
    "Data": [("dataset", "Dataset"), ("scoring", "Scoring")],
    "Choose": [("select", "Desk"), ("map", "Map"), ("gains", "Gains")],
    "Read": [("example", "Example"), ("render", "Rendering")],
    "Ship": [("export", "Export")],
}


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
        }
    )
    try:
        open_bench()
    except GleanerError as error:
        st.error(escape_markdown(str(error)))
        st.stop()
    apply_next_choice()
    with st.sidebar:
        run = _choosers()
        if page.url_path != "scoring":
            job_strip(run)
    st.title(page.title)
    show_said()
    page.run()


def _choosers() -> str | None:
    """Draw the three choosers and return the run."""
    bench = open_bench()
    datasets = [dataset.name for dataset in bench.datasets.all()]
    dataset = _choose("Dataset", "dataset", datasets, {})
    runs = {row.run: _describe_run(row) for row in bench.runs.of_dataset(dataset)} if dataset else {}
    run = _choose("Scoring run", "run", list(runs), runs)
    selections = {row.selection: _describe_selection(row) for row in bench.selections.of_run(run)} if run else {}
    _choose("Selection", "selection", list(selections), selections)
    return run


def _choose(label: str, key: str, options: list[str], names: dict[str, str]) -> str | None:
    """A chooser that the address fills at first and then follows; a choice that is gone falls back to the newest."""
    wanted = st.session_state.get(key) or st.query_params.get(key)
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


def _describe_run(row: RunRow) -> str:
    model = Path(str(row.settings["scoring"]["model"])).name
    calibrated = "" if row.settings["calibration"] or row.settings["calibrated_model"] else ", not calibrated"
    return f"{model}{calibrated} ({row.run[:6]})"


def _describe_selection(row: SelectionRow) -> str:
    return f"{row.criterion} {row.budget} ({row.selection[:6]})"


draw()
