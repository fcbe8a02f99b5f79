"""Each diversity criterion takes what its slow definition takes, in an order of which smaller budgets are prefixes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from core.selection import facility
from core.selection.criteria import diversity
from core.selection.criteria.diversity import CRITERIA
from core.selection.facility import FacilityLocation
from core.selection.pool import Pool
from core.selection.ranking import Ordered
from core.selection.room import Groups, Room
from tests import oracles
from tests.selection.pools import make_pool, pools

RULES = {criterion.name: criterion for criterion in CRITERIA}
grids = arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.integers(-2, 2).map(float))


def of_features(features, **changes) -> Pool:
    features = np.asarray(features, dtype=np.float32)
    return make_pool(np.random.default_rng(0), len(features), 2, mean_features=features, **changes)


def order(pool: Pool, name: str, count: int | None = None, seed: int = 0, **options) -> Ordered:
    rule, n = RULES[name], len(pool.candidates)
    room = Room(np.ones(n, np.int64), n if count is None else count)
    return rule.rank(pool, room, rule.settings(**options), seed)


def rows(pool: Pool, name: str, count: int | None = None, seed: int = 0, **options) -> list[int]:
    return order(pool, name, count, seed, **options).rankings[0].rows.tolist()


def blobs(sizes: list[int], seed: int = 0, apart: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    """Well separated clouds of these sizes, in mixed order: features and which cloud each is of."""
    generator = np.random.default_rng(seed)
    cloud = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return apart * np.eye(len(sizes))[cloud] + generator.standard_normal((len(cloud), len(sizes))), cloud


@given(st.one_of(pools, grids.map(of_features)), st.booleans())
def test_kcenter_takes_what_plain_distances_take(pool: Pool, has_pin: bool) -> None:
    pool = of_features(pool.mean_features, pinned=(0,) if has_pin else ())
    candidates = pool.candidates.tolist()
    if candidates:
        truth = oracles.farthest_first(pool.mean_features, candidates, pool.pinned, len(candidates))
        assert rows(pool, "kcenter") == truth


@pytest.mark.parametrize("pinned", [(), (3, 70)])
def test_kcenter_in_parts_leaves_no_row_farther_than_its_next_pick_is(
    monkeypatch: pytest.MonkeyPatch, pinned: tuple[int, ...]
) -> None:
    pool = of_features(blobs([60, 30, 10])[0], pinned=pinned)
    whole = order(pool, "kcenter").rankings[0]
    monkeypatch.setattr(diversity, "KCENTER_PART", 25)
    found = order(pool, "kcenter").rankings[0]
    assert sorted(found.rows.tolist()) == pool.candidates.tolist() and found.rows.tolist() != whole.rows.tolist()
    assert found.rows.tolist() != rows(pool, "kcenter", seed=1)
    first = 0 if pinned else 1
    assert (np.diff(found.gains[first:]) <= 1e-9).all()
    apart = cdist(pool.mean_features, pool.mean_features)
    for count in range(max(1, first), len(found.rows)):
        taken = [*pinned, *found.rows[:count]]
        farthest = apart[pool.candidates][:, taken].min(axis=1).max()
        assert farthest <= found.gains[count] + 1e-6
    assert order(pool, "kcenter", 12).rankings[0].rows.tolist() == found.rows[:12].tolist()


@given(st.one_of(pools, grids.map(of_features)), st.booleans())
def test_facility_takes_what_greedy_on_whole_values_takes(pool: Pool, has_pin: bool) -> None:
    pool = of_features(pool.mean_features, pinned=(0,) if has_pin else ())
    every, candidates = pool.rows.tolist(), pool.candidates.tolist()
    found = order(pool, "facility").rankings[0]
    truth = oracles.facility_greedy(pool.mean_features, every, candidates, pool.pinned, len(candidates))
    assert found.rows.tolist() == truth
    before = oracles.facility_value(pool.mean_features, every, pool.pinned)
    after = oracles.facility_value(pool.mean_features, every, [*pool.pinned, *truth])
    assert found.value(np.arange(len(truth))) == pytest.approx(after - before, abs=1e-9)
    assert (np.diff(found.gains) <= 1e-9).all()


def test_facility_keeps_its_gains_exact_over_many_picks_and_small_blocks(monkeypatch) -> None:
    monkeypatch.setattr(facility, "BLOCK", 7)
    monkeypatch.setattr(facility, "ENTRIES", 50)
    features, _ = blobs([60, 30, 10], apart=2.0)
    objective = FacilityLocation(features, np.arange(100))
    chosen: list[int] = []
    for row in np.random.default_rng(1).permutation(100)[:40].tolist():
        objective.add(row)
        chosen.append(row)
        value = oracles.facility_value(features, range(100), chosen)
        gains = [oracles.facility_value(features, range(100), [*chosen, i]) - value for i in range(100)]
        np.testing.assert_allclose(objective.gains(np.arange(100)), gains, rtol=0, atol=1e-9)
        assert objective.value() == pytest.approx(value, rel=1e-12)


@given(
    st.integers(0, 1000),
    st.integers(3, 40),
    st.integers(1, 5),
    st.sampled_from([0.3, 1.0, 4.0]),
    st.sampled_from([1, 100, 10_000]),
)
def test_density_is_scikit_learns(seed: int, n: int, d: int, factor: float, entries: int) -> None:
    pool = make_pool(np.random.default_rng(seed), n, d, scale=3.0)
    X = diversity._centred(pool, pool.rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diversity, "BLOCK_ENTRIES", entries)
        typical = diversity._typical_distance(X, np.random.default_rng(0))
        density = diversity._estimate_density(X, factor * typical, np.random.default_rng(0))
    np.testing.assert_allclose(density, oracles.kernel_density(pool.mean_features, factor), rtol=1e-6)


def test_of_many_rows_a_sample_stands_for_all_in_a_density(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = blobs([1_500, 300], apart=4.0)
    X = torch.from_numpy(features.astype(np.float64))
    whole = diversity._estimate_density(X, 1.0, np.random.default_rng(0))
    monkeypatch.setattr(diversity, "WHOLE_DENSITY", 1_000)
    monkeypatch.setattr(diversity, "DENSITY_SAMPLE", 600)
    sampled = diversity._estimate_density(X, 1.0, np.random.default_rng(0))
    assert np.corrcoef(whole, sampled)[0, 1] > 0.99
    assert (sampled >= 1 / 1_800).all()
    alone = torch.cat([X, torch.full((1, X.shape[1]), 1e3, dtype=torch.float64)])
    assert diversity._estimate_density(alone, 1.0, np.random.default_rng(0))[-1] == pytest.approx(1 / 1_801)


def test_of_many_rows_a_sample_stands_for_all_that_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = blobs([150, 60, 30], apart=2.0)
    monkeypatch.setattr(facility, "MOST_SERVED", 80)
    served = facility._sample(240).numpy()
    assert len(set(served.tolist())) == 80
    objective = FacilityLocation(features, np.arange(240))
    chosen: list[int] = []
    for row in (200, 3, 160):
        objective.add(row)
        chosen.append(row)
        value = oracles.facility_value(features, served, chosen)
        gains = [oracles.facility_value(features, served, [*chosen, i]) - value for i in range(240)]
        np.testing.assert_allclose(objective.gains(np.arange(240)), gains, rtol=0, atol=1e-9)
        assert objective.value() == pytest.approx(value, rel=1e-12)


def test_density_draws_each_example_first_as_often_as_its_weight_says() -> None:
    features = np.concatenate([np.random.default_rng(0).normal(0, 0.1, (6, 2)), [[3, 0], [0, 4]]])
    weights = 1 / oracles.kernel_density(features, 0.5)
    expected, draws = weights / weights.sum(), 3000
    first = [rows(of_features(features), "density", seed=seed, bandwidth=0.5)[0] for seed in range(draws)]
    shares = np.bincount(first, minlength=8) / draws
    assert (np.abs(shares - expected) < 4 * np.sqrt(expected * (1 - expected) / draws)).all()
    assert shares[6:].sum() > 2 * 2 / 8


def test_density_takes_rare_examples_more_often_than_a_uniform_sample() -> None:
    features, cloud = blobs([950, 50], apart=20.0)
    share = np.mean([(cloud[rows(of_features(features), "density", seed=s)[:100]] == 1).mean() for s in range(10)])
    assert share > 0.2
    wide = rows(of_features(features), "density", bandwidth=1000.0)[:300]
    assert (cloud[wide] == 1).mean() < 0.1


@pytest.mark.parametrize("whole", [10, 10_000])
def test_every_cluster_is_taken_from_before_any_is_twice(monkeypatch, whole: int) -> None:
    monkeypatch.setattr(diversity, "WHOLE_KMEANS", whole)
    sizes = [40, 7, 25, 3]
    features, cloud = blobs(sizes)
    taken = cloud[rows(of_features(features), "clustered", clusters=4)]
    turns = [taken[:4], taken[4:8], taken[8:12], taken[12:15]]
    assert [turn.tolist() for turn in turns] == [[0, 2, 1, 3]] * 3 + [[0, 2, 1]]
    assert sorted(taken) == sorted(cloud)


def test_a_pin_is_a_turn_of_its_cluster() -> None:
    features, cloud = blobs([20, 10, 5])
    pinned = tuple(np.flatnonzero(cloud == 0)[:2].tolist())
    found = rows(of_features(features, pinned=pinned), "clustered", clusters=3)
    assert cloud[found[:7]].tolist() == [1, 2, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("name", RULES)
def test_smaller_budgets_are_prefixes_pins_and_bans_are_kept_and_equal_seeds_agree(name: str) -> None:
    features, _ = blobs([30, 20, 10], apart=3.0)
    pool = of_features(features, pinned=(4, 9), banned=frozenset({1, 2}))
    whole = order(pool, name, seed=7)
    found = whole.rankings[0].rows.tolist()
    assert whole.is_complete and sorted(found) == pool.candidates.tolist()
    for count in (1, 5, 17):
        shorter = rows(pool, name, count, seed=7)
        assert len(shorter) >= count and shorter == found[: len(shorter)]
    assert rows(pool, name, seed=7) == found


@pytest.mark.parametrize(("name", "options"), [("density", {}), ("clustered", {"clusters": 5})])
def test_another_seed_gives_another_order(name: str, options: dict) -> None:
    pool = of_features(blobs([30, 20])[0])
    assert rows(pool, name, seed=1, **options) != rows(pool, name, seed=2, **options)


@pytest.mark.parametrize("name", ["kcenter", "facility"])
def test_an_order_ends_where_the_room_is_paid(name: str) -> None:
    pool = of_features(blobs([30, 20])[0])
    found = order(pool, name, 8)
    assert len(found.rankings[0].rows) == 8 and not found.is_complete
    costs = np.random.default_rng(0).integers(1, 9, 50)
    in_tokens = RULES[name].rank(pool, Room(costs, 40), RULES[name].settings(), 0)
    assert len(in_tokens.rankings) == (2 if name == "facility" else 1)
    for ranking in in_tokens.rankings:
        assert costs[ranking.rows].sum() >= 40 > costs[ranking.rows[:-1]].sum()


@pytest.mark.parametrize("name", ["kcenter", "facility"])
def test_quotas_are_kept_while_searching(name: str) -> None:
    features, cloud = blobs([30, 20, 10])
    room = Room(np.ones(60, np.int64), 12, Groups(cloud, np.array([0, 0, 6]), np.array([2, 60, 60])))
    found = RULES[name].rank(of_features(features), room, RULES[name].settings(), 0).rankings[0].rows
    counts = np.bincount(cloud[found], minlength=3)
    assert len(found) == 12 and counts[0] <= 2 and counts[2] >= 6
    assert room.total == 12


@pytest.mark.parametrize("name", ["kcenter", "facility"])
@pytest.mark.parametrize("features", [np.ones((7, 3)), np.zeros((7, 3)), 1e20 * np.ones((7, 3)), np.full((7, 1), -0.1)])
def test_where_all_are_equal_the_lowest_rows_come_first(name: str, features: np.ndarray) -> None:
    assert rows(of_features(features), name) == list(range(7))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("features", [np.ones((60, 3)), np.zeros((60, 3)), np.ones((1, 2)), np.eye(3)])
def test_equal_few_and_zero_features_are_all_ordered(name: str, features: np.ndarray) -> None:
    pool = of_features(features)
    assert sorted(rows(pool, name)) == pool.candidates.tolist()


@pytest.mark.parametrize("name", RULES)
def test_where_everything_is_pinned_nothing_is_ordered(name: str) -> None:
    assert rows(of_features(np.eye(3), pinned=(0, 1, 2)), name) == []


def test_facility_takes_zero_vectors_last_and_they_gain_nothing() -> None:
    features = np.random.default_rng(0).standard_normal((10, 4))
    features[[0, 5]] = 0.0
    found = order(of_features(features), "facility").rankings[0]
    positive = found.gains > 1e-9
    assert not {0, 5} & set(found.rows[positive].tolist()) and found.gains[~positive].max() == 0.0


def test_kcenter_tells_the_distance_to_the_nearest_taken_and_takes_repeats_last() -> None:
    found = order(of_features([[0.0], [1.0], [0.0], [10.0], [4.0]]), "kcenter").rankings[0]
    assert found.rows.tolist() == [4, 3, 0, 1, 2]
    np.testing.assert_allclose(found.gains, [1.0, 6.0, 4.0, 1.0, 0.0], atol=1e-12)
