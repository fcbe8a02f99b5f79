"""What do random subsets of as many tokens do? The band that every figure is read against.

No selection is called good by its own number: beside it stands what uniform random subsets
of equal response tokens reach (papers.md, measured facts 5 and 6).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.selection.design import Design
from core.selection.pool import Pool

GRID = 24
ENVELOPE_STREAM = 1
"""Apart from the stream that `random` draws from, or the band would hold that very selection."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Curves of random subsets over `tokens` [g].

    `values` [subsets, g]: the objective, such as information in nats, of the first so many tokens. `gains`
    [subsets, g]: what one example brought on average since the grid point before. `subsets` are the rows of
    each at the last grid point.
    """

    tokens: np.ndarray
    values: np.ndarray
    gains: np.ndarray
    subsets: list[np.ndarray]

    def bands(self) -> dict[str, list[float]]:
        """Lowest and highest of the random subsets at each number of tokens, as lists."""
        return {
            "tokens": self.tokens.tolist(),
            "low": self.values.min(axis=0).tolist(),
            "high": self.values.max(axis=0).tolist(),
            "gain_low": self.gains.min(axis=0).tolist(),
            "gain_high": self.gains.max(axis=0).tolist(),
        }


def random_envelope(
    pool: Pool, tokens: int, empty: Callable[[], Design], seed: int, points: int = GRID, subsets: int = 20
) -> Envelope:
    """What random subsets reach, by the design that `empty` makes, at so many equal steps up to `tokens`.

    Each subset is a random order of the selectable rows; at each grid point it holds the
    prefix whose tokens come nearest to the grid's.
    """
    grid = np.linspace(tokens / points, tokens, points)
    curves = [_curve(pool, order, grid, empty()) for order in _random_orders(pool, seed, subsets)]
    values, gains, chosen = zip(*curves, strict=True)
    return Envelope(grid, np.array(values), np.array(gains), list(chosen))


def draw_subsets(pool: Pool, tokens: int, seed: int, subsets: int = 20) -> list[np.ndarray]:
    """The rows of the envelope's random subsets of about so many tokens."""
    orders = _random_orders(pool, seed, subsets)
    return [order[: max(1, _nearest_count(np.cumsum(pool.response_tokens[order]), tokens))] for order in orders]


def _random_orders(pool: Pool, seed: int, subsets: int) -> list[np.ndarray]:
    generator = np.random.default_rng([seed, ENVELOPE_STREAM])
    return [generator.permutation(pool.rows) for _ in range(subsets)]


def _curve(
    pool: Pool, order: np.ndarray, grid: np.ndarray, objective: Design
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cumulative = np.cumsum(pool.response_tokens[order])
    counts = np.maximum.accumulate([max(1, _nearest_count(cumulative, target)) for target in grid])
    values, taken = [], 0
    for count in counts:
        objective.add_all(order[taken:count])
        taken = int(count)
        values.append(objective.value())
    return np.array(values), _mean_gains(np.array(values), counts), order[: int(counts[-1])]


def _mean_gains(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Gain of one example in each step of the grid; a step that adds none repeats the one before."""
    gains = np.zeros(len(values))
    before_value, before_count, gain = 0.0, 0, float(values[-1] / max(int(counts[-1]), 1))
    for i, (value, count) in enumerate(zip(values, counts, strict=True)):
        if count > before_count:
            gain = (value - before_value) / (count - before_count)
            before_value, before_count = value, int(count)
        gains[i] = gain
    return gains


def _nearest_count(cumulative: np.ndarray, target: float) -> int:
    after = int(np.searchsorted(cumulative, target))
    if after >= len(cumulative):
        return len(cumulative)
    before_distance = target - (cumulative[after - 1] if after else 0)
    return after + 1 if cumulative[after] - target < before_distance else after
