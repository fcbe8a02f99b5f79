"""A lock tells what it holds, is refused when it is not one, and its digests name the first row that differs."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.digests import (
    ROW_BYTES,
    digest_example,
    digest_file,
    digest_table,
    first_difference,
    pack,
    split,
    unpack,
)
from core.data.lock import Lock, lock_path, read_lock, verify_lock, write_lock
from core.errors import BadInput
from core.records import Example

FILES = {"sel.jsonl": b'{"a": 1}\n{"a": 2}\n', "sel.scores.parquet": b"scores", "sel.card.md": b"# words\n"}


def described(**changes: Any) -> dict[str, Any]:
    """A small lock as JSON has it; `changes` replace parts of it by path, such as `export__format`."""
    run = {
        "run": "r1",
        "model_identity": "folder:abc",
        "template": "chat:def",
        "tokenizer": "t",
        "settings": {"scoring": {"device": "cpu", "dtype": "float32"}, "calibration": None, "calibrated_model": None},
        "scoring_version": 3,
        "versions": {"gleaner": "0.1.0", "torch": "2"},
        "scores_sha256": "s",
        "score_digests": pack(b"abcdefgh"),
    }
    dataset = {
        "name": "chats",
        "source": "chats.jsonl",
        "sources": [],
        "ingest": {"format": "alpaca"},
        "format": "alpaca",
        "content_hash": "c",
        "rows_read": 3,
        "rows_loaded": 2,
        "rows_quarantined": 1,
        "row_digests": pack(bytes(16)),
        "repairs": [],
    }
    asked = {
        "selection": "s1",
        "criterion": "fisher",
        "budget": "2",
        "seed": 0,
        "settings": {"ridge": 1.0},
        "pinned": ["x"],
        "banned": [],
        "given_pinned": [],
        "given_banned": [],
        "quotas": ["topic=0<=1"],
        "repeats": "near 0.8",
        "target": [],
        "decisions": [{"kind": "pin", "example_id": "x", "row": 0, "who": "ann", "when": "then", "why": "so"}],
        "decisions_since": 0,
        "examples": 2,
        "tokens": 9,
        "log_det_nats": 1.5,
        "upper_bound_nats": 2.0,
        "random_log_det_nats": [0.5, 1.0],
    }
    roles = {"sel.jsonl": "data", "sel.scores.parquet": "scores", "sel.card.md": "card"}
    files = [
        {"name": name, "role": roles[name], "sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}
        for name, text in FILES.items()
    ]
    export = {
        "format": "messages",
        "fields": {"with_tools": False},
        "trainers": [],
        "examples": 2,
        "line_digests": pack(bytes(8)),
        "files": files,
    }
    lock: dict[str, Any] = {
        "lock_version": 1,
        "created_at": "2026-01-01T00:00:00+00:00",
        "dataset": dataset,
        "scoring": run,
        "target": None,
        "selection": asked,
        "picks": {"example_ids": ["x", "y"], "rows": [0, 1]},
        "export": export,
        "versions": {"gleaner": "0.1.0"},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = lock
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return lock


def make_lock(**changes: Any) -> Lock:
    return Lock.model_validate(described(**changes))


def write_export(folder: Path, **changes: Any) -> Path:
    """The files of `FILES` and their lock."""
    for name, text in FILES.items():
        (folder / name).write_bytes(text)
    path = folder / "sel.lock.json"
    path.write_text(json.dumps(described(**changes)))
    return path


def test_a_lock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lock, path = make_lock(), lock_path(tmp_path / "sel.jsonl")
    write_lock(lock, path)
    assert path.name == "sel.lock.json"
    assert read_lock(path) == lock
    before = path.read_bytes()
    write_lock(read_lock(path), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "is not a lock"),
        ("[1]", "is not a lock"),
        ("[" * 100_000, "is not a lock"),
        ("{}", "is not a lock"),
        ("\xff", "is not a lock"),
        ('{"lock_version": 2}', "is a lock of version 2; this Gleaner reads 1"),
        ('{"lock_version": 1}', "is damaged at dataset: field required"),
        (json.dumps(described(selection__seed="x")), "is damaged at selection.seed"),
        (json.dumps(described(selection__seed=-1)), "is damaged at selection.seed"),
        (json.dumps(described(selection__repeats="near much")), "is damaged at selection.repeats"),
        (json.dumps(described(selection__log_det_nats=float("nan"))), "is damaged at selection.log_det_nats"),
        (json.dumps(described(surplus=1)), "is damaged at surplus"),
        (json.dumps(described(export__files=[])), "is damaged at export.files"),
    ],
)
def test_what_is_no_lock_is_refused_in_one_line(text: str, answer: str, tmp_path: Path) -> None:
    path = tmp_path / "some.lock.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=answer) as raised:
        read_lock(path)
    assert "\n" not in str(raised.value)
    with pytest.raises(BadInput, match="cannot be read"):
        read_lock(tmp_path / "none.lock.json")


@pytest.mark.parametrize("name", ["../sel.jsonl", "/etc/passwd", "a\\b", "", ".hidden", "..", "a\0b"])
def test_a_lock_names_no_file_but_those_beside_it(name: str, tmp_path: Path) -> None:
    file = {"name": name, "role": "data", "sha256": "", "bytes": 0}
    path = write_export(tmp_path, export__files=[file])
    with pytest.raises(BadInput, match="no name of a file beside the lock"):
        read_lock(path)


def test_verify_names_each_file_that_is_not_as_written(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    assert verify_lock(path) == []
    (tmp_path / "sel.jsonl").write_bytes(FILES["sel.jsonl"].replace(b"2", b"3"))
    (tmp_path / "sel.card.md").unlink()
    problems = verify_lock(path)
    assert len(problems) == 2
    assert problems[0].startswith("sel.jsonl is not what was written")
    assert problems[1] == "sel.card.md is not there."


ROWS = st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=30)


def of(rows: list[int]) -> list[bytes]:
    return [row.to_bytes(8) for row in rows]


@given(ROWS, st.data())
def test_one_edit_is_found_where_it_was_made(rows: list[int], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    assert first_difference(of(rows), of(rows)) is None
    changed = first_difference(of(rows), of([*rows[:at], 99, *rows[at + 1 :]]))
    gone = first_difference(of(rows), of([*rows[:at], *rows[at + 1 :]]))
    new = first_difference(of(rows), of([*rows[:at], 99, *rows[at:]]))
    assert [(found.row, found.what) for found in (changed, gone, new) if found] == [
        (at, "changed"),
        (at, "missing"),
        (at, "added"),
    ]
    if at + 1 < len(rows):
        swapped = [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]
        moved = first_difference(of(rows), of(swapped))
        assert moved is not None
        assert (moved.row, moved.what) == (at, "moved")


def test_digests_that_are_cut_or_no_text_of_digests_are_refused() -> None:
    assert unpack(pack(b"12345678abcdefgh"), 8, 2) == [b"12345678", b"abcdefgh"]
    for text, count in ((pack(b"12345678"), 2), ("%%%", 1), (pack(b"1234567"), 1)):
        with pytest.raises(BadInput, match="are not"):
            unpack(text, ROW_BYTES, count)


def test_an_examples_digest_is_of_its_content_alone() -> None:
    def example(**changes: Any) -> Example:
        content = {"example_id": "a", "messages": [{"role": "user", "content": "b"}], "tools": None}
        return Example(row=1, file="f", line=2, original="{}", **content | changes)

    same = Example("a", 9, "g", 8, [{"content": "b", "role": "user"}], "[]")
    assert digest_example(example()) == digest_example(same)
    assert len(digest_example(same)) == 32
    others = [
        example(example_id="b"),
        example(messages=[{"role": "user", "content": "c"}]),
        example(tools=[{"name": "t"}]),
    ]
    assert digest_example(same) not in {digest_example(other) for other in others}


def test_a_tables_digest_sees_the_last_bit_of_every_value() -> None:
    table = pa.table({"id": ["a", "b"], "n": [1, 2], "x": [0.1, None], "why": [None, "long"], "cut": [True, False]})
    whole, rows = digest_table(table)
    nan = table.set_column(2, "x", pa.array([0.1, float("nan")]))
    assert digest_table(nan) == (whole, rows)
    assert digest_table(table.combine_chunks()) == (whole, rows)
    changes = {"id": ["a", "c"], "n": [1, 3], "x": [math.nextafter(0.1, 1), None], "why": ["", "long"]}
    for name, values in (changes | {"cut": [True, True]}).items():
        place = table.column_names.index(name)
        other, other_rows = digest_table(table.set_column(place, name, pa.array(values)))
        assert other != whole
        differs = [a != b for a, b in zip(split(rows, 4), split(other_rows, 4), strict=True)]
        assert differs == [a != b for a, b in zip(table[name].to_pylist(), values, strict=True)]
    assert digest_table(table.rename_columns(["id", "n", "y", "why", "cut"]))[0] != whole


def test_a_files_digests_are_one_a_line_or_row(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "a.jsonl").write_bytes('{"a": "x\u2028y"}\n{"a": 2}\n'.encode())
    assert len(digest_file(tmp_path / "a.jsonl")) == 8
    for name, values in {"a": [1, 2, 3], "b": [1, 2, 4]}.items():
        pq.write_table(pa.table({"v": values}), tmp_path / f"{name}.parquet")
    first, second = (split(digest_file(tmp_path / f"{name}.parquet"), 4) for name in "ab")
    found = first_difference(first, second)
    assert found is not None
    assert found.row == 2
