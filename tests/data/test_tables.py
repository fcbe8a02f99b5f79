"""Tables of text are read record by record, whatever their delimiter, header and damage."""

from pathlib import Path

import pytest

from core.data.sources import SourceRow, open_source
from core.errors import BadInput
from core.settings import IngestSettings


def read(path: Path, content: str | bytes, **settings: str) -> list[SourceRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = open_source(str(path), IngestSettings.checked(**settings))
    rows = list(source.rows())
    assert all(list(source.rows(start=start)) == rows[start:] for start in (1, len(rows) // 2, len(rows)))
    return rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_the_delimiter_is_found(delimiter: str, suffix: str, tmp_path: Path) -> None:
    lines = [["prompt", "completion"], ["a", '"b, c; d | e"'], ["f, well", "g"] if delimiter != "," else ["f", "g"]]
    rows = read(tmp_path / f"rows.{suffix}", "\n".join(delimiter.join(line) for line in lines))
    assert [row.fields for row in rows] == [
        {"prompt": "a", "completion": "b, c; d | e"},
        {"prompt": lines[2][0], "completion": "g"},
    ]


def test_each_record_has_its_line_and_its_byte_offset(tmp_path: Path) -> None:
    content = '\ufeffprompt,completion\r\nä,"1\r\n2"\r\n\r\nb\r\nc,"d"'.encode()
    rows = read(tmp_path / "rows.csv", content)
    assert [(row.line, row.fields) for row in rows] == [
        (2, {"prompt": "ä", "completion": "1\r\n2"}),
        (5, None),
        (6, {"prompt": "c", "completion": "d"}),
    ]
    assert [content[row.byte_offset :][:2].decode() for row in rows] == ["ä", "b\r", "c,"]
    assert rows[1].problem == "1 cells where 2 columns are named"


def test_a_bad_byte_and_a_nul_cost_their_record_alone(tmp_path: Path) -> None:
    rows = read(tmp_path / "rows.csv", b"prompt,completion\na,\xff\nb,c\0\nd,\\u0000\n" + b"e,f\n" * 300)
    assert [row.problem for row in rows[:3]] == ["not UTF-8", "a NUL character", None]
    assert rows[0].raw == "a,\\xff"


def test_a_header_that_is_bad_is_no_reason_to_lose_a_row(tmp_path: Path) -> None:
    rows = read(tmp_path / "rows.csv", '"prompt"x,completion\na,b\nc,d\n', header="yes")
    assert [row.fields and list(row.fields.values()) for row in rows] == [None, ["a", "b"], ["c", "d"]]


def test_a_header_is_told_from_a_first_record(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    assert len(read(path, "topic,prompt,completion\na,b,c\n")) == 1
    assert len(read(path, "How are you today?,Fine\nAnd you?,Fine\n")) == 2
    assert len(read(path, "12,13\n14,15\n")) == 2
    long = "Tell me all that there is to know about it,Fine\n"
    assert [list(row.fields or ()) for row in read(path, long * 2)] == [["column_1", "column_2"]] * 2
    with pytest.raises(BadInput, match=r"does not name the columns .*set the option header to no"):
        read(path, "prompt,,completion\na,b,c\n")


def test_a_file_full_of_stray_quotes_takes_no_time(tmp_path: Path) -> None:
    rows = read(tmp_path / "rows.csv", "prompt,completion\n" + 'a,"b\n' * 3000)
    assert len(rows) >= 1500
    assert sum(row.raw.count("a") if row.problem else 1 for row in rows) >= 1500


def test_a_table_without_a_suffix_is_known_by_its_names(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "download", "question;answer\n1;2\n")
    assert row.fields == {"question": "1", "answer": "2"}
