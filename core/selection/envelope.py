"""What do random subsets of as many tokens do? The band that every figure is read against.

No selection is called good by its own number: beside it stands what uniform random subsets
of equal response tokens reach (papers.md, measured facts 5 and 6).
"""

from dataclasses import dataclass

import numpy as np

from core.selection.logdet import LogDet
from core.selection.pool import Pool

GRID = 24


@dataclass(frozen=True, slots=True)
class Envelope:
    """Information f(S) in nats at `tokens` [g] for `values` [subsets, g]: random subsets' curves."""

    tokens: np.ndarray
    values: np.ndarray

    @property
    def low(self) -> np.ndarray:
        """Lowest of the random subsets at each number of tokens, [g]."""
        lowest: np.ndarray = self.values.min(axis=0)
        return lowest

    @property
    def high(self) -> np.ndarray:
        """Highest of the random subsets at each number of tokens, [g]."""
        highest: np.ndarray = self.values.max(axis=0)
        return highest


def random_envelope(pool: Pool, tokens: int, ridge: float, seed: int, subsets: int = 20) -> Envelope:
    """Information of random subsets at equally spaced numbers of tokens up to `tokens`.

    Each subset is a random order of the selectable rows; at each grid point it holds the
    prefix whose tokens come nearest to the grid's.
    """
    grid = np.linspace(tokens / GRID, tokens, GRID)
    generator = np.random.default_rng(seed)
    values = [_curve(pool, generator.permutation(pool.rows), grid, ridge) for _ in range(subsets)]
    return Envelope(grid, np.array(values))


def _curve(pool: Pool, order: np.ndarray, grid: np.ndarray, ridge: float) -> np.ndarray:
    cumulative = np.cumsum(pool.response_tokens[order])
    objective = LogDet(pool.factors, pool.offsets, ridge)
    values, taken = [], 0
    for target in grid:
        count = _nearest_count(cumulative, target)
        objective.add_all(order[taken:count])
        taken = max(taken, count)
        values.append(objective.value())
    return np.array(values)


def _nearest_count(cumulative: np.ndarray, target: float) -> int:
    after = int(np.searchsorted(cumulative, target))
    if after >= len(cumulative):
        return len(cumulative)
    before_distance = target - (cumulative[after - 1] if after else 0)
    return after + 1 if cumulative[after] - target < before_distance else after
