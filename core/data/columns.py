"""Rows out of columns: Parquet, Arrow files and streams, and what the `datasets` library loads.

`raw` is JSON made of the values: times as ISO text, decimals as text, a float that is not a number as
null. A row that JSON has no words for is a problem of its own; where a file is broken, the rows before
stay and one row says so.
"""

import datetime
import decimal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.rows import Skip, SourceRow, one_line, show_bytes
from core.data.streams import Meter
from core.errors import BadInput

BATCH_ROWS = 1000
BROKEN = (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError, KeyError)
"""pyarrow raises many kinds for a file whose bytes are wrong."""

ColumnsKind = Literal["parquet", "arrow-file", "arrow-stream"]


def check_columns(where: str, path: Path, kind: ColumnsKind) -> None:
    """Raise BadInput for a file that cannot even be opened, or names a column twice."""
    try:
        if kind == "parquet":
            with pq.ParquetFile(path) as table:
                names = table.schema_arrow.names
        else:
            with pa.OSFile(str(path)) as file:
                names = _open_arrow(file, kind).schema.names
    except BROKEN as error:
        word = "Parquet" if kind == "parquet" else "Arrow"
        raise BadInput(f"File {where!r} is broken as {word}: {one_line(error)}") from None
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise BadInput(f"File {where!r} has the column {repeated[:60]!r} twice; give each column a different name.")


def read_column_file(name: str, path: Path, kind: ColumnsKind, skip: Skip, meter: Meter) -> Iterator[SourceRow]:
    """One row a row of the table, numbered from 1. A broken part is one row, as is what cannot be read."""
    number = 0
    batches = _parquet_batches(path, meter) if kind == "parquet" else _arrow_batches(path, kind, meter)
    for batch in batches:
        if isinstance(batch, str):
            if not skip.takes():
                yield SourceRow(name, number + 1, None, "", None, batch)
        else:
            yield from _batch_rows(name, batch, number, skip)
            number += batch.num_rows


def read_dataset_rows(name: str, dataset: Any, skip: Skip, meter: Meter) -> Iterator[SourceRow]:
    """One row a row of a loaded `datasets.Dataset`, numbered from 1; the meter counts rows."""
    number = min(skip.left, len(dataset))
    skip.left -= number
    meter.follow(lambda: number)
    if number == len(dataset):
        return
    rows = dataset.select(range(number, len(dataset))) if number else dataset
    for table in rows.with_format("arrow").iter(BATCH_ROWS):
        for batch in table.combine_chunks().to_batches():
            yield from _batch_rows(name, batch, number, skip)
            number += batch.num_rows


def _parquet_batches(path: Path, meter: Meter) -> Iterator[pa.RecordBatch | str]:
    """Batches of rows, and in place of what cannot be read the reason; a row group is broken for itself."""
    with pq.ParquetFile(path) as table:
        size, groups = path.stat().st_size, table.num_row_groups
        for group in range(groups):
            meter.follow(partial(_share, size, group, groups))
            try:
                yield from table.iter_batches(BATCH_ROWS, row_groups=[group])
            except BROKEN as error:
                yield f"the rest of this row group of the Parquet file cannot be read: {one_line(error)}"


def _share(size: int, part: int, parts: int) -> int:
    return size * part // parts


def _arrow_batches(path: Path, kind: str, meter: Meter) -> Iterator[pa.RecordBatch | str]:
    with pa.OSFile(str(path)) as file:
        meter.follow(file.tell)
        try:
            reader = _open_arrow(file, kind)
            batches = map(reader.get_batch, range(reader.num_record_batches)) if kind == "arrow-file" else reader
            for batch in batches:
                batch.validate(full=True)
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
        except BROKEN as error:
            yield f"the rest of the Arrow file cannot be read: {one_line(error)}"


def _open_arrow(file: pa.NativeFile, kind: str) -> Any:
    return pa.ipc.open_file(file) if kind == "arrow-file" else pa.ipc.open_stream(file)


def _batch_rows(name: str, batch: pa.RecordBatch, before: int, skip: Skip) -> Iterator[SourceRow]:
    passed = min(skip.left, batch.num_rows)
    skip.left -= passed
    try:
        rows: list[Any] = batch.slice(passed).to_pylist()
    except BROKEN:
        rows = [_value_of(batch, at) for at in range(passed, batch.num_rows)]
    for number, values in enumerate(rows, before + passed + 1):
        yield _table_row(name, number, values)


def _value_of(batch: pa.RecordBatch, at: int) -> Any:
    """One row's values, or the error that they raise."""
    try:
        return batch.slice(at, 1).to_pylist()[0]
    except BROKEN as error:
        return error


def _table_row(name: str, number: int, values: Any) -> SourceRow:
    if isinstance(values, UnicodeDecodeError):
        return SourceRow(name, number, None, show_bytes(values.object[:2000]), None, f"not UTF-8: {values.reason}")
    if isinstance(values, Exception):
        return SourceRow(name, number, None, "", None, f"cannot be read: {one_line(values)}")
    try:
        raw = orjson.dumps(values, default=_plain)
        fields = orjson.loads(raw)
    except (orjson.JSONEncodeError, orjson.JSONDecodeError, TypeError) as error:
        return SourceRow(name, number, None, _show(values), None, f"cannot be written as JSON: {one_line(error)}")
    return SourceRow(name, number, None, raw.decode(), fields)


def _show(values: Any) -> str:
    return repr(values)[:2000].encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    """Table values that JSON has no word for, as text."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()  # pandas' own kind, of nanoseconds
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    raise TypeError(f"a column holds {type(value).__name__}")
