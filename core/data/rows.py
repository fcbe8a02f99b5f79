"""What is one row of a source, and is it a JSON object?

Every reader gives SourceRows. Nothing is dropped: what cannot be read is a row with its problem.
Parsing is orjson's: strict UTF-8, no NaN, no lone surrogates; and no key may stand twice, because
one of its values would be lost without a word. orjson reads 1.10 as 1.1, and 20 digits as a float;
where such a number is a prompt or a response, `WrittenFields` know how it was written.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

LONGEST_LINE = 100_000_000
SHOWN_BYTES = 100_000
DEEPEST = 200
"""Levels that are surely few enough: orjson writes 254."""

SPACED_COLON = re.compile(rb'"[ \t\r\n]+:')


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as it stood in its source: `fields`, or the `problem` that kept it from being read.

    `line` and `byte_offset` say where it begins, after decompression; in tables without text `line`
    is the row's number. `raw` is its text, and can be written as UTF-8.
    """

    file: str
    line: int
    byte_offset: int | None
    raw: str
    fields: dict[str, Any] | None = None
    problem: str | None = None


class WrittenFields(dict[str, Any]):
    """Fields of a row of JSON that remember its text, because numbers with a point stand among them."""

    __slots__ = ("_text",)

    def __init__(self, fields: dict[str, Any], text: bytes) -> None:
        super().__init__(fields)
        self._text = text

    def number(self, name: str) -> str:
        """The number of a field as it is written."""
        return str(json.loads(self._text, parse_int=str, parse_float=str)[name])


class Skip:
    """How many rows are still to be passed over, across the files of a source."""

    __slots__ = ("left",)

    def __init__(self, rows: int = 0) -> None:
        self.left = rows

    def takes(self) -> bool:
        """Whether the row at hand is one to pass over."""
        if self.left:
            self.left -= 1
            return True
        return False


def parse_object(content: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """The fields of a JSON object, or what is wrong with it, in the same words for the same fault."""
    if len(content) > LONGEST_LINE:
        return None, f"longer than {LONGEST_LINE:,} bytes"
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return None, why_not_json(content, error.msg)
    if type(value) is not dict:
        return None, f"not an object but {name_of_type(value)}"
    if problem := find_loss(content, value):
        return None, problem
    return (WrittenFields(value, content) if float in map(type, value.values()) else value), None


def find_loss(content: bytes, value: dict[str, Any]) -> str | None:
    """What of this JSON the value parsed from it lost or cannot be written with again: why it is refused."""
    if content.count(b"{") + content.count(b"[") > DEEPEST:
        try:
            orjson.dumps(value)
        except orjson.JSONEncodeError:
            return "nested too deeply"
    key = _find_repeated_key(content, value)
    return None if key is None else f"key `{key}` appears twice in an object"


def _find_repeated_key(content: bytes, value: dict[str, Any]) -> str | None:
    """A key that stands twice in one object of this JSON, at any depth.

    Each key is followed by `":`, or blanks between the two; within a text that can only stand as
    `\\":`, or at its beginning. So as many of them as the parsed value has keys means that none was
    lost; only otherwise is the text parsed again.
    """
    marks = content.count(b'":') + len(SPACED_COLON.findall(content))
    keys = _count_keys(value)
    if marks == keys or (b'\\\\":' not in content and marks - content.count(b'\\":') == keys):
        return None
    try:
        json.loads(content, object_pairs_hook=_refuse_repeats, parse_int=len, parse_float=len)
    except _Repeated as repeated:
        return str(repeated)
    return None


class _Repeated(Exception):
    """A key that an object has twice."""


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _Repeated("".join(character if character.isprintable() else "?" for character in key[:60]))
        seen.add(key)


def _count_keys(value: Any) -> int:
    """Keys of all objects in a value; its depth has been checked."""
    inner = value
    count = 0
    if type(value) is dict:
        inner, count = value.values(), len(value)
    for item in inner:
        if type(item) is dict or type(item) is list:
            count += _count_keys(item)
    return count


def why_not_json(content: bytes, message: str) -> str:
    """What is wrong with bytes that orjson refused with this message."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason}"
    if "surrogate" in message:
        return "not JSON: half of a surrogate pair"
    if "depth" in message:
        return "nested too deeply"
    constants: list[str] = []
    try:
        json.loads(text, parse_constant=constants.append, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        constants = []
    return f"{constants[0]} is not JSON" if constants else f"not JSON: {message}"


def name_of_type(value: object) -> str:
    """What a JSON value is, in plain words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")


def show_bytes(content: bytes) -> str:
    """Bytes as text in which none is lost: what is not UTF-8 stands as `\\xff`."""
    return content.decode("utf-8", "backslashreplace")


def one_line(error: BaseException | str) -> str:
    """The first line of what an error says, or its kind."""
    lines = str(error).strip().splitlines()
    text = lines[0][:300] if lines else type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in text)
