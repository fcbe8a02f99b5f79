"""How do the workspace and the machine look, as tables and figures?"""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.web.session import open_bench
from core.web.strip import describe_progress
from core.web.theme import NO_NUMBER, format_percent, format_seconds, format_sig
from core.workbench.machine import devices, usage, versions

UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
KINDS = {"load": "Loading", "scoring": "Scoring", "map": "Map", "trial": "Trial", "check": "Dry run", "proof": "Proof"}
FOLDERS = {
    "curation.duckdb": "Database",
    "runs": "Scoring runs",
    "sources": "Uploads and downloads",
    "loads": "Loads",
    "exports": "Exports",
    "models": "Unpacked models",
    "kernels": "Compiled kernels",
    "checks": "Dry runs",
    "trials": "Trials",
    "proofs": "Proofs",
    "tunes": "Fine-tunes of proofs",
    "logs": "Logs",
}
MOST_JOBS = 50


def format_bytes(size: float) -> str:
    """Three digits in the unit that suits: 6517428 → "6.52 MB"."""
    for least, unit in UNITS:
        if size >= least:
            return f"{format_sig(size / least)} {unit}"
    return f"{size:,.0f} B"


def show_health() -> None:
    """Whether all is well, since when, and when the last backup was made."""
    bench = open_bench()
    health, backup, since = bench.health(), bench.last_backup(), bench.owned_since()
    working = sum(job.progress.is_working for job in bench.all_jobs())
    with st.container(horizontal=True, gap="medium"):
        st.metric("Database", "Answers" if health["database"] else "Does not answer", width="content")
        st.metric("Job supervisor", "Works" if health["supervisor"] else "Does not answer", width="content")
        st.metric("Jobs at work", working, width="content")
        st.metric("Open for", _age(since.astimezone(UTC)) if since else NO_NUMBER, width="content")
        st.metric("Last backup", f"{_age(backup[0])} ago" if backup else "None yet", width="content")


def show_jobs() -> None:
    """Every job that the workspace remembers, those at work first."""
    jobs = open_bench().all_jobs()
    if not jobs:
        st.caption("No job has been started in this workspace yet.")
        return
    table = [
        (
            KINDS[job.kind],
            open_bench().dataset_of(job) or NO_NUMBER,
            job.of,
            job.progress.state.capitalize(),
            describe_progress(job.progress) if job.progress.is_working else format_seconds(job.progress.seconds),
            datetime.fromtimestamp(job.progress.updated, UTC) if job.progress.updated else None,
        )
        for job in jobs[:MOST_JOBS]
    ]
    columns = ["Job", "Dataset", "Name", "State", "Progress, or time worked", "Last heard of"]
    st.dataframe(
        pd.DataFrame(table, columns=columns),
        hide_index=True,
        column_config={"Last heard of": st.column_config.DatetimeColumn(format="distance")},
    )
    if len(jobs) > MOST_JOBS:
        st.caption(f"The newest {MOST_JOBS} of {len(jobs):,} jobs.")


def show_machine() -> None:
    """What the machine has, and what this server takes of it."""
    table = [
        (of.name, format_bytes(of.memory_used), format_bytes(of.memory_total), format_percent(of.busy))
        for of in devices()
    ]
    st.dataframe(pd.DataFrame(table, columns=["Device", "Memory in use", "Memory", "Busy"]), hide_index=True)
    mine = usage()
    st.caption(f"This server takes {format_bytes(mine.memory)} of memory and {format_percent(mine.busy)} of one core.")


def show_disk() -> None:
    """How large the workspace is, by folder, and what is free."""
    disk = open_bench().disk_use()
    total = sum(disk.folders.values())
    with st.container(horizontal=True, gap="medium"):
        st.metric("Workspace", format_bytes(total), width="content")
        st.metric("Free on its disk", format_bytes(disk.free), width="content")
    table = [(FOLDERS[name], format_bytes(size)) for name, size in disk.folders.items() if name in FOLDERS]
    rest = total - sum(size for name, size in disk.folders.items() if name in FOLDERS)
    table += [("Everything else", format_bytes(rest))]
    st.dataframe(pd.DataFrame(table, columns=["What", "Size"]), hide_index=True)


def show_versions() -> None:
    """What this server is made of."""
    told = versions() | {"Schema step of the workspace": str(open_bench().schema_step())}
    st.dataframe(pd.DataFrame(list(told.items()), columns=["What", "Version"]), hide_index=True)


def _age(moment: datetime) -> str:
    return format_seconds(max((datetime.now(UTC) - moment).total_seconds(), 0.0))
