"""What does a file hold? Its first bytes decide, then its suffix."""

from pathlib import Path
from typing import Literal

import orjson

from core.data.streams import COMPRESSED_SUFFIXES
from core.data.texts import BOM
from core.errors import BadInput

SNIFFED_BYTES = 65_536
MOST_CONTROLS = 0.01
"""Of a text, at most this share is control characters: one flipped bit makes no program of it."""

LINE_SUFFIXES, TABLE_SUFFIXES = {".jsonl", ".ndjson"}, {".csv", ".tsv"}
FILE_SUFFIXES = LINE_SUFFIXES | TABLE_SUFFIXES | {".json", ".parquet", ".arrow", ".txt"}
CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\x1b"))
Kind = Literal["parquet", "arrow-file", "arrow-stream", "table", "jsonl", "json", "text"]


def suffix_of(path: Path) -> str:
    """The suffix that says what is inside: of `rows.csv.gz` it is `.csv`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSED_SUFFIXES else suffix


def recognise_kind(where: str, head: bytes, suffix: str, known: set[str]) -> Kind:
    """The kind of a file that begins with `head`; `known` are usual names of columns. Raises BadInput."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow-file"
    if head.startswith(b"\xff\xff\xff\xff"):
        return "arrow-stream"
    _refuse_what_is_no_text(where, head, suffix)
    text = head.removeprefix(BOM).lstrip()
    lines = text.splitlines()
    has_objects = sum(map(_is_object, lines)) * 2 >= sum(map(bool, map(bytes.strip, lines)))
    if text.startswith((b"[", b"{")) and suffix != ".txt":
        return _kind_of_json(text, lines, suffix, has_objects)
    if suffix in LINE_SUFFIXES or (has_objects and (suffix not in TABLE_SUFFIXES or _is_object(lines[0]))):
        return "jsonl"
    if suffix in TABLE_SUFFIXES or (not suffix and _names_columns(lines[0], known)):
        return "table"
    if suffix == ".txt":
        return "text"
    if suffix == ".json" and b"{" in text:
        return "json"  # whose beginning is lost
    if text.startswith(b"<"):
        raise BadInput(f"File {where!r} is a web page; give the address of the data itself.")
    raise BadInput(
        f"File {where!r} is none of JSONL, JSON, CSV, TSV, Parquet, Arrow and plain text (.txt); "
        "save it as one of these."
    )


def _kind_of_json(text: bytes, lines: list[bytes], suffix: str, has_objects: bool) -> Kind:
    if text.startswith(b"["):
        return "jsonl" if suffix in LINE_SUFFIXES and _is_json(lines[0]) and len(lines) > 1 else "json"
    if suffix in LINE_SUFFIXES:
        return "json" if lines[0].strip() == b"{" else "jsonl"
    if suffix in TABLE_SUFFIXES and not has_objects:
        return "table"
    return "jsonl" if has_objects and any(map(bytes.strip, lines[1:])) else "json"


def _refuse_what_is_no_text(where: str, head: bytes, suffix: str) -> None:
    if not head.removeprefix(BOM).strip():
        raise BadInput(f"File {where!r} is empty.")
    for mark, encoding in (
        (b"\xff\xfe\0\0", "UTF-32"),
        (b"\0\0\xfe\xff", "UTF-32"),
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
    ):
        if head.startswith(mark):
            raise BadInput(f"File {where!r} is encoded in {encoding}; save it as UTF-8.")
    even, odd, half = head[::2].count(0), head[1::2].count(0), len(head) / 2
    if max(even, odd) > 0.6 * half and (min(even, odd) < 0.2 * half or even + odd < 1.6 * half):
        raise BadInput(f"File {where!r} is encoded in UTF-16 or UTF-32; save it as UTF-8.")
    controls = len(head) - len(head.translate(None, CONTROLS))
    if suffix in (".parquet", ".arrow") or controls > max(len(head) * MOST_CONTROLS, 2):
        raise BadInput(
            f"File {where!r} is binary, and not Parquet or Arrow; give JSONL, JSON, CSV, TSV, Parquet, Arrow or "
            "plain text."
        )


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _is_object(line: bytes) -> bool:
    """Whether a line that is not indented is an object by itself."""
    try:
        return line.startswith(b"{") and isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _names_columns(line: bytes, known: set[str]) -> bool:
    """Whether a file without a suffix begins like a table."""
    text = line.decode("utf-8", "replace").lower()
    return any(len(cells := text.split(d)) > 1 and known & {c.strip(' "') for c in cells} for d in ",;\t|")
