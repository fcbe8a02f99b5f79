"""Both methods at once: what is learnable and not yet covered?

Gleaner's own. `filter` takes InstructDiff's learnable middle of ΔNLL and picks among it by FisherSFT's information
gain. `weight` picks by gain times `exp(−ΔH_i / τ)`: a constant of each example, so that a gain computed
earlier is still an upper bound and lazy search picks what naive search picks.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from core.selection.criteria.designs import DesignSettings, rank_design
from core.selection.criteria.instructdiff import Middle, compared, learnable_middle, refuse
from core.selection.criterion import Criterion
from core.selection.pool import Pool
from core.selection.ranking import Ordered, Ranking
from core.selection.room import Room

MOST_EXPONENT = 300.0


class HybridSettings(DesignSettings):
    """Information gain among, or weighted by, what light tuning changes least."""

    mode: Literal["filter", "weight"] = Field(
        "filter",
        description="filter: gain among the learnable middle of ΔNLL; weight: gain × exp(−ΔH/τ) over all.",
    )
    gamma: float = Field(0.1, ge=0, lt=0.5, description="Of filter: share cut from each end of ΔNLL, γ.")
    tau: float = Field(
        0.1,
        gt=0,
        le=1e6,
        description="Of weight: τ in nats. Large: the gain alone decides; small: the lowest ΔH does.",
    )


def rank_hybrid(pool: Pool, room: Room, settings: HybridSettings, seed: int) -> Ordered:
    """The order in which greedy picks what the filter leaves, or by the weighted gain."""
    if settings.mode == "weight":
        middle = Middle(compared(pool), -np.inf, np.inf)
        handicaps = _handicaps(pool.delta_entropy, settings.tau)
    else:
        middle = learnable_middle(pool, "paper", settings.gamma)
        handicaps = np.ones(len(pool.nll))
    refused = refuse(pool, middle)
    inside = ~np.isin(pool.candidates, list(refused))
    narrowed = pool.narrowed(refused)
    found = rank_design(narrowed, room.of(inside), settings, seed, handicaps[narrowed.candidates])
    rankings = tuple(Ranking(r.rows, None if r.gains is None else r.gains / handicaps[r.rows]) for r in found.rankings)
    return replace(found, rankings=rankings, refused=refused)


def _handicaps(delta_entropy: np.ndarray, tau: float) -> np.ndarray:
    """What each gain is divided by, exp(ΔH/τ), [N]."""
    exponents = np.nan_to_num(delta_entropy, posinf=0.0, neginf=0.0) / tau
    handicaps: np.ndarray = np.exp(np.clip(exponents, -MOST_EXPONENT, MOST_EXPONENT))
    return handicaps


CRITERIA = (
    Criterion(
        name="hybrid",
        goal="Both: learnable, and not covered yet",
        explanation="Picks by information gain, either among the examples whose loss light tuning changes neither most "
        "nor least (γ: more of it is safer and leaves less to choose from), or by gain × exp(−ΔH/τ) (τ: large "
        "trusts the gain, small trusts ΔH).",
        source="FisherSFT and InstructDiff together, own",
        reason="largest gain left, among the learnable or weighted by ΔH",
        settings=HybridSettings,
        rank=rank_hybrid,
        needs=("calibration",),
    ),
)
