"""How much does a budget buy, what is there to buy from, and which groups have to get how much of it?"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import BadInput
from core.selection.pool import Pool
from core.selection.room import NO_LIMIT, Groups, Room
from core.settings import Budget, Quota

MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget made concrete for a pool: so many examples, or so many response tokens. With `takes_crossing`
    examples are added until the amount is reached, the one that crosses it included."""

    unit: Literal["examples", "tokens"]
    amount: int
    takes_crossing: bool = False

    def costs(self, response_tokens: np.ndarray) -> np.ndarray:
        """What each example costs in this unit, int64."""
        return response_tokens.astype(np.int64) if self.unit == "tokens" else np.ones(len(response_tokens), np.int64)


def allow(budget: Budget, pool: Pool) -> Allowance:
    """What `budget` means for the selectable rows; a percentage is of these, rounded, at least one.

    Raises BadInput for more than there is.
    """
    rows = pool.rows
    if not len(rows):
        raise BadInput("No example can be selected: none was scored, or all are banned.")
    if budget.kind == "percent":
        return Allowance("examples", max(1, round(budget.amount / 100 * len(rows))))
    amount, available = int(budget.amount), int(pool.response_tokens[rows].sum())
    if budget.kind == "examples":
        if amount > len(rows):
            raise BadInput(f"Budget {budget} is more than there is: {len(rows):,} examples can be selected.")
        return Allowance("examples", amount)
    if amount > available:
        raise BadInput(f"Budget {budget} is more than there is: the selectable examples have {available:,} tokens.")
    shortest = int(pool.response_tokens[rows].min())
    if amount < shortest:
        raise BadInput(f"Budget {budget} buys nothing: the shortest response has {shortest:,} tokens.")
    return Allowance("tokens", amount)


def make_room(pool: Pool, allowance: Allowance) -> Room:
    """What is left for the pool's candidates once the pins are paid.

    Raises BadInput where the pins do not fit, or where quotas cannot be kept.
    """
    costs, pinned = allowance.costs(pool.response_tokens), np.array(pool.pinned, dtype=np.int64)
    spent, unit = int(costs[pinned].sum()), allowance.unit
    if spent > allowance.amount:
        raise BadInput(f"The pinned examples are {spent:,} {unit}; the budget is {allowance.amount:,}.")
    candidates, groups = pool.candidates, None
    if pool.quotas:
        codes = pool.groups.codes
        least, most = _limits(pool, allowance, costs)
        taken = np.bincount(codes[pinned], costs[pinned], len(least)).astype(np.int64)
        for code in np.flatnonzero(taken > most).tolist():
            raise BadInput(f"Pinned examples alone exceed the quota of {pool.groups.describe(code)}: {most[code]:,}.")
        owed = np.maximum(0, least - taken)
        if owed.sum() > allowance.amount - spent:
            raise BadInput(
                f"The quotas ask for {owed.sum():,} {unit} more than the pins have; the budget has "
                f"{allowance.amount - spent:,} left."
            )
        groups = Groups(codes[candidates], owed, np.where(most < NO_LIMIT, most - taken, most))
    return Room(costs[candidates], allowance.amount - spent, groups)


def _limits(pool: Pool, allowance: Allowance, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and most [g] of each group, in the budget's unit."""
    groups, rows = pool.groups, pool.rows
    there = np.bincount(groups.codes[rows], costs[rows], len(groups.names)).astype(np.int64)
    least, most = np.zeros(len(there), dtype=np.int64), np.full(len(there), NO_LIMIT)
    for quota in pool.quotas:
        if quota.value is None:
            share_least, share_most = _in_proportion(there, allowance)
            least, most = np.maximum(least, share_least), np.minimum(most, share_most)
            continue
        code, amount = _code(quota, groups.names), quota.of(allowance.amount)
        if quota.relation == "<=":
            most[code] = min(most[code], math.floor(amount))
        else:
            least[code] = max(least[code], math.ceil(amount))
    for code in np.flatnonzero((least > there) | (least > most)).tolist():
        held = min(there[code], most[code])
        raise BadInput(
            f"Quota {groups.describe(code)} >= {least[code]:,} cannot be kept: at most {held:,} can be selected."
        )
    if least.sum() > allowance.amount:
        raise BadInput(f"The quotas ask for {least.sum():,} at least, more than the budget of {allowance.amount:,}.")
    enough = int(np.minimum(there, most).sum())
    if allowance.unit == "examples" and enough < allowance.amount:
        raise BadInput(f"The quotas allow {enough:,} examples, fewer than the budget of {allowance.amount:,}.")
    return least, most


def _in_proportion(there: np.ndarray, allowance: Allowance) -> tuple[np.ndarray, np.ndarray]:
    """Each group's share of the pool, in examples by largest remainders; in tokens no more than its share."""
    exact = there / there.sum() * allowance.amount
    if (there > 0).sum() > allowance.amount:
        raise BadInput(
            f"The column of the quota in proportion has {(there > 0).sum():,} values, more than the budget of "
            f"{allowance.amount:,} {allowance.unit}; take a column with fewer."
        )
    if allowance.unit == "tokens":
        return np.zeros(len(there), dtype=np.int64), np.ceil(exact).astype(np.int64)
    whole = np.floor(exact).astype(np.int64)
    largest = np.argsort(-(exact - whole), kind="stable")[: allowance.amount - int(whole.sum())]
    whole[largest] += 1
    return whole, whole.copy()


def _code(quota: Quota, names: tuple[str, ...]) -> int:
    if quota.value not in names:
        shown = ", ".join(repr(name) for name in names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
        raise BadInput(f"No example has {quota.column} = {quota.value!r}; there are {shown}.")
    return names.index(quota.value)
