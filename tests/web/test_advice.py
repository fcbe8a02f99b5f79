"""What next? By what a proof's intervals support."""

from dataclasses import replace

import pytest

from core.reports import ArmResult, Compared, ProofReport
from core.web.proof.advice import advise


def report(random: str, alike: str, other: str | None = None, done: int = 7) -> ProofReport:
    """A proof with these verdicts; the other selection's loss is the lowest whatever the verdict."""
    kinds = [("the selection", "selection", 1.0, "s1"), ("fisher 10%", "other", 0.9999, "s2")]
    arms = [ArmResult(name, kind, of, 10, 100, 4, 1, loss, []) for name, kind, loss, of in kinds]
    verdicts = {"random": random, "random of like lengths": alike} | ({"fisher 10%": other} if other else {})
    compared = [Compared(name, 0, 0, 0, 0, 0, verdict, "") for name, verdict in verdicts.items()]
    arms = arms[: 1 + (other is not None)]
    return ProofReport("p", "d", "r", "s1", "m", done, 7, 50, arms=arms, compared=compared)


@pytest.mark.parametrize(
    ("random", "alike", "other", "label", "said"),
    [
        ("better", "better", None, "Export it", "also than those of its own lengths"),
        ("better", "better", "no difference", "Export it", "also than those of its own lengths"),
        ("better", "better", "better", "Export it", "also than those of its own lengths"),
        ("better", "no difference", None, "Export it", "these lengths"),
        ("better", "worse", None, "Export it", "these lengths"),
        ("no difference", "no difference", None, "Try another criterion or budget", "no reason"),
        ("worse", "better", None, "Try another criterion or budget", "a random one is the better choice"),
        ("better", "better", "worse", "Take it to the Desk", "fisher 10% did better"),
    ],
)
def test_the_advice_follows_the_intervals(random: str, alike: str, other: str | None, label: str, said: str) -> None:
    [found] = advise(report(random, alike, other))
    assert found.label == label
    assert said in found.words
    assert found.address == ({"take": "s2"} if other == "worse" else {})


def test_of_what_was_tuned_on_in_part_that_part_is_taken() -> None:
    found = report("better", "better", "no difference")
    own = replace(found.arms[0], is_part=True, budget="90tok")
    [advice] = advise(replace(found, arms=[own, found.arms[1]]))
    assert (advice.page, advice.address) == ("select", {"take": "s1", "budget": "90tok"})
    assert "Only its first part was tuned on" in advice.words
    found = report("better", "better", "worse")
    [advice] = advise(replace(found, arms=[found.arms[0], replace(found.arms[1], is_part=True, budget="7")]))
    assert advice.address == {"take": "s2", "budget": "7"}
    assert "Only its first part was tuned on" in advice.words


def test_a_part_that_no_budget_cuts_to_is_neither_exported_nor_linked_as_one() -> None:
    found = report("better", "better")
    [advice] = advise(replace(found, arms=[replace(found.arms[0], is_part=True)]))
    assert (advice.page, advice.address) == ("select", {"take": "s1"})
    assert "select with as many tokens, and prove that" in advice.words


def with_smaller(*verdicts: str) -> ProofReport:
    """A proof that also tuned on a half, a quarter, ... of the budget, of which random subsets say so."""
    found, parts = report("better", "better"), list[ArmResult]()
    for i in range(1, 1 + len(verdicts)):
        name = f"a budget of {100 // 2**i} tokens"
        parts.append(ArmResult(name, "smaller", "s1", 9 // i, 100 // 2**i, 4, 1, 1.0, [], budget=f"{100 // 2**i}tok"))
    smaller = [
        Compared("random", 0, 0, 0, 0, 0, told, "", of=part.name) for part, told in zip(parts, verdicts, strict=True)
    ]
    return replace(found, arms=[*found.arms, *parts], smaller=smaller)


@pytest.mark.parametrize(
    ("verdicts", "budget"),
    [
        (("better", "no difference"), "50tok"),
        (("better", "better"), "25tok"),
        (("no difference", "better"), "25tok"),
        (("no difference", "worse"), None),
    ],
)
def test_the_smallest_budget_that_beats_random_subsets_of_the_whole_is_offered(
    verdicts: tuple[str, ...], budget: str | None
) -> None:
    advised = advise(with_smaller(*verdicts))
    assert advised[0].label == "Export it"
    assert [advice.address for advice in advised[1:]] == ([{"take": "s1", "budget": budget}] if budget else [])


def test_a_selection_that_was_not_compared_with_its_lengths_is_told_so() -> None:
    found = report("better", "better")
    [advice] = advise(replace(found, compared=[of for of in found.compared if of.against == "random"]))
    assert "with those of its own lengths it was not compared" in advice.words


def test_groups_that_say_otherwise_are_named() -> None:
    def grouped(*verdicts: str) -> str:
        groups = [Compared("random", 0, 0, 0, 0, 0, told, "", f"g{i}", 20) for i, told in enumerate(verdicts)]
        [advice] = advise(replace(report("worse", "worse"), groups=groups))
        return advice.words

    assert grouped("worse", "no difference", "better").endswith("it did better in g2 and worse in g0 (of 3 groups).")
    assert "group" not in grouped("worse", "worse")
    assert "group" not in grouped("no difference", "no difference")
    assert "group" not in grouped()


def test_there_is_no_advice_before_the_end() -> None:
    assert advise(report("better", "better", done=6)) == []
