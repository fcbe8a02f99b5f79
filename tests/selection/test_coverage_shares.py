"""The share of a group's information that is held, and the main cover of each example, against whole determinants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.selection.coverage import Members, measure_shares, sample_outside, share_held
from core.selection.covers import Covers
from core.selection.vectors import log_det
from tests import oracles
from tests.selection.pools import factors_of, make_pool, of_factors


def members_of(pool, codes: np.ndarray, ridge: float = 1.0) -> Members:
    alone = log_det(pool.design_factors, ridge).gains(pool.rows)
    return Members(pool.rows, alone, codes[pool.rows], int(codes.max()) + 1)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 10.0]))
def test_the_shares_are_those_of_explicit_determinants(seed: int, ridge: float) -> None:
    generator = np.random.default_rng(seed)
    pool = make_pool(generator, 16, 5)
    codes, chosen = generator.integers(0, 3, 16), generator.choice(16, 4, replace=False)
    codes[:3] = [0, 1, 2]
    found = measure_shares(members_of(pool, codes, ridge), chosen, log_det(pool.design_factors, ridge), most=16)
    of_groups, of_all = oracles.held_shares(factors_of(pool), codes.tolist(), chosen.tolist(), ridge)
    assert found.of_groups == pytest.approx(of_groups, abs=1e-9, nan_ok=True)
    assert found.of_all == pytest.approx(of_all, abs=1e-9, nan_ok=True)


def test_what_is_selected_whole_is_held_whole_and_of_nothing_nothing() -> None:
    pool = make_pool(np.random.default_rng(1), 60, 6)
    codes = np.arange(60) % 3
    members = members_of(pool, codes)
    nothing = measure_shares(members, np.array([], dtype=np.int64), log_det(pool.design_factors, 1.0), most=60)
    assert nothing.of_groups == pytest.approx(0.0, abs=1e-12)
    one_group = measure_shares(members, np.flatnonzero(codes == 2), log_det(pool.design_factors, 1.0), most=60)
    assert one_group.of_groups[2] == 1.0
    assert 0 < one_group.of_groups[0] < 1


def test_the_shares_never_fall_as_a_selection_grows() -> None:
    pool = make_pool(np.random.default_rng(2), 80, 8)
    members, before = members_of(pool, np.arange(80) % 4), np.zeros(4)
    for count in (1, 5, 20, 60):
        now = measure_shares(members, np.arange(count), log_det(pool.design_factors, 1.0), most=80).of_groups
        assert np.all(now >= before - 1e-12)
        before = now


def test_a_group_that_tells_nothing_has_no_share() -> None:
    members = Members(np.arange(3), np.array([0.0, 0.0, 2.0]), np.array([0, 0, 1]), 2)
    found = share_held(members, np.zeros(3, dtype=bool), np.arange(3), np.array([0.0, 0.0, 1.0]))
    assert np.isnan(found.of_groups[0])
    assert found.of_groups[1] == found.of_all == 0.5


def test_a_sample_comes_near_the_whole_and_never_holds_more_than_was_asked() -> None:
    pool = make_pool(np.random.default_rng(3), 900, 8)
    members, chosen = members_of(pool, np.arange(900) % 3), np.arange(0, 900, 9)
    inside = members.inside(chosen)
    sampled = sample_outside(members, inside, 60)
    assert not inside[sampled].any()
    assert np.bincount(members.codes[sampled]).tolist() == [60, 60, 60]
    exact = measure_shares(members, chosen, log_det(pool.design_factors, 1.0), most=900)
    about = measure_shares(members, chosen, log_det(pool.design_factors, 1.0), most=60)
    assert about.of_groups == pytest.approx(exact.of_groups, abs=0.03)
    assert not np.array_equal(about.of_groups, exact.of_groups)


def test_the_main_cover_is_the_best_of_all_picks_where_all_are_looked_at() -> None:
    pool = make_pool(np.random.default_rng(4), 30, 6)
    factors, picks = factors_of(pool), np.array([3, 9, 12, 20])
    rows = np.setdiff1d(np.arange(30), picks)
    rows = rows[pool.design_factors.ranks[rows] > 0]
    places, shares = Covers(pool.design_factors, picks, 1.0).main(rows)
    for row, place, share in zip(rows.tolist(), places.tolist(), shares.tolist(), strict=True):
        best, told = oracles.best_cover(factors, row, picks.tolist(), 1.0)
        assert share == pytest.approx(told, abs=1e-9)
        assert picks[place] == best or told == pytest.approx(0.0, abs=1e-12)


def test_the_main_cover_of_a_twin_is_its_twin_and_progress_is_told() -> None:
    generator, told = np.random.default_rng(5), []
    factors = [generator.standard_normal((3, 30)) for _ in range(400)]
    for twin in range(50):
        factors[350 + twin] = factors[2 * twin]
    covers = Covers(of_factors(factors).design_factors, np.arange(100), 1.0)
    places, shares = covers.main(np.arange(100, 400), lambda done, of: told.append((done, of)))
    assert np.array_equal(places[250:], 2 * np.arange(50))
    assert shares[250:].min() > shares[:250].max()
    assert told[-1][0] == told[-1][1] == len(told)


def test_without_rows_nothing_has_a_cover() -> None:
    pool = make_pool(np.random.default_rng(6), 10, 4)
    places, shares = Covers(pool.design_factors, np.arange(4), 1.0).main(np.array([], dtype=np.int64))
    assert len(places) == len(shares) == 0
