"""Which examples come next? Greedy search that knows an objective only by its gains and one update.

`naive` computes every gain at every step. `lazy` (Minoux 1978) uses that the gains of a
submodular objective only fall: a gain computed earlier is an upper bound now, so only
candidates whose bound could still win are computed again, in blocks. Both pick the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

TIE = 1e-10
BLOCK = 32


class Objective(Protocol):
    """What the search knows of what it maximises."""

    def gains(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Marginal gains of the rows, given what was added."""

    def add(self, row: int) -> None:
        """Add one row."""


@dataclass(frozen=True, slots=True)
class Step:
    """One pick: what it gained, and how many gains were computed to find it."""

    row: int
    gain: float
    evaluations: int


@dataclass(frozen=True, slots=True)
class Limit:
    """When to stop: after `examples` picks, or when nothing fits into `tokens` any more.

    With tokens, `per_token` ranks candidates by gain per token (cost-aware greedy).
    """

    examples: int | None = None
    tokens: int | None = None
    per_token: bool = False


def search_greedy(
    objective: Objective,
    candidates: np.ndarray,
    costs: np.ndarray,
    limit: Limit,
    search: Literal["lazy", "naive"] = "lazy",
) -> Iterator[Step]:
    """Pick candidates one after the other, best first; of equals (within 1e-10 of the gain) the lowest row.

    `candidates` [n] ascending row numbers and `costs` [n] their tokens. The objective is
    updated after each pick.
    """
    weights = costs.astype(np.float64) if limit.per_token else np.ones(len(candidates))
    bounds = np.full(len(candidates), np.inf)  # of gain / weight
    available = np.ones(len(candidates), dtype=bool)
    tokens_left, picks = limit.tokens, 0
    while limit.examples is None or picks < limit.examples:
        if tokens_left is not None:
            available &= costs <= tokens_left
        if not available.any():
            return
        bounds[~available] = -np.inf
        best, evaluations = _find_best(objective, candidates, bounds, weights, search)
        row, gain = int(candidates[best]), float(bounds[best] * weights[best])
        objective.add(row)
        available[best] = False
        picks += 1
        tokens_left = None if tokens_left is None else tokens_left - int(costs[best])
        yield Step(row, gain, evaluations)


def _find_best(
    objective: Objective, candidates: np.ndarray, bounds: np.ndarray, weights: np.ndarray, search: str
) -> tuple[int, int]:
    """The position of the best candidate; refreshes `bounds` in place where it must."""
    stale = np.isfinite(bounds) | (bounds == np.inf)
    block = len(candidates) if search == "naive" else BLOCK
    best_value, evaluations = -np.inf, 0
    while True:
        contenders = np.flatnonzero(stale & (bounds >= _tie_floor(best_value)))
        if not len(contenders):
            break
        if len(contenders) > block and np.isfinite(bounds[contenders]).all():
            contenders = contenders[np.argpartition(-bounds[contenders], block)[:block]]
        contenders.sort()
        bounds[contenders] = objective.gains(candidates[contenders]) / weights[contenders]
        stale[contenders] = False
        evaluations += len(contenders)
        best_value = float(bounds[~stale].max())
    ties = np.flatnonzero(~stale & (bounds >= _tie_floor(best_value)))
    return int(ties[0]), evaluations


def _tie_floor(value: float) -> float:
    return value - TIE * abs(value) if np.isfinite(value) else value
