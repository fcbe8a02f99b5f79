"""Where do rows come from? Files, folders and hub ids, told apart by what is in them.

A source gives its rows again and again, each whole: the JSON text as it came, the fields in
it, or why it could not be read.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from core.data.tables import read_csv_rows, read_dataset_rows, read_parquet_rows
from core.data.texts import read_array_rows, read_jsonl_rows, read_passage_rows
from core.errors import BadInput
from core.files import user_path
from core.settings import IngestSettings

SNIFFED_BYTES = 65_536
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
FILE_SUFFIXES = {".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".txt"}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as it stood in its source: `fields`, or the `problem` that kept it from being read."""

    file: str
    line: int
    byte_offset: int | None
    raw: str
    fields: dict[str, Any] | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Something that rows can be read from, from the beginning, any number of times."""

    name: str
    rows: Callable[[], Iterator[SourceRow]]


def open_source(
    source: str, settings: IngestSettings, downloads: Path | None = None, roots: Sequence[Path] | None = None
) -> Source:
    """Recognise a file, a folder saved by `datasets`, or a hub id.

    Raises BadInput for what is not there, empty, binary, or of no known kind.
    """
    split = settings.split
    path = user_path(source)
    if path.is_dir():
        folder = _load_folder(path, split)
        return _from_rows(source, lambda: read_dataset_rows(folder))
    if path.is_file():
        return _from_rows(source, _file_reader(path))
    if path.suffix.lower() in FILE_SUFFIXES or not HUB_ID.fullmatch(source):
        raise BadInput(f"There is no file {source!r}; check the path.")
    dataset = _load_hub(source, split)
    return _from_rows(source, lambda: read_dataset_rows(dataset))


def _from_rows(name: str, read: Callable[[], Iterator[tuple[Any, ...]]]) -> Source:
    return Source(name, lambda: (SourceRow(name, *row) for row in read()))


def _file_reader(path: Path) -> Callable[[], Iterator[tuple[Any, ...]]]:
    kind = _recognise(path)
    if kind == "parquet":
        return lambda: read_parquet_rows(path)
    if kind in ("csv", "tsv"):
        return lambda: read_csv_rows(path, "\t" if kind == "tsv" else ",")
    return lambda: {"jsonl": read_jsonl_rows, "array": read_array_rows, "text": read_passage_rows}[kind](path)


def _recognise(path: Path) -> str:
    """What a file holds: its first bytes decide, then its suffix. Raises BadInput."""
    try:
        with path.open("rb") as stream:
            head = stream.read(SNIFFED_BYTES)
    except OSError as error:
        raise BadInput(f"File {str(path)!r} cannot be read: {error.strerror}.") from None
    if head.startswith(b"PAR1"):
        return "parquet"
    _refuse_what_is_no_text(path, head)
    suffix, text = path.suffix.lower(), head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if suffix in (".csv", ".tsv"):
        return suffix[1:]
    if text.startswith(b"[") and suffix != ".txt" and not (suffix in (".jsonl", ".ndjson") and _is_line(text)):
        return "array"
    if suffix in (".jsonl", ".ndjson") or (text.startswith(b"{") and _is_object(text.splitlines()[0], len(head))):
        return "jsonl"
    if suffix == ".txt":
        return "text"
    raise BadInput(
        f"File {str(path)!r} is none of JSONL, a JSON array of objects, CSV, TSV, Parquet and plain text (.txt); "
        "save it as one of these."
    )


def _refuse_what_is_no_text(path: Path, head: bytes) -> None:
    if not head.strip():
        raise BadInput(f"File {str(path)!r} is empty.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"File {str(path)!r} is encoded in UTF-16; save it as UTF-8.")
    if path.suffix.lower() == ".parquet" or b"\0" in head:
        raise BadInput(
            f"File {str(path)!r} is binary, and not Parquet; give JSONL, JSON, CSV, TSV, Parquet or plain text."
        )


def _is_line(text: bytes) -> bool:
    """Whether the first line is JSON by itself and others follow, as in a file of JSON lines."""
    first, _, rest = text.partition(b"\n")
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return bool(rest.strip())


def _is_object(line: bytes, sniffed: int) -> bool:
    if len(line) >= sniffed:
        return True  # the line goes on past what was read
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _load_folder(path: Path, split: str | None) -> Any:
    from datasets import DatasetDict, load_dataset, load_from_disk

    saved = (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()
    try:
        loaded = load_from_disk(str(path)) if saved else load_dataset(str(path), split=split or "train")
    except Exception as error:  # datasets raises many kinds
        raise BadInput(f"Folder {str(path)!r} cannot be read by datasets: {_first_line(error)}") from None
    if not isinstance(loaded, DatasetDict):
        return loaded
    name = split or ("train" if "train" in loaded or len(loaded) > 1 else next(iter(loaded)))
    if name not in loaded:
        raise BadInput(f"Folder {str(path)!r} has no split {name!r}; its splits are: {', '.join(loaded)}.")
    return loaded[name]


def _load_hub(source: str, split: str | None) -> Any:
    from datasets import load_dataset
    from huggingface_hub import constants, dataset_info

    try:
        if not constants.HF_HUB_OFFLINE:
            dataset_info(source, timeout=10)  # says no at once, where load_dataset tries again and again
        return load_dataset(source, split=split or "train")
    except Exception as error:  # datasets and the hub's client raise many kinds
        raise BadInput(
            f"{source!r} is neither a file or folder here nor a dataset that the hub gives: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
