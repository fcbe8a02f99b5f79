"""Do persons who judged the same examples agree, and more than by chance?

Percent agreement p_o is the share of examples on which they said the same. Cohen's κ = (p_o − p_e) / (1 − p_e) takes
off what two persons with these shares of verdicts would agree on by chance, p_e = Σ_v p_1(v) p_2(v) (Cohen, 1960).
Krippendorff's α = 1 − D_o / D_e does so for any number of persons, each with gaps: of an example that m persons
judged, each ordered pair of verdicts counts 1 / (m − 1) in the coincidences o(v, w), with n(v) = Σ_w o(v, w) and
n = Σ_v n(v); D_o = Σ_{v≠w} o(v, w) / n, D_e = Σ_{v≠w} n(v) n(w) / (n (n − 1)) (Krippendorff, 2004, nominal).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

Verdicts = Mapping[int, str]
"""What one person said of which rows."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two persons: the `examples` both judged, on how many they said the `same`, and κ, None where chance alone
    would have them agree on everything."""

    persons: tuple[str, str]
    examples: int
    same: int
    kappa: float | None

    @property
    def share(self) -> float:
        """p_o; 0 where they share no example."""
        return self.same / max(1, self.examples)


def agree_in_pairs(judged: Mapping[str, Verdicts]) -> list[Agreement]:
    """Of every two persons who share an example, those with most examples in common first."""
    pairs = [_agree(first, second, judged) for first, second in combinations(sorted(judged), 2)]
    return sorted((pair for pair in pairs if pair.examples), key=lambda pair: (-pair.examples, pair.persons))


def _agree(first: str, second: str, judged: Mapping[str, Verdicts]) -> Agreement:
    rows = sorted(judged[first].keys() & judged[second].keys())
    said = [(judged[first][row], judged[second][row]) for row in rows]
    return Agreement((first, second), len(rows), sum(a == b for a, b in said), cohens_kappa(said))


def cohens_kappa(said: Sequence[tuple[str, str]]) -> float | None:
    """κ of the verdicts of two persons on the same examples."""
    if not said:
        return None
    counts = _table(said)
    shares = counts / counts.sum()
    observed, expected = float(np.trace(shares)), float(shares.sum(axis=0) @ shares.sum(axis=1))
    return None if expected > 1 - 1e-12 else (observed - expected) / (1 - expected)


def krippendorffs_alpha(judged: Mapping[str, Verdicts]) -> float | None:
    """α over the examples that at least two persons judged; None where there is none, or one verdict only."""
    by_row: dict[int, list[str]] = {}
    for verdicts in judged.values():
        for row, verdict in verdicts.items():
            by_row.setdefault(row, []).append(verdict)
    pairs, weights = list[tuple[str, str]](), list[float]()
    for said in (said for said in by_row.values() if len(said) > 1):
        ordered = [(v, w) for i, v in enumerate(said) for j, w in enumerate(said) if i != j]
        pairs += ordered
        weights += [1 / (len(said) - 1)] * len(ordered)
    if not pairs:
        return None
    coincidences = _table(pairs, weights)
    totals, n = coincidences.sum(axis=1), coincidences.sum()
    chance = (n**2 - (totals**2).sum()) / (n * (n - 1))
    return None if chance < 1e-12 else float(1 - (1 - np.trace(coincidences) / n) / chance)


def _table(pairs: Sequence[tuple[str, str]], weights: Sequence[float] | None = None) -> np.ndarray:
    """How often, or with which weight, each verdict met each other, [v, v]."""
    names = sorted({name for pair in pairs for name in pair})
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for i, (a, b) in enumerate(pairs):
        table[place[a], place[b]] += weights[i] if weights else 1.0
    return table
