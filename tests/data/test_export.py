"""An export has one schema, is complete or absent, and its manifest tells the truth."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets import load_dataset

from core.data.export import ExportRow, export_examples
from core.errors import BadInput

TURNS = [{"role": "user", "content": "Zwei\u2028Zeilen"}, {"role": "assistant", "content": "ja"}]
ROWS = [
    ExportRow(4, "a", TURNS, None, '{"q":"Zwei\u2028Zeilen",  "n": 1.0}'),
    ExportRow(1, "b", TURNS, [{"name": "t"}], '{"q":"b", "n": 2}'),
]


def test_original_rows_come_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    report = export_examples(ROWS, "original", path, {"made": "here"}, with_tools=True)
    assert path.read_bytes() == "".join(row.original + "\n" for row in ROWS).encode()
    assert report.examples == 2
    manifest = json.loads(Path(report.manifest).read_text(encoding="utf-8"))
    assert manifest["made"] == "here"
    assert manifest["file"]["sha256"] == report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["examples"] == [{"row": 4, "example_id": "a"}, {"row": 1, "example_id": "b"}]


@pytest.mark.parametrize("with_tools", [True, False])
def test_messages_have_one_schema_and_load_with_datasets(with_tools: bool, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export_examples(ROWS, "messages", path, {}, with_tools=with_tools)
    loaded = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == (["messages", "tools"] if with_tools else ["messages"])
    assert [row["messages"] for row in loaded] == [TURNS, TURNS]


def test_an_export_that_breaks_off_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("before")

    def broken() -> Iterator[ExportRow]:
        yield ROWS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        export_examples(broken(), "original", path, {}, with_tools=False)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


def test_an_empty_selection_and_an_unwritable_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the selection is empty"):
        export_examples([], "original", tmp_path / "out.jsonl", {}, with_tools=False)
    with pytest.raises(BadInput, match="cannot be written"):
        export_examples(ROWS, "original", tmp_path / "nowhere" / "out.jsonl", {}, with_tools=False)
    assert list(tmp_path.iterdir()) == []
