"""Will my trainer take it?"""

import json
from pathlib import Path

import streamlit as st

from core.choices import SelectionRow
from core.data.trainers import TAKES
from core.people import Role
from core.reports import ExportReport
from core.settings import ExportFormat, Trainer
from core.web.deciding import tell_change
from core.web.export.shipped import show_dry_run, show_files
from core.web.linked import choose_linked
from core.web.notices import escape_markdown, show_errors
from core.web.session import current_account, open_bench
from core.web.steps import require_selection
from core.web.theme import format_count

FIRST = "The selection as a file that your trainer is known to take, with all that it needs beside it."
FORMATS: dict[ExportFormat, tuple[str, str]] = {
    "messages": ("Messages", "One conversation a line, as TRL, Axolotl, LLaMA-Factory and the OpenAI format read it."),
    "prompt-completion": ("Prompt and completion", "The last answer apart from what came before: only it is learned."),
    "alpaca": ("Alpaca", "Fields instruction, input and output; for one question and one answer a row."),
    "sharegpt": ("ShareGPT", "Conversations whose turns are from and value."),
    "original": ("Original", "The rows as they came, with all of their fields."),
}
TRAINERS: dict[Trainer, str] = {
    "trl": "TRL",
    "axolotl": "Axolotl",
    "llama-factory": "LLaMA-Factory",
    "openai": "OpenAI format",
}
SUFFIXES = {"jsonl": "JSONL", "parquet": "Parquet"}


@st.cache_data(show_spinner="Writing the files", max_entries=32)
def write_files(selection: str, shape: ExportFormat, trainer: Trainer, suffix: str, decisions: int) -> ExportReport:
    """Write the export into the workspace, once: the same selection and format make the same files, their lock with
    how many `decisions` came after."""
    del decisions
    bench = open_bench()
    folder = bench.folder.exports / f"{selection}-{shape}-{trainer}-{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = bench.selections.get(selection)
    name = f"{chosen.dataset}-{chosen.criterion}-{chosen.budget}".replace("%", "pct")
    named = "".join(letter if letter.isalnum() or letter in ".@+-_" else "-" for letter in name)
    return bench.export(selection, shape, folder / f"{named}.{suffix}", trainers=[trainer])


def written(selection: SelectionRow, shape: ExportFormat, trainer: Trainer, suffix: str) -> ExportReport:
    """The files, written again where somebody removed them."""
    current_account().insist(Role.CURATOR, "export a selection")
    decisions = open_bench().newer_decisions(selection)
    report = write_files(selection.selection, shape, trainer, suffix, decisions)
    if not all(Path(file).exists() for file in (report.file, report.lock, report.sidecar, report.card)):
        write_files.clear()
        report = write_files(selection.selection, shape, trainer, suffix, decisions)
    return report


def show_first_line(report: ExportReport) -> None:
    """How a row looks to the trainer, and what it needs beside the file."""
    for path in map(Path, report.beside):
        st.markdown(f"**{escape_markdown(path.name)}**")
        st.code(path.read_text(encoding="utf-8"), language=None, wrap_lines=True)
    if report.file.endswith(".jsonl"):
        with Path(report.file).open(encoding="utf-8") as stream:
            first = json.loads(stream.readline())
        st.markdown("**The first line**")
        st.code(json.dumps(first, ensure_ascii=False, indent=2), language=None, wrap_lines=True)


def offer(selection: SelectionRow) -> None:
    """Trainer and format, the dry run, the files."""
    trainers, suffixes = list(TRAINERS), list(SUFFIXES)
    trainer = choose_linked(st.segmented_control, "Trainer", "trainer", trainers, TRAINERS.__getitem__, required=True)
    left, right = st.columns([3, 1])
    shapes: list[ExportFormat] = [*TAKES[trainer], "original"]
    captions = [FORMATS[shape][1] for shape in shapes]
    with left:
        shape = choose_linked(st.radio, "Format", "format", shapes, lambda each: FORMATS[each][0], captions=captions)
    with right:
        suffix = choose_linked(st.radio, "File", "file", suffixes, SUFFIXES.__getitem__)
    if open_bench().newer_decisions(selection):
        st.warning(escape_markdown(tell_change(selection)))
    report = written(selection, shape, trainer, suffix)
    st.header("Will it train?")
    with show_errors():
        model = open_bench().runs.get(selection.run).settings["scoring"]["model"]
        show_dry_run(Path(report.file), trainer, model)
    st.header("Files")
    show_files(report)
    show_first_line(report)


with show_errors():
    chosen = require_selection(
        "The selection as a file that your trainer is known to take, with all that it needs beside it."
    )
    if chosen:
        with st.container(horizontal=True, gap="medium"):
            st.metric("Examples", format_count(chosen.examples), width="content")
            st.metric("Response tokens", format_count(chosen.tokens), width="content")
            st.metric("Criterion", chosen.criterion, width="content")
        offer(chosen)
