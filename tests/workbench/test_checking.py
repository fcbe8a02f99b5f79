"""`check` says which lines of a file train, writes what it found, and fails only where it is asked to."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.errors import BadInput
from core.workbench import Workbench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """An empty workspace."""
    with Workbench(tmp_path / "workspace") as bench:
        yield bench


def test_a_file_is_checked_and_its_findings_are_written(bench: Workbench, tiny_model: Path, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    lines = [json.dumps({"messages": turns}), json.dumps({"messages": []}), "{"]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    found = bench.check(path, "axolotl", str(tiny_model))
    assert (found.rows, found.will_train, found.would_train, found.refused, found.stops) == (3, 0, 1, 2, 2)
    written = pq.read_table(bench.write_findings(found, tmp_path / "findings.parquet")).to_pylist()
    assert [(row["line"], row["reason"]) for row in written] == [(2, "there are no turns"), (3, "the line is not JSON")]


def test_an_unknown_trainer_and_a_missing_file_are_refused(bench: Workbench, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="trl, axolotl, llama-factory, openai"):
        bench.check(tmp_path / "rows.jsonl", "torchtune", str(tiny_model))
    with pytest.raises(BadInput, match="cannot be read"):
        bench.check(tmp_path / "rows.jsonl", "trl", str(tiny_model))
