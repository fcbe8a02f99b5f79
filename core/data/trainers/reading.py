"""What stands on each line of a file, and in which format is the file written?

A line that cannot be read is a fault, never an error: any file may be checked, not only our exports.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.rows import parse_object
from core.data.trainers.faults import Fault, warned
from core.errors import BadInput

SHAPES: dict[str, tuple[str, ...]] = {
    "messages": ("messages",),
    "prompt-completion": ("prompt", "completion"),
    "sharegpt": ("conversations",),
    "alpaca": ("instruction", "output"),
    "text": ("text",),
}
BESIDE = {
    "messages": ("tools", "parallel_tool_calls"),
    "prompt-completion": ("tools",),
    "sharegpt": ("system", "tools"),
    "alpaca": ("input", "system", "history"),
    "text": (),
}
SAMPLED = 100
BLOCK = 1000
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Line:
    """One line: its fields, or the faults that kept it from being read."""

    number: int
    raw: str
    fields: dict[str, Any] | None
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file to check: its kind (jsonl, array, parquet), its format, and the fields of its first line."""

    path: Path
    kind: str
    shape: str
    first: frozenset[str]
    has_mark: bool

    def lines(self) -> Iterator[Line]:
        """Its lines from the beginning, blank ones left out; elements or rows where it has no lines."""
        for line in READERS[self.kind](self.path):
            if line.fields is not None:
                line.faults += self._faults_of_shape(line.fields)
            yield line

    def _faults_of_shape(self, fields: dict[str, Any]) -> list[Fault]:
        shapes = _shapes_of(fields)
        if not shapes:
            return [Fault("no field that the trainer reads", _names(fields), stops=True)]
        if self.shape not in shapes:
            return [Fault("another format than the file's", f"{shapes[0]}, not {self.shape}", stops=True)]
        if len(shapes) > 1:
            return [warned("two formats stand on one line", " and ".join(shapes))]
        faults = []
        known = {*SHAPES[self.shape], *BESIDE[self.shape]}
        if beside := [name for name in fields if name not in known]:
            faults.append(warned("fields that are no part of the format", ", ".join(beside)))
        if odd := self.first.symmetric_difference(fields):
            faults.append(warned("other fields than the first line has", ", ".join(sorted(odd))))
        return faults


def open_file(path: Path) -> CheckedFile:
    """Find out what a file is. Raises BadInput when it is missing, binary, empty, or in no known format."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise BadInput(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    has_mark, text = head.startswith(BOM), head.removeprefix(BOM).lstrip()
    kind = "parquet" if head.startswith(b"PAR1") else "array" if text.startswith(b"[") else "jsonl"
    if kind != "parquet" and b"\0" in head:
        raise BadInput(f"{str(path)!r} is binary, and not Parquet; give JSON lines, a JSON array or Parquet.")
    if not text:
        raise BadInput(f"{str(path)!r} is empty.")
    rows = [line.fields for line in islice(READERS[kind](path), SAMPLED) if line.fields is not None]
    found = Counter(shape for fields in rows for shape in _shapes_of(fields)[:1])
    if not found:
        columns = f"have {_names(rows[0])}" if rows else "are no JSON objects"
        raise BadInput(f"{str(path)!r} is in none of the formats {', '.join(SHAPES)}: its first lines {columns}.")
    shape = found.most_common(1)[0][0]
    first = next(fields for fields in rows if shape in _shapes_of(fields))
    return CheckedFile(path, kind, shape, frozenset(first), has_mark)


def _shapes_of(fields: dict[str, Any]) -> list[str]:
    """The formats whose fields the row has; a table's empty cells are none."""
    return [shape for shape, names in SHAPES.items() if all(fields.get(name) is not None for name in names)]


def _names(fields: dict[str, Any]) -> str:
    return ", ".join(fields) or "no fields"


def _read_lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as stream:
        for number, content in enumerate(stream, 1):
            stripped = (content.removeprefix(BOM) if number == 1 else content).strip(b" \t\r\n")
            if stripped:
                yield _line(number, stripped)


def _read_array(path: Path) -> Iterator[Line]:
    """The elements of a file that is one JSON array; where it is none, that is the one line's fault."""
    content = path.read_bytes().removeprefix(BOM)
    try:
        elements = json.loads(content)
    except (ValueError, RecursionError) as error:
        yield Line(1, "", None, [Fault("the file is not one JSON array", " ".join(str(error).split()), stops=True)])
        return
    for number, element in enumerate(elements, 1):
        yield _line(number, json.dumps(element, ensure_ascii=False).encode("utf-8", "replace"))


def _read_parquet(path: Path) -> Iterator[Line]:
    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(BLOCK):
            for fields in batch.to_pylist():
                number += 1
                yield Line(number, orjson.dumps(fields, default=str).decode(), fields)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{str(path)!r} is broken as Parquet: {str(error).splitlines()[0]}") from None


READERS: dict[str, Callable[[Path], Iterator[Line]]] = {
    "jsonl": _read_lines,
    "array": _read_array,
    "parquet": _read_parquet,
}


def _line(number: int, content: bytes) -> Line:
    fields, problem = parse_object(content)
    faults = [] if problem is None else [_name_problem(content, problem)]
    return Line(number, content.decode("utf-8", "replace"), fields, faults)


def _name_problem(content: bytes, problem: str) -> Fault:
    """What is wrong, by what the strict reader and Python's lenient one say."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return Fault("the line is not UTF-8", f"{error.reason} at byte {error.start:,}", stops=True)
    repeated: list[str] = []
    try:
        value = json.loads(content, object_pairs_hook=lambda pairs: _pairs(pairs, repeated))
    except (ValueError, RecursionError):
        return Fault("the line is not JSON", problem, stops=True)
    if not isinstance(value, dict):
        return Fault("the line is not a JSON object", problem, stops=True)
    if repeated:
        return Fault("a key stands twice in one object", ", ".join(repeated), stops=True)
    if b"NaN" in content or b"Infinity" in content:
        return Fault("NaN or Infinity stands in it, which JSON does not have", stops=True)
    return Fault("the line is not JSON", problem, stops=True)


def _pairs(pairs: list[tuple[str, Any]], repeated: list[str]) -> dict[str, Any]:
    counts = Counter(name for name, _ in pairs)
    repeated.extend(name for name, count in counts.items() if count > 1)
    return dict(pairs)
