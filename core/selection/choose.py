"""From a pool, a criterion and a budget to a selection, with all that is to be said about it."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from core.choices import Pick
from core.errors import BadInput
from core.selection.bands import Comparison, compare_with_random
from core.selection.budgets import Allowance, make_room
from core.selection.certificate import Certificate, certify
from core.selection.criteria.designs import FisherSettings, IOptimalSettings, make_objective
from core.selection.criterion import Criterion
from core.selection.curve import Curve, information_curve
from core.selection.envelope import Envelope, random_envelope
from core.selection.ioptimal import PredictiveVariance
from core.selection.ledger import Remainder, build_picks
from core.selection.outcomes import Outcomes, explain_left_out
from core.selection.pool import Pool
from core.selection.ranking import Ordered, Picked, cut
from core.selection.room import Room
from core.selection.sharing import look_at
from core.selection.vectors import log_det
from core.settings import Budget, Settings

BOUND_TO_BUDGET = ("stochastic", "greedi")
"""Searches whose order is that of one budget alone."""
CURVE_TIMES, CURVE_ROWS = 4, 1_000
"""How far along its order the information is computed: so many times the picks, but at least so many rows."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be chosen: from this pool, for what the budget allows, within this room beside the pins."""

    pool: Pool
    criterion: Criterion
    settings: Settings
    seed: int
    allowance: Allowance
    room: Room

    @property
    def is_free(self) -> bool:
        """Whether its order is that of every budget: quotas and some searches look at the budget itself."""
        return not self.room.has_quotas and getattr(self.settings, "search", "") not in BOUND_TO_BUDGET


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
    """A selection: the picks in order, why each other example was left out and what it would bring, the
    random band of information and of other measures, the certificate, the information along the whole order, and
    I-optimality's own figures."""

    picks: list[Pick]
    outcomes: Outcomes
    left_out: Remainder
    tokens: int
    envelope: Envelope
    comparison: Comparison
    certificate: Certificate
    curve: Curve
    picked: Picked
    variance: Variance | None


def prepare(pool: Pool, criterion: Criterion, budget: Budget, settings: Settings, seed: int) -> Task:
    """Check what is asked. Raises BadInput for what cannot be kept, or for a pass that the pool lacks."""
    pool.check_decisions()
    criterion.check_needs(pool)
    pool = view(pool, settings)
    allowance = criterion.allow(budget, pool, settings)
    return Task(pool, criterion, settings, seed, allowance, make_room(pool, allowance))


def order(task: Task, reach: int = 0) -> Ordered:
    """The criterion's order of the candidates, at least as far as the budget pays, or as `reach` of its unit does.

    One that is not free ends with the budget.
    """
    room = task.room
    if task.is_free and reach > room.total:
        room = Room(room.costs, reach)
    return task.criterion.rank(task.pool, room, task.settings, task.seed)


def pick(task: Task, ordered: Ordered) -> Picked:
    """What the budget keeps of an order: a prefix. Where even the first example costs more than the whole budget,
    those that do are passed over and the rest is ordered anew."""
    return _cut(task, ordered)[0]


def _cut(task: Task, ordered: Ordered) -> tuple[Picked, Ordered]:
    """The picks, and the order that they are of."""
    picked = cut(ordered, task.pool, task.room, task.allowance, task.criterion.name)
    affordable = task.room.costs <= task.room.total
    if not len(picked.rows) and affordable.any():
        pool = task.pool.narrowed(task.pool.candidates[~affordable].tolist())
        room = task.room.of(affordable)
        ordered = order(replace(task, pool=pool, room=room))
        places = (np.searchsorted(pool.candidates, ranking.rows) for ranking in ordered.rankings)
        room.total = min(room.total, max(int(room.costs[positions].sum()) for positions in places))
        picked = cut(ordered, pool, room, task.allowance, task.criterion.name)
    if not len(picked.rows) and not task.pool.pinned:
        raise BadInput(
            f"A budget of {task.allowance.amount:,} {task.allowance.unit} is smaller than the first example of "
            f"criterion {task.criterion.name}."
        )
    return picked, ordered


def choose(task: Task, ordered: Ordered) -> Choice:
    """Cut the order, and measure what was selected.

    Whatever the criterion, its picks are measured by the information f(S) in nats, with λ = 1 where
    the criterion is not FisherSFT's own.
    """
    pool, settings = task.pool, task.settings
    picked, used = _cut(task, ordered)
    selected = np.array([*pool.pinned, *picked.rows], dtype=np.int64)
    empty = partial(log_det, pool.design_factors, information_ridge(settings))
    tokens = int(pool.response_tokens[selected].sum())
    full, scored = empty(), pool.scored
    alone, left = look_at(pool, full, scored).gains, ~np.isin(scored, selected)
    picks = build_picks(
        full, pool, selected, alone[np.searchsorted(scored, selected)], task.criterion.reason, picked.gains
    )
    now, envelope = look_at(pool, full, scored), random_envelope(pool, tokens, empty, task.seed)
    room = _room_of(task, picked)
    certificate = certify(full, now.at(np.isin(scored, pool.candidates)), pool, selected, room)
    along = np.array([*pool.pinned, *used.rankings[picked.ranking].rows], dtype=np.int64)
    along = along[: max(CURVE_TIMES * len(selected), CURVE_ROWS)]
    return Choice(
        picks=picks,
        outcomes=explain_left_out(ordered, pool, task.room, task.allowance, picked, foretell=task.is_free),
        left_out=Remainder(scored[left], now.gains[left], alone[left]),
        tokens=tokens,
        envelope=envelope,
        comparison=compare_with_random(pool, selected, envelope, certificate.value),
        certificate=certificate,
        curve=information_curve(pool, along, empty(), _reach(task, ordered)),
        picked=picked,
        variance=_measure_variance(pool, selected, room, tokens, settings, task.seed),
    )


def view(pool: Pool, settings: Settings) -> Pool:
    """The pool as these settings see it: factors of all tokens, or one vector an example."""
    return pool.as_vectors() if isinstance(settings, FisherSettings) and settings.features == "mean" else pool


def information_ridge(settings: Settings) -> float:
    """The λ by which a selection's information is measured."""
    return settings.ridge if isinstance(settings, FisherSettings) else FisherSettings().ridge


def _reach(task: Task, ordered: Ordered) -> int:
    """As far as the order tells budgets, pins included, in the budget's unit."""
    pins = task.allowance.amount - task.room.total
    places = (np.searchsorted(task.pool.candidates, ranking.rows) for ranking in ordered.rankings)
    return pins + min(int(task.room.costs[positions].sum()) for positions in places)


def _room_of(task: Task, picked: Picked) -> Room:
    """The room that the picks had; where the crossing example was taken, what they cost."""
    if not task.allowance.takes_crossing:
        return task.room
    room = task.room.copy()
    room.total = max(room.total, int(room.costs[np.searchsorted(task.pool.candidates, picked.rows)].sum()))
    return room


def _measure_variance(
    pool: Pool, selected: np.ndarray, room: Room, tokens: int, settings: Settings, seed: int
) -> Variance | None:
    if not isinstance(settings, IOptimalSettings):
        return None
    full = make_objective(pool, settings)
    assert isinstance(full, PredictiveVariance)
    full.add_all(selected)
    certificate, prior = certify(full, look_at(pool, full, pool.candidates), pool, selected, room), full.prior()
    band = random_envelope(pool, tokens, full.emptied, seed, points=1).values
    return Variance(
        explained=certificate.value / prior,
        random_low=float(band.min()) / prior,
        random_high=float(band.max()) / prior,
        upper_bound=certificate.upper_bound / prior,
    )
