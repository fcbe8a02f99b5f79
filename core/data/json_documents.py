"""How are rows laid out in a JSON file, and what are they?

An array of rows; an object that holds one list of rows; records by id; an object of columns; objects
one after the other; a single row. The layout is found from the first LOOKED_AT bytes.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from core.data.json_elements import BETWEEN, KEY, OVERLAP, SPACES, Element, Elements
from core.data.json_window import JsonText
from core.data.rows import (
    LONGEST_LINE,
    SHOWN_BYTES,
    Skip,
    SourceRow,
    find_loss,
    parse_object,
    show_bytes,
    why_not_json,
)
from core.data.streams import reason_of_break
from core.data.texts import TOO_LONG, skip_bom
from core.errors import BadInput

LOOKED_AT = 1 << 24
MOST_MEMBERS = 1000
MOST, HALF = 0.8, 0.5
"""Of the members of an object of records; in a damaged file, members of a record may stand beside them."""

LARGEST_COLUMNS = 512 << 20
BRACKET = re.compile(rb"\s*\[")
INDEX, SAMPLED_COLUMNS = re.compile(r"-?\d+"), 5
COLUMN_LENGTHS = "the columns have different lengths: there is no value for every one"
COLUMN_INDICES = "the columns have different indices: there is no value for every one"
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Layout:
    """How a JSON file holds its rows, and where they begin; `is_sound`: its brackets match to the end."""

    kind: Literal["array", "list", "records", "columns", "sequence", "lines", "single"]
    offset: int = 0
    line: int = 1
    is_sound: bool = False


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of the outermost object: its key, the first bytes of its value, where the value begins."""

    key: str
    value: bytes
    offset: int
    line: int

    @property
    def is_object(self) -> bool:
        return self.value.startswith(b"{")

    @property
    def is_list(self) -> bool:
        return self.value.startswith(b"[")

    @property
    def is_list_of_objects(self) -> bool:
        return self.is_list and self.value[1:].lstrip().startswith(b"{")


def find_layout(
    where: str, stream: io.BufferedReader, split: str | None, is_row: Callable[[dict[str, Any]], bool]
) -> Layout:
    """The layout of a text that begins with `[` or `{`; `is_row` tells whether an object is itself a row.

    Raises BadInput where several lists of rows could be meant and `split` names none of them.
    """
    text = JsonText(stream, LOOKED_AT)
    start = text.pass_over(SPACES)
    text.reach(LOOKED_AT)
    text.ended = True  # no more is read to find the layout
    head = text.slice(start, LOOKED_AT)
    text.advance(start + 1)
    if head.startswith(b"["):
        return Layout("array", text.mark, text.line)
    if not head.startswith(b"{"):
        return Layout("sequence")  # the beginning is lost
    opened = Layout("records", text.mark, text.line)
    members, end = _scan_members(text)
    is_sound = False
    if end is not None:
        text.advance(end)
        rest = text.pass_over(SPACES)
        if text.byte(rest) == b"{":
            return Layout("sequence") if b"\n" in head[: end - start] else Layout("lines")
        is_sound = rest == text.end
        value = parse_object(head[: end - start])[0] if is_sound else None
        if value is not None and is_row(value):
            return Layout("single")
    layout = _judge(where, members, split, opened, MOST if is_sound else HALF)
    if layout is opened and _are_by_index(head, start, members):
        return Layout("columns")
    return replace(layout, is_sound=is_sound)


def _scan_members(text: JsonText) -> tuple[list[_Member], int | None]:
    """The members of the object that the mark is in, and where it ends if that could be seen."""
    members: list[_Member] = []
    while len(members) < MOST_MEMBERS:
        start = text.pass_over(BETWEEN)
        text.reach(start + OVERLAP)
        if text.byte(start) == b"}":
            return members, start + 1
        key = KEY.match(text.buffer, start - text.base)
        if key is None:
            break
        text.advance(text.base + key.end())
        text.reach(text.mark + OVERLAP)
        if text.byte(text.mark) in b",:}]":
            break
        name = _key_text(key[0])
        members.append(_Member(name, text.slice(text.mark, text.mark + OVERLAP), text.mark, text.line))
        end = text.end_of_value(text.mark)
        if end is None:
            break
        text.advance(end)
    return members, None


def _judge(where: str, members: list[_Member], split: str | None, opened: Layout, share: float) -> Layout:
    """The layout by what the members are; of records, this share is objects."""
    lists = [member for member in members if member.is_list]
    of_rows = [member for member in lists if member.is_list_of_objects]
    objects = sum(member.is_object for member in members)
    if objects and (objects == len(members) or objects > max(1, len(members) * share)):
        return opened
    if lists and len(lists) == len(members) and len(of_rows) < len(lists):
        return Layout("columns")
    if not of_rows:
        return Layout("single")
    named = [member for member in of_rows if member.key == (split or "train")]
    if len(of_rows) > 1 and not named:
        keys = ", ".join(member.key for member in of_rows[:10])
        raise BadInput(f"File {where!r} has several lists of rows: {keys}. Say which with the option split.")
    chosen = (named or of_rows)[0]
    bracket = BRACKET.match(chosen.value)
    return Layout("list", chosen.offset + (bracket.end() if bracket else 1), chosen.line)


def _are_by_index(head: bytes, start: int, members: list[_Member]) -> bool:
    """Whether the objects within the outermost one are columns, with an index for each value.

    Then most of their keys are numbers, where a record has the names of its fields. Of numbered records
    of numbered fields, and of columns without names, the longer side is taken for the rows.
    `head` is the text from `start` on.
    """
    lengths: list[int] = []
    inner: list[_Member] = []
    for member in [member for member in members if member.is_object][:SAMPLED_COLUMNS]:
        text = JsonText(io.BufferedReader(io.BytesIO(head[member.offset - start :])))
        text.reach(1)
        text.advance(1)
        values, _ = _scan_members(text)
        lengths.append(len(values))
        inner += values
    if not inner or all(member.is_object for member in inner):
        return False
    if all(INDEX.fullmatch(member.key) for member in members) and max(lengths) < len(members):
        return False
    return sum(INDEX.fullmatch(member.key) is not None for member in inner) >= len(inner) * MOST


def read_element_rows(name: str, stream: io.BufferedReader, skip: Skip, layout: Layout) -> Iterator[SourceRow]:
    """One row an element of an array, of a list in an object, of an object by id, or of a sequence.

    For records by id the key stands in `file`, as a JSON pointer.
    """
    text = JsonText(stream)
    text.skip_to(max(layout.offset, text.base), layout.line)
    elements = Elements(
        text,
        keyed=layout.kind == "records",
        enclosed=layout.kind != "sequence",
        nested=layout.kind == "list",
        sound=layout.is_sound,
    )
    for element in elements:
        if skip.left:
            skip.left -= 1
        else:
            yield _row_of(name, element)


def _row_of(name: str, element: Element) -> SourceRow:
    content = element.content
    if element.key is not None:
        key = _key_text(element.key)
        name = f"{name}#/{key.replace('~', '~0').replace('/', '~1')}"
    if element.fault:
        return SourceRow(name, element.line, element.offset, show_bytes(content), None, element.fault)
    fields, problem = parse_object(on_one_line(content) if element.is_whole else content)
    if element.is_whole or fields is not None:
        content = on_one_line(content)
    return SourceRow(name, element.line, element.offset, show_bytes(content), fields, problem)


def _key_text(key: bytes) -> str:
    """A member's key as it is meant, from its text with the colon."""
    text = key.rstrip(b" \t\r\n:")
    try:
        return str(orjson.loads(text))
    except orjson.JSONDecodeError:
        return show_bytes(text[1:-1])


def on_one_line(content: bytes) -> bytes:
    """JSON without the line breaks and indentation between its tokens: no JSON string holds a line break."""
    if b"\n" not in content and b"\r" not in content:
        return content
    lines = [line.strip() for line in content.splitlines()]
    return b"".join(line + b" " if line.endswith(b",") else line for line in lines)


def read_single_row(name: str, stream: io.BufferedReader, skip: Skip) -> Iterator[SourceRow]:
    """The whole file as one row."""
    offset = skip_bom(stream)
    content = stream.read(LONGEST_LINE + 1)
    if skip.takes():
        return
    begins = len(content) - len(content.lstrip())
    line, offset = 1 + content.count(b"\n", 0, begins), offset + begins
    if len(content) > LONGEST_LINE:
        yield SourceRow(name, line, offset, show_bytes(content[:SHOWN_BYTES]), None, TOO_LONG)
        return
    raw = on_one_line(content.strip())
    fields, problem = parse_object(raw)
    if broken := reason_of_break(stream):
        fields, problem = None, broken
    yield SourceRow(name, line, offset, show_bytes(raw if fields else content.strip()), fields, problem)


def read_column_rows(where: str, name: str, stream: io.BufferedReader, skip: Skip) -> Iterator[SourceRow]:
    """One row an index of an object of columns, each a list or an object by index.

    `line` is the row's number, in the order in which the indices appear; `raw` is JSON made of its
    values. Rows that not every column has are problems. Raises BadInput beyond LARGEST_COLUMNS, because
    the first row is only there when the last column is.
    """
    skip_bom(stream)
    content = stream.read(LARGEST_COLUMNS + 1)
    if len(content) > LARGEST_COLUMNS:
        raise BadInput(
            f"File {where!r} is an object of columns of more than {LARGEST_COLUMNS >> 20} MB; "
            "save it as JSONL or Parquet."
        )
    columns, reason, problem = _parse_columns(content)
    if problem:
        if not skip.takes():
            shown = show_bytes(content[:SHOWN_BYTES])
            yield SourceRow(name, 1, 0, shown, None, reason_of_break(stream) or problem)
        return
    del content
    lengths = [len(values) for values in columns.values()]
    for number in range(max(lengths, default=0)):
        if skip.takes():
            continue
        there = [key for key, values in columns.items() if number < len(values) and values[number] is not _MISSING]
        fields = {key: columns[key][number] for key in there}
        is_whole = len(fields) == len(columns)
        raw = orjson.dumps(fields).decode()
        yield SourceRow(name, number + 1, None, raw, fields if is_whole else None, None if is_whole else reason)


def _parse_columns(content: bytes) -> tuple[dict[str, list[Any]], str, str | None]:
    """The columns, why a row may lack a value of one, and the problem if these are no columns at all."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return {}, "", why_not_json(content, error.msg)
    if not isinstance(value, dict) or not all(isinstance(column, list | dict) for column in value.values()):
        return {}, "", "not an object of columns"
    if problem := find_loss(content, value):
        return {}, "", problem
    if any(isinstance(column, dict) for column in value.values()):
        return _join_by_index(value), COLUMN_INDICES, None
    return value, COLUMN_LENGTHS, None


def _join_by_index(columns: dict[str, Any]) -> dict[str, list[Any]]:
    """Values in the order in which the indices first appear, _MISSING where a column has none for one."""
    by_index = {
        name: column if isinstance(column, dict) else {str(at): value for at, value in enumerate(column)}
        for name, column in columns.items()
    }
    indices = dict.fromkeys(index for column in by_index.values() for index in column)
    return {name: [column.get(index, _MISSING) for index in indices] for name, column in by_index.items()}
