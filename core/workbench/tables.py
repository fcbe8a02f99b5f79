"""A table becomes a file, in the format that its suffix names.

A spreadsheet takes a CSV's text that begins with one of FORMULA for a formula, which may fetch and run: such text gets
an apostrophe before it, in the names of columns too. Parquet and JSONL stay as the text is.
"""

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from core.files import replacing

FORMULA = r"""^[\s\x00"']*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|^[\t\r\n]"""


def write_table(table: pa.Table, path: Path) -> Path:
    """Write Parquet, JSONL or CSV by suffix, under a temporary name until complete."""
    with replacing(path) as partial:
        if path.suffix.lower() == ".parquet":
            pq.write_table(table, partial)
        elif path.suffix.lower() == ".csv":
            pyarrow.csv.write_csv(_without_formulas(table), partial)
        else:
            with partial.open("wb") as stream:
                for batch in table.to_batches(max_chunksize=10_000):
                    stream.writelines(orjson.dumps(row) + b"\n" for row in batch.to_pylist())
    return path


def _without_formulas(table: pa.Table) -> pa.Table:
    columns = [_tame(column) if pa.types.is_string(column.type) else column for column in table.columns]
    return pa.table(columns, names=_tame(pa.array(table.column_names)).to_pylist())


def _tame(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return pc.if_else(pc.match_substring_regex(texts, FORMULA), pc.binary_join_element_wise("'", texts, ""), texts)
