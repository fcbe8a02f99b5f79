"""Shards come back as they were written, and joining them loses and adds nothing."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.scoring.arrays import join_shards, open_arrays
from core.scoring.shards import Shard, list_shards, plan_shards, read_shard, write_shard


def make_shard(rows: range, d: int = 4) -> Shard:
    """Every third row is unscorable; row i has a factor of i % 3 + 1 rows."""
    generator = np.random.default_rng(rows.start)
    scored = np.array([row % 3 != 2 for row in rows])
    ranks = np.where(scored, np.array(rows) % 3 + 1, 0)
    factors = generator.standard_normal((ranks.sum(), d)).astype(np.float32) * 50
    offsets = np.concatenate([[0], np.cumsum(ranks)]).astype(np.int64)
    trace = np.array([float((factors[a:b] ** 2).sum()) for a, b in itertools.pairwise(offsets)])
    return Shard(
        rows=np.array(rows, dtype=np.int64),
        prompt_tokens=np.full(len(rows), 3, dtype=np.int32),
        response_tokens=np.where(scored, 5, 0).astype(np.int32),
        nll=np.where(scored, 1.5, np.nan),
        entropy=np.where(scored, 2.5, np.nan),
        gini=np.where(scored, 0.5, np.nan),
        truncated=np.zeros(len(rows), dtype=np.uint8),
        reasons=[None if ok else "the response has no tokens" for ok in scored],
        mean_feature=np.where(scored[:, None], 1.0, np.nan).astype(np.float32) * np.ones((1, d), dtype=np.float32),
        factors=factors,
        factor_offsets=offsets,
        factor_kept=np.where(scored, 0.99, np.nan),
        feature_trace=trace,
    )


def write_all(folder: Path, count: int = 10) -> list[Shard]:
    plans = plan_shards(folder / "base", "run", [f"id{i}" for i in range(count)], 4)
    shards = [make_shard(plan.rows) for plan in plans]
    for plan, shard in zip(plans, shards, strict=True):
        write_shard(plan.path, shard)
    return shards


def test_a_shard_comes_back_as_it_was_written(tmp_path: Path) -> None:
    shards = write_all(tmp_path)
    for path, shard in zip(list_shards(tmp_path / "base"), shards, strict=True):
        back = read_shard(path)
        assert back.reasons == shard.reasons
        np.testing.assert_array_equal(back.factors, shard.factors)
        np.testing.assert_array_equal(back.nll, shard.nll)
        assert read_shard(path, with_features=False).factors is None


def test_a_shards_name_is_of_its_rows_and_its_run(tmp_path: Path) -> None:
    def names(run: str, ids: list[str]) -> list[str]:
        return [plan.path.name for plan in plan_shards(tmp_path, run, ids, 2)]

    ids = ["a", "b", "c"]
    assert names("run", ids) == names("run", ids)
    assert not set(names("run", ids)) & set(names("other", ids))
    assert names("run", ids)[0] == names("run", ["a", "b", "x"])[0]
    assert names("run", ids)[1] != names("run", ["a", "b", "x"])[1]


def test_joined_arrays_are_the_shards_in_row_order_in_the_pools_own_scale(tmp_path: Path) -> None:
    shards = write_all(tmp_path)
    join_shards(list(list_shards(tmp_path / "base")), tmp_path / "arrays")
    arrays = open_arrays(tmp_path / "arrays")
    raw = np.concatenate([shard.factors for shard in shards])
    tokens = sum(int(shard.response_tokens.sum()) for shard in shards)
    rms = np.sqrt(float((raw.astype(np.float64) ** 2).sum()) / tokens)
    assert arrays.rms_norm == pytest.approx(rms, rel=1e-6)
    np.testing.assert_allclose(arrays.factors, raw / rms, rtol=1e-5)
    assert np.diff(arrays.offsets).tolist() == [n for shard in shards for n in np.diff(shard.factor_offsets)]
    assert np.isnan(arrays.mean_features).all(axis=1).tolist() == [row % 3 == 2 for row in range(10)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays", "base"]


def test_arrays_of_an_unfinished_run_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no factors yet"):
        open_arrays(tmp_path / "arrays")
