"""Rows out of text files that are read line by line: JSON lines, and passages of plain text.

A line longer than LONGEST_LINE is never held whole: its beginning is shown, and reading goes on
after it. Where a compressed file breaks off, one row says so: the one that is cut, or one more.
"""

import io
from collections.abc import Iterator

import orjson

from core.data.rows import LONGEST_LINE, SHOWN_BYTES, Skip, SourceRow, parse_object, show_bytes
from core.data.streams import CHUNK, reason_of_break

BOM = b"\xef\xbb\xbf"
TOO_LONG = f"longer than {LONGEST_LINE:,} bytes"


def read_jsonl_rows(name: str, stream: io.BufferedReader, skip: Skip) -> Iterator[SourceRow]:
    """One row a line; blank lines are no rows."""
    number, end, line = 0, skip_bom(stream), b""
    while following := stream.readline(LONGEST_LINE + 1):
        line, number, start = following, number + 1, end
        end += len(line)
        is_long = len(line) > LONGEST_LINE
        if is_long:
            end += pass_line(stream)
        elif line.isspace():
            continue
        if skip.left:
            skip.left -= 1
        elif is_long:
            yield SourceRow(name, number, start, show_bytes(line[:SHOWN_BYTES]), None, TOO_LONG)
        else:
            content = line.rstrip(b"\r\n")
            fields, problem = parse_object(content)
            if not line.endswith(b"\n") and (broken := reason_of_break(stream)):
                fields, problem = None, broken
            yield SourceRow(name, number, start, show_bytes(content), fields, problem)
    if not line or line.endswith(b"\n") or line.isspace():
        yield from break_rows(name, number + 1, end, stream, skip)


def read_passage_rows(name: str, stream: io.BufferedReader, skip: Skip) -> Iterator[SourceRow]:
    """One row a passage of plain text, passages being separated by blank lines."""
    passage: list[bytes] = []
    number, end, length = 0, skip_bom(stream), 0
    first = start = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if line.isspace():
            if passage and not skip.takes():
                yield _passage(name, first, start, passage)
            passage, length = [], 0
        else:
            if not passage:
                first, start = number, end
            if length <= LONGEST_LINE:  # of a longer one nothing more is kept
                passage.append(line)
            length += len(line)
        end += len(line)
    broken = reason_of_break(stream)
    if passage and not skip.takes():
        row = _passage(name, first, start, passage)
        yield SourceRow(name, first, start, row.raw, None, broken) if broken else row
    if not passage:
        yield from break_rows(name, number + 1, end, stream, skip)


def skip_bom(stream: io.BufferedReader) -> int:
    """Pass over a byte-order mark; its length."""
    return len(stream.read(len(BOM))) if stream.peek(len(BOM)).startswith(BOM) else 0


def pass_line(stream: io.BufferedReader) -> int:
    """Read to the end of the line without keeping it; how many bytes that were."""
    passed = 0
    while part := stream.readline(CHUNK):
        passed += len(part)
        if part.endswith(b"\n"):
            break
    return passed


def break_rows(name: str, line: int, offset: int, stream: io.BufferedReader, skip: Skip) -> Iterator[SourceRow]:
    """The row that says where a stream broke off, if it did."""
    if (broken := reason_of_break(stream)) and not skip.takes():
        yield SourceRow(name, line, offset, "", None, broken)


def _passage(name: str, line: int, offset: int, lines: list[bytes]) -> SourceRow:
    content = b"".join(lines)
    if len(content) > LONGEST_LINE:
        return SourceRow(name, line, offset, show_bytes(content[:SHOWN_BYTES]), None, TOO_LONG)
    content = content.replace(b"\r\n", b"\n").strip(b"\n")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return SourceRow(name, line, offset, show_bytes(content), None, f"not UTF-8: {error.reason}")
    return SourceRow(name, line, offset, orjson.dumps({"text": text}).decode(), {"text": text})
