"""The information-gain engine picks what naive greedy picks, and its numbers are the determinants'."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.envelope import random_envelope
from core.selection.greedy import Limit, search_greedy
from core.selection.ledger import build_ledger
from core.selection.logdet import LogDet
from core.selection.pool import Pool
from core.selection.registry import choose, find_criterion
from core.settings import Budget, FisherSettings, InstructDiffSettings, RandomSettings
from tests import oracles

pools = st.builds(
    lambda seed, n, d, scale: make_pool(np.random.default_rng(seed), n, d, scale),
    st.integers(0, 10_000),
    st.integers(2, 12),
    st.integers(1, 6),
    st.sampled_from([1e-3, 1.0, 30.0]),
)


def make_pool(generator: np.random.Generator, n: int, d: int, scale: float = 1.0, **decisions) -> Pool:
    ranks = generator.integers(0, 4, n)
    offsets = np.concatenate([[0], np.cumsum(ranks)])
    factors = (scale * generator.standard_normal((offsets[-1], d))).astype(np.float32)
    return Pool(
        response_tokens=generator.integers(1, 30, n),
        nll=generator.random(n),
        entropy=generator.random(n),
        delta_nll=generator.standard_normal(n),
        delta_entropy=generator.standard_normal(n),
        factors=factors,
        offsets=offsets,
        **decisions,
    )


def factors_of(pool: Pool) -> list[np.ndarray]:
    return [pool.factors[a:b] for a, b in itertools.pairwise(pool.offsets)]


def select(pool: Pool, criterion: str, budget: str, seed: int = 0, **options) -> list[int]:
    rule = find_criterion(criterion)
    return choose(pool, rule, Budget.parse(budget), rule.settings(**options), seed).tolist()


@given(pools, st.sampled_from([0.1, 1.0, 10.0]))
def test_gains_and_value_equal_determinants_from_scratch(pool: Pool, ridge: float) -> None:
    objective, factors = LogDet(pool.factors, pool.offsets, ridge), factors_of(pool)
    objective.add(0)
    before = oracles.log_det_information(factors, [0], ridge)
    expected = [oracles.log_det_information(factors, [0, i], ridge) - before for i in range(len(factors))]
    np.testing.assert_allclose(objective.gains(np.arange(len(factors))), expected, rtol=1e-6, atol=1e-6)
    assert objective.value() == pytest.approx(before, rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(pools)
def test_lazy_and_naive_search_pick_what_the_oracle_picks(pool: Pool) -> None:
    count = max(1, len(pool.nll) // 2)
    truth = oracles.naive_greedy(factors_of(pool), count, 1.0)
    values = [oracles.log_det_information(factors_of(pool), truth[: k + 1], 1.0) for k in range(count)]
    for search in ("lazy", "naive"):
        chosen = select(pool, "fisher", str(count), search=search)
        reached = [oracles.log_det_information(factors_of(pool), chosen[: k + 1], 1.0) for k in range(count)]
        np.testing.assert_allclose(reached, values, rtol=1e-7, atol=1e-9)


def test_lazy_search_picks_what_naive_picks_on_a_larger_pool_with_fewer_gains() -> None:
    pool = make_pool(np.random.default_rng(3), 400, 24)
    steps = {
        search: list(
            search_greedy(
                LogDet(pool.factors, pool.offsets, 1.0), pool.rows, pool.response_tokens, Limit(examples=80), search
            )
        )
        for search in ("lazy", "naive")
    }
    assert [s.row for s in steps["lazy"]] == [s.row for s in steps["naive"]]
    assert sum(s.evaluations for s in steps["lazy"]) < 0.5 * sum(s.evaluations for s in steps["naive"])


@given(pools)
def test_gains_never_rise_and_sum_to_the_information(pool: Pool) -> None:
    chosen = np.array(select(pool, "fisher", "100%"))
    picks = build_ledger(pool, chosen, 1.0, "")
    gains = [pick.gain for pick in picks]
    assert all(later <= earlier + 1e-8 for earlier, later in itertools.pairwise(gains))
    assert all(pick.gain <= pick.gain_alone + 1e-8 for pick in picks)
    truth = oracles.log_det_information(factors_of(pool), chosen.tolist(), 1.0)
    assert math.fsum(gains) == pytest.approx(truth, rel=1e-6, abs=1e-9)
    assert picks[-1].cumulative == pytest.approx(truth, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 7), st.integers(1, 4))
def test_greedy_reaches_its_share_of_the_best_subset(seed: int, n: int, count: int) -> None:
    pool = make_pool(np.random.default_rng(seed), n, 4)
    count = min(count, n)
    reached = oracles.log_det_information(factors_of(pool), select(pool, "fisher", str(count)), 1.0)
    assert reached >= (1 - 1 / math.e) * oracles.best_subset(factors_of(pool), count, 1.0) - 1e-9


@given(pools)
def test_a_smaller_budget_is_a_prefix(pool: Pool) -> None:
    whole = select(pool, "fisher", "100%")
    assert select(pool, "fisher", "1") == whole[:1]


@given(pools, st.floats(0.2, 1.0))
def test_a_token_budget_is_never_exceeded_and_beats_plain_greedy(pool: Pool, share: float) -> None:
    budget = max(int(share * pool.response_tokens.sum()), int(pool.response_tokens.min()))
    chosen = select(pool, "fisher", f"{budget}tok")
    assert pool.response_tokens[chosen].sum() <= budget
    plain = search_greedy(
        LogDet(pool.factors, pool.offsets, 1.0), pool.rows, pool.response_tokens, Limit(tokens=budget)
    )
    value = oracles.log_det_information(factors_of(pool), chosen, 1.0)
    assert value >= sum(step.gain for step in plain) - 1e-8


def test_of_repeated_examples_the_first_is_picked() -> None:
    factors = np.tile(np.eye(3, dtype=np.float32), (4, 1))
    pool = make_pool(np.random.default_rng(0), 12, 3)
    pool = Pool(
        pool.response_tokens, pool.nll, pool.entropy, pool.delta_nll, pool.delta_entropy, factors, np.arange(13)
    )
    assert select(pool, "fisher", "3") == [0, 1, 2]


def test_pins_come_first_bans_never_and_unscored_rows_never() -> None:
    pool = make_pool(np.random.default_rng(5), 10, 4, pinned=(7, 2), banned=frozenset({1, 3}))
    pool.nll[4] = np.nan
    for criterion in ("fisher", "instructdiff", "random"):
        chosen = select(pool, criterion, "4")
        assert chosen[:2] == [7, 2]
        assert len(set(chosen)) == 4
        assert not {1, 3, 4} & set(chosen)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("0", "selects nothing"),
        ("11", "more than there is"),
        ("101%", "more than there is"),
        ("100000tok", "more than there is"),
        ("1.5", "not a whole number"),
        ("many", "is not one of"),
    ],
)
def test_a_budget_of_nothing_or_of_too_much_is_refused(budget: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        select(make_pool(np.random.default_rng(0), 10, 3), "fisher", budget)


@given(st.integers(0, 1000), st.integers(4, 60), st.sampled_from([0.0, 0.1, 0.3]))
def test_instructdiff_equals_the_papers_rule(seed: int, n: int, gamma: float) -> None:
    pool = make_pool(np.random.default_rng(seed), n, 2)
    pool.delta_entropy[:] = np.round(pool.delta_entropy, 1)
    truth = oracles.instructdiff_paper_rule(pool.delta_nll.tolist(), pool.delta_entropy.tolist(), gamma, max(1, n // 4))
    rule = find_criterion("instructdiff")
    chosen = choose(pool, rule, Budget(kind="examples", amount=len(truth)), InstructDiffSettings(gamma=gamma), 0)
    assert chosen.tolist() == truth


def test_instructdiffs_quantiles_are_of_the_pool_whatever_is_pinned_or_banned() -> None:
    pool = make_pool(np.random.default_rng(1), 40, 2)
    kept = set(select(pool, "instructdiff", "30", gamma=0.1))
    trimmed = next(row for row in range(40) if row not in kept)
    banned = replace(pool, banned=frozenset({trimmed}))
    assert set(select(banned, "instructdiff", "30", gamma=0.1)) == kept


def test_instructdiff_without_calibration_says_what_is_missing() -> None:
    pool = make_pool(np.random.default_rng(0), 6, 2)
    pool.delta_nll[:] = np.nan
    with pytest.raises(BadInput, match="this scoring run has none"):
        select(pool, "instructdiff", "2")


def test_random_is_a_seeded_sample_of_the_pool() -> None:
    pool = make_pool(np.random.default_rng(0), 50, 2)
    assert select(pool, "random", "20", seed=1) == select(pool, "random", "20", seed=1)
    assert select(pool, "random", "20", seed=1) != select(pool, "random", "20", seed=2)
    assert sorted(select(pool, "random", "50", seed=3)) == list(range(50))


def test_the_envelope_holds_random_subsets_of_equal_tokens() -> None:
    pool = make_pool(np.random.default_rng(0), 200, 8)
    tokens = 600
    envelope = random_envelope(pool, tokens, 1.0, seed=0, subsets=40)
    assert envelope.values.shape == (40, len(envelope.tokens))
    assert np.all(np.diff(envelope.values, axis=1) >= 0)
    inside = 0
    for seed in range(20):
        chosen = select(pool, "random", f"{tokens}tok", seed=seed)
        value = oracles.log_det_information(factors_of(pool), chosen, 1.0)
        inside += envelope.values[:, -1].min() <= value <= envelope.values[:, -1].max()
    assert inside >= 16
    best = oracles.log_det_information(factors_of(pool), select(pool, "fisher", f"{tokens}tok"), 1.0)
    assert best > envelope.values[:, -1].max()


def test_settings_of_criteria_refuse_what_they_cannot_use() -> None:
    for kind, values in (
        (FisherSettings, {"ridge": 0}),
        (InstructDiffSettings, {"gamma": 0.5}),
        (RandomSettings, {"x": 1}),
    ):
        with pytest.raises(BadInput):
            kind.checked(**values)
