"""Every criterion keeps quotas, counts pins towards them, and says what cannot be kept."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.choose import order, pick, prepare
from core.selection.registry import find_criterion
from core.selection.room import Groups, Room
from core.settings import Budget, Quota
from tests.selection.pools import make_pool, select, with_quotas


@given(
    st.integers(0, 500),
    st.sampled_from(["8", "80tok"]),
    st.sampled_from(["fisher", "random", "instructdiff", "ioptimal"]),
    st.sampled_from(["lazy", "naive", "stochastic"]),
)
def test_quotas_are_kept_by_every_criterion(seed: int, budget: str, criterion: str, how: str) -> None:
    generator = np.random.default_rng(seed)
    pool = make_pool(generator, 30, 4)
    codes = np.arange(30) % 3
    pool = with_quotas(pool, codes, "topic=t0<=25%", "topic=t1>=50%")
    options = {"fisher": {"search": how}, "ioptimal": {"search": how}, "instructdiff": {"gamma": 0.0}, "random": {}}
    chosen = np.array(select(pool, criterion, budget, **options[criterion]))
    costs = pool.response_tokens if budget.endswith("tok") else np.ones(30, int)
    total = int(budget.removesuffix("tok"))
    taken = np.bincount(codes[chosen], costs[chosen], 3)
    assert taken.sum() <= total
    assert taken[0] <= total / 4
    assert taken[2] <= total / 2  # the half that t1 is owed is held back
    if budget == "8":
        assert taken.sum() == 8
        assert taken[1] >= 4


def test_in_proportion_gives_each_group_its_share() -> None:
    codes = np.array([0] * 12 + [1] * 6 + [2] * 2)
    pool = with_quotas(make_pool(np.random.default_rng(0), 20, 4), codes, "topic")
    assert np.bincount(codes[select(pool, "fisher", "10")]).tolist() == [6, 3, 1]
    assert np.bincount(codes[select(pool, "random", "50%")]).tolist() == [6, 3, 1]
    costs = pool.response_tokens
    share = np.bincount(codes, costs) / costs.sum()
    taken = np.bincount(codes[chosen := select(pool, "fisher", "150tok")], costs[chosen], 3)
    assert np.all(taken <= np.ceil(150 * share))


def test_pins_count_towards_their_quota() -> None:
    pool = with_quotas(make_pool(np.random.default_rng(0), 12, 4), np.arange(12) % 2, "topic=t0<=2")
    chosen = select(replace(pool, pinned=(0, 2)), "fisher", "6")
    assert [row for row in chosen if row % 2 == 0] == [0, 2]
    with pytest.raises(BadInput, match="exceed the quota of topic=t0: 2"):
        select(replace(pool, pinned=(0, 2, 4)), "fisher", "6")


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        ("topic=t0>=7", "at most 6 can be selected"),
        ("topic=t9<=3", "there are 't0', 't1'"),
        ("topic=t0>=90%", "at most 6 can be selected"),
        ("topic=t1<=1", "fewer than the budget of 8"),
        ("topic", "has 12 values, more than the budget of 8"),
    ],
)
def test_quotas_that_cannot_be_kept_are_refused(quota: str, words: str) -> None:
    codes = np.arange(12) if quota == "topic" else np.arange(12) % 2
    pool = with_quotas(make_pool(np.random.default_rng(0), 12, 4), codes, quota)
    with pytest.raises(BadInput, match=words):
        select(pool, "fisher", "8")


def test_pins_of_another_group_leave_room_for_what_is_owed_or_are_refused() -> None:
    pool = with_quotas(make_pool(np.random.default_rng(0), 12, 4), np.arange(12) % 2, "topic=t0>=3")
    assert sum(row % 2 == 0 for row in select(replace(pool, pinned=(1,)), "fisher", "4")) == 3
    with pytest.raises(BadInput, match="ask for 3 examples more than the pins have"):
        select(replace(pool, pinned=(1, 3)), "fisher", "4")


def test_a_cap_holds_beside_proportions() -> None:
    codes = np.arange(12) % 2
    for quotas in (("topic=t0<=4", "topic"), ("topic", "topic=t0<=4")):
        pool = with_quotas(make_pool(np.random.default_rng(0), 12, 4), codes, *quotas)
        with pytest.raises(BadInput, match="cannot be kept"):
            select(pool, "fisher", "10")


def test_percentages_of_a_budget_are_exact() -> None:
    codes = np.arange(200) % 2
    pool = with_quotas(make_pool(np.random.default_rng(0), 200, 2), codes, "topic=t0<=29%", "topic=t1<=71%")
    assert np.bincount(codes[select(pool, "random", "100")]).tolist() == [29, 71]
    pool = with_quotas(pool, codes, "topic=t0>=7%", "topic=t0<=7%")
    assert np.bincount(codes[select(pool, "random", "100")]).tolist() == [7, 93]


def test_in_tokens_an_order_goes_on_while_something_is_owed_and_what_is_missed_is_said() -> None:
    tokens = np.array([10] * 6 + [40, 40, 70, 70])
    codes = np.array([0] * 6 + [1] * 4)
    pool = make_pool(np.random.default_rng(0), 10, 3, response_tokens=tokens)
    pool = with_quotas(pool, codes, "topic=t0>=50")
    for seed in range(6):
        chosen = select(pool, "random", "100tok", seed=seed)
        assert tokens[[row for row in chosen if codes[row] == 0]].sum() >= 50
    lumpy = with_quotas(
        make_pool(np.random.default_rng(0), 3, 3, response_tokens=np.array([40, 60, 60])), np.array([0, 0, 1]),
        "topic=t0>=80",
    )  # fmt: skip
    rule = find_criterion("fisher")
    task = prepare(replace(lumpy, pinned=(0,)), rule, Budget.parse("90tok"), rule.settings(), 0)
    found = pick(task, order(task))
    assert found.owed == 40


@pytest.mark.parametrize("text", ["topic=food<=200", "topic=food>=5%", "topic", "a b=c=d<=1.5%"])
def test_a_quota_is_read_as_it_is_written(text: str) -> None:
    assert str(Quota.parse(text)) == text


@pytest.mark.parametrize("text", ["", "topic=food", "topic<=3", "topic=food<=101%", "topic=food<=-1", "topic=food=3"])
def test_a_quota_that_says_nothing_clear_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="Quota"):
        Quota.parse(text)


@given(st.integers(0, 300), st.integers(1, 40))
def test_the_relaxation_is_worth_at_least_every_choice_that_the_room_allows(seed: int, total: int) -> None:
    generator = np.random.default_rng(seed)
    costs, values = generator.integers(1, 12, 7), generator.random(7)
    codes, most = generator.integers(0, 2, 7), generator.integers(1, 30, 2)
    room = Room(costs, total, Groups(codes, np.zeros(2, np.int64), most))
    shares = room.most_valuable(values)
    assert np.all((shares >= 0) & (shares <= 1))
    assert shares @ costs <= total + 1e-9
    best = max(
        values[list(subset)].sum()
        for size in range(8)
        for subset in itertools.combinations(range(7), size)
        if costs[list(subset)].sum() <= total
        and all(costs[[i for i in subset if codes[i] == g]].sum() <= most[g] for g in (0, 1))
    )
    assert shares @ values >= best - 1e-9
