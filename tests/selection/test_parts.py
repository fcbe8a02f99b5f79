"""A search in parts reaches what GreeDi reaches, wherever the parts are searched."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.choose import order, prepare
from core.selection.factors import Factors
from core.selection.parts import SEARCHING, Dealing, Part, search_part
from core.selection.pool import Pool
from core.selection.ranking import Ordered
from core.selection.registry import find_criterion
from core.selection.room import Room
from core.selection.sharing import Errand
from core.selection.vectors import log_det
from core.settings import Budget
from tests import oracles
from tests.selection.pools import factors_of, make_pool, pools, select, with_quotas


def information(pool: Pool, rows: Sequence[int]) -> float:
    return oracles.log_det_information(factors_of(pool), rows, 1.0)


def dealt(pool: Pool, parts: int, count: int, oversample: float, seed: int = 0) -> list[Part]:
    ones = np.ones(len(pool.candidates), np.int64)
    return Dealing(parts, oversample, seed).deal(pool.candidates, Room(ones, count), ones)


@given(pools, st.integers(2, 5), st.sampled_from([1.0, 2.0, 5.0]), st.integers(0, 3))
def test_it_reaches_what_the_oracle_reaches_with_the_same_parts(
    pool: Pool, parts: int, oversample: float, seed: int
) -> None:
    count = max(1, len(pool.nll) // 2)
    cut = dealt(pool, parts, count, oversample, seed)
    chosen = select(pool, "fisher", str(count), seed, search="greedi", parts=parts, oversample=oversample)
    truth = oracles.greedi(factors_of(pool), [part.rows.tolist() for part in cut], count, cut[0].total, 1.0)
    assert len(chosen) == count
    assert information(pool, chosen) == pytest.approx(truth, rel=1e-7, abs=1e-9)


@given(st.integers(1, 40), st.integers(2, 9), st.integers(1, 40), st.floats(1, 12), st.integers(0, 5))
def test_every_candidate_is_dealt_once_and_the_parts_can_pay_the_budget(
    n: int, parts: int, count: int, oversample: float, seed: int
) -> None:
    pool, count = make_pool(np.random.default_rng(seed), n, 3), min(count, n)
    cut = dealt(pool, parts, count, oversample, seed)
    assert sorted(np.concatenate([part.rows for part in cut]).tolist()) == list(range(n))
    assert max(len(part.rows) for part in cut) - min(len(part.rows) for part in cut) <= 1
    assert sum(min(part.total, len(part.rows)) for part in cut) >= min(count, n)
    assert all(part.total <= count for part in cut)


@pytest.mark.parametrize("parts", [2, 4, 8])
@pytest.mark.parametrize("criterion", ["fisher", "ioptimal"])
def test_it_loses_little_against_one_search_of_the_whole_pool(parts: int, criterion: str) -> None:
    pool = make_pool(np.random.default_rng(3), 600, 24)
    rule = find_criterion(criterion)

    def reached(**options) -> float:
        task = prepare(pool, rule, Budget.parse("60"), rule.settings(**options), 0)
        return float(order(task).rankings[0].gains[:60].sum())

    assert reached(search="greedi", parts=parts) >= 0.98 * reached()


def test_another_seed_deals_other_parts() -> None:
    pool = make_pool(np.random.default_rng(3), 300, 12)
    options = {"search": "greedi", "parts": 6, "oversample": 1}
    assert select(pool, "fisher", "30", 0, **options) == select(pool, "fisher", "30", 0, **options)
    assert select(pool, "fisher", "30", 0, **options) != select(pool, "fisher", "30", 1, **options)


def test_pins_are_known_to_every_part_and_bans_are_in_none() -> None:
    pool = make_pool(np.random.default_rng(4), 80, 6)
    largest = int(np.argmax(np.diff(pool.offsets)))
    first, last = pool.offsets[largest], pool.offsets[largest + 1]
    pinned = replace(pool, pinned=(7,), banned=frozenset(range(20, 40)))
    chosen = select(pinned, "fisher", "12", search="greedi", parts=3)
    assert chosen[0] == 7
    assert len(set(chosen)) == 12
    assert not set(chosen) & set(range(20, 40))
    values = np.concatenate([pool.factors, *[30 * pool.factors[first:last]] * 2])  # twins, as rows 80 and 81
    offsets = np.concatenate([pool.offsets, pool.offsets[-1] + (last - first) * np.array([1, 2])])
    part = Part(np.array([*range(60, 80), 81]), np.ones(21, np.int64), np.ones(21), 8)
    for pins, comes_first in (((80,), False), ((), True)):
        design = log_det(Factors(values, offsets), 1.0)
        design.add_all(np.array(pins, np.int64))
        twins = replace(pool, factors=values, offsets=offsets)
        search = Errand.of(twins, design, search_part, SEARCHING)()
        assert (int(search(part).rankings[0].rows[0]) == 81) is comes_first


@given(st.integers(0, 200), st.integers(40, 200))
def test_a_budget_of_tokens_is_kept(seed: int, tokens: int) -> None:
    pool = make_pool(np.random.default_rng(seed), 40, 4)
    chosen = select(pool, "fisher", f"{tokens}tok", search="greedi", parts=3)
    spent = pool.response_tokens[chosen].sum()
    assert tokens - pool.response_tokens.max() < spent <= tokens


def test_nothing_is_picked_where_the_pins_are_the_budget_or_all_there_is() -> None:
    pool = replace(make_pool(np.random.default_rng(4), 6, 6), pinned=(1, 4, 5))
    assert select(pool, "fisher", "3", search="greedi", parts=3) == [1, 4, 5]
    everything = replace(pool, pinned=tuple(range(6)))
    assert select(everything, "fisher", "6", search="greedi", parts=3) == list(range(6))


def test_quotas_are_refused() -> None:
    pool = with_quotas(make_pool(np.random.default_rng(0), 20, 4), np.arange(20) % 2, "topic=t0<=2")
    with pytest.raises(BadInput, match="greedi keeps no quotas"):
        select(pool, "fisher", "6", search="greedi")


@pytest.mark.parametrize("criterion", ["fisher", "ioptimal"])
def test_parts_searched_elsewhere_give_the_same(tmp_path: Path, criterion: str) -> None:
    pool = make_pool(np.random.default_rng(5), 200, 10)
    np.save(tmp_path / "factors.npy", pool.factors)
    mapped, asked = np.load(tmp_path / "factors.npy", mmap_mode="r"), list[Errand[Part, Ordered]]()

    def spread(errand: Errand[Part, Ordered], parts: Sequence[Part]) -> list[Ordered]:
        asked.append(errand)
        return [errand()(part) for part in parts]

    for values in (pool.factors, mapped):
        elsewhere = replace(pool, factors=values, pinned=(3,), spread=spread)
        chosen = select(elsewhere, criterion, "20", search="greedi", parts=4)
        assert chosen == select(replace(pool, pinned=(3,)), criterion, "20", search="greedi", parts=4)
    assert asked[1].factors == tmp_path / "factors.npy"
    (tmp_path / "factors.npy").unlink()
    with pytest.raises(BadInput, match="does not see"):
        asked[1]()
