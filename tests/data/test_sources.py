"""Every kind of source gives the same rows, and what cannot be used says so in one line."""

import csv
import gzip
import json
from dataclasses import replace
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
AUTO = IngestSettings()
TEXTS = ["jsonl", "json", "csv", "tsv", "list", "records", "columns", "sequence", "semicolon"]
KINDS = [*TEXTS, "parquet", "arrow", "stream"]


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
        case "semicolon":
            path = path.with_suffix(".csv")
            with path.open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream, delimiter=";").writerows([ROWS[0], *(row.values() for row in ROWS)])
        case "list" | "records" | "columns" | "sequence":
            path = path.with_suffix(".json")
            objects = {
                "list": {"version": [1], "rows": ROWS, "more": {"a": "]"}},
                "records": {f"{i}/~": row for i, row in enumerate(ROWS)},
                "columns": {key: [row[key] for row in ROWS] for key in ROWS[0]},
            }
            indented = [json.dumps(row, indent=1) for row in ROWS]
            path.write_text("\n".join(indented) if kind == "sequence" else json.dumps(objects[kind]), encoding="utf-8")
        case "arrow" | "stream":
            table = pa.Table.from_pylist(ROWS)
            write = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
            with write(path := path.with_suffix(".arrow"), table.schema) as sink:
                sink.write_table(table, max_chunksize=2)
        case "parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path)
        case "saved":
            Dataset.from_list(ROWS).save_to_disk(path)
        case "splits":
            DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:1])}).save_to_disk(path)
    return path


@pytest.mark.parametrize("kind", [*KINDS, "saved", "splits"])
def test_every_kind_of_source_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    source = open_source(str(write(kind, tmp_path)), IngestSettings())
    rows = list(source.rows())
    assert [row.fields for row in rows] == ROWS
    assert [json.loads(row.raw) for row in rows] == ROWS
    assert list(source.rows()) == rows
    assert source.position() == source.size


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_compressed_file_gives_the_rows_of_the_plain_one(kind: str, compress: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    plain = list(open_source(str(path), AUTO).rows())
    packed = path.with_name(f"{path.name}.{'gz' if compress == 'gzip' else 'zst'}")
    content = path.read_bytes()
    at = len(content) // 2
    with packed.open("wb") as stream:  # in two members, or frames
        for part in (content[:at], content[at:]):
            stream.write(gzip.compress(part) if compress == "gzip" else pa.compress(part, "zstd", asbytes=True))
    rows = list(open_source(str(packed), AUTO).rows())
    assert [replace(row, file=row.file.replace(packed.name, path.name)) for row in rows] == plain


def test_a_packed_file_is_unpacked_once_as_long_as_it_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[Path]()

    def note_folder() -> Path:
        made.append(tmp_path / str(len(made)))
        made[-1].mkdir()
        return made[-1]

    monkeypatch.setattr("core.data.sources.passing_folder", note_folder)
    packed = tmp_path / "table.parquet.gz"
    packed.write_bytes(gzip.compress(write("parquet", tmp_path).read_bytes()))
    for _ in range(3):
        assert [row.fields for row in open_source(str(packed), AUTO).rows()] == ROWS
    assert len(made) == 1
    pq.write_table(pa.Table.from_pylist(ROWS[:1]), tmp_path / "other.parquet")
    packed.write_bytes(gzip.compress((tmp_path / "other.parquet").read_bytes()))
    assert [row.fields for row in open_source(str(packed), AUTO).rows()] == ROWS[:1]
    assert len(made) == 2


@pytest.mark.parametrize("kind", [*KINDS, "saved"])
def test_reading_from_a_row_on_gives_what_reading_on_gives(kind: str, tmp_path: Path) -> None:
    source = open_source(str(write(kind, tmp_path)), AUTO)
    rows = list(source.rows())
    for start in range(5):
        assert list(source.rows(start=start)) == rows[start:]


def test_several_sources_are_read_one_after_the_other(tmp_path: Path) -> None:
    paths = [str(write(kind, tmp_path)) for kind in ("jsonl", "parquet", "csv")]
    source = open_source(paths, AUTO)
    rows = list(source.rows())
    assert source.name == ", ".join(paths)
    assert [row.fields for row in rows] == ROWS * 3
    assert [row.file for row in rows[::3]] == paths
    assert [list(source.rows(start=start)) for start in (2, 4, 9)] == [rows[2:], rows[4:], []]
    assert source.position() == source.size == sum(Path(path).stat().st_size for path in paths)


def test_a_path_outside_the_roots_is_refused_links_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    path = write("jsonl", outside)
    (inside / "link.jsonl").symlink_to(path)
    for source in (path, inside / "link.jsonl", inside / ".." / "out" / path.name, inside, outside / "nothing.jsonl"):
        with pytest.raises(BadInput, match=f"outside the folders .*{inside}.*GLEANER_ROOTS"):
            open_source(str(source), AUTO, roots=[inside])
    assert open_source(str(write("json", inside)), AUTO, roots=[outside, inside]).size


def test_the_columns_of_a_headless_table_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("What is it?,A thing.\nWho?,Me\n", encoding="utf-8")
    rows = list(open_source(str(path), AUTO).rows())
    assert [row.fields for row in rows] == [
        {"column_1": "What is it?", "column_2": "A thing."},
        {"column_1": "Who?", "column_2": "Me"},
    ]
    path.write_text("Who,Me\nWhere,Here\n", encoding="utf-8")
    (row,) = open_source(str(path), IngestSettings(header="yes")).rows()
    assert row.fields == {"Who": "Where", "Me": "Here"}
    assert len(list(open_source(str(path), IngestSettings(header="no")).rows())) == 2


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
    assert [row.problem for row in rows] == [
        None,
        "NaN is not JSON",
        "not an object but a list",
        "not UTF-8: invalid start byte",
        "not JSON: half of a surrogate pair",
        "not JSON: unexpected end of data",
        None,
    ]
    assert rows[3].raw == '{"a": "\\xff"}'  # no byte of it is lost
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


def test_a_csv_from_an_old_mac_is_read_and_its_bytes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'prompt,completion\rQ,"one\ntwo"\rR,three')
    rows = list(open_source(str(path), IngestSettings()).rows())
    assert [row.fields for row in rows] == [
        {"prompt": "Q", "completion": "one\ntwo"},
        {"prompt": "R", "completion": "three"},
    ]
    assert [row.byte_offset for row in rows] == [18, 30]


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
        ("wide.txt", "Ein Satz".encode("utf-16-le"), "UTF-16"),
        ("wider.json", '[{"a": 1}]'.encode("utf-32"), "UTF-32"),
        ("broken.arrow", b"ARROW1\0\0 and then nothing", "broken as Arrow"),
        ("twice.csv", b"prompt,a,a\n3,4,5\n", "does not name the columns"),
        ("page.data", b"<!DOCTYPE html><p>no</p>", "is a web page"),
        ("notes.md", b"# Notes\n", "is none of JSONL"),
    ],
)
def test_what_cannot_be_used_says_so(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=words) as caught:
        list(open_source(str(tmp_path / name), IngestSettings()).rows())
    assert "\n" not in str(caught.value)


def test_an_unknown_hub_id_says_so() -> None:
    with pytest.raises(BadInput, match="neither a file or folder here nor a dataset that the hub gives"):
        open_source("nobody/nothing", IngestSettings())
