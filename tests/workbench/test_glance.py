"""A glance adds up to the rows that were loaded, and tells estimates from counts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.demo import write_demo
from core.errors import BadInput
from core.scoring.models import load_tokenizer
from core.settings import ScoringSettings
from core.workbench import Workbench
from core.workbench.overview import length_edges, summarise_lengths
from tests.conftest import Scored, core_json, run_core, write_chats


def test_a_glance_counts_what_the_rows_hold(tmp_path: Path) -> None:
    source = write_chats(tmp_path / "chats.jsonl", 48)
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(source, "chats")
        glance = bench.glance("chats")
        assert bench.glance("chats") is glance
    assert glance.conversations.examples == glance.sampled == 48
    lengths = [len(row["output"]) for row in rows]
    assert (glance.responses.total, glance.responses.longest) == (sum(lengths), max(lengths))
    assert sum(glance.responses.counts) == 48
    topics = next(column for column in glance.columns if column.name == "topic")
    assert topics.values == [("0", 16), ("1", 16), ("2", 16)]
    assert next(column for column in glance.columns if column.name == "input").empty == 48


def test_tokens_are_counted_where_a_run_read_all_and_estimated_elsewhere(scored: Scored, tmp_path: Path) -> None:
    shutil.copytree(scored.workspace, tmp_path / "workspace")
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "few.jsonl", 8), "few")
        estimated = bench.token_count("few")
        run = scored.report["run"]
        assert not bench.token_count("chats").is_exact  # one of its rows was too long for the run
        with bench.database.writing() as cursor:
            cursor.execute("UPDATE scores SET nll = 1, truncated = FALSE WHERE run = ?", [run])
        counted, scores = bench.token_count("chats"), bench.runs.scores(run)
    assert counted.is_exact
    assert counted.response == sum(scores["response_tokens"].to_pylist())
    assert counted.prompt == sum(scores["prompt_tokens"].to_pylist())
    assert not estimated.is_exact


def test_an_estimate_of_all_rows_is_the_tokenizers_own_count(tmp_path: Path) -> None:
    source = write_demo(tmp_path / "demo.jsonl")
    source.write_text("\n".join(source.read_text(encoding="utf-8").splitlines()[::20]), encoding="utf-8")
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(source, "demo")
        estimated = bench.token_count("demo")
        tokenizer = load_tokenizer(ScoringSettings(), bench.folder.models)
        texts = [example.messages[-1]["content"] for example in bench.draw_examples("demo", 1_000, 0)]
    assert estimated.response == sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)


def test_a_seed_draws_the_same_examples_and_another_others(tmp_path: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 60), "chats")
        first, again, other = (bench.draw_examples("chats", 20, seed) for seed in (0, 0, 1))
        assert len(bench.draw_examples("chats", 100, 0)) == 60
        with pytest.raises(BadInput, match="There is no dataset 'none'"):
            bench.glance("none")
    assert first == again
    assert [example.row for example in first] == sorted({example.row for example in first})
    assert [example.row for example in first] != [example.row for example in other]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200))
def test_percentiles_and_bins_are_those_of_the_lengths_themselves(lengths: list[int]) -> None:
    values, counts = np.unique(lengths, return_counts=True)
    edges = length_edges(max(lengths))
    found = summarise_lengths([(int(v), int(n)) for v, n in zip(values, counts, strict=True)], edges)
    expected = np.quantile(lengths, [0.05, 0.5, 0.95], method="inverted_cdf")
    assert [found.low, found.median, found.high] == list(expected)
    assert found.total == sum(lengths)
    assert sum(found.counts) == sum(length > 0 for length in lengths)
    assert edges == sorted(set(edges))
    assert edges[-1] > max(lengths)


def test_the_command_prints_the_glance(scored: Scored, tmp_path: Path) -> None:
    shutil.copytree(scored.workspace, tmp_path / "workspace")
    found = core_json(tmp_path / "workspace", "glance", "chats")
    assert found["conversations"]["examples"] == 24
    assert found["tokens"]["prompt"] > 0
    printed = run_core(tmp_path / "workspace", "glance", "chats").stdout
    assert "column topic: number, 24 filled, 3 distinct: 0 8, 1 8, 2 8" in printed
    assert "There is no dataset" in run_core(tmp_path / "workspace", "glance", "none", code=2).stderr
