"""The search picks what naive greedy picks, keeps budgets and quotas, and each of its ways is what it says."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.selection.greedy import FEW_ENTRIES, Candidates, Plan, Queue, Step, search_greedy
from core.selection.ioptimal import PredictiveVariance
from core.selection.logdet import LogDet
from core.selection.pool import Pool, Target
from core.selection.room import Room
from tests import oracles
from tests.selection.pools import factors_of, make_pool, of_factors, pools, select


def search(pool: Pool, count: int, how: str = "lazy", **plan) -> list[Step]:
    room = Room(np.ones(len(pool.rows), np.int64), count)
    return list(search_greedy(LogDet(pool.design_factors, 1.0), pool.rows, room, Plan(how, **plan)))


@given(pools)
def test_lazy_and_naive_search_pick_what_the_oracle_picks(pool: Pool) -> None:
    count = max(1, len(pool.nll) // 2)
    truth = oracles.naive_greedy(factors_of(pool), count, 1.0)
    values = [oracles.log_det_information(factors_of(pool), truth[: k + 1], 1.0) for k in range(count)]
    for how in ("lazy", "naive"):
        chosen = select(pool, "fisher", str(count), search=how)
        reached = [oracles.log_det_information(factors_of(pool), chosen[: k + 1], 1.0) for k in range(count)]
        np.testing.assert_allclose(reached, values, rtol=1e-7, atol=1e-9)


def test_lazy_search_picks_what_naive_picks_on_a_larger_pool_with_few_gains() -> None:
    pool = make_pool(np.random.default_rng(3), 400, 24)
    lazy, naive = search(pool, 80), search(pool, 80, "naive")
    assert [step.row for step in lazy] == [step.row for step in naive]
    assert sum(step.evaluations for step in lazy) < 0.3 * sum(step.evaluations for step in naive)
    assert sum(step.evaluations for step in naive) == sum(400 - picked for picked in range(80))


@given(st.integers(0, 500), st.integers(3, 12), st.integers(1, 5))
def test_with_one_vector_an_example_the_order_is_greedys_on_the_kernel_determinant(seed: int, n: int, d: int) -> None:
    pool = make_pool(np.random.default_rng(seed), n, d)
    vectors = pool.as_vectors().factors
    count = max(1, n // 2)
    truth, chosen = oracles.kernel_greedy(vectors, count, 1.0), select(pool, "fisher", str(count), features="mean")
    for k in range(1, count + 1):
        reached, best = (oracles.log_det_information(list(vectors[:, None]), rows[:k], 1.0) for rows in (chosen, truth))
        assert reached == pytest.approx(best, rel=1e-9, abs=1e-12)


@given(st.integers(0, 1_000), st.integers(1, 40))
def test_who_waits_comes_by_its_present_value_and_in_its_turn(seed: int, n: int) -> None:
    generator, ones = np.random.default_rng(seed), np.ones(n)
    candidates = Candidates(None, np.arange(n), ones, Room(ones.astype(np.int64), n))  # type: ignore[arg-type]
    queue, waiting = Queue(candidates), set[int]()
    for _ in range(3 * FEW_ENTRIES // n):
        some = np.flatnonzero(generator.random(n) < 0.5)
        candidates.highs[some] = generator.integers(0, 5, len(some)).astype(float)
        queue.put(some)
        waiting |= set(some.tolist())
        assert len(queue) == len(waiting)
        turn, count = int(generator.integers(0, n + 1)), int(generator.integers(1, n + 1))
        by_turn = sorted(waiting, key=lambda position: (position < turn, position))
        if waiting:
            assert queue.next_in_turn(turn, count).tolist() == by_turn[:count]
        if waiting and generator.random() < 0.5:
            best = min(waiting, key=lambda position: (-candidates.highs[position], position))
            assert queue.highest() == candidates.highs[best]
            assert queue.take() == best
            waiting.remove(best)


def test_of_equal_examples_the_first_is_picked() -> None:
    pool = of_factors([np.eye(3)[i % 3 : i % 3 + 1] for i in range(12)])
    for how in ("lazy", "naive"):
        assert select(pool, "fisher", "3", search=how) == [0, 1, 2]


def test_stochastic_search_looks_at_few_and_reaches_its_share() -> None:
    pool = make_pool(np.random.default_rng(5), 600, 16)
    plain = search(pool, 60)
    steps = search(pool, 60, "stochastic", epsilon=0.1, seed=4, picks=60)
    assert len({step.row for step in steps}) == 60
    assert sum(step.evaluations for step in steps) <= 60 * math.ceil(600 / 60 * math.log(10))
    assert sum(s.gain for s in steps) >= 0.9 * sum(s.gain for s in plain)
    assert [s.row for s in steps] == [s.row for s in search(pool, 60, "stochastic", epsilon=0.1, seed=4, picks=60)]
    assert [s.row for s in steps] != [s.row for s in search(pool, 60, "stochastic", epsilon=0.1, seed=5, picks=60)]


def test_stochastic_search_that_may_lose_nothing_looks_at_everything() -> None:
    pool = make_pool(np.random.default_rng(6), 40, 8)
    steps = search(pool, 10, "stochastic", epsilon=1e-9, picks=10)
    assert [step.row for step in steps] == [step.row for step in search(pool, 10)]


class Rising:
    """An objective that is not submodular: example 5 is worth most once 0 was picked."""

    submodular = False
    block = 2

    def __init__(self) -> None:
        self.picked: list[int] = []

    def gains(self, rows: np.ndarray) -> np.ndarray:
        values = {row: 10.0 - row for row in range(10)} | ({5: 100.0} if 0 in self.picked else {})
        return np.array([values[int(row)] for row in rows])

    def bounds(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.gains(rows), self.gains(rows)

    def add(self, row: int) -> float:
        self.picked.append(row)
        return 0.0


def test_where_gains_may_rise_lazy_search_keeps_looking_at_old_guesses() -> None:
    steps = list(search_greedy(Rising(), np.arange(10), Room(np.ones(10, np.int64), 6), Plan()))
    assert steps[0].row == 0
    assert 5 in [step.row for step in steps[:5]]


@settings(max_examples=40)
@given(st.integers(0, 500), st.sampled_from([1.0, 30.0, 300.0]), st.booleans())
def test_ioptimal_picks_what_recomputing_the_trace_picks(seed: int, ridge: float, by_tokens: bool) -> None:
    pool = make_pool(np.random.default_rng(seed), 10, 4)
    factors, tokens = factors_of(pool), pool.response_tokens
    X = np.concatenate(factors).astype(float)
    assume(len(X) > 0)
    M = X.T @ X / tokens.sum()
    budget = f"{int(tokens.sum() // 2)}tok" if by_tokens else "5"
    chosen = select(pool, "ioptimal", budget, ridge=ridge, search="naive")
    nothing = oracles.mean_variance(factors, [], ridge, M)
    reached = nothing - oracles.mean_variance(factors, chosen, ridge, M)
    best = 0.0
    for weights in [np.ones(10), tokens] if by_tokens else [np.ones(10)]:
        truth: list[int] = []
        while len(truth) < (10 if by_tokens else 5):
            rest = [i for i in range(10) if i not in truth]
            now = oracles.mean_variance(factors, truth, ridge, M)
            falls = [now - oracles.mean_variance(factors, [*truth, i], ridge, M) for i in rest]
            after = [*truth, rest[int(np.argmax(np.array(falls) / weights[rest]))]]
            if by_tokens and tokens[after].sum() > tokens.sum() // 2:
                break
            truth = after
        best = max(best, nothing - oracles.mean_variance(factors, truth, ridge, M))
    assume(best > 0)
    assert reached == pytest.approx(best, rel=1e-6, abs=1e-12)


def test_ioptimals_lazy_search_agrees_with_naive() -> None:
    pool = make_pool(np.random.default_rng(8), 300, 12)
    lazy, naive = (select(pool, "ioptimal", "60", search=how, ridge=3.0) for how in ("lazy", "naive"))
    assert len(set(lazy) & set(naive)) >= 58


def test_with_a_target_from_one_topic_the_picks_come_from_that_topic() -> None:
    generator = np.random.default_rng(0)
    topics = np.arange(60) % 3
    factors = [generator.standard_normal((3, 4)) @ np.eye(12)[4 * t : 4 * t + 4] for t in topics]
    target = [generator.standard_normal((3, 4)) @ np.eye(12)[4:8] for _ in range(10)]
    pool = of_factors(
        factors, target=Target(np.concatenate(target).astype(np.float32), np.arange(11) * 3, np.arange(10), 90)
    )
    assert {topics[row] for row in select(pool, "ioptimal", "15", ridge=1.0)} == {1}
    assert {topics[row] for row in select(replace(pool, target=None), "ioptimal", "15", ridge=1.0)} == {0, 1, 2}


@given(pools)
def test_a_smaller_budget_of_examples_is_a_prefix(pool: Pool) -> None:
    whole = select(pool, "fisher", "100%")
    for count in range(1, len(whole)):
        assert select(pool, "fisher", str(count)) == whole[:count]


def test_a_smaller_budget_of_tokens_begins_alike_until_something_does_not_fit() -> None:
    pool = make_pool(np.random.default_rng(1), 80, 6)
    weights = pool.response_tokens.astype(float)

    def run(budget: int) -> list[int]:
        room = Room(pool.response_tokens.astype(np.int64), budget)
        return [s.row for s in search_greedy(LogDet(pool.design_factors, 1.0), pool.rows, room, Plan(), weights)]

    large, small = run(600), run(200)
    spent = np.cumsum(pool.response_tokens[large])
    fitting = int(np.searchsorted(spent, 200, side="right"))
    assert small[:fitting] == large[:fitting]
    assert pool.response_tokens[small].sum() <= 200


@given(pools, st.floats(0.2, 1.0))
def test_a_token_budget_is_never_exceeded_and_beats_plain_greedy(pool: Pool, share: float) -> None:
    budget = max(int(share * pool.response_tokens.sum()), int(pool.response_tokens.min()))
    chosen = select(pool, "fisher", f"{budget}tok")
    assert pool.response_tokens[chosen].sum() <= budget
    free = Room(np.ones(len(pool.rows), np.int64), len(pool.rows))
    plain = list(search_greedy(LogDet(pool.design_factors, 1.0), pool.rows, free, Plan()))
    spent = np.cumsum(pool.response_tokens[[step.row for step in plain]])
    value = oracles.log_det_information(factors_of(pool), chosen, 1.0)
    assert value >= sum(step.gain for step, tokens in zip(plain, spent, strict=True) if tokens <= budget) - 1e-8


def test_pins_come_first_and_are_in_the_design_before_anything_is_picked() -> None:
    pool = of_factors([np.eye(2)[:1] * 2, np.eye(2)[:1] * 1.9, np.eye(2)[1:]])
    assert select(pool, "fisher", "2") == [0, 2]
    assert select(replace(pool, pinned=(1,)), "fisher", "2") == [1, 2]
    assert select(replace(pool, banned=frozenset({0})), "fisher", "2") == [1, 2]


def test_factors_on_disk_select_what_factors_in_memory_select(tmp_path) -> None:
    pool = make_pool(np.random.default_rng(9), 50, 6)
    np.save(tmp_path / "factors.npy", pool.factors)
    mapped = replace(pool, factors=np.load(tmp_path / "factors.npy", mmap_mode="r"))
    assert select(mapped, "fisher", "20") == select(pool, "fisher", "20")


def test_a_moment_on_another_precision_is_taken() -> None:
    pool = make_pool(np.random.default_rng(9), 5, 3)
    assert PredictiveVariance(pool.design_factors, 1.0, torch.eye(3)).prior() == pytest.approx(3.0)
