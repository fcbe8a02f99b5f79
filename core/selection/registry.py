"""Which criteria are there? Each declares its name, what it asks, its source, settings and needs.

Pages, command line and README read this table; a new criterion is one entry and one file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput
from core.selection.baselines import order_random
from core.selection.budgets import cut_order
from core.selection.designs import Ordered, select_design
from core.selection.instructdiff import order_instructdiff
from core.selection.pool import Pool
from core.selection.room import Room
from core.settings import FisherSettings, InstructDiffSettings, IOptimalSettings, RandomSettings, Settings


@dataclass(frozen=True, slots=True)
class Criterion:
    """A named rule that orders examples.

    `select(pool, room, settings, seed)` gives the candidate rows that the room pays for, best first;
    `goal` is the rule in a curator's words, `reason` what the ledger says of each pick.
    """

    name: str
    goal: str
    explanation: str
    source: str
    reason: str
    settings: type[Settings]
    needs_calibration: bool
    select: Callable[[Pool, Room, Any, int], Ordered]
    takes_target: bool = False


CRITERIA = {
    criterion.name: criterion
    for criterion in (
        Criterion(
            name="fisher",
            goal="Cover what the model can learn",
            explanation="Takes, one after the other, the example whose tokens add the most information about the "
            "model's last layer to what the earlier picks already hold.",
            source="FisherSFT, arXiv 2505.14826",
            reason="largest information gain left",
            settings=FisherSettings,
            needs_calibration=False,
            select=select_design,
        ),
        Criterion(
            name="ioptimal",
            goal="Serve the pool's own kind of answer, or one task",
            explanation="Takes, one after the other, the example that most lowers the mean predictive variance over "
            "the pool's tokens, or over those of a target set.",
            source="I-optimal design, own extension",
            reason="largest fall of predictive variance left",
            settings=IOptimalSettings,
            needs_calibration=False,
            select=select_design,
            takes_target=True,
        ),
        Criterion(
            name="instructdiff",
            goal="Keep what light tuning changes least",
            explanation="Drops the examples whose loss light tuning changes most in either direction, and keeps those "
            "whose entropy falls least.",
            source="InstructDiff, arXiv 2601.23006",
            reason="lowest ΔH left in the middle of ΔNLL",
            settings=InstructDiffSettings,
            needs_calibration=True,
            select=lambda pool, room, settings, _: Ordered(
                cut_order(order_instructdiff(pool, settings), pool, room, "instructdiff")
            ),
        ),
        Criterion(
            name="random",
            goal="A fair random sample to compare with",
            explanation="Draws examples uniformly, without replacement.",
            source="baseline",
            reason="drawn at random",
            settings=RandomSettings,
            needs_calibration=False,
            select=lambda pool, room, _, seed: Ordered(cut_order(order_random(pool, seed), pool, room, "random")),
        ),
    )
}


def find_criterion(name: str) -> Criterion:
    """Raises BadInput naming the criteria there are."""
    if name not in CRITERIA:
        raise BadInput(f"There is no criterion {name!r}; the criteria are: {', '.join(CRITERIA)}.")
    return CRITERIA[name]
