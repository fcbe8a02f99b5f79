"""A proof's interval is its closed form, covers what it should, and its sentence says what it supports."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.insight.proof import Contrast, Spread, contrast, mean_loss, paired_interval, say, say_share, spread_of
from tests.oracles.proving import proof_interval


def draw(generator: np.random.Generator, subsets: int, seeds: int, examples: int, apart: float) -> np.ndarray:
    """NLLs [R, S, H] of random subsets whose losses differ by `apart`, on examples that differ by far more."""
    examples_own = generator.gamma(2.0, 0.6, examples)
    shifts = generator.normal(0, apart, (subsets, 1, 1))
    return examples_own + shifts + generator.normal(0, 0.02, (subsets, seeds, examples))


def test_the_interval_is_its_closed_form_for_equal_tokens() -> None:
    generator = np.random.default_rng(0)
    theirs = draw(generator, 4, 2, 150, 0.01)
    ours, tokens = theirs[0] - 0.02 + generator.normal(0, 0.05, (2, 150)), np.full(150, 30.0)
    spread = spread_of([theirs], tokens)
    found = contrast(ours, theirs, tokens, spread, draws=20_000)
    low, high = proof_interval(ours, theirs, spread.variance, spread.freedom)
    assert found.low == pytest.approx(low, abs=0.03 * (high - low))
    assert found.high == pytest.approx(high, abs=0.03 * (high - low))
    assert found.low < found.paired_low < found.advantage < found.paired_high < found.high


def test_losses_are_weighted_by_tokens() -> None:
    assert mean_loss(np.array([1.0, 4.0]), np.array([30.0, 10.0])) == pytest.approx(1.75)
    assert paired_interval(np.full(20, -0.3), np.arange(1.0, 21.0)) == pytest.approx((-0.3, -0.3, -0.3))


def test_the_spread_is_the_pooled_variance_of_the_families() -> None:
    tokens = np.ones(2)
    one = np.array([1.0, 2.0, 3.0])[:, None, None] * np.ones((3, 2, 2))
    two = np.array([10.0, 12.0])[:, None, None] * np.ones((2, 2, 2))
    assert spread_of([one, two], tokens) == Spread(pytest.approx((2 + 2) / 3), 3)


def test_a_random_subset_is_called_different_from_random_ones_one_time_in_twenty() -> None:
    """The bootstrap over held-out examples alone calls most of them different, which is why it is not what decides."""
    generator, alarms, of_two, bootstrap_alarms = np.random.default_rng(1), 0, 0, 0
    tokens = np.full(80, 25.0)
    for _ in range(400):
        arms = draw(generator, 7, 2, 80, 0.02)
        spread = spread_of([arms[2:]], tokens)
        found = contrast(arms[0], arms[2:], tokens, spread, draws=300)
        alarms += found.verdict != "no difference"
        of_two += contrast(arms[0], arms[1:2], tokens, spread, draws=300).verdict != "no difference"
        bootstrap_alarms += not found.paired_low <= 0 <= found.paired_high
    assert 8 <= alarms <= 34  # 20 expected; three standard deviations are 13
    assert 8 <= of_two <= 34
    assert bootstrap_alarms > 200


def test_a_real_difference_is_found() -> None:
    generator, tokens, found = np.random.default_rng(2), np.full(120, 25.0), 0
    for _ in range(50):
        arms = draw(generator, 6, 3, 120, 0.004)
        better = contrast(arms[0] - 0.05, arms[1:4], tokens, spread_of([arms[1:4], arms[4:]], tokens), draws=300)
        found += better.verdict == "better"
    assert found >= 45


def assert_told(sentence: str, *values: float) -> None:
    """The sentence's figures are these, each as near as its decimals show."""
    for shown, value in zip(re.findall(r"\d+\.\d+", sentence), values, strict=True):
        assert float(shown) == pytest.approx(value, abs=0.51 * 10.0 ** -len(shown.partition(".")[2]))


@given(st.floats(-0.1, 0.1), st.floats(0.001, 0.05), st.integers(1, 4))
def test_the_sentence_says_what_the_interval_supports(middle: float, reach: float, seeds: int) -> None:
    generator = np.random.default_rng(3)
    theirs = draw(generator, 3, seeds, 40, reach)
    found = contrast(theirs[0] - middle, theirs, np.ones(40), spread_of([theirs], np.ones(40)), draws=100)
    told = say(found, "random", seeds)
    assert f"{seeds} training seed" in told
    if found.low > 0:
        assert told.startswith("Better than random by ")
        assert_told(told, found.advantage, found.low, found.high)
    elif found.high < 0:
        assert told.startswith("Worse than random by ")
        assert_told(told, -found.advantage, -found.high, -found.low)
    else:
        assert told.startswith("No difference from random seen: ")
        assert "-" not in told


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.0004, 0.02, "by 0.01020 nats a token, 95 % interval 0.00040 to 0.02000"),
        (0.0123, 0.0312, "by 0.022 nats a token, 95 % interval 0.012 to 0.031"),
        (-0.02, -0.0031, "by 0.0115 nats a token, 95 % interval 0.0031 to 0.0200"),
        (-0.00002, 0.0211, "+0.0105 nats a token, 95 % interval −0.0000 to +0.0211"),
        (-0.0021, 0.0031, "+0.00050 nats a token, 95 % interval −0.00210 to +0.00310"),
    ],
)
def test_the_bound_that_a_verdict_rests_on_is_told_with_two_digits(low: float, high: float, told: str) -> None:
    assert told in say(Contrast((low + high) / 2, low, high, low, high), "random", 2)


def test_shares_of_right_answers_are_told_in_points() -> None:
    told = say_share(Contrast(0.0312, 0.0104, 0.052, 0.02, 0.04), 0.12, 200, 2)
    assert told.startswith("Right final answers: 12.0 %, more than models tuned on random subsets: +3.1 points")
    assert told.endswith("95 % interval +1.0 to +5.2, 200 questions, 2 training seeds.")
    fewer = say_share(Contrast(-0.03, -0.05, -0.01, -0.04, -0.02), 0.1, 200, 1)
    assert "fewer than models tuned on random subsets: −3.0 points, 95 % interval −5.0 to −1.0" in fewer
