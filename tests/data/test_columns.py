"""What columns hold comes out as rows of JSON; what JSON cannot hold, or is broken, is a row that says so."""

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.sources import SourceRow, open_source
from core.errors import BadInput
from core.settings import IngestSettings

ROWS = [{"prompt": f"Question {at}", "completion": f"Answer {at}"} for at in range(5000)]


def read(path: Path) -> list[SourceRow]:
    source = open_source(str(path), IngestSettings())
    rows = list(source.rows())
    assert [row.line for row in rows] == list(range(1, len(rows) + 1)) or any(row.problem for row in rows)
    for start in (1, 999, 1001, len(rows) - 1):
        assert list(source.rows(start=start)) == rows[start:]
    return rows


def test_values_keep_their_order_and_what_json_lacks_becomes_text(tmp_path: Path) -> None:
    row = {
        "z": 1,
        "a": 1.5,
        "when": datetime.datetime(2026, 11, 21),
        "price": decimal.Decimal("1.10"),
        "list": [{"b": None, "a": True}],
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    (only,) = read(tmp_path / "rows.parquet")
    assert only.raw == '{"z":1,"a":1.5,"when":"2026-11-21T00:00:00","price":"1.10","list":[{"b":null,"a":true}]}'


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_bytes_are_a_problem_of_their_row_alone(suffix: str, tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"a": None}, {"a": b"\xff"}, {"a": None}])
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_stream(path, table.schema) as sink:
            sink.write_table(table)
    assert [row.problem for row in read(path)] == [
        None,
        "cannot be written as JSON: Type is not JSON serializable: bytes",
        None,
    ]


def test_text_that_is_not_utf8_is_a_problem_of_its_row_alone(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([b"one", b"tw\xff", b"three"], pa.binary()).cast(pa.binary())})
    column = pa.Array.from_buffers(pa.string(), 3, table["a"].chunk(0).buffers())
    pq.write_table(pa.table({"a": column}), tmp_path / "rows.parquet")
    rows = read(tmp_path / "rows.parquet")
    assert [row.fields for row in rows] == [{"a": "one"}, None, {"a": "three"}]
    assert (rows[1].problem, rows[1].raw) == ("not UTF-8: invalid start byte", "tw\\xff")


def test_a_broken_row_group_costs_itself_and_not_the_next(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=1000, compression="snappy", use_dictionary=False)
    content = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(2).column(0)
    content[group.data_page_offset : group.data_page_offset + 200] = b"\xff" * 200
    path.write_bytes(content)
    rows = read(path)
    assert [row.fields for row in rows if row.fields] == ROWS[:2000] + ROWS[3000:]
    assert [str(row.problem)[:40] for row in rows if row.problem] == ["the rest of this row group of the Parque"]


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_an_arrow_file_cut_off_gives_the_rows_before(kind: str, tmp_path: Path) -> None:
    path, table = tmp_path / "rows.arrow", pa.Table.from_pylist(ROWS)
    with (pa.ipc.new_file if kind == "file" else pa.ipc.new_stream)(path, table.schema) as sink:
        sink.write_table(table, max_chunksize=1000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    if kind == "file":
        with pytest.raises(BadInput, match="broken as Arrow"):
            read(path)
        return
    rows = read(path)
    assert [row.fields for row in rows[:-1]] == ROWS[: len(rows) - 1]
    assert len(rows) == 2001
    assert str(rows[-1].problem).startswith("the rest of the Arrow file cannot be read")


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64()), ("a", pa.int64())])
    with pa.ipc.new_file(tmp_path / "rows.arrow", schema) as sink:
        sink.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], schema=schema))
    with pytest.raises(BadInput, match="has the column 'a' twice"):
        read(tmp_path / "rows.arrow")
