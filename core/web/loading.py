"""The load card: choose a source, see what was found in it, load it."""

import tempfile
from pathlib import Path
from typing import Any, get_args

import streamlit as st

from core.records import Example
from core.settings import IngestFormat, IngestSettings, parse_assignments
from core.web.notices import escape_markdown, say
from core.web.scores import shorten
from core.web.session import go_on_with, open_bench
from core.web.theme import format_count, format_percent
from core.workbench.loading import DEMO

UPLOAD, PATH, DEMO_SOURCE = "Upload a file", "Path or hub id", "The demo"
SUFFIXES = ["jsonl", "json", "ndjson", "csv", "tsv", "parquet", "txt"]


def load_card() -> None:
    """Draw the card. Raises BadInput for what cannot be loaded."""
    kind = st.segmented_control("Source", [UPLOAD, PATH, DEMO_SOURCE], default=UPLOAD, required=True, key="load.kind")
    if kind == DEMO_SOURCE:
        _offer_demo()
        return
    source = _ask_upload() if kind == UPLOAD else _ask_path()
    if not source:
        st.caption(
            "JSONL, a JSON array, CSV, TSV, Parquet or plain text; Alpaca, ShareGPT, messages, prompt/completion."
        )
        return
    settings = _ask_settings()
    _show_preview(source, settings)
    name = st.text_input("Name of the dataset", value=_suggest_name(source), key=f"load.name.{source}")
    if st.button("Load", type="primary"):
        with st.spinner("Loading"):
            report = open_bench().ingest(source, name, settings)
        say(
            f"Loaded {format_count(report.rows_loaded)} of {format_count(report.rows_read)} rows into {report.dataset}."
        )
        go_on_with(dataset=report.dataset, run=None, selection=None)


def _offer_demo() -> None:
    st.write(
        "2,026 real English question-and-answer chats in 21 topics, half of them repeats (chatterbot-corpus, BSD)."
    )
    if st.button("Load the demo", type="primary"):
        with st.spinner("Loading"):
            open_bench().demo()
        go_on_with(dataset=DEMO, run=None, selection=None)


def _ask_upload() -> str | None:
    uploaded: Any = st.file_uploader("File", type=SUFFIXES, key="load.upload", label_visibility="collapsed")
    return None if uploaded is None else _keep_upload(uploaded)


def _keep_upload(uploaded: Any) -> str:
    """Put an upload into the workspace under its own name, once per upload."""
    folder = open_bench().folder.path / "sources" / str(uploaded.file_id)
    path = folder / Path(uploaded.name).name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as stream:
            stream.write(uploaded.getbuffer())
        Path(stream.name).replace(path)
    return str(path)


def _ask_path() -> str | None:
    return st.text_input(
        "Path on this server, or hub id",
        key="load.path",
        placeholder="/data/train.jsonl or organisation/dataset",
        help="A file, or a folder saved by the datasets library.",
    ).strip()


def _ask_settings() -> IngestSettings:
    with st.expander("Shape and columns"):
        left, right = st.columns(2)
        shape = left.selectbox(
            "Shape",
            list(get_args(IngestFormat)),
            key="load.format",
            help=IngestSettings.model_fields["format"].description,
        )
        split = right.text_input("Split", key="load.split", help=IngestSettings.model_fields["split"].description)
        mapping = st.text_input(
            "Columns",
            key="load.mapping",
            placeholder="prompt=question completion=answer",
            help="Only where the names are not recognised: field=column, one after the other.",
        )
    return IngestSettings.checked(format=shape, split=split or None, mapping=parse_assignments(mapping.split()))


def _show_preview(source: str, settings: IngestSettings) -> None:
    found = open_bench().preview(source, settings)
    mapped = ", ".join(f"{field} = {column}" for field, column in found.mapping.items())
    fits = format_percent(found.confidence)
    st.markdown(f"**Found: {escape_markdown(found.format)}** ({escape_markdown(mapped)}; {fits} of a sample fits)")
    for row in found.rows:
        with st.container(border=True):
            if not isinstance(row, Example):
                st.caption("Cannot be loaded")
                st.text(row.reason)
                continue
            for message in row.messages[:4]:
                st.caption(str(message["role"]).capitalize())
                st.text(shorten(str(message.get("content") or ""), 400))
            if len(row.messages) > 4:
                st.caption(f"and {len(row.messages) - 4} more turns")


def _suggest_name(source: str) -> str:
    stem = Path(source).stem or Path(source).name
    return "".join(letter if letter.isalnum() or letter in " .@+-_" else "-" for letter in stem)[:80]
