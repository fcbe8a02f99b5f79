"""Which examples does a design take? Greedy over a pool, with its settings and its budget.

FisherSFT (arXiv 2505.14826, algorithm 1) takes D-optimality, Gleaner's own extension I-optimality. With a
budget of examples, plain greedy. With a budget of tokens, plain greedy wastes it on long examples;
the better of it and of greedy by gain per token is taken, which for a submodular objective keeps a
constant-factor guarantee.
"""

from dataclasses import dataclass, replace

import numpy as np

from core.selection.design import Design
from core.selection.greedy import Plan, search_greedy
from core.selection.ioptimal import PredictiveVariance
from core.selection.pool import Pool
from core.selection.room import Room
from core.selection.vectors import log_det
from core.settings import DesignSettings, IOptimalSettings


@dataclass(frozen=True, slots=True)
class Ordered:
    """Candidate rows [n], best first, and what a design's search saw: each pick's gain in its objective
    [n], the gains computed, and the gains that naive search computes. `owed` is by how much quotas of
    at least so much were missed, in the budget's unit."""

    rows: np.ndarray
    gains: np.ndarray | None = None
    evaluations: int = 0
    naive_evaluations: int = 0
    owed: int = 0

    @property
    def total(self) -> float:
        """What the gains sum to."""
        return 0.0 if self.gains is None else float(self.gains.sum())


def make_objective(pool: Pool, settings: DesignSettings) -> Design:
    """The empty design that these settings maximise."""
    if isinstance(settings, IOptimalSettings):
        return PredictiveVariance(pool.design_factors, settings.ridge, pool.moment)
    return log_det(pool.design_factors, settings.ridge)


def select_design(pool: Pool, room: Room, settings: DesignSettings, seed: int) -> Ordered:
    """The candidates that the room pays for, in the order in which greedy picks them; pins are in V first."""
    plain = _search(pool, room, settings, seed, by_cost=False)
    if bool((room.costs == 1).all()):
        return plain
    by_cost = _search(pool, room, settings, seed, by_cost=True)
    better = max(plain, by_cost, key=lambda found: found.total)
    return replace(
        better,
        evaluations=plain.evaluations + by_cost.evaluations,
        naive_evaluations=plain.naive_evaluations + by_cost.naive_evaluations,
    )


def _search(pool: Pool, room: Room, settings: DesignSettings, seed: int, *, by_cost: bool) -> Ordered:
    objective, candidates = make_objective(pool, settings), pool.candidates
    objective.add_all(np.array(pool.pinned, dtype=np.int64))
    picks = max(1, round(room.total / room.costs.mean())) if len(candidates) else 1
    plan = Plan(settings.search, settings.epsilon, seed, min(picks, max(1, len(candidates))))
    weights = room.costs if by_cost else None
    steps = list(search_greedy(objective, candidates, room.copy(), plan, weights))
    return Ordered(
        np.array([step.row for step in steps], dtype=np.int64),
        np.array([step.gain for step in steps]),
        sum(step.evaluations for step in steps),
        sum(len(candidates) - picked for picked in range(len(steps))),
    )
