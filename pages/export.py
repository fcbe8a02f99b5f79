"""Will my trainer take it?"""

import json
from pathlib import Path

import streamlit as st

from core.choices import SelectionRow
from core.settings import ExportFormat
from core.web.deciding import tell_change
from core.web.notices import escape_markdown, show_errors
from core.web.session import open_bench
from core.web.steps import require_selection
from core.web.theme import format_count

FORMATS: dict[ExportFormat, tuple[str, str]] = {
    "messages": ("Messages", "One conversation a line, as TRL, Axolotl, LLaMA-Factory and the OpenAI format read it."),
    "original": ("Original", "The rows as they came, with all of their fields."),
}


@st.cache_data(show_spinner="Writing the file", max_entries=32)
def write_files(selection: str, shape: ExportFormat, folder: str, decisions: int) -> tuple[Path, Path]:
    """Write the export into the workspace, once: the same selection and format make the same file, its manifest with
    how many `decisions` came after."""
    del decisions
    Path(folder).mkdir(parents=True, exist_ok=True)
    report = open_bench().export(selection, shape, Path(folder) / f"{selection}-{shape}.jsonl")
    return Path(report.file), Path(report.manifest)


def offer_files(selection: SelectionRow, shape: ExportFormat) -> None:
    """The file, its manifest and how the first line looks."""
    exports, decisions = str(open_bench().folder.exports.resolve()), open_bench().newer_decisions(selection)
    if decisions:
        st.warning(escape_markdown(f"Decisions were made since this selection. {tell_change(selection)}"))
    data, manifest = write_files(selection.selection, shape, exports, decisions)
    if not (data.exists() and manifest.exists()):
        write_files.clear()
        data, manifest = write_files(selection.selection, shape, exports, decisions)
    budget = selection.budget.replace("%", "pct")
    name = f"{selection.dataset}-{selection.criterion}-{budget}-{shape}.jsonl".replace(" ", "-")
    left, right = st.columns(2)
    left.download_button(
        "Download JSONL",
        data.read_bytes,
        file_name=name,
        mime="application/jsonl",
        type="primary",
        on_click="ignore",
        width="stretch",
    )
    right.download_button(
        "Download manifest",
        manifest.read_bytes,
        file_name=f"{name}.manifest.json",
        mime="application/json",
        on_click="ignore",
        width="stretch",
    )
    st.caption("The manifest says how the subset was made: settings, model, seeds, versions and hashes.")
    with data.open(encoding="utf-8") as stream:
        first = json.loads(stream.readline())
    st.markdown("**The first line**")
    st.code(json.dumps(first, ensure_ascii=False, indent=2), language=None, wrap_lines=True)


with show_errors():
    chosen = require_selection()
    if chosen:
        figures = st.columns(3)
        figures[0].metric("Examples", format_count(chosen.examples))
        figures[1].metric("Response tokens", format_count(chosen.tokens))
        figures[2].metric("Criterion", chosen.criterion)
        picked = st.radio(
            "Format",
            list(FORMATS),
            format_func=lambda shape: FORMATS[shape][0],
            captions=[caption for _, caption in FORMATS.values()],
            key="export.format",
        )
        offer_files(chosen, picked)
