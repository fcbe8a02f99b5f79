"""Files of every format, broken at random, and what must hold of each of them all the same.

A seed decides everything, so a failure can be made again.
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.conversations import RowError
from core.data.ingest import read_examples
from core.data.shapes import convert_leniently, recognise
from core.data.sources import Source, SourceRow, open_source
from core.errors import BadInput
from core.records import Example
from core.settings import IngestSettings

WORDS = [
    "Name",
    "a colour",
    "Zähle bis drei",
    "数一数",
    "5 < 6",
    'say "no"',
    "x\ny",
    "a,b;c\td",
    "{[:]}",
    "",
    "😀",
    "\\",
]
TOKENS = [b"NaN", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\ud800", b"\0", b"\r", b"\n", b"\r\n", b"\xff"]
TOKENS += [
    b"\xef\xbb\xbf",
    b'{"a":1,"a":2}',
    b"[" * 2000,
    b'{"x":' * 300,
    b"9" * 5000,
    b"-Infinity",
    b"\xe2\x28",
    b"\x00\x00",
]


def make_rows(dice: random.Random, shape: str | None = None) -> list[dict[str, Any]]:
    """A few rows of one shape."""

    def text() -> str:
        return " ".join(dice.choices(WORDS, k=dice.randint(0, 6)))

    def row() -> dict[str, Any]:
        turns = [text() for _ in range(dice.choice((2, 2, 4, 3)))]
        match kind:
            case "alpaca":
                return {"instruction": text(), "input": text(), "output": text()}
            case "messages":
                roles = ("user", "assistant")
                return {"id": 1, "messages": [{"role": roles[i % 2], "content": t} for i, t in enumerate(turns)]}
            case "sharegpt":
                roles = ("human", "gpt")
                return {"conversations": [{"from": roles[i % 2], "value": t} for i, t in enumerate(turns)], "n": 1.5}
            case "text":
                return {"text": text()}
        return {"prompt": text(), "completion": text()}

    kind = shape or dice.choice(["alpaca", "messages", "sharegpt", "prompt-completion", "text"])
    return [row() for _ in range(dice.randint(1, 12))]


def _as_jsonl(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def _as_array(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    if dice.random() < 0.3:
        return b"[\n" + b",\n".join(map(orjson.dumps, rows)) + b"\n]"
    return json.dumps(rows, indent=dice.choice([None, 0, 2, "\t"]), ensure_ascii=dice.random() < 0.5).encode()


def _as_list(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    return json.dumps({"version": "1", "data": rows, "more": {"a": [1]}}, indent=dice.choice([None, 1])).encode()


def _as_records(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    return json.dumps({f"id/{i}": row for i, row in enumerate(rows)}, indent=dice.choice([None, 1])).encode()


def _as_columns(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    return json.dumps({key: [row[key] for row in rows] for key in rows[0]}, indent=dice.choice([None, 1])).encode()


def _as_single(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    return json.dumps(rows[0], indent=dice.choice([None, 4])).encode()


def _as_table(rows: list[dict[str, Any]], dice: random.Random, delimiter: str) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=dice.choice(["\n", "\r\n", "\r"]))
    if dice.random() < 0.7:
        writer.writerow(rows[0])
    writer.writerows([[cell if isinstance(cell, str) else json.dumps(cell) for cell in row.values()] for row in rows])
    return stream.getvalue().encode()


def _as_text(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    return "\n\n".join(str(next(iter(row.values()))) for row in rows).encode()


def _as_parquet(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=dice.choice([3, 100]))
    return sink.getvalue()


def _as_arrow(rows: list[dict[str, Any]], dice: random.Random) -> bytes:
    sink, table = io.BytesIO(), pa.Table.from_pylist(rows)
    with dice.choice([pa.ipc.new_file, pa.ipc.new_stream])(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    return sink.getvalue()


Writer = Callable[[list[dict[str, Any]], random.Random], bytes]
FORMATS: list[tuple[str, Writer]] = [
    ("jsonl", _as_jsonl),
    ("jsonl", _as_jsonl),
    ("json", _as_array),
    ("json", _as_array),
    ("json", _as_jsonl),
    ("json", _as_list),
    ("json", _as_records),
    ("json", _as_columns),
    ("json", _as_single),
    ("csv", lambda rows, dice: _as_table(rows, dice, dice.choice(",;|"))),
    ("tsv", lambda rows, dice: _as_table(rows, dice, "\t")),
    ("txt", _as_text),
    ("parquet", _as_parquet),
    ("arrow", _as_arrow),
]


def damage(content: bytes, dice: random.Random) -> bytes:
    """The content, broken in one way."""
    at, to = sorted(dice.randint(0, len(content)) for _ in range(2))
    match dice.choice(["cut", "behead", "flip", "flip", "insert", "token", "token", "remove", "repeat", "splice"]):
        case "cut":
            return content[:to]
        case "behead":
            return content[at:]
        case "flip":
            return content[:at] + bytes([dice.randrange(256)]) + content[at + 1 :]
        case "insert":
            return content[:at] + dice.randbytes(dice.randint(1, 20)) + content[at:]
        case "token":
            return content[:at] + dice.choice(TOKENS) + content[at:]
        case "remove":
            return content[:at] + content[min(to, at + dice.choice([1, 3, 100])) :]
        case "repeat":
            return content[:to] + content[at:]
    _, write = dice.choice(FORMATS)
    other = write(make_rows(dice), dice)
    return content[:at] + other[dice.randint(0, len(other)) :]


def make_case(seed: int) -> tuple[str, bytes]:
    """A file's name and its damaged bytes."""
    dice = random.Random(seed)
    suffix, write = dice.choice(FORMATS)
    content = write(make_rows(dice), dice)
    if dice.random() < 0.15:
        content += write(make_rows(dice), dice)  # another shape in the same file
    for _ in range(dice.choice([0, 1, 1, 1, 2, 4])):
        content = damage(content, dice)
    if dice.random() < 0.1 and suffix not in ("parquet", "arrow"):
        text = content.decode("utf-8", "replace")
        content = text.encode(
            dice.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "cp1252"]), "replace"
        )
    if dice.random() < 0.05:
        content = content.replace(b"\n", dice.choice([b"\r\n", b"\r"]))
    if kind := dice.choice(["", "", "", "gz", "zst"]):
        content = gzip.compress(content, mtime=0) if kind == "gz" else pa.compress(content, "zstd", asbytes=True)
        content = content * dice.choice([1, 1, 2]) if dice.random() < 0.5 else damage(content, dice)
        suffix = f"{suffix}.{kind}"
    return f"case.{suffix}", content


def check_case(path: Path) -> str:
    """What became of a damaged file: refused, or read with everything that must hold of a reading.

    Raises AssertionError for what does not hold, and whatever else the reading raises but BadInput.
    """
    try:
        source = open_source(str(path), IngestSettings())
        rows = list(source.rows())
    except BadInput as error:
        assert "\n" not in str(error)
        str(error).encode()
        return "refused"
    for row in rows:
        check_row(row)
    check_again(source, rows)
    check_places(path, rows)
    check_conservation(path, rows)
    return check_shapes(rows)


def check_row(row: SourceRow) -> None:
    """Fields or a problem, one of the two, and text that can be stored."""
    assert (row.fields is None) == (row.problem is not None)
    assert row.problem is None or (row.problem and "\n" not in row.problem)
    row.raw.encode()
    row.file.encode()
    (row.problem or "").encode()
    assert row.line >= 1
    if row.fields is not None:
        assert "\n" not in row.raw
        assert orjson.loads(row.raw) == row.fields


def check_again(source: Source, rows: list[SourceRow]) -> None:
    """A second reading, whole or from a row on, gives the same."""
    assert source.size is not None
    assert 0 <= source.position() <= source.size
    for start in {0, 1, len(rows) // 2, max(len(rows) - 1, 0), len(rows), len(rows) + 2}:
        assert list(source.rows(start=start)) == rows[start:], start


def check_conservation(path: Path, rows: list[SourceRow]) -> None:
    """Every row read is loaded or quarantined, one for one, whatever its shape was taken for."""
    try:
        ingest = read_examples(str(path), IngestSettings())
    except BadInput as error:
        assert "\n" not in str(error)
        return
    outcomes = list(ingest.outcomes())
    assert len(outcomes) == len(rows)
    for row, outcome in zip(rows, outcomes, strict=True):
        assert (outcome.file, outcome.line) == (row.file, row.line)
        assert (outcome.original if isinstance(outcome, Example) else outcome.raw) == row.raw
        assert isinstance(outcome, Example) or outcome.reason


def check_places(path: Path, rows: list[SourceRow]) -> None:
    """Where a text's rows are said to begin, they do; of JSON lines each that is not blank is one row."""
    if path.suffix not in (".jsonl", ".csv", ".json", ".txt", ".tsv"):
        return
    content = path.read_bytes()
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_document = text.startswith(b"[") or text.split(b"\n", 1)[0].strip() == b"{"
    if path.suffix == ".jsonl" and b"\n" in content and not is_document:
        assert len(rows) == sum(bool(line.strip()) for line in text.split(b"\n"))
    for row in rows:
        if row.byte_offset is not None:
            assert 0 <= row.byte_offset <= len(content)
            before = content[: row.byte_offset]
            lines = before.count(b"\n")
            returns = before.count(b"\r")  # which end lines too in a file from an old Mac
            assert row.line - 1 in (lines, lines + returns, lines + returns - before.count(b"\r\n")), row
            if path.suffix == ".jsonl" and not is_document:
                there = content[row.byte_offset :][: len(row.raw.encode())]
                assert there == row.raw.encode() or "\\x" in row.raw, row


def check_shapes(rows: list[SourceRow]) -> str:
    """Every row that was read becomes a conversation, or says why not."""
    sample = [row.fields for row in islice((row for row in rows if row.fields is not None), 200)]
    if not sample:
        return "nothing"
    try:
        found = recognise("case", sample, "auto", {})
    except BadInput as error:
        assert "\n" not in str(error)
        return "unrecognised"
    assert 0 <= found.confidence <= 1
    for row in rows:
        if row.fields is not None:
            for convert in (lambda f: found.shape.convert(f, found.mapping), lambda f: convert_leniently(found, f)):
                try:
                    messages = convert(row.fields).messages
                    assert messages
                    orjson.dumps(messages)
                except RowError as error:
                    assert str(error)
                    str(error).encode()
    return "read"
