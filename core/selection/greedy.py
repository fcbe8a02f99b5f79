"""Which examples come next? Greedy search that knows an objective only by its gains and one update.

`naive` computes every gain at every step. `lazy` (Minoux 1978) uses that the gains of a
submodular objective only fall: a gain computed earlier is an upper bound now, so only
candidates whose bound could still win are computed again, in blocks. Both pick the same.
`stochastic` (Mirzasoleiman and others 2015) looks at a fresh random sample of the candidates at
each step, lazily: 1 − 1/e − ε of the best in expectation, with about N ln(1/ε) gains in all.

Where gains may rise, what `lazy` remembers is no bound but a guess, and what it picks may differ. It
then also computes, at every step, the block of gains that is next in turn, so that no guess grows old.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from core.selection.following import follow
from core.selection.room import Room

Search = Literal["lazy", "naive", "stochastic"]
TIE = 1e-10
FEW_ENTRIES, WINDOW = 1024, 1024


class Objective(Protocol):
    """What the search knows of what it maximises."""

    submodular: bool

    @property
    def block(self) -> int:
        """How many gains are computed together without waste."""

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """Marginal gains of the rows, given what was added."""

    def bounds(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What these gains are at least and at most, by a cheaper computation if there is one."""

    def add(self, row: int) -> float:
        """Add one row."""


@dataclass(frozen=True, slots=True)
class Step:
    """One pick: what it gained, and how many gains were computed to find it."""

    row: int
    gain: float
    evaluations: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search: by gain per unit of `weights` [n] (ones: by gain); `epsilon` and `seed` are for
    stochastic search, which expects about `picks` of them."""

    search: Search = "lazy"
    epsilon: float = 0.1
    seed: int = 0
    picks: int = 1


class Candidates:
    """The candidates of one search: their rows [n], what they cost, and what is known of each one's value.

    A value is a gain divided by the candidate's weight. It is at most `highs` and, where it was computed
    after the last pick, at least `lows`.
    """

    def __init__(self, objective: Objective, rows: np.ndarray, weights: np.ndarray, room: Room) -> None:
        self.objective, self.rows, self.weights, self.room = objective, rows, weights, room
        self.lows, self.highs = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
        self.evaluations = 0

    def refresh(self, positions: np.ndarray) -> None:
        """Compute what the values at these positions are, about, given what was picked."""
        lows, highs = self.objective.bounds(self.rows[positions])
        self.lows[positions], self.highs[positions] = lows / self.weights[positions], highs / self.weights[positions]
        self.evaluations += len(positions)

    def pick(self, fresh: np.ndarray) -> Step:
        """Take the best of `fresh`, positions refreshed since the last pick; of equals the lowest row.

        Those that may be best, as far as is known, are computed exactly first.
        """
        best_low = _floor(float(self.lows[fresh].max()))
        finalists = np.sort(fresh[self.highs[fresh] >= best_low])
        gains = self.objective.gains(self.rows[finalists])
        values = gains / self.weights[finalists]
        self.highs[finalists] = values
        winner = int(np.argmax(values >= _floor(float(values.max()))))
        best = int(finalists[winner])
        self.objective.add(int(self.rows[best]))
        self.room.take(best)
        step = Step(int(self.rows[best]), float(gains[winner]), self.evaluations)
        self.highs[best], self.evaluations = -np.inf, 0
        return step


def search_greedy(
    objective: Objective, rows: np.ndarray, room: Room, plan: Plan, weights: np.ndarray | None = None
) -> Iterator[Step]:
    """Pick candidates one after the other, best first, until nothing fits into the room.

    `rows` [n] ascending row numbers; `weights` [n] what a gain is divided by before it is compared,
    1 if not given. Of equals (within 1e-10 of the value) the lowest row is picked. The objective and
    the room are updated after each pick.
    """
    ones = np.ones(len(rows))
    candidates = Candidates(objective, rows, ones if weights is None else weights.astype(np.float64), room)
    search = {"naive": _search_naive, "lazy": _search_lazy}.get(plan.search)
    steps = search(candidates) if search else _search_stochastic(candidates, plan)
    return follow("Ordering the pool", steps, plan.picks)


def _search_naive(candidates: Candidates) -> Iterator[Step]:
    left = np.arange(len(candidates.rows))
    while len(left := left[candidates.room.fits(left)]):
        candidates.evaluations, candidates.lows[left], candidates.highs[left] = len(left), -np.inf, np.inf
        step = candidates.pick(left)
        left = left[candidates.rows[left] != step.row]
        yield step


def _search_lazy(candidates: Candidates) -> Iterator[Step]:
    everything = np.arange(len(candidates.rows))
    fresh = everything[candidates.room.fits(everything)]
    candidates.refresh(fresh)
    queue, turn = Queue(candidates), 0
    while len(fresh):
        yield candidates.pick(fresh)
        queue.put(fresh)
        if not candidates.objective.submodular and len(queue):
            block = queue.next_in_turn(turn, candidates.objective.block)
            candidates.refresh(block)
            queue.put(block)
            turn = int(block[-1]) + 1
        fresh = _take_best(candidates, queue)


class Queue:
    """Candidates, by position, that wait until their value could be the best.

    One that is put again has two entries, of which that of its present value counts.
    """

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._heap: list[tuple[float, int]] = []
        self._waits = np.zeros(len(candidates.rows), dtype=bool)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, positions: np.ndarray) -> None:
        """Let these wait, but for those that were picked; what waits already may have another value now."""
        positions = positions[self._candidates.highs[positions] > -np.inf]
        self._count += len(positions) - int(self._waits[positions].sum())
        self._waits[positions] = True
        entries = self._entries(positions)
        if len(self._heap) + len(entries) > FEW_ENTRIES + 2 * self._count:
            self._heap = self._entries(np.flatnonzero(self._waits))
            heapq.heapify(self._heap)
        elif len(entries) > len(self._heap):
            self._heap += entries
            heapq.heapify(self._heap)
        else:
            for entry in entries:
                heapq.heappush(self._heap, entry)

    def highest(self) -> float:
        """The highest value of all that wait; −∞ of none."""
        while self._heap:
            negative, position = self._heap[0]
            if self._waits[position] and self._candidates.highs[position] == -negative:
                return -negative
            heapq.heappop(self._heap)
        return -np.inf

    def take(self) -> int:
        """The candidate of the highest value; of equals the lowest position. There must be one."""
        self.highest()
        position = heapq.heappop(self._heap)[1]
        self._waits[position] = False
        self._count -= 1
        return position

    def next_in_turn(self, turn: int, count: int) -> np.ndarray:
        """So many of those that wait, from position `turn` on and then from the first."""
        n, found, looked = len(self._waits), list[np.ndarray](), 0
        missing = min(count, self._count)
        while missing:
            window = (turn + looked + np.arange(min(max(4 * count, WINDOW), n - looked))) % n
            waiting = window[self._waits[window]][:missing]
            found.append(waiting)
            missing, looked = missing - len(waiting), looked + len(window)
        return np.concatenate(found)

    def _entries(self, positions: np.ndarray) -> list[tuple[float, int]]:
        return list(zip((-self._candidates.highs[positions]).tolist(), positions.tolist(), strict=True))


def _take_best(candidates: Candidates, queue: Queue) -> np.ndarray:
    """Take from the queue, and compute anew, every candidate that could be the best; drop what does not fit."""
    size = candidates.objective.block
    fresh: list[np.ndarray] = []
    best = -np.inf
    while len(queue) and queue.highest() >= _floor(best):
        limit, block = _floor(best), list[int]()
        while len(queue) and len(block) < size and queue.highest() >= limit:
            block.append(queue.take())
        fitting = np.array(block)[candidates.room.fits(np.array(block))]
        if len(fitting):
            candidates.refresh(fitting)
            fresh.append(fitting)
            best = max(best, float(candidates.lows[fitting].max()))
            size *= 2
    return np.concatenate(fresh) if fresh else np.zeros(0, dtype=np.int64)


def _search_stochastic(candidates: Candidates, plan: Plan) -> Iterator[Step]:
    generator = np.random.default_rng(plan.seed)
    left = np.arange(len(candidates.rows))
    size = max(1, math.ceil(len(left) / max(1, plan.picks) * math.log(1 / plan.epsilon)))
    while len(left := left[candidates.room.fits(left)]):
        queue = Queue(candidates)
        queue.put(left[generator.choice(len(left), min(size, len(left)), replace=False)])
        step = candidates.pick(_take_best(candidates, queue))
        left = left[candidates.rows[left] != step.row]
        yield step


def _floor(value: float) -> float:
    """What still counts as equal to the best value."""
    return value - TIE * abs(value) if np.isfinite(value) else value
