"""In which order does a criterion take the examples, and what does a budget keep of that order?

An order is computed once; the answer for a smaller budget is a prefix of it. Only quotas make it skip:
what a full group, or what is held back for another, does not allow is passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from core.errors import BadInput
from core.selection.budgets import Allowance
from core.selection.greedy import Step
from core.selection.pool import Pool
from core.selection.room import Room


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows [n], best first, and where the criterion maximises something what each of them gained [n]."""

    rows: np.ndarray
    gains: np.ndarray | None = None

    def value(self, places: np.ndarray) -> float:
        """What the picks at these places gained together."""
        return 0.0 if self.gains is None else float(self.gains[places].sum())


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a criterion makes of a pool: one ranking, or rivals of which a budget takes the one that gains most.

    `is_complete`: every candidate that the criterion would ever take is in it. `refused` tells for each row
    that its own filter dropped why. The evaluations are the gains computed, and those of naive search.
    """

    rankings: tuple[Ranking, ...]
    is_complete: bool = True
    refused: dict[int, str] = field(default_factory=dict)
    evaluations: int = 0
    naive_evaluations: int = 0


@dataclass(frozen=True, slots=True)
class Picked:
    """What a budget keeps of an order: rows [n] with their gains, which ranking they are of, and by how much
    quotas of at least so much were missed, in the budget's unit."""

    rows: np.ndarray
    gains: np.ndarray | None = None
    ranking: int = 0
    owed: int = 0


def of_rows(rows: np.ndarray, refused: dict[int, str] | None = None) -> Ordered:
    """The order of a criterion that only ranks."""
    return Ordered((Ranking(np.asarray(rows, dtype=np.int64)),), refused=refused or {})


def of_steps(steps: Iterator[Step], candidates: np.ndarray, room: Room) -> Ordered:
    """The order in which a search takes these rows [n], followed until what it picked costs all that their room pays
    for."""
    rows, gains, spent, evaluations, naive = list[int](), list[float](), 0, 0, 0
    for step in steps if room.total > 0 else ():
        rows.append(step.row)
        gains.append(step.gain)
        evaluations += step.evaluations
        naive += len(candidates) - len(rows) + 1
        spent += int(room.costs[np.searchsorted(candidates, step.row)])
        if spent >= room.total:
            break
    ranking = Ranking(np.array(rows, dtype=np.int64), np.array(gains))
    return Ordered((ranking,), len(rows) == len(candidates), {}, evaluations, naive)


def cut(ordered: Ordered, pool: Pool, room: Room, allowance: Allowance, what: str) -> Picked:
    """What the room pays for, of the ranking whose picks gain most.

    Without quotas the longest prefix. Raises BadInput when the order is shorter than the budget.
    """
    places = [np.searchsorted(pool.candidates, ranking.rows) for ranking in ordered.rankings]
    available = max(int(room.costs[positions].sum()) for positions in places)
    if available < room.total and ordered.is_complete:
        raise BadInput(
            f"Criterion {what} leaves {available:,} {allowance.unit} to choose from, fewer than {room.total:,}."
        )
    if room.has_quotas:
        taken = [_within_quotas(positions, room, allowance, what) for positions in places]
    else:
        taken = [_prefix(room.costs[positions], room.total, allowance) for positions in places]
    best = max(range(len(taken)), key=lambda i: (ordered.rankings[i].value(taken[i]), -i))
    rest = room.copy()
    for position in places[best][taken[best]]:
        rest.take(int(position))
    ranking = ordered.rankings[best]
    gains = None if ranking.gains is None else ranking.gains[taken[best]]
    return Picked(ranking.rows[taken[best]], gains, best, rest.owed)


def _prefix(costs: np.ndarray, total: int, allowance: Allowance) -> np.ndarray:
    if allowance.takes_crossing:
        return np.arange(min(len(costs), int(np.searchsorted(np.cumsum(costs), total)) + 1) if total > 0 else 0)
    return np.arange(int(np.searchsorted(np.cumsum(costs), total, side="right")))


def _within_quotas(positions: np.ndarray, room: Room, allowance: Allowance, what: str) -> np.ndarray:
    rest, kept = room.copy(), list[int]()
    for place, position in enumerate(positions):
        if rest.costs[position] > rest.total and not rest.owed:
            if allowance.takes_crossing and rest.total > 0:
                if rest.is_barred(np.array([position]))[0]:
                    continue
                kept.append(place)
            break
        if rest.fits(position):
            rest.take(int(position))
            kept.append(place)
    if allowance.unit == "examples" and rest.total:
        raise BadInput(f"Criterion {what} leaves {rest.total:,} examples too few to choose from within the quotas.")
    return np.array(kept, dtype=np.int64)
