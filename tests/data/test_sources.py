"""Every kind of source gives the same rows, and what cannot be used says so in one line."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict

from core.data.sources import open_source
from core.errors import BadInput
from core.settings import IngestSettings

ROWS = [
    {"instruction": "Name a colour", "input": "", "output": "Blue"},
    {"instruction": "Zähle\nbis drei", "input": "laut", "output": 'eins, "zwei", drei'},
    {"instruction": "数一数", "input": "", "output": "一二三"},
]


def write(kind: str, folder: Path) -> Path:
    path = folder / f"rows.{kind}"
    match kind:
        case "jsonl":
            path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n", encoding="utf-8")
        case "json":
            path.write_text(json.dumps(ROWS, ensure_ascii=False, indent=2), encoding="utf-8-sig")
        case "csv" | "tsv":
            with path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, list(ROWS[0]), delimiter="\t" if kind == "tsv" else ",")
                writer.writeheader()
                writer.writerows(ROWS)
        case "parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path)
        case "saved":
            Dataset.from_list(ROWS).save_to_disk(path)
        case "splits":
            DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:1])}).save_to_disk(path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet", "saved", "splits"])
def test_every_kind_of_source_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    source = open_source(str(write(kind, tmp_path)), IngestSettings())
    rows = list(source.rows())
    assert [row.fields for row in rows] == ROWS
    assert [json.loads(row.raw) for row in rows] == ROWS
    assert list(source.rows()) == rows


def test_jsonl_and_arrays_are_told_apart_by_content(tmp_path: Path) -> None:
    renamed = write("jsonl", tmp_path).rename(tmp_path / "rows.json")
    assert [row.fields for row in open_source(str(renamed), IngestSettings()).rows()] == ROWS


def test_a_split_is_taken_by_name(tmp_path: Path) -> None:
    path = str(write("splits", tmp_path))
    assert len(list(open_source(path, IngestSettings(split="test")).rows())) == 1
    with pytest.raises(BadInput, match="has no split 'dev'; its splits are: train, test"):
        open_source(path, IngestSettings(split="dev"))


def test_passages_of_plain_text_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "play.txt"
    path.write_text("A:\nOne\n\n\nB:\nTwo\n", encoding="utf-8")
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert [(row.line, row.byte_offset, row.fields) for row in rows] == [
        (1, 0, {"text": "A:\nOne"}),
        (5, 9, {"text": "B:\nTwo"}),
    ]


def test_a_bad_line_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [b'{"a": 1}', b"", b'{"a": NaN}', b"[1]", b'{"a": "\xff"}', b'{"a": "\\ud800"}', b'{"a": 1', b'{"a": 2}']
    path.write_bytes(b"\n".join(lines))
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert [row.line for row in rows] == [1, 3, 4, 5, 6, 7, 8]
    assert [row.byte_offset for row in rows] == [0, 10, 21, 25, 36, 52, 60]
    problems = [row.problem for row in rows]
    assert problems[0] is None
    assert problems[2] == "not an object but a list"
    assert problems[3] == "not UTF-8: invalid start byte at byte 7"
    assert all(str(problems[i]).startswith("not JSON") for i in (1, 4, 5))
    assert rows[-1].fields == {"a": 2}


def test_an_array_keeps_what_stands_around_a_bad_element(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1.0}, {"a": NaN}, 7, {"a":  2}', encoding="utf-8")
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert [row.raw for row in rows] == ['{"a": 1.0}', '{"a": NaN}', "7", '{"a":  2}', ""]
    assert [row.fields for row in rows] == [{"a": 1.0}, None, None, {"a": 2}, None]
    assert str(rows[-1].problem).startswith("the array is not closed")


def test_an_element_of_an_indented_array_is_one_line_of_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    rows = [{"a": [1, {"b": "x, \\n y"}], "c": " , "}, {"a": {}, "c": ""}]
    path.write_text(json.dumps(rows, indent=4).replace("\n", "\r\n"), encoding="utf-8")
    found = list(open_source(str(path), IngestSettings()).rows())
    assert [json.loads(row.raw) for row in found] == rows
    assert all(row.raw.isprintable() for row in found)


def test_an_unclosed_quote_costs_its_own_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,2\n1,"open\n"3\n4",5\n6,7\n', encoding="utf-8")
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert [(row.line, row.fields) for row in rows if row.fields] == [
        (2, {"a": "1", "b": "2"}),
        (4, {"a": "3\n4", "b": "5"}),
        (6, {"a": "6", "b": "7"}),
    ]
    assert [(row.line, row.raw) for row in rows if not row.fields] == [(3, '1,"open')]


def test_times_and_an_index_as_pandas_writes_them_are_read(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"when": [pd.Timestamp("2026-11-21")], "prompt": ["Q"]})
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_csv(tmp_path / "rows.csv")
    (row,) = open_source(str(tmp_path / "rows.parquet"), IngestSettings()).rows()
    assert row.fields == {"when": "2026-11-21T00:00:00", "prompt": "Q"}
    (row,) = open_source(str(tmp_path / "rows.csv"), IngestSettings()).rows()
    assert row.fields == {"index": "0", "when": "2026-11-21", "prompt": "Q"}


def test_an_array_is_an_array_under_any_name_and_what_follows_it_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('[{"a": 1},\n {"a": 2}]\nrest', encoding="utf-8")
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert [row.fields for row in rows] == [{"a": 1}, {"a": 2}, None]
    assert rows[-1].problem == "text after the end of the array"


def test_a_number_of_thousands_of_digits_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[{"a": 1}, {"a": ' + "9" * 5000 + "}]", encoding="utf-8")
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert rows[0].fields == {"a": 1}
    assert len(rows) == 2


def test_a_record_with_too_many_cells_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n1,2,3\n", encoding="utf-8")
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert [(row.line, row.problem) for row in rows] == [(2, None), (3, "3 cells where 2 columns are named")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.jsonl", None, "There is no file"),
        ("empty.jsonl", b"", "is empty"),
        ("blank.json", b" \n\n", "is empty"),
        ("program.jsonl", b"\x7fELF\0\0\0", "is binary"),
        ("wide.jsonl", '{"a": 1}'.encode("utf-16"), "UTF-16"),
        ("broken.parquet", b"PAR1 and then nothing", "broken as Parquet"),
        ("fake.parquet", b"a,b\n1,2\n", "is binary, and not Parquet"),
        ("headless.csv", b"What is it?,A thing.\nWho?,Me\n", "does not name the columns"),
        ("numbers.csv", b"1,2\n3,4\n", "does not name the columns"),
        ("twice.csv", b"a,a\n3,4\n", "does not name the columns"),
        ("notes.md", b"# Notes\n", "is none of JSONL"),
    ],
)
def test_what_cannot_be_used_says_so(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=words) as caught:
        list(open_source(str(tmp_path / name), IngestSettings()).rows())
    assert "\n" not in str(caught.value)


def test_a_folder_without_data_and_an_unknown_hub_id_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read by datasets"):
        open_source(str(tmp_path), IngestSettings())
    with pytest.raises(BadInput, match="neither a file or folder here nor a dataset that the hub gives"):
        open_source("nobody/nothing", IngestSettings())
