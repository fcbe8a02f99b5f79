"""A table becomes a file, in the format that its suffix names."""

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from core.files import replacing


def write_table(table: pa.Table, path: Path) -> Path:
    """Write Parquet, JSONL or CSV by suffix, under a temporary name until complete."""
    with replacing(path) as partial:
        if path.suffix.lower() == ".parquet":
            pq.write_table(table, partial)
        elif path.suffix.lower() == ".csv":
            pyarrow.csv.write_csv(table, partial)
        else:
            with partial.open("wb") as stream:
                for batch in table.to_batches(max_chunksize=10_000):
                    stream.writelines(orjson.dumps(row) + b"\n" for row in batch.to_pylist())
    return path
