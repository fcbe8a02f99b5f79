"""What other processes measure of a pool is what this one would have."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.selection import sharing
from core.selection.design import Design
from core.selection.ioptimal import PredictiveVariance
from core.selection.pool import Pool
from core.selection.sharing import Errand, look_at
from core.selection.vectors import log_det
from tests import oracles
from tests.selection.pools import factors_of, make_pool


def elsewhere(calls: list[int]) -> Any:
    """Each piece by an errand that was sent as another process gets it, the last piece first."""

    def spread(errand: Errand[Any, Any], pieces: Sequence[Any]) -> list[Any]:
        calls.append(len(pieces))
        work = pickle.loads(pickle.dumps(errand))()
        return [work(piece) for piece in reversed(pieces)][::-1]

    return spread


def design_of(pool: Pool, kind: str) -> Design:
    if kind == "ioptimal":
        return PredictiveVariance(pool.design_factors, 2.0, pool.moment)
    return log_det(pool.design_factors, 2.0)


@pytest.mark.parametrize("picks", [(), (3, 17, 40)])
@pytest.mark.parametrize("kind", ["tokens", "mean", "ioptimal"])
def test_pieces_together_are_the_whole_look(
    kind: str, picks: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sharing.PIECE, "cpu", 200.0)
    pool = make_pool(np.random.default_rng(2), 120, 8)
    pool = pool.as_vectors() if kind == "mean" else pool
    np.save(tmp_path / "factors.npy", pool.factors)
    calls, rows = list[int](), np.setdiff1d(pool.scored, picks)
    design = design_of(pool, kind)
    for row in picks:
        design.add(row)
    whole = design.measure(rows)
    mapped = np.load(tmp_path / "factors.npy", mmap_mode="r")
    for values in (pool.factors, mapped):
        shared = look_at(replace(pool, factors=values, spread=elsewhere(calls)), design, rows)
        assert shared.gains == pytest.approx(whole.gains, rel=1e-10, abs=1e-13)
        assert shared.slopes == pytest.approx(whole.slopes, rel=1e-10, abs=1e-13)
    assert min(calls) > 5
    if kind == "tokens":
        truth = [oracles.log_det_information(factors_of(pool), [*picks, row], 2.0) for row in rows]
        before = oracles.log_det_information(factors_of(pool), picks, 2.0)
        assert shared.gains == pytest.approx(np.array(truth) - before, rel=1e-7, abs=1e-9)


def test_what_is_little_work_is_not_shared_out() -> None:
    calls = list[int]()
    pool = make_pool(np.random.default_rng(2), 60, 8, spread=elsewhere(calls))
    design = design_of(pool, "tokens")
    assert look_at(pool, design, pool.scored).gains == pytest.approx(design.gains(pool.scored))
    assert not calls


def test_an_errand_leaves_the_design_that_it_came_from_alone() -> None:
    pool = make_pool(np.random.default_rng(4), 40, 5)
    design = design_of(pool, "tokens")
    design.add(2)
    before = design.value()
    errand = Errand.of(pool, design, Design.add, "Adding")
    row = int(np.flatnonzero(np.diff(pool.offsets))[3])
    first, again = errand()(row), errand()(row)
    assert first == again > 0
    assert design.value() == before
