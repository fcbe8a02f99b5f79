"""A proof's verdict reads what is there: half-done proofs, examples that cannot be scored, groups, other selections."""

from dataclasses import replace

import numpy as np
import pytest

from core.insight.verdict import Measured, Verdict
from core.reports import Arm

ARMS = [
    Arm("the selection", "selection", [0], 2, "s1"),
    Arm("another", "other", [1], 2, "s2"),
    *(Arm(f"random {i}", "random", [i], 2) for i in (1, 2, 3)),
    *(Arm(f"alike {i}", "matched", [i], 2) for i in (1, 2)),
    Arm("everything", "everything", [0, 1, 2, 3], 9),
]
TOKENS = np.arange(10.0, 50.0)
GROUPS = ["oak"] * 25 + ["elm"] * 15


def measured(shift: float, seed: int) -> Measured:
    generator = np.random.default_rng(seed)
    last = np.linspace(1, 2, 40) + shift + generator.normal(0, 0.002, 40)
    return Measured(np.stack([last + 0.3, last]), np.array([2, 4]), TOKENS, examples=7, trained=500)


def results(seeds: int = 2, better: float = 0.1) -> list[dict[int, Measured]]:
    shifts = [-better, 0.02, 0.0, 0.001, -0.001, 0.002, -0.002, -0.5]
    return [{s: measured(shift, 10 * i + s) for s in range(seeds)} for i, shift in enumerate(shifts)]


BASE = Measured(np.linspace(1.5, 2.5, 40)[None], np.zeros(1), TOKENS)


def test_a_better_selection_is_said_to_be_better_than_each() -> None:
    verdict = Verdict(ARMS, GROUPS, BASE, results())
    told = {found.against: found for found in verdict.compared()}
    assert list(told) == ["random", "random of like lengths", "another"]
    assert {found.verdict for found in told.values()} == {"better"}
    assert told["random"].advantage == pytest.approx(0.1, abs=0.002)
    assert told["another"].advantage == pytest.approx(0.12, abs=0.002)
    assert verdict.base_loss == pytest.approx(float(np.linspace(1.5, 2.5, 40) @ TOKENS / TOKENS.sum()))


def test_smaller_budgets_are_compared_with_random_subsets_of_the_whole_one() -> None:
    arms = [*ARMS, *(Arm(f"a budget of {n} tokens", "smaller", [0], 1, "s1", f"{n}tok") for n in (200, 100, 50))]
    there = [*results(), *({s: measured(shift, 90 + s) for s in range(2)} for shift in (-0.05, 0.0)), {}]
    verdict = Verdict(arms, GROUPS, BASE, there)
    assert [(found.of, found.verdict) for found in verdict.smaller()] == [
        ("a budget of 200 tokens", "better"),
        ("a budget of 100 tokens", "no difference"),
    ]
    assert verdict.smaller()[0].advantage == pytest.approx(0.05, abs=0.002)
    assert verdict.smaller()[0].sentence.startswith("A budget of 200 tokens, against random subsets of the whole one")
    assert len(verdict.compared()) == 3, "what is not done of them is not waited for"
    assert verdict.arms()[-1].budget == "100tok"


def test_groups_are_told_apart_where_there_are_two_with_ten_examples() -> None:
    there = results()
    for of in there[:1]:
        for each in of.values():
            each.nll[:, 25:] += 0.3  # it loses among the elms
    groups = {found.group: found for found in Verdict(ARMS, GROUPS, BASE, there).groups()}
    assert groups["oak"].verdict == "better"
    assert groups["elm"].verdict == "worse"
    assert groups["elm"].advantage == pytest.approx(-0.2, abs=0.003)
    assert groups["oak"].examples == 25
    assert Verdict(ARMS, ["oak"] * 35 + ["elm"] * 5, BASE, there).groups() == []


def test_a_half_done_proof_compares_the_seeds_that_all_subsets_have() -> None:
    there = results(seeds=2)
    del there[5][1]
    one_seed = Verdict(ARMS, GROUPS, BASE, there)
    assert "1 training seed." in one_seed.compared()[0].sentence
    assert [arm.seeds for arm in one_seed.arms()] == [2, 2, 2, 2, 2, 1, 2, 2]
    del there[5][0]
    none = Verdict(ARMS, GROUPS, BASE, there)
    assert none.compared() == []
    assert len(none.arms()) == 7


def test_an_example_that_one_model_cannot_score_counts_for_none() -> None:
    there = results()
    there[3][1].nll[-1, 4] = np.nan
    verdict = Verdict(ARMS, GROUPS, BASE, there)
    assert verdict.held_out == 39
    assert np.isfinite([arm.loss for arm in verdict.arms()]).all()


def test_each_subset_stands_beside_the_mean_of_the_random_ones() -> None:
    arms = {arm.name: arm for arm in Verdict(ARMS, GROUPS, BASE, results()).arms()}
    beside = arms["the selection"].beside
    assert beside is not None
    assert beside[0] == pytest.approx(0.1, abs=0.002)
    assert beside[1] < beside[0] < beside[2]
    assert arms["the selection"].curve[0][0] == 2
    assert arms["the selection"].curve[1][1] == pytest.approx(arms["the selection"].loss)
    assert arms["random 1"].examples == 7


def test_a_random_subset_stands_beside_the_others_and_not_beside_itself() -> None:
    there = results()
    arms = {arm.name: arm for arm in Verdict(ARMS, GROUPS, BASE, there).arms()}
    last = [np.mean([of[s].nll[-1] for s in (0, 1)], axis=0) for of in there]
    expected = ((last[2] + last[4]) / 2 - last[3]) @ TOKENS / TOKENS.sum()
    assert arms["random 2"].beside is not None
    assert arms["random 2"].beside[0] == pytest.approx(expected)


def test_what_everything_gives_is_not_waited_for() -> None:
    there = results()
    there[-1].clear()
    assert Verdict(ARMS, GROUPS, BASE, there).compared()[0].against == "random"


def test_what_is_left_out_does_not_count() -> None:
    there, left_out = results(), [0, 1, 2]
    for of in there:
        for each in of.values():
            each.nll[:, left_out] += 100.0
    verdict = Verdict(ARMS, GROUPS, BASE, there, left_out)
    assert verdict.held_out == 37
    assert max(arm.loss for arm in verdict.arms()) < 3
    assert Verdict(ARMS, GROUPS, BASE, there, range(31)).compared() == []


def test_another_selection_is_told_apart_as_a_random_one_would_be() -> None:
    """The random subsets lie far apart, so that a small difference from one other selection is none."""
    there = results(better=0.0)
    for number, shift in ((2, 0.05), (3, -0.05), (4, 0.02)):
        for each in there[number].values():
            each.nll[:] += shift
    told = {found.against: found for found in Verdict(ARMS, GROUPS, BASE, there).compared()}
    assert told["another"].verdict == "no difference"
    assert told["another"].paired_low > 0


def test_right_answers_are_compared_with_those_of_random_subsets() -> None:
    there, asked = results(), np.arange(0, 40, 2)
    for number, of in enumerate(there):
        for seed, each in of.items():
            right = np.arange(20) % 4 < (3 if number == 0 else 1)
            right[seed] = number % 2 == 0
            of[seed] = replace(each, asked=asked, right=right)
    base = replace(BASE, asked=asked, right=np.zeros(20, dtype=bool))
    verdict = Verdict(ARMS, GROUPS, base, there, [0, 1])
    assert verdict.base_accuracy == 0.0
    assert "19 questions, 2 training seeds." in verdict.answers()
    assert ", more than models tuned on random subsets: +" in verdict.answers()
    assert Verdict(ARMS, GROUPS, BASE, results()).answers() == ""
