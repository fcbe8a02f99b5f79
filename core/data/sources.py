"""Where do rows come from? Files, folders, hub ids and URLs, told apart by what is in them.

A source gives its rows again and again, each whole: the JSON text as it came, the fields in
it, or why it could not be read.
"""

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.data.columns import ColumnsKind, check_columns, read_column_file, read_dataset_rows
from core.data.downloads import download, is_url, passing_folder, without_password
from core.data.json_documents import (
    Layout,
    find_layout,
    read_column_rows,
    read_element_rows,
    read_single_row,
)
from core.data.kinds import FILE_SUFFIXES, SNIFFED_BYTES, Kind, recognise_kind, suffix_of
from core.data.places import HUB_ID, check_roots, find_data_files, is_saved_dataset, load_hub, load_saved_dataset
from core.data.rows import Skip, SourceRow
from core.data.shapes import USUAL_NAMES, recognise
from core.data.streams import Meter, UnixLines, is_compressed, open_stream, reason_of_break
from core.data.tables import plan_table, read_csv_rows
from core.data.texts import read_jsonl_rows, read_passage_rows
from core.errors import BadInput
from core.files import user_path
from core.settings import IngestSettings

__all__ = ["Source", "SourceRow", "find_local", "open_source"]
Read = Callable[[Skip, Meter], Iterator[SourceRow]]
ReadText = Callable[[str, io.BufferedReader, Skip], Iterator[SourceRow]]

_unpacked: dict[tuple[str, int, int], Path] = {}
"""Of packed files by path, size and time of change; they go when Python ends."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that rows can be read from, any number of times: `rows()`, or `rows(start=n)` from the
    n-th on.

    `position()` is how much of `size` the latest reading has taken in: bytes of the files as they lie on
    the disk, or rows of a dataset.
    """

    name: str
    rows: Callable[..., Iterator[SourceRow]]
    size: int | None = None
    position: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class _Part:
    """One file or dataset of a source."""

    size: int
    read: Read


def open_source(
    source: str | Sequence[str],
    settings: IngestSettings,
    downloads: Path | None = None,
    roots: Sequence[Path] | None = None,
) -> Source:
    """Recognise files, folders, URLs and hub ids, one or several, read one after the other.

    `downloads` keeps what URLs give; `roots`, if given, are the folders that local paths must lie in.
    Raises BadInput for what is not there, not allowed, empty, binary, or of no known kind.
    """
    named = [source] if isinstance(source, str) else list(source)
    if not named or not all(name.strip() for name in named):
        raise BadInput("No source is given; name a file, a folder, a URL or a hub id.")
    parts = [part for name in named for part in _open_parts(name, settings, downloads, roots)]
    meter = Meter()
    shown = ", ".join(map(without_password, named))
    return Source(shown, partial(_read, parts, meter), sum(part.size for part in parts), meter.position)


def _read(parts: list[_Part], meter: Meter, start: int = 0) -> Iterator[SourceRow]:
    skip = Skip(start)
    meter.restart()
    for part in parts:
        yield from part.read(skip, meter)
        meter.finish(part.size)


def _open_parts(
    source: str, settings: IngestSettings, downloads: Path | None, roots: Sequence[Path] | None
) -> list[_Part]:
    if is_url(source):
        fetched = download(source, downloads, public_only=roots is not None)
        return [_open_file(without_password(source), fetched, settings, suffix_of(fetched))]
    path = find_local(source, roots)
    if path is None:
        return [_of_dataset(source, load_hub(source, settings))]
    if path.is_dir():
        return _open_folder(source, path, settings, roots)
    if path.is_file():
        return [_open_file(source, path, settings, suffix_of(user_path(source)))]
    raise BadInput(f"There is no file {source!r}; check the path.")


def find_local(source: str, roots: Sequence[Path] | None) -> Path | None:
    """The path that a source names, or None for a URL and a hub id. Raises BadInput for one outside the roots."""
    if is_url(source):
        return None
    path = user_path(source)
    try:
        if HUB_ID.fullmatch(source) and path.suffix.lower() not in FILE_SUFFIXES and not path.exists():
            return None
    except OSError as error:
        raise BadInput(f"{source!r} cannot be read: {error.strerror}.") from None
    (path,) = check_roots(source, [path], roots)
    return path


def _open_folder(source: str, path: Path, settings: IngestSettings, roots: Sequence[Path] | None) -> list[_Part]:
    """A folder's files; of several, one that cannot be used is a row that says so."""
    if is_saved_dataset(path):
        check_roots(source, path.rglob("*"), roots)
        return [_of_dataset(source, load_saved_dataset(path, settings.split))]
    files = find_data_files(path, settings.split)
    parts, errors = [], []
    for file, real in zip(files, check_roots(source, files, roots), strict=True):
        name = f"{source.rstrip('/')}/{file.relative_to(path).as_posix()}"
        try:
            parts.append(_open_file(name, real, settings, suffix_of(file)))
        except BadInput as error:
            errors.append(error)
            parts.append(_Part(file.stat().st_size, partial(_read_refusal, name, str(error))))
    if len(errors) == len(files):
        raise errors[0]
    return parts


def _read_refusal(name: str, problem: str, skip: Skip, _: Meter) -> Iterator[SourceRow]:
    if not skip.takes():
        yield SourceRow(name, 1, None, "", None, problem)


def _of_dataset(name: str, dataset: Any) -> _Part:
    return _Part(len(dataset), partial(read_dataset_rows, name, dataset))


def _open_file(name: str, path: Path, settings: IngestSettings, suffix: str) -> _Part:
    """Recognise a file. `name` is what its rows say they come from, `suffix` that of the name it was found by."""
    with open_stream(path) as stream:
        head = stream.read(SNIFFED_BYTES)
    size = path.stat().st_size
    kind = recognise_kind(name, head, suffix, USUAL_NAMES)
    if kind in ("parquet", "arrow-file", "arrow-stream"):
        return _Part(size, _column_reader(name, path, kind))
    is_mac = _has_mac_lines(head, kind)
    head = head.replace(b"\r", b"\n") if is_mac else head
    read: ReadText = read_passage_rows if kind == "text" else read_jsonl_rows
    if kind == "table":
        whole_lines = head[: head.rfind(b"\n") + 1] if len(head) == SNIFFED_BYTES else head
        usual = "\t" if suffix == ".tsv" else ","
        plan = plan_table(name, whole_lines or head, usual, settings.header, USUAL_NAMES)
        read = partial(read_csv_rows, plan=plan)
    elif kind == "json":
        read = _json_reader(name, path, settings)
    return _Part(size, partial(_read_text, name, path, read, is_mac))


def _has_mac_lines(head: bytes, kind: Kind) -> bool:
    """Whether lines end in a carriage return alone; in a table, cells may have line feeds all the same."""
    feeds = head.count(b"\n")
    alone = head.count(b"\r") - head.count(b"\r\n")
    return kind != "json" and alone > feeds and (kind == "table" or not feeds)


def _read_text(name: str, path: Path, read: ReadText, is_mac: bool, skip: Skip, meter: Meter) -> Iterator[SourceRow]:
    with open_stream(path, meter) as plain:
        yield from read(name, io.BufferedReader(UnixLines(plain)) if is_mac else plain, skip)


def _json_reader(name: str, path: Path, settings: IngestSettings) -> ReadText:
    with open_stream(path) as stream:
        layout: Layout = find_layout(name, stream, settings.split, partial(_is_row, settings))
    if layout.kind == "lines":
        return read_jsonl_rows
    if layout.kind == "single":
        return read_single_row
    if layout.kind == "columns":
        return partial(read_column_rows, name)
    return partial(read_element_rows, layout=layout)


def _is_row(settings: IngestSettings, value: dict[str, Any]) -> bool:
    """Whether an object is a row by itself: it fits a shape."""
    with suppress(BadInput):
        return recognise("", [value], settings.format, settings.mapping).confidence > 0
    return False


def _unpack(name: str, path: Path, kind: ColumnsKind) -> Path:
    """The unpacked file, which is there already where this one was looked into before and has not changed since."""
    status = path.stat()
    key = str(path), status.st_size, status.st_mtime_ns
    if (found := _unpacked.get(key)) and found.exists():
        return found
    with open_stream(path) as stream, (passing_folder() / path.stem).open("wb") as unpacked:
        shutil.copyfileobj(stream, unpacked, 1 << 20)
        if (broken := reason_of_break(stream)) and kind != "arrow-stream":
            Path(unpacked.name).unlink()
            raise BadInput(f"File {name!r} is broken: {broken}.")
    _unpacked[key] = Path(unpacked.name)
    return _unpacked[key]


def _column_reader(name: str, path: Path, kind: ColumnsKind) -> Read:
    """Columns are read from all places of a file, so a compressed one is unpacked first, and kept."""
    if is_compressed(path):
        path = _unpack(name, path, kind)
    check_columns(name, path, kind)
    return partial(read_column_file, name, path, kind)
