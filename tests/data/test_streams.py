"""A broken compressed file gives the rows before the damage, and one that says so."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from core.data.sources import SourceRow, open_source
from core.settings import IngestSettings

ROWS = [{"prompt": f"Question {i}, {i * i % 97}", "completion": f"Answer {i**3 % 1009}"} for i in range(20_000)]
LINES = [json.dumps(row).encode() for row in ROWS]


def read(path: Path, content: bytes) -> list[SourceRow]:
    path.write_bytes(content)
    source = open_source(str(path), IngestSettings())
    rows = list(source.rows())
    assert [*source.rows(start=len(rows) - 1)] == rows[-1:]
    return rows


def pack(kind: str) -> bytes:
    content = b"\n".join(LINES)
    return gzip.compress(content, 1, mtime=0) if kind == "gz" else pa.compress(content, "zstd", asbytes=True)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_cut_file_gives_the_rows_before_the_cut(kind: str, tmp_path: Path) -> None:
    packed = pack(kind)
    rows = read(tmp_path / f"rows.jsonl.{kind}", packed[: len(packed) * 3 // 4])
    assert [row.fields for row in rows[:-1]] == ROWS[: len(rows) - 1]
    assert len(rows) > 10_000
    assert str(rows[-1].problem).startswith("the file cannot be read on from here")
    assert rows[-1].byte_offset == sum(len(line) + 1 for line in LINES[: len(rows) - 1])


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_what_follows_the_compressed_text_is_reported(kind: str, tmp_path: Path) -> None:
    rows = read(tmp_path / f"rows.jsonl.{kind}", pack(kind) + b"something else")
    assert [row.fields for row in rows[:19_000]] == ROWS[:19_000]
    assert sum(row.problem is not None for row in rows) == 1


def test_a_wrong_checksum_costs_the_last_row_alone(tmp_path: Path) -> None:
    packed = bytearray(pack("gz"))
    packed[-6] ^= 1
    rows = read(tmp_path / "rows.jsonl.gz", bytes(packed))
    assert [row.fields for row in rows[:-1]] == ROWS[:-1]
    assert "incorrect data check" in str(rows[-1].problem)


def test_a_cut_table_does_not_pass_off_its_last_cell_as_whole(tmp_path: Path) -> None:
    packed = gzip.compress(b"prompt,completion\n1,2\n3,four", mtime=0)
    rows = read(tmp_path / "rows.csv.gz", packed[:-8])
    assert [(row.line, row.fields) for row in rows] == [(2, {"prompt": "1", "completion": "2"}), (3, None)]
    assert rows[-1].raw == "3,four"


def test_a_line_beyond_the_bound_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rows", "texts", "tables"):
        monkeypatch.setattr(f"core.data.{module}.LONGEST_LINE", 1000)
    long = b'{"prompt": "' + b"x" * 5000 + b'"}'
    rows = read(tmp_path / "rows.jsonl", b"\n".join([LINES[0], long, LINES[1], long]))
    assert [row.fields for row in rows] == [ROWS[0], None, ROWS[1], None]
    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert rows[1].raw == long[:1001].decode()
    assert rows[2].byte_offset == len(LINES[0]) + len(long) + 2
    rows = read(tmp_path / "rows.csv", b"prompt,completion\n1,2\n" + b"x" * 3000 + b",2\n3,4\n")
    assert [row.fields and row.fields["prompt"] for row in rows] == ["1", None, "3"]
    assert rows[2].byte_offset == 18 + 4 + 3003
