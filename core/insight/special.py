"""What is special about a group of examples, against the rest of the dataset?

One scale for everything, so that scores, column values and words can be put in one order: Cliff's δ (1993),

    δ = P(inside > rest) − P(inside < rest) = 2 AUC − 1        from −1 to 1,

AUC being the area under the ROC curve, ties counted half. For something that an example has or has not it is the
share inside minus the share of the rest. What chance would explain is not reported: scores are tested by Mann and
Whitney's U with the correction for ties, shares by Fisher's exact test. The chance of any false alarm is held below α
by Bonferroni's rule: each kind of question gets an equal part of α, shared among its questions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
LEAST_STRENGTH = 0.1
"""A smaller δ is not worth a sentence, however sure it is."""


@dataclass(frozen=True)
class Ranked:
    """A score of all N examples, ranked once for every group that is asked about later: `values` and mid-ranks
    `ranks` [N], NaN where there is none, and `ties`, Σ t³ − t over the tied runs of length t."""

    values: np.ndarray
    ranks: np.ndarray
    ties: float

    @property
    def count(self) -> int:
        """How many examples have the score."""
        return int(np.isfinite(self.values).sum())


@dataclass(frozen=True, slots=True)
class Counted:
    """How many of `examples` have each of some properties, [k]."""

    counts: np.ndarray
    examples: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What sets a group apart: `inside` and `outside` are medians of a score, or shares of examples that have the
    `value` (a column's value, or a term); `strength` is δ."""

    name: str
    value: str | None
    strength: float
    inside: float
    outside: float


def rank(values: np.ndarray) -> Ranked:
    """Rank a score of all examples [N]; NaN and infinities count as missing."""
    from scipy.stats import rankdata

    given = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    ranks = rankdata(given, nan_policy="omit")
    lengths = np.unique(given[np.isfinite(given)], return_counts=True)[1].astype(np.float64)
    return Ranked(given, ranks, float((lengths**3 - lengths).sum()))


def superiority(score: Ranked, rows: np.ndarray) -> tuple[float, float]:
    """δ of the group `rows` against the rest, and its two-sided p-value by U's normal approximation.

    (0, 1) where the group or the rest has no scores, or all scores are the same.
    """
    ranks = score.ranks[rows]
    ranks = ranks[np.isfinite(ranks)]
    inside, outside = len(ranks), score.count - len(ranks)
    total = inside + outside
    if not inside or not outside:
        return 0.0, 1.0
    U = float(ranks.sum()) - inside * (inside + 1) / 2
    variance = inside * outside / 12 * (total + 1 - score.ties / (total * (total - 1)))
    if variance <= 0:
        return 0.0, 1.0
    z = (U - inside * outside / 2) / math.sqrt(variance)
    return 2 * U / (inside * outside) - 1, math.erfc(abs(z) / math.sqrt(2))


def over_representation(inside: Counted, everywhere: Counted) -> tuple[np.ndarray, np.ndarray]:
    """δ [k] of each property, the share inside minus that of the rest, and the chance [k] that a group drawn at random
    had it at least as often (Fisher's exact test, one-sided)."""
    from scipy.stats import hypergeom

    outside = everywhere.examples - inside.examples
    if not inside.examples or not outside:
        return np.zeros(len(inside.counts)), np.ones(len(inside.counts))
    delta = inside.counts / inside.examples - (everywhere.counts - inside.counts) / outside
    p = hypergeom.sf(inside.counts - 1, everywhere.examples, everywhere.counts, inside.examples)
    return delta, p


def special_scores(scores: Mapping[str, Ranked], rows: np.ndarray, alpha: float) -> list[Difference]:
    """The scores in which a group differs, its medians beside those of the rest."""
    found = []
    for name, score in scores.items():
        delta, p = superiority(score, rows)
        if p <= alpha / len(scores) and abs(delta) >= LEAST_STRENGTH:
            rest = score.values.copy()
            rest[rows] = np.nan
            medians = (float(np.nanmedian(values)) for values in (score.values[rows], rest))
            found.append(Difference(name, None, delta, *medians))
    return found


def special_values(
    names: Sequence[str], inside: Counted, everywhere: Counted, alpha: float, *, column: str, questions: int = 0
) -> list[Difference]:
    """The properties that a group has more often than chance explains, the most over-represented first.

    `questions` is among how many `alpha` is shared, where they are more than these.
    """
    delta, p = over_representation(inside, everywhere)
    sure = (p <= alpha / max(len(names), questions, 1)) & (delta >= LEAST_STRENGTH)
    rest = max(everywhere.examples - inside.examples, 1)
    return [
        Difference(
            column,
            names[k],
            float(delta[k]),
            float(inside.counts[k] / inside.examples),
            float((everywhere.counts[k] - inside.counts[k]) / rest),
        )
        for k in np.flatnonzero(sure)[np.argsort(-delta[sure], kind="stable")]
    ]


def by_strength(found: Sequence[Difference]) -> list[Difference]:
    """Differences in one order, the strongest first."""
    return sorted(found, key=lambda difference: -abs(difference.strength))
