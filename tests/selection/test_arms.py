"""Random subsets of a proof have the selection's tokens, and the matched ones its lengths."""

from dataclasses import replace

import numpy as np

from core.selection.arms import cut_to_tokens, matched_arms, random_arms
from tests.selection.pools import make_pool


def test_random_arms_have_the_tokens_to_within_half_an_example_and_differ() -> None:
    pool = make_pool(np.random.default_rng(0), 300, 4)
    longest = int(pool.response_tokens.max())
    arms = random_arms(pool, 2_000, 5, seed=3)
    for arm in arms:
        assert abs(int(pool.response_tokens[arm].sum()) - 2_000) <= longest / 2
        assert len(set(arm.tolist())) == len(arm)
        assert np.isin(arm, pool.rows).all()
    assert len({tuple(sorted(arm.tolist())) for arm in arms}) == 5


def test_matched_arms_have_as_many_examples_of_each_length() -> None:
    pool = make_pool(np.random.default_rng(1), 600, 4)
    chosen = pool.rows[np.argsort(-pool.response_tokens[pool.rows], kind="stable")][20:200:3]
    lengths = np.sort(pool.response_tokens[chosen])
    for arm in matched_arms(pool, chosen, 3, seed=0):
        assert len(arm) == len(chosen)
        drawn = np.sort(pool.response_tokens[arm])
        assert np.abs(drawn - lengths).mean() < 0.1 * lengths.mean()
        assert len(np.intersect1d(arm, chosen)) < 0.6 * len(chosen)


def test_banned_examples_are_in_no_arm() -> None:
    pool = make_pool(np.random.default_rng(2), 200, 4)
    banned = frozenset(pool.rows[:50].tolist())
    pool = replace(pool, banned=banned)
    for arm in [*random_arms(pool, 500, 3, seed=0), *matched_arms(pool, pool.rows[:40], 3, seed=0)]:
        assert banned.isdisjoint(arm.tolist())


def test_a_selection_is_cut_where_its_tokens_come_nearest() -> None:
    rows, tokens = np.array([7, 3, 9, 1]), np.array([10, 10, 10, 10])
    assert cut_to_tokens(rows, tokens, 24).tolist() == [7, 3]
    assert cut_to_tokens(rows, tokens, 26).tolist() == [7, 3, 9]
    assert cut_to_tokens(rows, tokens, 1).tolist() == [7]
    assert cut_to_tokens(rows, tokens, 99).tolist() == [7, 3, 9, 1]
