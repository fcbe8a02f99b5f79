"""Budgets are kept, InstructDiff and random follow their rules, and the envelope holds random subsets."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.choose import order, pick, prepare
from core.selection.criteria.chance import RandomSettings
from core.selection.criteria.designs import FisherSettings
from core.selection.criteria.instructdiff import InstructDiffSettings, name_pattern
from core.selection.envelope import random_envelope
from core.selection.registry import find_criterion
from core.selection.vectors import log_det
from core.settings import Budget
from tests import oracles
from tests.selection.pools import factors_of, make_pool, select


def test_pins_come_first_bans_never_and_unscored_rows_never() -> None:
    pool = make_pool(np.random.default_rng(5), 10, 4, pinned=(7, 2), banned=frozenset({1, 3}))
    pool.nll[4] = np.nan
    for criterion in ("fisher", "ioptimal", "instructdiff", "random"):
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
    assert select(pool, "instructdiff", str(len(truth)), gamma=gamma) == truth


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
    envelope = random_envelope(pool, tokens, partial(log_det, pool.design_factors, 1.0), seed=0, subsets=40)
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


@pytest.mark.parametrize("rule", ["paper", "code"])
@pytest.mark.parametrize("decimals", [1, 6])
def test_both_instructdiff_rules_equal_another_implementation_on_ten_thousand_rows(rule: str, decimals: int) -> None:
    generator = np.random.default_rng(7)
    n = 10_000
    nll, tuned, entropy, tuned_entropy = (np.round(generator.gamma(4, 0.3, n), decimals) for _ in range(4))
    for scores in (nll, tuned, entropy, tuned_entropy):
        scores[generator.choice(n, 40, replace=False)] = np.nan
        scores[generator.choice(n, 20, replace=False)] = np.inf
    pool = make_pool(
        generator,
        n,
        2,
        nll=nll,
        entropy=entropy,
        delta_nll=tuned - nll,
        delta_entropy=entropy - tuned_entropy,
        response_tokens=generator.integers(1, 400, n),
    )
    for gamma, share in ((0.1, 0.1), (0.25, 0.2), (0.0, 0.013)):
        chosen = select(pool, "instructdiff", f"{100 * share:g}%", rule=rule, gamma=gamma)
        raw = (nll.tolist(), tuned.tolist(), entropy.tolist(), tuned_entropy.tolist())
        truth = oracles.instructdiff_both_rules(rule, *raw, pool.response_tokens.tolist(), gamma, share)
        assert chosen == truth
    if rule == "code":
        spent = pool.response_tokens[chosen]
        wanted = int(0.013 * pool.response_tokens[np.isfinite(nll)].sum())
        assert spent.sum() >= wanted > spent[:-1].sum()


@given(st.integers(0, 1000), st.floats(0.02, 5.0))
@settings(max_examples=30)
def test_the_weighted_hybrid_is_greedy_by_gain_times_the_weight(seed: int, tau: float) -> None:
    pool = make_pool(np.random.default_rng(seed), 9, 4)
    factors, chosen = factors_of(pool), list[int]()
    for _ in range(5):
        rest = [i for i in range(9) if i not in chosen]
        now = oracles.log_det_information(factors, chosen, 1.0)
        gains = [oracles.log_det_information(factors, [*chosen, i], 1.0) - now for i in rest]
        values = np.array(gains) * np.exp(-pool.delta_entropy[rest] / tau)
        chosen.append(next(i for i, v in zip(rest, values, strict=True) if v >= values.max() - 1e-10 * values.max()))
    assert select(pool, "hybrid", "5", mode="weight", tau=tau) == chosen
    rule = find_criterion("hybrid")
    task = prepare(pool, rule, Budget.parse("1"), rule.settings(mode="weight", tau=tau), 0)
    first = oracles.log_det_information(factors, chosen[:1], 1.0) * np.exp(-pool.delta_entropy[chosen[0]] / tau)
    assert pick(task, order(task)).gains == pytest.approx([first])


def test_the_filtering_hybrid_is_greedy_among_the_learnable_middle() -> None:
    pool = make_pool(np.random.default_rng(3), 40, 5)
    low, high = np.quantile(pool.delta_nll, [0.2, 0.8])
    inside = np.flatnonzero((pool.delta_nll >= low) & (pool.delta_nll <= high))
    truth = oracles.naive_greedy([factors_of(pool)[i] for i in inside], 8, 1.0)
    assert select(pool, "hybrid", "8", gamma=0.2) == inside[truth].tolist()
    large = select(pool, "hybrid", "8", mode="weight", tau=1e6)
    assert large == select(pool, "fisher", "8")


@given(st.integers(0, 1000), st.sampled_from(["min", "mid", "max"]), st.integers(1, 20))
def test_sorted_scores_take_that_end_or_the_middle(seed: int, take: str, count: int) -> None:
    pool = make_pool(np.random.default_rng(seed), 20, 2)
    pool.nll[:] = np.round(pool.nll, 1)
    ascending = sorted(range(20), key=lambda i: (pool.nll[i], i))
    chosen = select(pool, "ppl", str(count), take=take)
    if take == "mid":
        start = (20 - count) // 2
        assert set(chosen) in (set(ascending[start : start + count]), set(ascending[start + 1 : start + 1 + count]))
    else:
        end = ascending if take == "min" else sorted(range(20), key=lambda i: (-pool.nll[i], i))
        assert chosen == end[:count]


def test_length_entropy_and_ifd_sort_by_what_they_say() -> None:
    pool = make_pool(np.random.default_rng(2), 30, 2)
    ratio = pool.response_tokens / pool.prompt_tokens
    for criterion, options, values in (
        ("entropy", {"take": "max"}, pool.entropy),
        ("length", {}, pool.response_tokens),
        ("length", {"of": "prompt"}, pool.prompt_tokens),
        ("length", {"of": "ratio"}, ratio),
        ("ifd", {"keep_above_one": True}, pool.ifd_loss_ratio),
        ("ifd", {"keep_above_one": True, "variant": "perplexity_ratio"}, pool.ifd_perplexity_ratio),
    ):
        truth = sorted(range(30), key=lambda i, values=values: (-values[i], i))
        assert select(pool, criterion, "12", **options) == truth[:12]
    below = [i for i in range(30) if pool.ifd_loss_ratio[i] <= 1]
    assert select(pool, "ifd", "5") == sorted(below, key=lambda i: (-pool.ifd_loss_ratio[i], i))[:5]


@pytest.mark.parametrize(("shift", "name"), [(2.0, "compression"), (0.0, "balanced"), (-2.0, "expansion")])
def test_the_pattern_is_named_by_the_share_of_negative_entropy_differences(shift: float, name: str) -> None:
    pool = make_pool(np.random.default_rng(1), 500, 2)
    pool.delta_entropy[:] += shift
    pool.delta_entropy[:10] = np.nan
    found = name_pattern(pool)
    assert found.name == name
    assert found.negative == pytest.approx(float((pool.delta_entropy[10:] < 0).mean()))
    assert found.mean == pytest.approx(float(pool.delta_entropy[10:].mean()))
