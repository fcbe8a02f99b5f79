"""Shards come back as they were written, and joining them loses and adds nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import BadInput
from core.records import Rendered
from core.scoring.arrays import join_shards, open_arrays
from core.scoring.shards import (
    ExampleFeatures,
    ExampleScores,
    ShardPlan,
    list_shards,
    plan_shards,
    read_features,
    read_scores,
    write_features,
    write_scores,
)

Block = tuple[list[ExampleScores], list[ExampleFeatures | None]]


def make_block(rows: range, d: int = 4) -> Block:
    """Every third row is unscorable; row i has 5 response tokens, and a factor of i % 3 + 1 rows of 7 + i."""
    generator = np.random.default_rng(rows.start)
    scores, features = [], []
    for row in rows:
        if row % 3 == 2:
            scores.append(ExampleScores.failed("the response has no tokens"))
            features.append(None)
            continue
        tokens = [generator.random(5).astype(np.float16) for _ in range(3)]
        scores.append(ExampleScores(1.5, 2.5, 0.5, *tokens))
        factor = generator.standard_normal((row % 3 + 1, d)).astype(np.float32) * 50
        features.append(ExampleFeatures(np.ones(d, np.float32), factor, 0.99, float((factor**2).sum()), 7 + row))
    return scores, features


def write_all(folder: Path, count: int = 10) -> tuple[list[ShardPlan], list[Block]]:
    plans = plan_shards(folder / "base", folder / "features", "run", [f"id{i}" for i in range(count)], 4)
    blocks = [make_block(plan.rows) for plan in plans]
    for plan, (scores, features) in zip(plans, blocks, strict=True):
        rendered = [
            Rendered("", [0] * 8, [0] * 3 + [1] * 5, row % 3 == 1)
            if row % 3 != 2
            else Rendered("", [], [], False, "no")
            for row in plan.rows
        ]
        write_features(plan.features, features, (4, 4))
        write_scores(plan.path, plan.rows, rendered, scores)
    return plans, blocks


def test_a_shard_comes_back_as_it_was_written(tmp_path: Path) -> None:
    plans, blocks = write_all(tmp_path)
    assert [plan.path for plan in plans] == list(list_shards(tmp_path / "base"))
    for plan, (scores, features) in zip(plans, blocks, strict=True):
        back = read_scores(plan.path)
        assert back.reasons == [of.reason for of in scores]
        assert back.rows.tolist() == list(plan.rows)
        np.testing.assert_array_equal(back.nll, [of.nll for of in scores])
        assert back.response_tokens.tolist() == [0 if of.reason else 5 for of in scores]
        for i, of in enumerate(scores):
            part = slice(back.token_offsets[i], back.token_offsets[i + 1])
            np.testing.assert_array_equal(back.token_nll[part], of.token_nll)
            np.testing.assert_array_equal(back.token_gini[part], of.token_gini)
        stored = read_features(plan.features)
        np.testing.assert_array_equal(stored.factors, np.concatenate([of.factor for of in features if of]))
        assert stored.tokens.tolist() == [of.tokens if of else 0 for of in features]
        assert np.isnan(stored.means).all(axis=1).tolist() == [of is None for of in features]


@pytest.mark.parametrize("read", [read_scores, read_features])
def test_a_shard_of_another_version_says_so(read: Callable[[Path], object], tmp_path: Path) -> None:
    save_file({"rows": np.arange(3)}, tmp_path / "old.safetensors", metadata={"reasons": "[]"})
    with pytest.raises(ValueError, match="another version"):
        read(tmp_path / "old.safetensors")


def test_a_shards_name_is_of_its_rows_and_its_run(tmp_path: Path) -> None:
    def names(run: str, ids: list[str]) -> list[str]:
        return [plan.path.name for plan in plan_shards(tmp_path, tmp_path / "features", run, ids, 2)]

    ids = ["a", "b", "c"]
    assert names("run", ids) == names("run", ids)
    assert not set(names("run", ids)) & set(names("other", ids))
    assert names("run", ids)[0] == names("run", ["a", "b", "x"])[0]
    assert names("run", ids)[1] != names("run", ["a", "b", "x"])[1]


def test_joined_arrays_are_the_shards_in_row_order_in_the_pools_own_scale(tmp_path: Path) -> None:
    plans, blocks = write_all(tmp_path)
    join_shards([plan.path for plan in plans], [plan.features for plan in plans], tmp_path / "arrays")
    arrays = open_arrays(tmp_path / "arrays")
    features = [of for _, block in blocks for of in block]
    raw = np.concatenate([of.factor for of in features if of])
    tokens = sum(7 + row for row in range(10) if row % 3 != 2)
    rms = np.sqrt(float((raw.astype(np.float64) ** 2).sum()) / tokens)
    assert arrays.rms_norm == pytest.approx(rms, rel=1e-6)
    np.testing.assert_allclose(arrays.factors, raw / rms, rtol=1e-5)
    assert np.diff(arrays.offsets).tolist() == [len(of.factor) if of else 0 for of in features]
    assert np.isnan(arrays.mean_features).all(axis=1).tolist() == [row % 3 == 2 for row in range(10)]
    np.testing.assert_allclose(arrays.kept, [0.99 if of else np.nan for of in features], rtol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays", "base", "features"]


def test_arrays_of_an_unfinished_run_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no factors yet"):
        open_arrays(tmp_path / "arrays")
