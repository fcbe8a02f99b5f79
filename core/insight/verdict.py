"""What a proof may say: the losses of its subsets, the selection against each kind of them, and the groups.

Seeds that not all subsets have finished are left out of the comparisons, so that a proof can be read while it goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.insight.proof import (
    Contrast,
    Spread,
    contrast,
    mean_loss,
    paired_interval,
    say,
    say_share,
    spread_of,
)
from core.reports import Arm, ArmResult, Compared

FAMILIES = {"random": "random", "matched": "random of like lengths"}
OF_OTHER_SIZES = ("smaller", "everything")
FEWEST_IN_A_GROUP = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """What one model says of H held-out examples of `tokens` [H]: `nll` [P, H] in nats a token after so many `steps`
    [P], and of the `asked` ones, by their place among them, which it answers `right`; it was tuned on `examples` with
    `trained` response tokens, which took so many `seconds`, measuring included."""

    nll: np.ndarray
    steps: np.ndarray
    tokens: np.ndarray
    examples: int = 0
    trained: int = 0
    asked: np.ndarray | None = None
    right: np.ndarray | None = None
    seconds: float = 0.0


class Verdict:
    """A proof's results: of each arm, by its number, what the models of its training seeds say, by seed.

    The held-out examples' `groups` are named; `base` is the model before tuning. Those `left_out`, by their place, do
    not count.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        groups: Sequence[str],
        base: Measured,
        results: Sequence[Mapping[int, Measured]],
        left_out: Sequence[int] = (),
    ) -> None:
        every = [base, *(measured for of in results for measured in of.values())]
        counts = np.ones(len(base.tokens), dtype=bool)
        counts[list(left_out)] = False
        usable: np.ndarray = counts & np.isfinite([measured.nll[-1] for measured in every]).all(axis=0)
        self._arms, self._results, self._usable = arms, results, usable
        self._tokens, self._base = base.tokens[usable], base
        self._groups = np.array(groups, dtype=object)[usable]
        equal = [set(of) for arm, of in zip(arms, results, strict=True) if arm.kind not in OF_OTHER_SIZES]
        self._seeds = sorted(set.intersection(*equal)) if equal else []

    @property
    def held_out(self) -> int:
        """Held-out examples that all models could score."""
        return len(self._tokens)

    @property
    def base_accuracy(self) -> float | None:
        """The share of questions answered right before tuning, where any were asked."""
        return self._accuracy(self._base)

    @property
    def base_loss(self) -> float:
        """The loss before tuning, in nats a token."""
        return float(mean_loss(self._base.nll[-1][self._usable], self._tokens))

    def arms(self) -> list[ArmResult]:
        """Each arm that has a model, in the plan's order."""
        return [self._arm(arm, of) for arm, of in zip(self._arms, self._results, strict=True) if of]

    def compared(self) -> list[Compared]:
        """The selection against random subsets, against those of its lengths, and against each other selection; not
        against what has fewer or more tokens and steps."""
        if not self._seeds:
            return []
        if self.held_out < FEWEST_IN_A_GROUP:
            return []
        ours, spread = self._last(0), self._spread(self._all)
        there = {arm.kind for arm in self._arms}
        others = [(self._family(kind), against) for kind, against in FAMILIES.items() if kind in there]
        others += [(self._last(i)[None], arm.name) for i, arm in enumerate(self._arms) if arm.kind == "other"]
        return [self._tell(contrast(ours, theirs, self._tokens, spread), against) for theirs, against in others]

    def smaller(self) -> list[Compared]:
        """What smaller budgets choose against random subsets of the whole budget, so that whichever is better is worth
        its tokens."""
        if not self._seeds or self.held_out < FEWEST_IN_A_GROUP:
            return []
        theirs, spread, found = self._family("random"), self._spread(self._all), []
        for number, arm in enumerate(self._arms):
            if arm.kind == "smaller" and set(self._seeds) <= set(self._results[number]):
                told = self._tell(contrast(self._last(number), theirs, self._tokens, spread), FAMILIES["random"])
                sentence = f"{arm.name.capitalize()}, against random subsets of the whole one: {told.sentence}"
                found.append(replace(told, sentence=sentence, of=arm.name))
        return found

    def answers(self) -> str:
        """Whether the selection's models give more right final answers than those of random subsets, as a sentence; ""
        where no questions were asked, or too few."""
        if not self._seeds or self._right(self._base) is None:
            return ""
        ours, theirs = self._wrong("selection")[0], self._wrong("random")
        each = np.ones(ours.shape[-1])
        if len(each) < FEWEST_IN_A_GROUP:
            return ""
        found = contrast(ours, theirs, each, spread_of([theirs], each))
        return say_share(found, 1.0 - float(ours.mean()), len(each), len(self._seeds))

    def groups(self) -> list[Compared]:
        """The selection against random subsets in each group with ten held-out examples, where there are two."""
        names = [name for name in dict.fromkeys(self._groups) if (self._groups == name).sum() >= FEWEST_IN_A_GROUP]
        if len(names) < 2 or not self._seeds:
            return []
        return [self._in_group(str(name)) for name in names]

    def _in_group(self, name: str) -> Compared:
        inside = self._groups == name
        theirs = self._family("random")[..., inside]
        found = contrast(self._last(0)[:, inside], theirs, self._tokens[inside], self._spread(inside))
        return self._tell(found, FAMILIES["random"], name, int(inside.sum()))

    def _right(self, measured: Measured) -> np.ndarray | None:
        """Which of the questions that count a model answers right, as many for each model."""
        if measured.asked is None or measured.right is None:
            return None
        return measured.right[self._usable[measured.asked]]

    def _wrong(self, kind: str) -> np.ndarray:
        """1.0 for each question, [R, S, Q], that a model of the arms of a kind answers wrong."""
        of_kind = [of for arm, of in zip(self._arms, self._results, strict=True) if arm.kind == kind]
        right = [[self._right(of[seed]) for seed in self._seeds] for of in of_kind]
        return 1.0 - np.array(right, dtype=np.float64)

    def _accuracy(self, measured: Measured) -> float | None:
        right = self._right(measured)
        return None if right is None or not len(right) else float(right.mean())

    def _beside_random(self, arm: Arm, nll: np.ndarray) -> tuple[float, float, float] | None:
        """The advantage of an arm's NLLs [S, H] over the mean of all other random models that are done, with bounds
        over the examples."""
        kinds = zip(self._arms, self._results, strict=True)
        others = [of for other, of in kinds if other.kind == "random" and other is not arm]
        random = [each.nll[-1][self._usable] for of in others for each in of.values()]
        if not random:
            return None
        return paired_interval(np.mean(random, axis=0) - nll.mean(axis=0), self._tokens)

    @property
    def _all(self) -> np.ndarray:
        return np.ones(len(self._tokens), dtype=bool)

    def _spread(self, inside: np.ndarray) -> Spread:
        """How far random subsets lie apart. Those of like lengths may be nearly the selection itself, and so nearer to
        each other; they would make everything else look sure."""
        return spread_of([self._family("random")[..., inside]], self._tokens[inside])

    def _family(self, kind: str) -> np.ndarray:
        """NLLs [R, S, H] of the arms of a kind."""
        return np.stack([self._last(number) for number, arm in enumerate(self._arms) if arm.kind == kind])

    def _last(self, arm: int) -> np.ndarray:
        """NLLs [S, H] after the last step, of the seeds that all arms have."""
        return np.stack([self._results[arm][seed].nll[-1][self._usable] for seed in self._seeds])

    def _tell(self, found: Contrast, against: str, group: str = "", examples: int = 0) -> Compared:
        return Compared(
            against=against,
            advantage=found.advantage,
            low=found.low,
            high=found.high,
            paired_low=found.paired_low,
            paired_high=found.paired_high,
            verdict=found.verdict,
            sentence=say(found, against, len(self._seeds)),
            group=group,
            examples=examples or self.held_out,
        )

    def _arm(self, arm: Arm, of: Mapping[int, Measured]) -> ArmResult:
        measured = list(of.values())
        nll = np.stack([each.nll[:, self._usable] for each in measured])
        curve = mean_loss(nll.mean(axis=0), self._tokens)
        shares = [share for share in map(self._accuracy, measured) if share is not None]
        return ArmResult(
            name=arm.name,
            kind=arm.kind,
            selection=arm.selection,
            examples=measured[0].examples,
            tokens=measured[0].trained,
            steps=int(measured[0].steps[-1]),
            seeds=len(measured),
            loss=float(curve[-1]),
            curve=[(int(step), float(loss)) for step, loss in zip(measured[0].steps, curve, strict=True)],
            beside=self._beside_random(arm, nll[:, -1]),
            accuracy=float(np.mean(shares)) if shares else None,
            budget=arm.budget,
        )
