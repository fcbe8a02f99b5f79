"""What is called special is measured rightly, and a group drawn at random is hardly ever called so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.insight.special import (
    ALPHA,
    Counted,
    by_strength,
    over_representation,
    rank,
    special_scores,
    special_values,
    superiority,
)
from tests.oracles import cliffs_delta, hypergeometric_tail, u_test

values_and_group = st.lists(
    st.tuples(st.one_of(st.integers(-3, 3).map(float), st.just(float("nan"))), st.booleans()), min_size=2, max_size=25
)


@given(values_and_group)
def test_strength_is_the_share_of_pairs_won_minus_those_lost(drawn: list[tuple[float, bool]]) -> None:
    values, is_in = (np.array(column) for column in zip(*drawn, strict=True))
    delta, p = superiority(rank(values), np.flatnonzero(is_in))
    inside, outside = (values[mask & np.isfinite(values)] for mask in (is_in, ~is_in))
    assert delta == pytest.approx(cliffs_delta(inside, outside), abs=1e-12)
    assert p == pytest.approx(u_test(inside, outside), abs=1e-9)


@given(st.integers(1, 30), st.data())
def test_the_test_of_a_share_is_fishers(everyone: int, data: st.DataObject) -> None:
    having = data.draw(st.integers(0, everyone))
    size = data.draw(st.integers(1, everyone))
    inside = data.draw(st.integers(max(0, size + having - everyone), min(size, having)))
    delta, p = over_representation(Counted(np.array([inside]), size), Counted(np.array([having]), everyone))
    if size == everyone:
        assert (delta[0], p[0]) == (0.0, 1.0)
    else:
        assert delta[0] == pytest.approx(inside / size - (having - inside) / (everyone - size))
        assert p[0] == pytest.approx(hypergeometric_tail(inside, everyone, having, size), abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_scores_and_shares_are_on_one_scale(drawn: list[tuple[bool, bool]]) -> None:
    has, is_in = (np.array(column) for column in zip(*drawn, strict=True))
    rows = np.flatnonzero(is_in)
    of_score = superiority(rank(has.astype(float)), rows)[0]
    of_share = over_representation(Counted(np.array([has[rows].sum()]), len(rows)), Counted([has.sum()], len(has)))[0]
    if 0 < len(rows) < len(has):
        assert of_score == pytest.approx(of_share[0])


def world(count: int = 2_000) -> tuple[dict, np.ndarray]:
    """Scores, some of them related, and a column of ten values."""
    generator = np.random.default_rng(5)
    nll = generator.gamma(2, 1, count)
    scores = {"nll": rank(nll), "entropy": rank(nll + generator.normal(0, 0.5, count)), "ties": rank(np.floor(nll))}
    return scores, generator.integers(0, 10, count)


def told(scores: dict, codes: np.ndarray, rows: np.ndarray) -> list:
    everywhere = Counted(np.bincount(codes, minlength=10), len(codes))
    inside = Counted(np.bincount(codes[rows], minlength=10), len(rows))
    names = [str(code) for code in range(10)]
    found = special_scores(scores, rows, ALPHA / 2)
    return by_strength([*found, *special_values(names, inside, everywhere, ALPHA / 2, column="topic")])


@pytest.mark.parametrize("size", [3, 12, 60, 400])
def test_a_random_group_is_called_special_at_most_once_in_ten(size: int) -> None:
    scores, codes = world()
    generator = np.random.default_rng(size)
    alarms = sum(bool(told(scores, codes, generator.choice(len(codes), size, replace=False))) for _ in range(300))
    assert alarms <= 30


def test_a_group_with_a_score_and_a_value_of_its_own_is_told_by_both() -> None:
    scores, codes = world()
    rows = np.flatnonzero((scores["nll"].values > 3) & ((codes == 4) | (codes == 5)))
    found = told(scores, codes, rows)
    assert [abs(one.strength) for one in found] == sorted((abs(one.strength) for one in found), reverse=True)
    by_name = {(one.name, one.value): one for one in found}
    assert by_name["nll", None].strength > 0.5
    assert by_name["nll", None].inside == pytest.approx(np.median(scores["nll"].values[rows]))
    rest = np.setdiff1d(np.arange(len(codes)), rows)
    assert by_name["nll", None].outside == pytest.approx(np.median(scores["nll"].values[rest]))
    assert by_name["topic", "4"].inside == pytest.approx(np.mean(codes[rows] == 4))
    assert by_name["topic", "4"].outside == pytest.approx(np.mean(codes[rest] == 4))
    assert ("topic", "6") not in by_name


def test_a_handful_of_examples_is_not_called_special_for_a_value_that_is_common() -> None:
    codes = np.array([0] * 60 + [1] * 40)
    inside = Counted(np.array([3, 0]), 3)
    assert special_values(["a", "b"], inside, Counted(np.bincount(codes), 100), ALPHA, column="topic") == []


@pytest.mark.parametrize("rows", [[], [0, 1, 2, 3]])
def test_nobody_and_everybody_are_not_special(rows: list[int]) -> None:
    assert superiority(rank(np.array([1.0, 2.0, 3.0, 4.0])), np.array(rows, dtype=int)) == (0.0, 1.0)
