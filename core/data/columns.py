"""Rows out of columns: Parquet, Arrow files and streams, and what the `datasets` library loads.

`raw` is JSON made of the values: times as ISO text, decimals as text, a float that is not a number as
null. A row that JSON has no words for is a problem of its own; where a file is broken, the rows before
stay and one row says so.

A few bytes may stand for a text in every row, or for a billion rows: texts that stand more than once are
kept once as long as they are columns, and become rows so many at a time as memory has room for.
"""

import datetime
import decimal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.data.arrow_sizes import is_records, unpacked_bytes
from core.data.rows import LONGEST_LINE, Skip, SourceRow, one_line, show_bytes
from core.data.streams import Meter, why_too_much
from core.data.texts import TOO_LONG
from core.errors import BadInput

BATCH_ROWS = 1000
BATCH_BYTES = 1 << 26
UNJUDGED_ROWS = 10_000_000
MAGIC = 8
"""So many bytes stand before the stream in an Arrow file."""

BROKEN = (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError, KeyError)
"""pyarrow raises many kinds for a file whose bytes are wrong."""

ColumnsKind = Literal["parquet", "arrow-file", "arrow-stream"]


def check_columns(where: str, path: Path, kind: ColumnsKind) -> None:
    """Raise BadInput for a file that cannot even be opened, or names a column twice."""
    try:
        if kind == "parquet":
            with pq.ParquetFile(path) as table:
                names, odd = table.schema_arrow.names, _why_no_bounds(table.metadata, path.stat().st_size)
        else:
            with pa.OSFile(str(path)) as file:
                schema = _open_arrow(file, kind).schema
                names, odd = (
                    schema.names,
                    next((_why_not(field.type) for field in schema if _why_not(field.type)), None),
                )
    except BROKEN as error:
        word = "Parquet" if kind == "parquet" else "Arrow"
        raise BadInput(f"File {where!r} is broken as {word}: {one_line(error)}") from None
    if odd:
        raise BadInput(f"File {where!r} is not read: {odd}.")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise BadInput(f"File {where!r} has the column {repeated[:60]!r} twice; give each column a different name.")


def read_column_file(name: str, path: Path, kind: ColumnsKind, skip: Skip, meter: Meter) -> Iterator[SourceRow]:
    """One row a row of the table, numbered from 1. A broken part is one row, as is what cannot be read."""
    number, unpacked, size = 0, 0, path.stat().st_size
    batches = _parquet_batches(path, meter) if kind == "parquet" else _arrow_batches(path, kind, meter)
    for batch in batches:
        if isinstance(batch, str):
            if not skip.takes():
                yield SourceRow(name, number + 1, None, "", None, batch)
            continue
        unpacked += sum(map(_bytes_as_values, batch.columns))
        if reason := why_too_much(unpacked, size):
            if not skip.takes():
                yield SourceRow(name, number + 1, None, "", None, f"the file cannot be read on from here: {reason}")
            return
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
    with pq.ParquetFile(path, read_dictionary=_repeating(path)) as table:
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
    """Batches of rows, an Arrow file being a stream behind its first bytes: in order, and none is unpacked before its
    own header says how much it holds."""
    size = path.stat().st_size
    with pa.OSFile(str(path)) as file, pa.OSFile(str(path)) as ahead:
        meter.follow(file.tell)
        try:
            for each in (file, ahead):
                each.seek(MAGIC if kind == "arrow-file" else 0)
            judged = _judge_messages(pa.ipc.MessageReader.open_stream(ahead), size)
            reader = pa.ipc.open_stream(file)
            for _ in judged:
                batch = reader.read_next_batch()
                if reason := why_too_much(batch.num_rows, size, UNJUDGED_ROWS):
                    raise ValueError(reason)
                batch.validate(full=True)
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
        except BROKEN as error:
            yield f"the rest of the Arrow file cannot be read: {one_line(error)}"


def _judge_messages(messages: pa.ipc.MessageReader, size: int) -> Iterator[None]:
    """Once for each batch of rows, after a look at how much it holds, and the dictionaries before it."""
    for message in messages:
        if reason := why_too_much(unpacked_bytes(message) or 0, size):
            raise ValueError(reason)
        if is_records(message):
            yield


def _open_arrow(file: pa.NativeFile, kind: str) -> Any:
    return pa.ipc.open_file(file) if kind == "arrow-file" else pa.ipc.open_stream(file)


def _batch_rows(name: str, batch: pa.RecordBatch, before: int, skip: Skip) -> Iterator[SourceRow]:
    passed = min(skip.left, batch.num_rows)
    skip.left -= passed
    first = before + passed + 1
    for part, is_long in _parts(batch.slice(passed)):
        try:
            rows: list[Any] = [None] if is_long else part.to_pylist()
        except BROKEN:
            rows = [_value_of(part, at) for at in range(part.num_rows)]
        for number, values in enumerate(rows, first):
            yield SourceRow(name, number, None, "", None, TOO_LONG) if is_long else _table_row(name, number, values)
        first += part.num_rows


def _parts(batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """A batch in parts that take BATCH_BYTES as values, or are one row, and whether that is too long for one."""
    size = sum(map(_bytes_as_values, batch.columns))
    if batch.num_rows > 1 and size > BATCH_BYTES:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half))
        yield from _parts(batch.slice(half))
    else:
        yield batch, batch.num_rows == 1 and size > LONGEST_LINE


def _bytes_as_values(array: Any) -> int:
    """What an array takes once each of its values stands for itself."""
    if isinstance(array, pa.ExtensionArray):
        return _bytes_as_values(array.storage)
    if isinstance(array, pa.DictionaryArray):
        of_each = _lengths(array.dictionary)
        return int(of_each[array.indices.drop_null().to_numpy()].sum())
    if pa.types.is_struct(array.type):
        return sum(map(_bytes_as_values, array.flatten()))
    if pa.types.is_nested(array.type):
        return _bytes_as_values(array.flatten() if hasattr(array, "flatten") else array.values)
    return int(array.nbytes)


def _lengths(values: Any) -> Any:
    """The bytes of each value of a dictionary."""
    if pa.types.is_string(values.type) or pa.types.is_binary(values.type) or pa.types.is_large_string(values.type):
        return pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.full(len(values), values.nbytes)


def _repeating(path: Path) -> list[str]:
    """The columns of a Parquet file in which a few long values stand for many: they are kept once each."""
    found: dict[str, None] = {}
    with pq.ParquetFile(path) as table:
        for group in range(table.num_row_groups):
            for number in range(table.metadata.num_columns):
                column = table.metadata.row_group(group).column(number)
                is_decimal = table.schema.column(number).logical_type.type == "DECIMAL"
                is_text = column.physical_type == "BYTE_ARRAY" and not is_decimal
                if is_text and any("DICTIONARY" in encoding for encoding in column.encodings):
                    found[column.path_in_schema] = None
    return list(found) if found and _are_long(path, list(found)) else []


def _are_long(path: Path, columns: list[str]) -> bool:
    """Whether a batch of the longest of these columns' values would take more than BATCH_BYTES."""
    try:
        with pq.ParquetFile(path, read_dictionary=columns) as table:
            for group in range(table.num_row_groups):
                for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                    longest = [length for column in batch.columns for length in _longest(column)]
                    if max(longest, default=0) * BATCH_ROWS > BATCH_BYTES:
                        return True
                    if min(longest, default=1) > 0:
                        break  # every column's dictionary was there, and holds for its row group
    except BROKEN:
        return True
    return False


def _longest(array: Any) -> list[int]:
    """The bytes of the longest value of each dictionary within an array; 0 of one that no value was needed of yet."""
    if isinstance(array, pa.DictionaryArray):
        return [int(_lengths(array.dictionary).max(initial=0))]
    if pa.types.is_struct(array.type):
        return [length for field in array.flatten() for length in _longest(field)]
    return _longest(array.flatten()) if pa.types.is_list(array.type) or pa.types.is_large_list(array.type) else []


def _why_no_bounds(metadata: pq.FileMetaData, size: int) -> str | None:
    """Why a Parquet file's own figures speak against reading it."""
    if reason := why_too_much(metadata.num_rows, size, UNJUDGED_ROWS):
        return reason
    unpacked = sum(
        metadata.row_group(group).column(number).total_uncompressed_size
        for group in range(metadata.num_row_groups)
        for number in range(metadata.num_columns)
    )
    return why_too_much(unpacked, size)


def _why_not(kind: pa.DataType) -> str | None:
    """Why a type is not read: in these, one value may stand for any number of rows."""
    inner = [kind.field(number).type for number in range(kind.num_fields)] if pa.types.is_nested(kind) else []
    if pa.types.is_run_end_encoded(kind) or str(kind).endswith("_view") or "_view<" in str(kind):
        return f"it has a column of type {str(kind)[:60]}; save it as Parquet"
    return next((reason for each in inner if (reason := _why_not(each))), None)


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
