"""Rows out of text files: JSON lines, a JSON array, passages.

Each reader yields (line, byte offset, raw text, fields, problem). Nothing is dropped: a line
that cannot be read is yielded with its problem. Parsing is orjson's: strict UTF-8, no NaN,
no lone surrogates.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

LONGEST_LINE = 100_000_000
RawRow = tuple[int, int | None, str, dict[str, Any] | None, str | None]
LINE_BREAK = re.compile(r"(,?)[ \t]*[\r\n]\s*")
"""Indentation between an element's tokens: no JSON string holds a line break."""

SPACE = re.compile(r"[ \t\r\n]*")


def read_jsonl_rows(path: Path) -> Iterator[RawRow]:
    """One row a line; blank lines are no rows."""
    offset = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            start, offset = offset, offset + len(line)
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            content = content.strip(b" \t\r\n")
            if not content:
                continue
            fields, problem = parse_object(content)
            yield number, start, content.decode("utf-8", "replace"), fields, problem


def parse_object(content: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """The fields of a JSON object, or what is wrong with it."""
    if len(content) > LONGEST_LINE:
        return None, f"longer than {LONGEST_LINE:,} bytes"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, f"not UTF-8: {error.reason} at byte {error.start:,}"
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at character {error.pos + 1:,}"
    if not isinstance(value, dict):
        return None, f"not an object but {name_of_type(value)}"
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None, "nested too deeply"
    return value, None


def read_array_rows(path: Path) -> Iterator[RawRow]:
    """One row an element of the file's JSON array; `line` counts elements.

    Elements are cut out of the text one by one and put on one line each, so one that is wrong
    costs only itself. What follows a place where no element can be found is one row.
    """
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    decoder = json.JSONDecoder()
    position = _skip_space(text, text.index("[") + 1)
    number = 0
    while position < len(text) and text[position] != "]":
        number += 1
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
            problem = getattr(error, "msg", "nested too deeply or a number too long")
            yield number, None, printable(text[position:]), None, f"not JSON from here to the end: {problem}"
            return
        raw = LINE_BREAK.sub(lambda match: ", " if match[1] else "", text[position:end])
        fields, trouble = parse_object(raw.encode("utf-8", "surrogateescape"))
        yield number, None, printable(raw), fields, trouble
        position = _skip_space(text, end)
        if text[position : position + 1] == ",":
            position = _skip_space(text, position + 1)
        elif text[position : position + 1] != "]":
            rest = text[position:]
            problem = "the array is not closed: the file is cut off" if not rest else "no comma after element"
            yield number + 1, None, printable(rest), None, f"{problem} {number:,}"
            return
    if rest := text[position + 1 :].strip():
        yield number + 1, None, printable(rest), None, "text after the end of the array"


def read_passage_rows(path: Path) -> Iterator[RawRow]:
    """One row a passage of plain text, passages being separated by blank lines."""
    passage: list[str] = []
    start = offset = passage_offset = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                if not passage:
                    start, passage_offset = number, offset
                passage.append(line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape"))
            elif passage:
                yield _passage(start, passage_offset, passage)
                passage = []
            offset += len(line)
    if passage:
        yield _passage(start, passage_offset, passage)


def name_of_type(value: object) -> str:
    """What a JSON value is, in plain words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")


def _passage(line: int, offset: int, lines: list[str]) -> RawRow:
    text = "".join(lines).replace("\r\n", "\n").strip("\n")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return line, offset, printable(text), None, "not UTF-8"
    return line, offset, orjson.dumps({"text": text}).decode(), {"text": text}, None


def printable(text: str) -> str:
    """Text whose undecodable bytes are shown as replacement marks."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _skip_space(text: str, position: int) -> int:
    match = SPACE.match(text, position)
    return match.end() if match else position
