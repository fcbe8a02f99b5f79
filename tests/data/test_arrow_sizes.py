"""What an Arrow file holds is known before it is unpacked, and a file that says nonsense is told so."""

import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.arrow_sizes import unpacked_bytes
from core.data.columns import read_column_file
from core.data.rows import Skip
from core.data.streams import Meter

TABLE = pa.table(
    {
        "prompt": ["what is it, " * 20] * 500,
        "completion": pa.array(["yes", "no"] * 250).dictionary_encode(),
        "turns": [[{"role": "user", "content": "a"}]] * 500,
    }
)


def written(table: pa.Table, kind: str, compression: str | None) -> bytes:
    stream = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with (pa.ipc.new_file if kind == "arrow-file" else pa.ipc.new_stream)(stream, table.schema, options=options) as out:
        out.write_table(table, max_chunksize=200)
    return stream.getvalue()


def sizes(content: bytes, kind: str) -> list[int]:
    stream = io.BytesIO(content)
    stream.seek(8 if kind == "arrow-file" else 0)
    found = [unpacked_bytes(message) for message in pa.ipc.MessageReader.open_stream(stream)]
    return [size for size in found if size is not None]


@pytest.mark.parametrize("kind", ["arrow-file", "arrow-stream"])
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_packed_file_says_what_it_holds_as_one_that_is_not_packed(kind: str, compression: str) -> None:
    plain = sizes(written(TABLE, kind, None), kind)
    assert sizes(written(TABLE, kind, compression), kind) == plain
    assert len(plain) == 4  # a dictionary, and three batches
    assert sum(plain) >= sum(len(text) for text in TABLE["prompt"].to_pylist())


@pytest.mark.parametrize("kind", ["arrow-file", "arrow-stream"])
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_a_file_and_a_stream_give_the_same_rows_in_order(kind: str, compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / "table.arrow"
    path.write_bytes(written(TABLE, kind, compression))
    rows = list(read_column_file("table", path, kind, Skip(0), Meter()))  # type: ignore[arg-type]
    assert [row.fields for row in rows] == TABLE.to_pylist()


@pytest.mark.parametrize("kind", ["arrow-file", "arrow-stream"])
def test_what_unpacks_to_too_much_is_not_unpacked(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.arrow"
    path.write_bytes(written(pa.table({"prompt": ["x" * 100_000_000]}), kind, "zstd"))
    before = pa.total_allocated_bytes()
    (row,) = read_column_file("bomb", path, kind, Skip(0), Meter())  # type: ignore[arg-type]
    assert "GLEANER_UNPACKED_RATIO" in str(row.problem)
    assert pa.total_allocated_bytes() - before < 10_000_000


@given(st.data())
def test_a_damaged_header_is_a_size_or_a_word_and_no_crash(data: st.DataObject) -> None:
    content = written(TABLE, "arrow-stream", "zstd")
    (message,) = [each for each in pa.ipc.MessageReader.open_stream(content) if each.type == "record batch"][:1]
    header = bytearray(message.metadata.to_pybytes())
    for _ in range(data.draw(st.integers(1, 4))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))

    class Damaged:
        metadata, body = pa.py_buffer(bytes(header)), message.body

    try:
        size = unpacked_bytes(Damaged())  # type: ignore[arg-type]
    except ValueError:
        return
    assert size is None or size >= 0
