"""An export has one schema that `datasets` reads, is complete or absent, and always the same bytes."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from core.data.export import ExportRow, check_together, export_examples
from core.errors import BadInput
from core.settings import ExportFormat

TURNS = [{"role": "user", "content": "Zwei\u2028Zeilen"}, {"role": "assistant", "content": "ja"}]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}}}}]
CALLED = [
    {"role": "user", "content": "Add 2 and 2."},
    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "add", "arguments": {"a": 2, "b": [2]}}}]},
    {"role": "tool", "content": "4", "tool_call_id": "c"},
    {"role": "assistant", "content": "It is 4."},
]
MARKED = [
    *TURNS[:1],
    {"role": "assistant", "content": "nein", "train": False},
    *TURNS[:1],
    {"role": "assistant", "content": "ja", "reasoning_content": "Zwei", "loss_weight": 0.5},
]
ROWS = [
    ExportRow(4, "a", TURNS, None, '{"q":"Zwei\u2028Zeilen",  "n": 1.0}'),
    ExportRow(1, "b", CALLED, TOOLS, '{"q":"b", "n": 2}'),
]
SINGLE = [ExportRow(i, str(i), TURNS, None, '{"q": "2020-01-01"}') for i in range(3)]
FORMATS: list[ExportFormat] = ["messages", "prompt-completion", "sharegpt"]


def export(rows: Iterable[ExportRow], format: ExportFormat, path: Path, **more: Any) -> Any:
    kept = list(rows)
    return export_examples(lambda: kept, format, path, **more)


def read(path: Path, cache: Path) -> Any:
    """The file as trainers read it."""
    kind = "parquet" if path.suffix == ".parquet" else "json"
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache))


def without_none(value: Any) -> Any:
    """As TRL and transformers take rows: keys without a value are not there."""
    if isinstance(value, dict):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    return [without_none(inner) for inner in value] if isinstance(value, list) else value


def test_original_rows_come_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    written = export(ROWS, "original", path)
    assert path.read_bytes() == "".join(row.original + "\n" for row in ROWS).encode()
    assert (written.file, written.examples) == (str(path), 2)
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("format", [*FORMATS, "alpaca"])
def test_a_file_is_read_with_one_schema_and_the_same_rows_make_the_same_bytes(
    format: ExportFormat, suffix: str, tmp_path: Path
) -> None:
    rows = SINGLE if format == "alpaca" else ROWS
    first, second = (export(rows, format, tmp_path / f"{name}.{suffix}") for name in "ab")
    assert first.sha256 == second.sha256
    loaded = read(tmp_path / f"a.{suffix}", tmp_path / "cache")
    assert len(loaded) == len(rows)
    assert ("tools" in loaded.column_names) == first.schema.with_tools
    if suffix == "jsonl":
        lines = (tmp_path / "a.jsonl").read_bytes().decode().split("\n")[:-1]
        assert [without_none(row) for row in loaded] == [json.loads(line) for line in lines]
        assert len({tuple(json.loads(line)) for line in lines}) == 1


@pytest.mark.parametrize("format", FORMATS)
def test_jsonl_and_parquet_say_the_same(format: ExportFormat, tmp_path: Path) -> None:
    for suffix in ("jsonl", "parquet"):
        export(ROWS, format, tmp_path / f"a.{suffix}")
    lines, table = (without_none(list(read(tmp_path / f"a.{s}", tmp_path / s))) for s in ("jsonl", "parquet"))
    for row in lines:
        for turn in [turn for turns in row.values() if isinstance(turns, list) for turn in turns]:
            turn.pop("weight", None)
    assert lines == table


@pytest.mark.parametrize("format", FORMATS)
def test_a_call_after_ten_megabytes_of_plain_rows_is_still_read(format: ExportFormat, tmp_path: Path) -> None:
    long = [{"role": "user", "content": "x" * 4000}, {"role": "assistant", "content": "y"}]
    rows = [ExportRow(i, str(i), long, None, "{}") for i in range(3000)] + ROWS[1:]
    export(rows, format, tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").stat().st_size > 11_000_000
    last = without_none(read(tmp_path / "a.jsonl", tmp_path / "cache")[-1])
    assert "add" in json.dumps(last["conversations" if format == "sharegpt" else "tools"])
    if format == "messages":
        assert last["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"a": 2, "b": [2]}'


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_weights_and_reasoning_late_in_a_file_are_read_as_they_were(suffix: str, tmp_path: Path) -> None:
    long = [{"role": "user", "content": "x" * 4000}, {"role": "assistant", "content": "y"}]
    rows = [ExportRow(i, str(i), long, None, "{}") for i in range(3000)] + [ExportRow(3000, "m", MARKED, None, "{}")]
    export(rows, "messages", tmp_path / f"a.{suffix}")
    loaded = read(tmp_path / f"a.{suffix}", tmp_path / "cache")
    first, last = (without_none(loaded[at]["messages"]) for at in (0, -1))
    assert (first[1]["weight"], first[1]["loss_weight"]) == (1, 1.0)
    assert [(turn.get("weight"), turn.get("loss_weight")) for turn in last[1::2]] == [(0, 0.0), (1, 0.5)]
    assert last[3]["reasoning_content"] == "Zwei"
    assert not {"weight", "loss_weight", "train", "reasoning_content"} & last[0].keys()


def test_reasoning_late_in_a_file_of_completions_is_read(tmp_path: Path) -> None:
    long = [{"role": "user", "content": "x" * 4000}, {"role": "assistant", "content": "y"}]
    rows = [ExportRow(i, str(i), long, None, "{}") for i in range(3000)]
    thought = TURNS[1] | {"reasoning_content": "Zwei"}
    export([*rows, ExportRow(3000, "m", [TURNS[0], thought], None, "{}")], "prompt-completion", tmp_path / "a.jsonl")
    assert without_none(read(tmp_path / "a.jsonl", tmp_path / "cache")[-1])["completion"] == [thought]


def test_turns_not_to_be_trained_are_counted_and_messages_is_named(tmp_path: Path) -> None:
    rows = [ExportRow(i, str(i), [TURNS[0], TURNS[1] | {"weight": int(i > 1)}], None, "{}") for i in range(5)]
    names: dict[ExportFormat, str] = {
        "alpaca": "Alpaca",
        "sharegpt": "ShareGPT",
        "prompt-completion": "prompt-completion",
    }
    for format, name in names.items():
        with pytest.raises(BadInput) as refused:
            export(rows, format, tmp_path / "a.jsonl")
        assert str(refused.value) == (
            "2 of 5 examples have a turn that is not to be trained, "
            f"which the {name} format cannot say (rows 0, 1); choose messages, or ban them."
        )
    thought = [ExportRow(7, "a", [TURNS[0], TURNS[1] | {"reasoning_content": "Zwei"}], None, "{}")]
    with pytest.raises(
        BadInput, match=r"reasoning beside a response, which the OpenAI format cannot say \(row 7\); ban"
    ):
        export(thought, "messages", tmp_path / "a.jsonl", trainer="openai")
    marked = [ExportRow(0, "a", [TURNS[0], TURNS[1] | {"weight": "half"}], None, "{}")]
    assert export(marked, "original", tmp_path / "a.jsonl").examples == 1


def test_tools_keep_openai_from_sharing_a_file(tmp_path: Path) -> None:
    called = export(ROWS, "messages", tmp_path / "a.jsonl", trainer="openai").schema
    plain = export(SINGLE, "messages", tmp_path / "b.jsonl", trainer="openai").schema
    shared = export(ROWS, "sharegpt", tmp_path / "c.jsonl", trainer="openai").schema
    with pytest.raises(BadInput, match="openai by itself"):
        check_together(["openai", "llama-factory"], called)
    check_together(["openai", "openai"], called)
    check_together(["trl", "llama-factory"], export(ROWS, "messages", tmp_path / "d.jsonl").schema)
    check_together(["openai", "llama-factory"], plain)
    check_together(["openai", "llama-factory"], shared)


def test_parquet_comes_in_blocks_and_original_rows_have_none(tmp_path: Path) -> None:
    rows = [ExportRow(i, str(i), TURNS, None, "{}") for i in range(2500)]
    export(rows, "messages", tmp_path / "a.parquet")
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    with pytest.raises(BadInput, match=r"byte for byte, as JSONL"):
        export(rows, "original", tmp_path / "b.parquet")


def test_what_the_format_cannot_say_is_counted_and_named(tmp_path: Path) -> None:
    several = [*TURNS, *TURNS]
    rows = [ExportRow(i, str(i), several if i % 12 == 4 else TURNS, None, "{}") for i in range(203)]
    message = (
        "17 of 203 examples have several turns, which the Alpaca format cannot say (rows 4, 16, 28 …); "
        "choose messages or sharegpt, or ban them."
    )
    with pytest.raises(BadInput) as refused:
        export(rows, "alpaca", tmp_path / "a.jsonl")
    assert str(refused.value) == message
    with pytest.raises(BadInput, match=r"1 of 1 examples has no turn before the response.*\(row 7\); choose messages"):
        export([ExportRow(7, "a", TURNS[1:], None, "{}")], "prompt-completion", tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_openai_has_tools_as_a_list_where_there_are_any(tmp_path: Path) -> None:
    export(ROWS, "messages", tmp_path / "a.jsonl", trainer="openai")
    plain, called = (json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").split("\n")[:2])
    assert "tools" not in plain
    assert called["tools"] == TOOLS
    with pytest.raises(BadInput, match="JSON lines alone"):
        export(ROWS, "messages", tmp_path / "a.parquet", trainer="openai")


def test_an_export_that_breaks_off_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("before")
    times = iter(range(2))

    def rows() -> Iterator[ExportRow]:
        yield ROWS[0]
        if next(times):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        export_examples(rows, "original", path)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


def test_an_empty_selection_and_an_unwritable_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the selection is empty"):
        export([], "original", tmp_path / "out.jsonl")
    with pytest.raises(BadInput, match="cannot be written"):
        export(ROWS, "original", tmp_path / "nowhere" / "out.jsonl")
    assert list(tmp_path.iterdir()) == []
