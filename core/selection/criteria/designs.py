"""Which examples does an optimal design take? Greedy over a pool, with its settings and its budget.

FisherSFT (arXiv 2505.14826, algorithm 1) takes D-optimality, Gleaner's own extension I-optimality. With a
budget of examples, plain greedy. With a budget of tokens, plain greedy wastes it on long examples;
the better of it and of greedy by gain per token is taken, which for a submodular objective keeps a
constant-factor guarantee.
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from core.selection.criterion import Criterion
from core.selection.design import Design
from core.selection.greedy import Plan, Search, search_greedy
from core.selection.ioptimal import PredictiveVariance
from core.selection.parts import Dealing, search_in_parts
from core.selection.pool import Pool
from core.selection.ranking import Ordered, of_steps
from core.selection.room import Room
from core.selection.vectors import log_det
from core.settings import Settings


class DesignSettings(Settings):
    """Greedy search for an optimal design."""

    search: Literal[Search, "greedi"] = Field(
        "lazy",
        description="lazy picks what naive picks, sooner; stochastic looks at a random sample at each pick, for pools "
        "of millions; greedi searches parts of the pool, wherever they lie, and then what these picked.",
    )
    epsilon: float = Field(
        0.1, gt=0, lt=1, description="Of stochastic search: what it may lose, ε in 1 − 1/e − ε; less looks at more."
    )
    parts: int = Field(
        8, ge=2, le=100_000, description="Of greedi: how many parts the pool is dealt into, at random by the seed."
    )
    oversample: float = Field(
        4.0,
        ge=1,
        le=1_000,
        description="Of greedi: how many budgets the parts pick together, of which the last search takes one. As many "
        "as there are parts is the published method.",
    )
    ridge: float = Field(
        1.0, ge=1e-6, le=1e6, description="λ of V = λI + Σ FᵀF; features have root-mean-square norm 1 over the pool."
    )

    @model_serializer(mode="wrap")
    def _without_parts_that_are_not_made(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A selection that is not made in parts is named as it was before there were any."""
        values: dict[str, Any] = write(self)
        unused = () if self.search == "greedi" else ("parts", "oversample")
        return {name: value for name, value in values.items() if name not in unused}


class FisherSettings(DesignSettings):
    """FisherSFT's log-det greedy."""

    features: Literal["tokens", "mean"] = Field(
        "tokens",
        description="What an example adds to V: all its tokens' features, as its factor, or their mean alone (the "
        "paper's sentence variant).",
    )


class IOptimalSettings(DesignSettings):
    """I-optimal design: the same search for another objective, where λ is the prior's precision."""


def make_objective(pool: Pool, settings: DesignSettings) -> Design:
    """The empty design that these settings maximise."""
    if isinstance(settings, IOptimalSettings):
        return PredictiveVariance(pool.design_factors, settings.ridge, pool.moment)
    return log_det(pool.design_factors, settings.ridge)


def rank_design(
    pool: Pool, room: Room, settings: DesignSettings, seed: int, handicaps: np.ndarray | None = None
) -> Ordered:
    """The order in which greedy picks candidates; pins are in V first.

    In tokens two rankings, by gain and by gain per token. `handicaps` [n candidates] divide each gain.
    """
    ones = np.ones(len(pool.candidates)) if handicaps is None else handicaps
    plain = _search(pool, room, settings, seed, ones, np.ones_like(room.costs))
    if bool((room.costs == 1).all()):
        return plain
    by_cost = _search(pool, room, settings, seed, ones, room.costs)
    return Ordered(
        (*plain.rankings, *by_cost.rankings),
        plain.is_complete and by_cost.is_complete,
        evaluations=plain.evaluations + by_cost.evaluations,
        naive_evaluations=plain.naive_evaluations + by_cost.naive_evaluations,
    )


def _search(
    pool: Pool, room: Room, settings: DesignSettings, seed: int, handicaps: np.ndarray, prices: np.ndarray
) -> Ordered:
    """Greedy within quotas, or without any the free order until the room is paid; by gain for the price."""

    def with_pins() -> Design:
        objective = make_objective(pool, settings)
        objective.add_all(np.array(pool.pinned, dtype=np.int64))
        return objective

    candidates, weights = pool.candidates, handicaps * prices
    if settings.search == "greedi":
        dealing = Dealing(settings.parts, settings.oversample, seed)
        return search_in_parts(pool, room, with_pins, dealing, weights, handicaps)
    picks = max(1, round(room.total / room.costs.mean())) if len(candidates) else 1
    plan = Plan(settings.search, settings.epsilon, seed, min(picks, max(1, len(candidates))))
    within = room.copy() if room.has_quotas else room.without_limit()
    return of_steps(search_greedy(with_pins(), candidates, within, plan, weights), candidates, room)


CRITERIA = (
    Criterion(
        name="fisher",
        goal="Cover what the model does not know yet",
        explanation="Takes, one after the other, the example whose tokens add the most information about the "
        "model's last layer to what the earlier picks already hold. A larger ridge looks less at rare directions.",
        source="FisherSFT, arXiv 2505.14826",
        reason="largest information gain left",
        settings=FisherSettings,
        rank=rank_design,
    ),
    Criterion(
        name="ioptimal",
        goal="Serve one task, or the pool as a whole",
        explanation="Takes, one after the other, the example that most lowers the mean predictive variance over "
        "the pool's tokens, or over those of a target set.",
        source="I-optimal design, own extension",
        reason="largest fall of predictive variance left",
        settings=IOptimalSettings,
        rank=rank_design,
        takes_target=True,
    ),
)
