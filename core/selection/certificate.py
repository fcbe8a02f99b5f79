"""How good is a selection at least? An upper bound on what any selection within the same budget reaches.

Two bounds, each from one look at every candidate; the lower one counts. With Δ_i the gains and c_i the
slopes at the selection S, and v ranging over what the budget pays for, examples in part allowed:

    f(best) ≤ f(S) + max_v Σ_{i∉S} v_i Δ_i                      f is monotone and submodular; so too at ∅
    f(best) ≤ f(w) + max_v Σ_i v_i c_i − Σ_i w_i c_i            f is concave in the weights w

The second holds at any weights w, S itself included, and for I-optimality too, which is not submodular.
Moving w from S towards the best v (Frank and Wolfe 1956) lowers it, at one look a move.
"""

from dataclasses import dataclass

import numpy as np

from core.selection.design import Design, Measures
from core.selection.pool import Pool
from core.selection.room import Room
from core.selection.sharing import look_at

WORK = 1e12
"""Multiply-adds that a certificate may cost: small pools get a tighter bound, large ones a single look."""
MOST_LOOKS = 4
STEPS = tuple(0.5**k for k in range(1, 9))


@dataclass(frozen=True, slots=True)
class Certificate:
    """`value` f(S), and `upper_bound` on what the same budget reaches at best."""

    value: float
    upper_bound: float

    @property
    def share(self) -> float:
        """The selection reaches at least this share of the best possible."""
        return min(1.0, self.value / self.upper_bound) if self.upper_bound > 0 else 1.0


def certify(objective: Design, measures: Measures, pool: Pool, selected: np.ndarray, room: Room) -> Certificate:
    """Bound what the room could have bought. `objective` holds the `selected` rows, pins included, and
    `measures` are its of the pool's candidates; `room` is theirs before any was taken."""
    candidates, pinned = pool.candidates, np.array(pool.pinned, dtype=np.int64)
    value = objective.value()
    chosen = np.isin(candidates, selected)
    upper = np.inf
    if objective.submodular:
        left = np.where(chosen, 0.0, np.maximum(measures.gains, 0.0))
        start = objective.weighted(pinned, np.ones(len(pinned)))
        first = look_at(pool, start, candidates).gains
        upper = min(
            value + float(room.most_valuable(left) @ left), start.value() + float(room.most_valuable(first) @ first)
        )
    here, slopes = objective, measures.slopes
    looks = _looks(objective, candidates)
    for look in range(looks):
        shares = room.most_valuable(slopes)
        best = float(shares @ slopes + here.measure(pinned).slopes.sum())
        upper = min(upper, here.value() + best - here.slope_sum())
        if look + 1 < looks:
            here = _towards(here, candidates, shares, pinned)
            slopes = look_at(pool, here, candidates).slopes
    return Certificate(value, max(upper, value))


def _looks(objective: Design, candidates: np.ndarray) -> int:
    cost = float(objective.factors.ranks[candidates].sum()) * objective.factors.dimension**2
    return int(np.clip(WORK / max(cost, 1.0), 1, MOST_LOOKS))


def _towards(here: Design, candidates: np.ndarray, shares: np.ndarray, pinned: np.ndarray) -> Design:
    """The best of some steps from the present weights towards the shares, the pins staying whole."""
    some = shares > 0
    rows = np.concatenate([candidates[some], pinned])
    weights = np.concatenate([shares[some], np.ones(len(pinned))])
    there = here.weighted(rows, weights)
    return max((here.between(there, step) for step in STEPS), key=lambda design: design.value())
