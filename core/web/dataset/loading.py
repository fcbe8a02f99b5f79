"""The load card: choose a source, see what was found in it, load it."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import streamlit as st

from core.data.shapes import SHAPES
from core.errors import BadInput
from core.people import Role
from core.records import Example
from core.settings import IngestFormat, IngestSettings
from core.web.dataset.loads import welcome
from core.web.notices import escape_markdown
from core.web.reading import show_turns
from core.web.session import current_account, go_on_with, open_bench
from core.web.theme import format_percent
from core.workbench.loading import DEMO, Preview

UPLOAD, PATH, DEMO_SOURCE = "Upload files", "Path, URL or hub id", "The demo"
SUFFIXES = ["jsonl", "json", "ndjson", "csv", "tsv", "parquet", "arrow", "txt", "gz", "zst"]
NOT_THERE = "(none)"
LONGEST_NAME = 80


def load_card() -> None:
    """Draw the card. Raises BadInput for what cannot be loaded."""
    if not current_account().may(Role.CURATOR):
        st.caption(f"Loading takes {Role.CURATOR.called}.")
        return
    kind = st.segmented_control("Source", [UPLOAD, PATH, DEMO_SOURCE], default=UPLOAD, required=True, key="load.kind")
    if kind == DEMO_SOURCE:
        _offer_demo()
        return
    sources = _ask_upload() if kind == UPLOAD else _ask_path()
    if not sources:
        st.caption(
            "JSONL, JSON, CSV, TSV, Parquet, Arrow or plain text, also as .gz or .zst. Alpaca, ShareGPT, messages, "
            "prompt and completion, question and answer are recognised."
        )
        return
    with _by_own_names():
        _ask_rest(sources)


@contextmanager
def _by_own_names() -> Iterator[None]:
    """What cannot be loaded is told by the name that it was uploaded under, not by where it was kept."""
    try:
        yield
    except BadInput as error:
        raise BadInput(
            re.sub(rf"{re.escape(str(open_bench().folder.sources))}/[0-9a-f]{{32}}/", "", str(error))
        ) from None


def _ask_rest(sources: tuple[str, ...]) -> None:
    """How the sources are read, what they are found to be, and the button."""
    settings = _ask_settings()
    stamp = open_bench().fingerprint(sources, guarded=True)
    found = _preview(sources, settings.model_dump_json(), stamp)
    mapping = _ask_mapping(sources, found)
    if mapping != found.mapping:
        settings = settings.model_copy(update={"format": found.format, "mapping": mapping})
        found = _preview(sources, settings.model_dump_json(), stamp)
    _show_preview(found)
    name = st.text_input("Name of the dataset", value=_suggest_name(sources[0]), key=f"load.name.{sources[0]}")
    st.caption("Under the name of a dataset that is there, changed content becomes its next version.")
    if st.button("Load", type="primary"):
        _load(sources, name, settings)


def _load(sources: tuple[str, ...], name: str, settings: IngestSettings) -> None:
    bench = open_bench()
    if not bench.is_short(sources):
        st.session_state["load"] = bench.start_loading(sources, name, settings, guarded=True)
        st.rerun()
    with st.spinner("Loading"):
        welcome(bench.ingest(sources, name, settings, guarded=True))


@st.cache_data(show_spinner="Reading the first rows", max_entries=8, ttl=300)
def _preview(sources: tuple[str, ...], settings: str, stamp: str) -> Preview:
    del stamp  # a file that was changed is looked into again
    return open_bench().preview(sources, IngestSettings.model_validate_json(settings), guarded=True)


def _offer_demo() -> None:
    st.write(
        "2,026 real English question-and-answer chats in 21 topics, half of them repeats (chatterbot-corpus, BSD)."
    )
    if st.button("Load the demo", type="primary"):
        with st.spinner("Loading"):
            open_bench().demo()
        go_on_with(dataset=DEMO, run=None, selection=None)


def _ask_upload() -> tuple[str, ...]:
    uploaded: Any = st.file_uploader(
        "Files", type=SUFFIXES, key="load.upload", label_visibility="collapsed", accept_multiple_files=True
    )
    return tuple(_keep_upload(each) for each in uploaded)


def _keep_upload(uploaded: Any) -> str:
    """Put an upload into the workspace, once per upload, under its own name as far as that is one for a file."""
    key = hashlib.sha256(str(uploaded.file_id).encode()).hexdigest()[:32]  # the id is the browser's word
    folder = open_bench().folder.sources / key
    name = re.sub(r"[^\w .@+-]", "-", Path(uploaded.name).name)[-LONGEST_NAME:].lstrip(" .-")
    path = folder / (name or "file")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as stream:
            stream.write(uploaded.getbuffer())
        Path(stream.name).replace(path)
    return str(path)


def _ask_path() -> tuple[str, ...]:
    text = st.text_area(
        "Path on this server, URL, or hub id; several files one a line",
        key="load.path",
        height=68,
        placeholder="/data/train.jsonl, https://…/train.jsonl.gz or organisation/dataset",
        help="A file, or a folder of files or saved by the datasets library.",
    )
    return tuple(line.strip() for line in (text or "").splitlines() if line.strip())


def _ask_settings() -> IngestSettings:
    fields = IngestSettings.model_fields
    with st.expander("How it is read"):
        left, middle, right = st.columns(3)
        shape = left.selectbox(
            "Shape", list(get_args(IngestFormat)), key="load.format", help=fields["format"].description
        )
        header = middle.selectbox(
            "Header line", ["auto", "yes", "no"], key="load.header", help=fields["header"].description
        )
        limit = right.number_input(
            "At most rows", min_value=1, value=None, key="load.limit", help=fields["limit"].description
        )
        split = left.text_input("Split", key="load.split", help=fields["split"].description)
        config = middle.text_input("Configuration", key="load.config", help=fields["config"].description)
        revision = right.text_input("Revision", key="load.revision", help=fields["revision"].description)
    return IngestSettings.checked(
        format=shape,
        header=header,
        limit=limit,
        split=split or None,
        config=config or None,
        revision=revision or None,
    )


def _ask_mapping(sources: tuple[str, ...], found: Preview) -> dict[str, str]:
    """Which column is which field of the shape, as it was found or as the user says."""
    fields = {field: field in shape.required for shape in SHAPES if _is_like(shape, found) for field in shape.names}
    with st.expander("Which column is what"):
        columns = st.columns(3)
        mapping = {}
        for number, (field, is_needed) in enumerate(fields.items()):
            options = [*([] if is_needed else [NOT_THERE]), *found.columns]
            now = found.mapping.get(field, NOT_THERE)
            chosen = columns[number % 3].selectbox(
                field.capitalize(),
                options if now in options else [now, *options],
                index=options.index(now) if now in options else 0,
                key=f"load.column.{'|'.join(sources)}.{found.format}.{field}",
            )
            if chosen and chosen != NOT_THERE:
                mapping[field] = chosen
    return mapping


def _is_like(shape: Any, found: Preview) -> bool:
    return shape.name == found.format and all(field in found.mapping for field in shape.required)


def _show_preview(found: Preview) -> None:
    mapped = ", ".join(f"{field} = {column}" for field, column in found.mapping.items())
    fits = format_percent(found.confidence)
    st.markdown(f"**Found: {escape_markdown(found.format)}** ({escape_markdown(mapped)}; confidence {fits})")
    for row in found.rows:
        with st.container(border=True):
            if not isinstance(row, Example):
                st.caption("Cannot be loaded")
                st.text(row.reason)
                continue
            show_turns(row)


def _suggest_name(source: str) -> str:
    name = Path(source).name or source
    for suffix in (".gz", ".zst"):
        name = name.removesuffix(suffix)
    stem = Path(name).stem or name
    named = "".join(letter if letter.isalnum() or letter in " .@+-_" else "-" for letter in stem)[:80]
    if not named:
        raise BadInput(f"{source!r} has no name to suggest; give one.")
    return named
