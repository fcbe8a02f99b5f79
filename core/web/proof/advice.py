"""What is to be done after a proof? By what its intervals support, not by the lowest mean."""

from dataclasses import dataclass, field

from core.reports import ArmResult, ProofReport

BY_LENGTHS = {
    "better": "It did better than random subsets, also than those of its own lengths.",
    None: "It did better than random subsets of as many tokens; with those of its own lengths it was not compared.",
}
ONLY_A_PART = " Only its first part was tuned on, though, and that is what did better."
NO_BUDGET = (
    " No budget alone cuts it to that part on the Desk, by its quotas, its search or later decisions: select with as "
    "many tokens, and prove that."
)
PERHAPS_BY_LENGTHS = (
    "It did better than random subsets of as many tokens, but not than random ones of its own lengths: these lengths, "
    "and not which examples of them it chose, may be what helped."
)


@dataclass(frozen=True, slots=True)
class Advice:
    """The `words`, and the page that the link leads to, with what else its address says."""

    words: str
    page: str
    label: str
    address: dict[str, str] = field(default_factory=dict)


def advise(report: ProofReport) -> list[Advice]:
    """Nothing while the proof goes on, and where it can say nothing."""
    if not report.compared or report.done < report.planned:
        return []
    return [_advise(report), *_advise_less(report)]


def _advise(report: ProofReport) -> Advice:
    verdicts = {found.against: found.verdict for found in report.compared}
    ahead = [arm for arm in report.arms if arm.kind == "other" and verdicts.get(arm.name) == "worse"]
    if ahead:
        best = min(ahead, key=lambda arm: arm.loss)
        words = f"{best.name} did better than it. Prove that one against random too, before you export it."
        return Advice(words + _tell_part(best), "select", "Take it to the Desk", _address(best))
    if verdicts["random"] == "better":
        words = BY_LENGTHS.get(verdicts.get("random of like lengths"), PERHAPS_BY_LENGTHS)
        own = report.arms[0]
        if not own.is_part:
            return Advice(words, "export", "Export it")
        label = "Take this part to the Desk" if own.budget else "Select again on the Desk"
        return Advice(words + _tell_part(own), "select", label, _address(own))
    if verdicts["random"] == "worse":
        words = "Random subsets of as many tokens did better than it: a random one is the better choice so far."
    else:
        words = "This proof gives no reason to prefer it to a random subset of as many tokens."
    return Advice(words + _tell_groups(report), "select", "Try another criterion or budget")


def _tell_groups(report: ProofReport) -> str:
    """Where the held-out examples of some groups say otherwise than those of others."""
    told = {verdict: [of.group for of in report.groups if of.verdict == verdict] for verdict in ("better", "worse")}
    named = [f"{verdict} in {', '.join(groups)}" for verdict, groups in told.items() if groups]
    if not named or len(report.groups) == max(map(len, told.values())):
        return ""
    return f" Not in every group, though: it did {' and '.join(named)} (of {len(report.groups)} groups)."


def _advise_less(report: ProofReport) -> list[Advice]:
    """The smallest budget that did better than random subsets of the whole one."""
    better = [found.of for found in report.smaller if found.verdict == "better"]
    arms = [arm for arm in report.arms if arm.name in better]
    if not arms:
        return []
    least = min(arms, key=lambda arm: arm.tokens)
    words = f"{least.name.capitalize()} did better than random subsets of the whole budget: so much may do."
    return [Advice(words, "select", "Take this budget to the Desk", _address(least))]


def _tell_part(arm: ArmResult) -> str:
    """Where only the first part of a selection was tuned on."""
    if not arm.is_part:
        return ""
    return ONLY_A_PART if arm.budget else ONLY_A_PART + NO_BUDGET


def _address(arm: ArmResult) -> dict[str, str]:
    """Of what an arm was tuned on, on the Desk."""
    return {"take": str(arm.selection)} | ({"budget": arm.budget} if arm.budget else {})
