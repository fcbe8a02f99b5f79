"""From a pool, a criterion and a budget to a selection, with all that is to be said about it."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from core.errors import BadInput
from core.records import Pick
from core.selection.budgets import allow, make_room
from core.selection.designs import Ordered, make_objective
from core.selection.envelope import Envelope, random_envelope
from core.selection.ioptimal import PredictiveVariance
from core.selection.ledger import Remainder, build_picks
from core.selection.pool import Pool
from core.selection.proof import Proof, prove
from core.selection.registry import Criterion
from core.selection.room import Room
from core.selection.vectors import log_det
from core.settings import Budget, FisherSettings, IOptimalSettings, Settings


@dataclass(frozen=True, slots=True)
class Variance:
    """I-optimality's own figures, as shares of the prior's mean predictive variance that are gone: the
    selection's, the lowest and highest of random subsets of equal tokens, and the most that is possible."""

    explained: float
    random_low: float
    random_high: float
    upper_bound: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A selection: the picks in order, what was left out, the random band, the proof of its information,
    what the search saw, and I-optimality's own figures."""

    picks: list[Pick]
    left_out: Remainder
    tokens: int
    envelope: Envelope
    proof: Proof
    ordered: Ordered
    variance: Variance | None


def choose(pool: Pool, criterion: Criterion, budget: Budget, settings: Settings, seed: int) -> Choice:
    """Select, and measure what was selected. Raises BadInput for what cannot be kept.

    Whatever the criterion, its picks are measured by the information f(S) in nats, with λ = 1 where
    the criterion is not FisherSFT's own.
    """
    pool = view(pool, settings)
    ordered, room = order(pool, criterion, budget, settings, seed)
    selected = np.array([*pool.pinned, *ordered.rows], dtype=np.int64)
    empty = partial(log_det, pool.design_factors, information_ridge(settings))
    tokens = int(pool.response_tokens[selected].sum())
    full, scored = empty(), pool.scored
    alone, left = full.gains(scored), ~np.isin(scored, selected)
    picks = build_picks(full, pool, selected, alone[np.searchsorted(scored, selected)], criterion.reason, ordered.gains)
    now = full.measure(scored)
    return Choice(
        picks=picks,
        left_out=Remainder(scored[left], now.gains[left], alone[left]),
        tokens=tokens,
        envelope=random_envelope(pool, tokens, empty, seed),
        proof=prove(full, now.at(np.isin(scored, pool.candidates)), pool, selected, room),
        ordered=ordered,
        variance=_measure_variance(pool, selected, room, tokens, settings, seed),
    )


def order(pool: Pool, criterion: Criterion, budget: Budget, settings: Settings, seed: int) -> tuple[Ordered, Room]:
    """The criterion's own rows, best first, that the budget pays for beside the pins, and the room they had."""
    pool.check_decisions()
    room = make_room(pool, allow(budget, pool))
    ordered = criterion.select(pool, room, settings, seed)
    if not len(ordered.rows) and not pool.pinned:
        raise BadInput(f"Budget {budget} is smaller than the first example of criterion {criterion.name}.")
    return replace(ordered, owed=_owed(pool, room, ordered.rows)), room


def _owed(pool: Pool, room: Room, rows: np.ndarray) -> int:
    """What "at least" quotas still ask for once these rows are paid."""
    rest = room.copy()
    for position in np.searchsorted(pool.candidates, rows):
        rest.take(int(position))
    return rest.owed


def view(pool: Pool, settings: Settings) -> Pool:
    """The pool as these settings see it: factors of all tokens, or one vector an example."""
    return pool.as_vectors() if isinstance(settings, FisherSettings) and settings.features == "mean" else pool


def information_ridge(settings: Settings) -> float:
    """The λ by which a selection's information is measured."""
    return settings.ridge if isinstance(settings, FisherSettings) else FisherSettings().ridge


def _measure_variance(
    pool: Pool, selected: np.ndarray, room: Room, tokens: int, settings: Settings, seed: int
) -> Variance | None:
    if not isinstance(settings, IOptimalSettings):
        return None
    full = make_objective(pool, settings)
    assert isinstance(full, PredictiveVariance)
    full.add_all(selected)
    proof, prior = prove(full, full.measure(pool.candidates), pool, selected, room), full.prior()
    band = random_envelope(pool, tokens, full.emptied, seed, points=1).values
    return Variance(
        explained=proof.value / prior,
        random_low=float(band.min()) / prior,
        random_high=float(band.max()) / prior,
        upper_bound=proof.upper_bound / prior,
    )
