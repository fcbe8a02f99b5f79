"""The export page's parts: the dry run's verdict, and the files to take away."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.data.trainers import count_reasons, say_verdict
from core.people import Role
from core.reports import DryRun, ExportReport
from core.settings import Trainer
from core.web.downloads import TICKETS
from core.web.jobs import show_bad_end, show_work
from core.web.notices import escape_markdown
from core.web.session import allowed, open_bench
from core.web.signing_in import account
from core.web.strip import show_progress
from core.workbench.watching import WorkingJob

MEGABYTE, KILOBYTE = 1_000_000, 1_000
WHAT_IT_IS = {
    ".scores.parquet": "scores, reasons and decisions, row for row",
    ".lock.json": "everything needed to make the file again, by the command replay",
    ".card.md": "how the subset was made, in words",
    "dataset_info.json": "LLaMA-Factory's entry for the file",
    "axolotl.yaml": "the stanza for Axolotl's configuration",
    "train_trl.py": "a script that trains on the file with TRL",
    "upload_openai.py": "uploads the file and starts a fine-tuning job",
}


def show_dry_run(data: Path, trainer: Trainer, model: str) -> None:
    """The dry run of a trainer over the file: a button that starts it, its progress, its verdict."""
    bench, key = open_bench(), f"export.check.{data}.{trainer}"
    if key not in st.session_state:
        st.write("Every row goes through the trainer's own rules with the real tokenizer, before you spend GPU hours.")
        if st.button("Dry run", type="primary", key="export.dry_run", **allowed(Role.CURATOR)):
            st.session_state[key] = bench.start_check(data, trainer, model)
            st.rerun()
        return
    _follow(str(st.session_state[key]), key)


@st.fragment(run_every=1.0)
def _follow(check: str, key: str) -> None:
    bench = open_bench()
    found, progress = bench.check_result(check), bench.check_progress(check)
    if found is not None:
        show_verdict(found)
    elif progress.is_working:
        show_work(WorkingJob("check", check, "", progress), "It can be started again.")
    elif progress.state == "done":
        show_progress(progress)
    else:
        show_bad_end("check", check, progress)
        if st.button("Try again", key="export.dry_run_again"):
            del st.session_state[key]
            st.rerun(scope="app")


def show_verdict(found: DryRun) -> None:
    """How many rows will train, and why the others do not."""
    (st.success if found.will_train == found.rows else st.warning)(escape_markdown(say_verdict(found)))
    for note in found.notes:
        st.caption(escape_markdown(note))
    reasons = count_reasons(found)
    if not reasons:
        return
    words = {"refused": "Does not train", "warned": "Trains, but"}
    table = [
        (words[severity], reason, count, ", ".join(str(line) for line in lines if line) or "the whole file")
        for severity, reason, count, lines in reasons
    ]
    st.dataframe(
        pd.DataFrame(table, columns=["Verdict", "Reason", "Rows", "First lines"]),
        hide_index=True,
        column_config={"Reason": st.column_config.TextColumn(width="large")},
    )


def show_files(report: ExportReport) -> None:
    """Every file with its size and what it is, each streamed by its own link."""
    for file in (report.file, report.sidecar, report.lock, report.card, *report.beside):
        path = Path(file)
        says = next((what for end, what in WHAT_IT_IS.items() if path.name.endswith(end)), "what the trainer reads")
        left, right = st.columns([3, 1], vertical_alignment="center")
        left.text(f"{path.name}\n{says}, {_size(path)}")
        is_data = file == report.file
        right.link_button(
            "Download the file" if is_data else "Download",
            TICKETS.offer(path, path.name, account()),
            type="primary" if is_data else "secondary",
            width="stretch",
        )


def _size(path: Path) -> str:
    size = path.stat().st_size
    if size >= MEGABYTE:
        return f"{size / MEGABYTE:,.1f} MB"
    return f"{size / KILOBYTE:,.1f} kB"
