"""Rows out of tables of text: CSV and TSV, with a header line or without, by whichever delimiter.

`raw` of a record is JSON made of its cells; of one that cannot be read, its text as it stands.
"""

import csv
import io
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from core.data.rows import LONGEST_LINE, SHOWN_BYTES, Skip, SourceRow, one_line, show_bytes
from core.data.streams import reason_of_break
from core.data.texts import TOO_LONG, break_rows, pass_line, skip_bom
from core.errors import BadInput

DELIMITERS = ",;\t|"
LONGEST_NAME, MOST_WORDS = 64, 6
RECORD_LINES = 1000
"""A quote that is open for so long was never meant to close."""

PATIENCE = 20
SNIFFED_RECORDS = 30
csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How a table of text is to be read."""

    delimiter: str
    columns: tuple[str, ...]
    has_header: bool


def plan_table(
    where: str, head: bytes, usual: str, header: Literal["auto", "yes", "no"], known: Collection[str] = ()
) -> TablePlan:
    """Delimiter and columns, from the file's beginning; `usual` is the delimiter of its suffix.

    A first line is a header if it has one of the `known` names, or if all its cells look like names;
    without a header the columns are column_1, column_2 and so on. Raises BadInput for a header that
    names no columns.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    delimiter = _find_delimiter(text, usual)
    records = _first_records(text, delimiter)
    first = [cell.strip() for cell in records[0]] if records else []
    if first and not first[0]:
        first[0] = "index"  # pandas leaves its index without a name
    is_named = len(first) > 1 and any(cell.lower() in known for cell in first)
    has_header = header == "yes" or (header == "auto" and (is_named or _are_names(first)))
    if not has_header:
        ((width, _),) = Counter(len(record) for record in records).most_common(1) or [(1, 0)]
        return TablePlan(delimiter, tuple(f"column_{n}" for n in range(1, width + 1)), False)
    odd = next((cell for cell in first if not cell or first.count(cell) > 1 or not cell.isprintable()), None)
    if odd is not None or not first:
        shown = show_bytes((odd or "").encode("utf-8", "surrogateescape"))[:40]
        raise BadInput(
            f"The first line of {where!r} does not name the columns (it has {shown!r}); give each column a "
            "different name there, or set the option header to no."
        )
    return TablePlan(delimiter, tuple(first), True)


def _find_delimiter(text: str, usual: str) -> str:
    """The one by which the first records have the same number of cells, more than one."""

    def fit(delimiter: str) -> float:
        widths = [len(record) for record in _first_records(text, delimiter)]
        return widths.count(widths[0]) / len(widths) if widths and widths[0] > 1 else 0

    return max([usual, *DELIMITERS.replace(usual, "")], key=fit)


def _first_records(text: str, delimiter: str) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if record and len(records) < SNIFFED_RECORDS:
                records.append(record)
            elif record:
                return records
    except csv.Error:
        return records
    return records[:-1] or records  # the last may be cut by the end of what was sniffed


def _are_names(cells: list[str]) -> bool:
    return bool(cells) and all(map(_is_name, cells)) and len(set(cells)) == len(cells)


def _is_name(cell: str) -> bool:
    """Names are short, are no numbers, and end in no full stop or question mark."""
    try:
        float(cell)
    except ValueError:
        is_short = 0 < len(cell) <= LONGEST_NAME and len(cell.split()) <= MOST_WORDS
        return is_short and cell.isprintable() and cell[-1] not in ".?!"
    return False


class _Tape:
    """Lines for a CSV reader, remembered since the last record, so that a bad one can be taken back."""

    def __init__(self, stream: io.BufferedReader, offset: int) -> None:
        self._stream, self._returned, self._passed = stream, deque[bytes](), 0
        self.offset, self.line, self.patience = offset, 1, RECORD_LINES
        self.record: list[bytes] = []

    def __iter__(self) -> "_Tape":
        return self

    def __next__(self) -> str:
        if len(self.record) >= self.patience or (self.record and sum(map(len, self.record)) > LONGEST_LINE):
            raise csv.Error("a quote is not closed")
        line = self._returned.popleft() if self._returned else self._stream.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.record.append(line)
        if len(line) > LONGEST_LINE:
            self._passed = pass_line(self._stream)
            raise csv.Error(TOO_LONG)
        return line.decode("utf-8", "surrogateescape")

    def next_record(self) -> None:
        """Forget the record: the next one begins where it ended."""
        self.offset += sum(map(len, self.record)) + self._passed
        self.line += len(self.record)
        self._passed = 0
        self.record.clear()

    def keep_first_line(self) -> None:
        """Take back all lines of the record but the first."""
        first, *rest = self.record
        self._returned.extendleft(reversed(rest))
        self.record = [first]
        if len(rest) > PATIENCE:  # or a file full of stray quotes is read a thousand times
            self.patience = max(self.patience * 9 // 10, PATIENCE)


def read_csv_rows(name: str, stream: io.BufferedReader, skip: Skip, plan: TablePlan) -> Iterator[SourceRow]:
    """One row a record. `line` is where the record begins; a cell may hold line breaks.

    Where a quote is not closed, its line alone is a problem and reading goes on with the next.
    """
    tape = _Tape(stream, skip_bom(stream))
    reader = csv.reader(tape, delimiter=plan.delimiter, strict=True)
    is_header, is_cut = plan.has_header, False
    while True:
        problem, cells = None, []
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            problem = TOO_LONG if str(error) == TOO_LONG else f"not a record of the table: {one_line(error)}"
            tape.keep_first_line()
            reader = csv.reader(tape, delimiter=plan.delimiter, strict=True)
        if cells or problem:
            is_cut = not tape.record[-1].endswith(b"\n") and reason_of_break(stream) is not None
            if not (is_header and not problem) and not skip.takes():
                yield _record(name, tape, plan.columns, cells, reason_of_break(stream) if is_cut else problem)
            is_header = False
        tape.next_record()
    if not is_cut:
        yield from break_rows(name, tape.line, tape.offset, stream, skip)


def _record(name: str, tape: _Tape, columns: Sequence[str], cells: list[str], problem: str | None) -> SourceRow:
    if not problem and len(cells) == len(columns):
        fields: dict[str, Any] = dict(zip(columns, cells, strict=True))
        try:
            raw = orjson.dumps(fields)
        except orjson.JSONEncodeError:
            problem = "not UTF-8"  # a bad byte was decoded as a lone surrogate
        else:
            if b"\\u0000" not in raw or not any("\0" in cell for cell in cells):
                return SourceRow(name, tape.line, tape.offset, raw.decode(), fields)
            problem = "a NUL character"
    text = b"".join(tape.record)
    text = text[:SHOWN_BYTES] if problem == TOO_LONG else text.rstrip(b"\r\n")
    problem = problem or f"{len(cells)} cells where {len(columns)} columns are named"
    return SourceRow(name, tape.line, tape.offset, show_bytes(text), None, problem)
