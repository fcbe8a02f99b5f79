"""Rows out of tables: CSV and TSV, Parquet, and what the `datasets` library loads.

Each reader yields (line, byte offset, raw text, fields, problem), like those of texts.py.
"""

import csv
import datetime
import decimal
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.texts import RawRow, printable
from core.errors import BadInput

LONGEST_NAME = 64
LONGEST_RECORD = 1000
BATCH_ROWS = 1000
csv.field_size_limit(100_000_000)


class _Tape:
    """Lines for a CSV reader, remembered since the last record, so that a bad one can be taken back."""

    def __init__(self, stream: Iterable[str]) -> None:
        self._lines, self._returned = iter(stream), deque[str]()
        self.record: list[str] = []

    def __iter__(self) -> "_Tape":
        return self

    def __next__(self) -> str:
        if len(self.record) == LONGEST_RECORD:
            raise csv.Error("a quote is not closed")
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.record.append(line)
        return line

    def keep_first_line(self) -> str:
        """Take back all lines of the record but the first, which is returned."""
        first, *rest = self.record
        self._returned.extendleft(reversed(rest))
        return first


def read_csv_rows(path: Path, delimiter: str) -> Iterator[RawRow]:
    """One row a record; the first names the columns. Raises BadInput where it cannot.

    `line` is where the record begins; a cell may hold line breaks. Where a quote is not
    closed, its line alone is reported and reading goes on with the next.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        tape = _Tape(stream)
        reader = csv.reader(tape, delimiter=delimiter, strict=True)
        columns, line = _read_header(path, reader), len(tape.record) + 1
        while True:
            tape.record.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raw = tape.keep_first_line().rstrip("\r\n")
                yield line, None, printable(raw), None, f"not a record of the table: {error}"
                reader, line = csv.reader(tape, delimiter=delimiter, strict=True), line + 1
                continue
            if cells:
                yield _record(line, columns, cells)
            line += len(tape.record)


def _read_header(path: Path, reader: Any) -> list[str]:
    try:
        columns = [cell.strip() for cell in next(reader)]
    except (csv.Error, StopIteration) as error:
        raise BadInput(f"File {str(path)!r} is not a table: {error}") from None
    if columns and not columns[0]:
        columns[0] = "index"  # pandas leaves its index without a name
    odd = next((cell for cell in columns if not _is_name(cell) or columns.count(cell) > 1), None)
    if odd is not None:
        raise BadInput(
            f"The first line of {str(path)!r} does not name the columns (it has {odd[:40]!r}); "
            "add a line with a different name for each column."
        )
    return columns


def _is_name(cell: str) -> bool:
    """Names are short, are no numbers, and end in no full stop or question mark."""
    try:
        float(cell)
    except ValueError:
        return 0 < len(cell) <= LONGEST_NAME and cell.isprintable() and cell[-1] not in ".?!"
    return False


def _record(line: int, columns: list[str], cells: list[str]) -> RawRow:
    raw = ",".join(cells).encode("utf-8", "surrogateescape")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return line, None, raw.decode("utf-8", "replace"), None, f"not UTF-8: {error.reason}"
    if len(cells) != len(columns):
        return line, None, raw.decode(), None, f"{len(cells)} cells where {len(columns)} columns are named"
    fields = dict(zip(columns, cells, strict=True))
    return line, None, orjson.dumps(fields).decode(), fields, None


def read_parquet_rows(path: Path) -> Iterator[RawRow]:
    """One row a row of the table, numbered from 1. Raises BadInput for a broken file."""
    try:
        table = pq.ParquetFile(path)
        number = 0
        for batch in table.iter_batches(BATCH_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield _table_row(number, values)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"File {str(path)!r} is broken as Parquet: {str(error).splitlines()[0]}") from None


def read_dataset_rows(dataset: Any) -> Iterator[RawRow]:
    """One row a row of a loaded `datasets.Dataset`, numbered from 1."""
    for number, values in enumerate(dataset, 1):
        yield _table_row(number, values)


def _table_row(number: int, values: dict[str, Any]) -> RawRow:
    try:
        raw = orjson.dumps(values, default=_plain)
    except (orjson.JSONEncodeError, TypeError) as error:
        return number, None, repr(values)[:2000], None, f"cannot be written as JSON: {error}"
    return number, None, raw.decode(), orjson.loads(raw), None


def _plain(value: Any) -> Any:
    """Table values that JSON has no word for, as text."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()  # pandas' own kind, of nanoseconds
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    raise TypeError(f"a column holds {type(value).__name__}")
