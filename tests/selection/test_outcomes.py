"""Every example left out has its reason, and the budget foretold for it brings it in."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.choose import choose, order, pick, prepare
from core.selection.curve import find_knee
from core.selection.pool import Pool, Repeats
from core.selection.ranking import Ordered, Ranking, cut
from core.selection.registry import CRITERIA, find_criterion
from core.settings import Budget
from tests import oracles
from tests.selection.pools import factors_of, make_pool, select, with_quotas

CHEAP = (
    "fisher",
    "ioptimal",
    "instructdiff",
    "hybrid",
    "random",
    "ppl",
    "length",
    "ifd",
    "kcenter",
    "facility",
    "clustered",
)


def chosen_to_the_end(pool: Pool, criterion: str, budget: str, **options):
    rule = find_criterion(criterion)
    task = prepare(pool, rule, Budget.parse(budget), rule.settings(**options), 0)
    return choose(task, order(task, reach=10**9))


@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from(CHEAP), st.sampled_from(["4", "30tok"]), st.booleans())
def test_the_foretold_budget_brings_each_example_in_and_one_less_does_not(
    seed: int, criterion: str, budget: str, pinned: bool
) -> None:
    pool = make_pool(np.random.default_rng(seed), 16, 3, pinned=(3,) if pinned else ())
    assume(budget == "4" or pool.response_tokens[[*pool.pinned]].sum() < 30)
    unit = "tok" if budget.endswith("tok") else ""
    outcomes = chosen_to_the_end(pool, criterion, budget).outcomes
    for row, gate, enters in zip(outcomes.rows.tolist(), outcomes.gates, outcomes.enters.tolist(), strict=True):
        if gate != "budget":
            assert enters == -1
            continue
        assert enters > int(budget.removesuffix("tok"))
        assert row in select(pool, criterion, f"{enters}{unit}")
        if not unit:
            assert row not in select(pool, criterion, f"{enters - 1}")


def test_by_the_codes_rule_too_the_foretold_budget_is_the_least() -> None:
    pool = make_pool(np.random.default_rng(3), 40, 3)
    outcomes = chosen_to_the_end(pool, "instructdiff", "60tok", rule="code").outcomes
    over = [i for i, gate in enumerate(outcomes.gates) if gate == "budget"]
    assert len(over) > 20
    for i in over:
        row, enters = int(outcomes.rows[i]), int(outcomes.enters[i])
        assert row in select(pool, "instructdiff", f"{enters}tok", rule="code")
        assert row not in select(pool, "instructdiff", f"{enters - 1}tok", rule="code")


def test_each_gate_is_named_and_the_first_one_counts() -> None:
    pool = make_pool(np.random.default_rng(4), 30, 3, banned=frozenset({1, 2}))
    pool.nll[0] = np.nan
    codes = np.arange(30)
    codes[[0, 1, 5, 6, 7]] = 5  # 0 cannot be scored and 1 is banned, so 5 stands for 6 and 7
    pool = replace(pool, repeats=Repeats(codes, "same text"))
    choice = chosen_to_the_end(pool, "instructdiff", "5", gamma=0.2)
    found = dict(zip(choice.outcomes.rows.tolist(), choice.outcomes.gates, strict=True))
    others = dict(zip(choice.outcomes.rows.tolist(), choice.outcomes.others.tolist(), strict=True))
    assert (found[0], found[1], found[2], found[6], found[7]) == ("unscorable", "banned", "banned", "repeat", "repeat")
    assert (others[6], others[7]) == (5, 5)
    aside = chosen_to_the_end(replace(pool, held_out=frozenset({0})), "instructdiff", "5", gamma=0.2).outcomes
    assert aside.gates == ["held out", *choice.outcomes.gates[1:]]
    assert found.get(5, "selected") != "repeat"
    low, high = np.quantile(pool.delta_nll[1:], [0.2, 0.8])
    for row, gate in found.items():
        if gate == "filter":
            assert not low <= pool.delta_nll[row] <= high
        if gate == "budget":
            assert low <= pool.delta_nll[row] <= high
    assert len(found) + len(choice.picks) == 30


def test_a_pinned_repeat_stands_for_its_group() -> None:
    pool = make_pool(np.random.default_rng(4), 10, 3, pinned=(7,))
    codes = np.arange(10)
    codes[[2, 7, 9]] = 2
    chosen = select(replace(pool, repeats=Repeats(codes, "same text")), "random", "8")
    assert 7 in chosen
    assert not {2, 9} & set(chosen)


def test_a_full_quota_is_the_reason_where_it_is() -> None:
    pool = with_quotas(make_pool(np.random.default_rng(5), 30, 3), np.arange(30) % 2, "topic=t0<=3")
    choice = chosen_to_the_end(pool, "fisher", "12")
    gates = dict(zip(choice.outcomes.rows.tolist(), choice.outcomes.gates, strict=True))
    assert {gate for row, gate in gates.items() if row % 2 == 0} == {"quota"}
    assert {gate for row, gate in gates.items() if row % 2 == 1} == {"budget"}


def test_without_what_covers_it_a_duplicate_is_worth_more_and_picked() -> None:
    pool = make_pool(np.random.default_rng(6), 20, 6)
    big = np.random.default_rng(7).standard_normal((3, 6)).astype(np.float32) * 5
    factors = [big, big, *factors_of(pool)[2:]]
    pool = replace(
        pool, factors=np.concatenate(factors), offsets=np.concatenate([[0], np.cumsum([len(F) for F in factors])])
    )
    with_it = chosen_to_the_end(pool, "fisher", "1")
    assert [p.row for p in with_it.picks] == [0]
    without = chosen_to_the_end(replace(pool, banned=frozenset({0})), "fisher", "1")
    assert [p.row for p in without.picks] == [1]
    gain = dict(zip(with_it.left_out.rows.tolist(), with_it.left_out.gains.tolist(), strict=True))[1]
    assert without.picks[0].gain > 2 * gain
    assert gain == pytest.approx(
        oracles.log_det_information(factors, [0, 1], 1.0) - oracles.log_det_information(factors, [0], 1.0)
    )


@given(st.integers(0, 1000), st.sampled_from(CHEAP), st.integers(1, 14), st.integers(1, 14))
@settings(max_examples=30)
def test_of_one_order_a_smaller_budget_is_a_prefix(seed: int, criterion: str, a: int, b: int) -> None:
    pool = make_pool(np.random.default_rng(seed), 16, 3)
    small, large = (select(pool, criterion, str(n)) for n in sorted((min(a, 10), min(b, 10))))
    assert large[: len(small)] == small


def test_an_order_that_is_cut_short_gives_what_the_whole_one_gives() -> None:
    pool = make_pool(np.random.default_rng(1), 60, 5)
    rule = find_criterion("fisher")
    for budget in ("7", "90tok"):
        task = prepare(pool, rule, Budget.parse(budget), rule.settings(), 0)
        near, far = order(task), order(task, reach=10**6)
        assert not near.is_complete
        assert far.is_complete
        assert pick(task, near).rows.tolist() == pick(task, far).rows.tolist()


@pytest.mark.parametrize("criterion", [name for name in CRITERIA if name != "zip"])
@settings(max_examples=12)
@given(seed=st.integers(0, 200), share=st.floats(0.01, 0.3))
def test_a_budget_below_the_first_example_passes_it_over_or_says_so(criterion: str, seed: int, share: float) -> None:
    pool = make_pool(np.random.default_rng(seed), 14, 3)
    budget = max(1, int(share * pool.response_tokens.sum()))
    try:
        chosen = select(pool, criterion, f"{budget}tok")
    except BadInput as error:
        assert any(words in str(error) for words in ("buys nothing", "smaller than the first", "to choose from"))
        return
    assert 0 < pool.response_tokens[chosen].sum() <= budget
    if criterion == "hybrid":
        assert select(pool, criterion, f"{budget}tok", mode="weight")


def test_the_crossing_example_is_taken_within_quotas_too() -> None:
    pool = with_quotas(make_pool(np.random.default_rng(1), 60, 2), np.arange(60) % 2, "topic=t0<=90%")
    chosen = select(pool, "instructdiff", "200tok", rule="code")
    spent = pool.response_tokens[chosen]
    assert spent.sum() >= 200 > spent[:-1].sum()


def test_stochastic_search_is_not_carried_beyond_its_budget() -> None:
    pool = make_pool(np.random.default_rng(1), 120, 4)
    rule = find_criterion("fisher")
    task = prepare(pool, rule, Budget.parse("6"), rule.settings(search="stochastic"), 0)
    assert not task.is_free
    assert order(task, reach=100).rankings[0].rows.tolist() == order(task).rankings[0].rows.tolist()
    outcomes = choose(task, order(task)).outcomes
    assert set(outcomes.enters.tolist()) == {-1}


def test_the_better_of_two_rankings_is_taken() -> None:
    pool = make_pool(np.random.default_rng(0), 4, 2)
    rankings = (Ranking(np.array([0, 1]), np.array([2.0, 1.0])), Ranking(np.array([2, 3]), np.array([2.5, 1.0])))
    rule = find_criterion("fisher")
    task = prepare(pool, rule, Budget.parse("2"), rule.settings(), 0)
    picked = cut(Ordered(rankings), pool, task.room, task.allowance, "fisher")
    assert (picked.ranking, picked.rows.tolist()) == (1, [2, 3])


def test_the_knee_of_a_bent_line_is_where_it_bends() -> None:
    x = [10 * i for i in range(1, 41)]
    y = [float(min(v, 100) + 0.05 * max(0, v - 100)) for v in x]
    assert x[find_knee(x, y)] == 100
    assert find_knee([1, 2], [1.0, 2.0]) is None
    assert find_knee(x, [0.0] * 40) is None
