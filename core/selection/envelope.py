"""What do random subsets of as many tokens do? The band that every figure is read against.

No selection is called good by its own number: beside it stands what uniform random subsets
of equal response tokens reach (papers.md, measured facts 5 and 6).

A subset grows by whole examples, so what it holds is known at its own numbers of tokens alone; between them it is
read off the straight line. What one more example brings to it is the slope of the least concave curve above its own:
single examples bring now much, now little, but in expectation over random orders less and less, as f is submodular.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.selection.design import Design
from core.selection.pool import Pool

GRID = 32
ENVELOPE_STREAM = 1
"""Apart from the stream that `random` draws from, or the band would hold that very selection."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Curves of random subsets over `tokens` [g].

    `values` [subsets, g]: the objective, such as information in nats, of the first so many tokens. `gains`
    [subsets, g]: what one more example brings there, never more than before. `subsets` are the rows of
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
    """What random subsets reach, by the design that `empty` makes, at so many steps up to `tokens`: short ones
    first, where the curves are steep.

    Each subset is a random order of the selectable rows, measured where its tokens come nearest to the grid's. The
    last of these prefixes is its subset, and its value stands at `tokens` as it is.
    """
    grid = tokens * (np.arange(1, points + 1) / points) ** 2
    curves = [_curve(pool, order, grid, empty()) for order in _random_orders(pool, seed, subsets)]
    values, gains, chosen = zip(*curves, strict=True)
    return Envelope(grid, np.array(values), np.array(gains), list(chosen))


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Random orders of the selectable `rows`, each with its running sum of tokens: subsets of any size at once."""

    rows: np.ndarray
    orders: list[np.ndarray]
    cumulative: list[np.ndarray]

    def of_tokens(self, tokens: int) -> list[np.ndarray]:
        """Of each order the rows whose tokens come nearest to so many."""
        both = zip(self.orders, self.cumulative, strict=True)
        return [order[: max(1, _nearest_count(cumulative, tokens))] for order, cumulative in both]


def random_prefixes(pool: Pool, seed: int, subsets: int = 20, stream: int = ENVELOPE_STREAM) -> Prefixes:
    """Random orders: the envelope's, or of another stream."""
    orders = _random_orders(pool, seed, subsets, stream)
    return Prefixes(pool.rows, orders, [np.cumsum(pool.response_tokens[order]) for order in orders])


def _random_orders(pool: Pool, seed: int, subsets: int, stream: int = ENVELOPE_STREAM) -> list[np.ndarray]:
    generator = np.random.default_rng([seed, stream])
    return [generator.permutation(pool.rows) for _ in range(subsets)]


def _curve(
    pool: Pool, order: np.ndarray, grid: np.ndarray, objective: Design
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.optimize import isotonic_regression

    cumulative = np.cumsum(pool.response_tokens[order])
    counts = np.unique([max(1, _nearest_count(cumulative, target)) for target in grid])
    values, taken = [0.0], 0
    for count in counts:
        objective.add_all(order[taken:count])
        taken = int(count)
        values.append(objective.value())
    spent = np.array([0.0, *cumulative[counts[:-1] - 1], grid[-1]])
    each = np.diff([0, *counts])
    slopes = isotonic_regression(np.diff(values) / each, weights=each, increasing=False).x
    steps = np.clip(np.searchsorted(spent, grid) - 1, 0, len(slopes) - 1)
    return np.interp(grid, spent, values), slopes[steps], order[:taken]


def _nearest_count(cumulative: np.ndarray, target: float) -> int:
    after = int(np.searchsorted(cumulative, target))
    if after >= len(cumulative):
        return len(cumulative)
    before_distance = target - (cumulative[after - 1] if after else 0)
    return after + 1 if cumulative[after] - target < before_distance else after
