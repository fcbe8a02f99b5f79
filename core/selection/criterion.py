"""What is a criterion? A named rule that orders examples, with all that a person or a program asks about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.errors import BadInput
from core.selection.budgets import Allowance, allow
from core.selection.pool import Pool
from core.selection.ranking import Ordered
from core.selection.room import Room
from core.settings import Budget, Settings

Need = Literal["calibration", "ifd", "texts"]
MISSING: dict[Need, str] = {
    "calibration": "compares the model before and after calibration, and this scoring run has none; score again with "
    "a calibration share.",
    "ifd": "needs the pass over the responses alone, and this scoring run has none; score again with ifd=true.",
    "texts": "reads the examples' texts, which are not at hand.",
}


def _allow(budget: Budget, pool: Pool, _: Settings) -> Allowance:
    return allow(budget, pool)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A named rule that orders examples.

    `rank(pool, room, settings, seed)` orders the pool's candidates, best first, at least as far as the room
    pays for. `goal` is the rule in a curator's words, `explanation` how it goes about it and what its knobs
    trade, `reason` what the ledger says of each pick; `needs` are the passes it reads. `allow` says what a
    budget buys, where the rule has a word in that.
    """

    name: str
    goal: str
    explanation: str
    source: str
    reason: str
    settings: type[Settings]
    rank: Callable[[Pool, Room, Any, int], Ordered]
    needs: tuple[Need, ...] = ()
    takes_target: bool = False
    is_baseline: bool = False
    allow: Callable[[Budget, Pool, Any], Allowance] = _allow

    def check_needs(self, pool: Pool) -> None:
        """Raises BadInput where the pool lacks what this criterion reads."""
        for need in self.needs:
            if not has(pool, need):
                raise BadInput(f"{self.name} {MISSING[need]}")


def has(pool: Pool, need: Need) -> bool:
    """Whether a pool has what this need names."""
    if need == "texts":
        return pool.read_texts is not None
    values = pool.delta_nll + pool.delta_entropy if need == "calibration" else pool.ifd_loss_ratio
    return bool(np.isfinite(values).any())
