"""How is a pool chosen from that no single search can hold? In parts, and then among what these chose.

GreeDi (Mirzasoleiman and others 2013): the candidates are dealt at random into m parts, each is searched greedily by
itself, wherever it lies, and a last greedy search over what all of them picked makes the selection, unless what one
part picked holds more. With a budget of examples, a submodular objective, and each part picking as many as the whole
budget, at least (1 − 1/e)/2 of the best is reached in expectation, since the parts are random (Barbosa and others
2015). With a budget of a tenth of the pool that would be all of every part: so they pick `oversample` budgets together.
With a budget of tokens, and `oversample` near 1, they may pick a little less than the budget between them.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.errors import BadInput
from core.selection.design import Design
from core.selection.following import follow, followed_by
from core.selection.greedy import Plan, search_greedy
from core.selection.pool import Pool
from core.selection.ranking import Ordered, of_steps
from core.selection.room import Room
from core.selection.sharing import Errand

PARTS_STREAM = 2
"""Apart from the streams that random subsets are drawn from."""
SEARCHING = "Searching the parts"


@dataclass(frozen=True, slots=True)
class Part:
    """Candidates that are searched by themselves: `rows` [n] ascending, their `costs` [n], the `weights` [n] that
    their gains are divided by, and what may be spent in all."""

    rows: np.ndarray
    costs: np.ndarray
    weights: np.ndarray
    total: int

    def search(self, objective: Design) -> Ordered:
        """Pick greedily until what was picked costs all that may be spent. `objective` holds the pins."""
        if not len(self.rows) or self.total <= 0:
            return of_steps(iter(()), self.rows, Room(self.costs, 0))
        free = Room(self.costs, int(self.costs.sum()))
        plan = Plan(picks=max(1, min(len(self.rows), round(self.total / self.costs.mean()))))
        steps = search_greedy(objective, self.rows, free, plan, self.weights)
        return of_steps(steps, self.rows, Room(self.costs, self.total))


@dataclass(frozen=True, slots=True)
class Dealing:
    """Into how many parts the candidates are dealt, how many budgets these pick together, and the seed."""

    parts: int
    oversample: float
    seed: int

    def deal(self, rows: np.ndarray, room: Room, weights: np.ndarray) -> list[Part]:
        """The parts, each with its share of the rows at random and of what is to be picked."""
        count = max(1, min(self.parts, len(rows)))
        total = min(room.total, math.ceil(self.oversample * room.total / count))
        order = np.random.default_rng([self.seed, PARTS_STREAM]).permutation(len(rows))
        dealt = (np.sort(positions) for positions in np.array_split(order, count))
        return [Part(rows[each], room.costs[each], weights[each], total) for each in dealt]


def search_in_parts(
    pool: Pool, room: Room, empty: Callable[[], Design], dealing: Dealing, weights: np.ndarray, worth: np.ndarray
) -> Ordered:
    """GreeDi's order of the candidates, until the room is paid.

    `empty` makes the objective with the pins in it; gains are divided by `weights` [n] when they are compared, and by
    `worth` [n] when selections are. Raises BadInput for quotas, which a part cannot keep for the whole.
    """
    if room.has_quotas:
        raise BadInput("Search greedi keeps no quotas, since a part does not see the others; take lazy or stochastic.")
    rows = pool.candidates
    parts = dealing.deal(rows, room, weights)
    found = list(_search_parts(pool, parts, empty))
    picked = np.unique(np.searchsorted(rows, np.concatenate([of.rankings[0].rows for of in found])))
    last = Part(rows[picked], room.costs[picked], weights[picked], room.total).search(empty())
    rivals = [of for of, part in zip(found, parts, strict=True) if part.total == room.total]
    best = max([last, *rivals], key=lambda of: _value(of, rows, worth))
    picks = len(best.rankings[0].rows)
    return replace(
        best,
        is_complete=picks == len(rows),
        evaluations=last.evaluations + sum(of.evaluations for of in found),
        naive_evaluations=picks * len(rows) - picks * (picks - 1) // 2,
    )


def _search_parts(pool: Pool, parts: Sequence[Part], empty: Callable[[], Design]) -> Iterable[Ordered]:
    if pool.spread and len(parts) > 1:
        return pool.spread(Errand.of(pool, empty(), search_part, SEARCHING), parts)
    return follow(SEARCHING, (_quietly(part, empty()) for part in parts), len(parts))


def search_part(objective: Design, part: Part) -> Ordered:
    """What an errand does with a part."""
    return part.search(objective)


def _quietly(part: Part, objective: Design) -> Ordered:
    with followed_by(lambda *_: None):
        return part.search(objective)


def _value(ordered: Ordered, rows: np.ndarray, worth: np.ndarray) -> float:
    ranking = ordered.rankings[0]
    assert ranking.gains is not None
    return float((ranking.gains / worth[np.searchsorted(rows, ranking.rows)]).sum())
