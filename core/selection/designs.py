"""Which examples does a design take? Greedy over a pool, with its settings and its budget.

FisherSFT (arXiv 2505.14826, algorithm 1) takes D-optimality, Gleaner's own extension I-optimality. With a
budget of examples, plain greedy. With a budget of tokens, plain greedy wastes it on long examples;
the better of it and of greedy by gain per token is taken, which for a submodular objective keeps a
constant-factor guarantee.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from core.errors import BadInput
from core.selection.design import Design
from core.selection.factors import Factors
from core.selection.greedy import Plan, Step, search_greedy
from core.selection.ioptimal import PredictiveVariance, second_moment
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


def make_objective(pool: Pool, settings: DesignSettings) -> Design:
    """The empty design that these settings maximise."""
    if isinstance(settings, IOptimalSettings):
        return PredictiveVariance(pool.design_factors, settings.ridge, _moment(pool))
    return log_det(pool.design_factors, settings.ridge)


def select_design(pool: Pool, room: Room, settings: DesignSettings, seed: int) -> Ordered:
    """The candidates that the room pays for, in the order in which greedy picks them; pins are in V first."""
    plain = _search(pool, room, settings, seed, by_cost=False)
    if bool((room.costs == 1).all()):
        return plain
    by_cost = _search(pool, room, settings, seed, by_cost=True)
    better = max(plain, by_cost, key=lambda found: 0.0 if found.gains is None else float(found.gains.sum()))
    return Ordered(
        better.rows,
        better.gains,
        plain.evaluations + by_cost.evaluations,
        plain.naive_evaluations + by_cost.naive_evaluations,
    )


def _search(pool: Pool, room: Room, settings: DesignSettings, seed: int, *, by_cost: bool) -> Ordered:
    objective, candidates = make_objective(pool, settings), pool.candidates
    objective.add_all(np.array(pool.pinned, dtype=np.int64))
    picks = max(1, round(room.total / room.costs.mean())) if len(candidates) else 1
    plan = Plan(settings.search, settings.epsilon, seed, min(picks, max(1, len(candidates))))
    weights = room.costs if by_cost else None
    steps: list[Step] = list(search_greedy(objective, candidates, room.copy(), plan, weights))
    return Ordered(
        np.array([step.row for step in steps], dtype=np.int64),
        np.array([step.gain for step in steps]),
        sum(step.evaluations for step in steps),
        sum(len(candidates) - picked for picked in range(len(steps))),
    )


def _moment(pool: Pool) -> Tensor:
    """The second moment of the target's tokens, the pool's own where there is no target."""
    target = pool.target
    if target is None:
        return second_moment(pool.design_factors, pool.rows, int(pool.response_tokens[pool.rows].sum()))
    is_own = target.factors is pool.factors
    factors = pool.design_factors if is_own else Factors(target.factors, target.offsets, pool.device)
    moment = target.scale**2 * second_moment(factors, target.rows, target.tokens)
    if float(moment.trace()) == 0.0:
        raise BadInput("The target tells nothing: the features of its tokens are all zero.")
    return moment
