"""Budgets are kept, InstructDiff and random follow their rules, and the envelope holds random subsets."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.criteria.chance import RandomSettings
from core.selection.criteria.designs import FisherSettings
from core.selection.criteria.instructdiff import InstructDiffSettings
from core.selection.envelope import random_envelope
from core.selection.vectors import log_det
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
