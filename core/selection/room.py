"""What does a budget still allow? A total, and quotas on groups: a partition constraint.

Quotas are in the budget's own unit. For "at least", what is still owed to groups is held back: a
candidate fits when the rest of the budget still pays all that is owed after it. In tokens, what is
held back may end up too small for a whole example; `owed` says how much. What does not fit once
never fits again.
"""

from dataclasses import dataclass

import numpy as np

NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Groups:
    """`codes` [n] of n candidates' groups 0..g−1, and what each group has to get: from `least` to `most` [g]."""

    codes: np.ndarray
    least: np.ndarray
    most: np.ndarray


class Room:
    """What is left of a budget for n candidates of integer `costs` [n]: `total`, and `groups`' quotas."""

    def __init__(self, costs: np.ndarray, total: int, groups: Groups | None = None) -> None:
        nothing = np.zeros(1, dtype=np.int64)
        self.costs, self.total = costs, total
        self._codes = groups.codes if groups else np.zeros(len(costs), dtype=np.int64)
        self._most = (groups.most if groups else nothing + NO_LIMIT).copy()
        self._owed = (groups.least if groups else nothing).copy()

    @property
    def has_quotas(self) -> bool:
        """Whether anything but the total limits."""
        return bool((self._most < NO_LIMIT).any() or self._owed.any())

    @property
    def owed(self) -> int:
        """What "at least" quotas still ask for."""
        return int(self._owed.sum())

    def copy(self) -> "Room":
        """The same room, to be filled on its own."""
        return Room(self.costs, self.total, Groups(self._codes, self._owed, self._most))

    def of(self, candidates: np.ndarray) -> "Room":
        """The same room for some of the candidates, given as a mask [n] or as places."""
        return Room(self.costs[candidates], self.total, Groups(self._codes[candidates], self._owed, self._most))

    def without_limit(self) -> "Room":
        """A room for the same candidates into which all of them fit."""
        return Room(self.costs, int(self.costs.sum()))

    def is_barred(self, candidates: np.ndarray) -> np.ndarray:
        """Whether it is a quota, not the total, that keeps each of these out, [n] bool."""
        barred: np.ndarray = ~self.fits(candidates) & (self.costs[candidates] <= self.total)
        return barred | (self.costs[candidates] > self._most[self._codes[candidates]])

    def fits(self, candidates: np.ndarray | int) -> np.ndarray:
        """Whether each of these candidates may be taken now."""
        costs, codes = self.costs[candidates], self._codes[candidates]
        free = self.total - self._owed.sum()
        return (costs <= self._most[codes]) & (costs - np.minimum(costs, self._owed[codes]) <= free)

    def take(self, candidate: int) -> None:
        """Pay for one candidate."""
        cost, code = int(self.costs[candidate]), self._codes[candidate]
        self.total -= cost
        self._owed[code] = max(0, self._owed[code] - cost)
        if self._most[code] != NO_LIMIT:
            self._most[code] -= cost

    def most_valuable(self, values: np.ndarray) -> np.ndarray:
        """The shares in [0, 1] of the candidates that the room pays for and that are worth most together.

        `values` [n] ≥ 0. Candidates may be taken in part and nothing is owed, so no real choice is
        worth more: the linear relaxation of the knapsack with a cap on each group.
        """
        order = np.argsort(-values / self.costs, kind="stable")
        amounts = self.costs[order].astype(np.float64)
        for code in np.flatnonzero(self._most < NO_LIMIT):
            members = self._codes[order] == code
            amounts[members] = _pay(amounts[members], float(self._most[code]))
        shares = np.zeros(len(values))
        shares[order] = _pay(amounts, float(self.total)) / self.costs[order]
        return shares


def _pay(amounts: np.ndarray, limit: float) -> np.ndarray:
    """What of the amounts, taken in order, a limit pays for."""
    before = np.cumsum(amounts) - amounts
    paid: np.ndarray = np.clip(limit - before, 0.0, amounts)
    return paid
