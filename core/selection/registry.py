"""Which criteria are there? Each declares its name, what it asks, its source, settings and needs.

Pages, command line and README read this table; a new criterion is one entry and one file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadInput
from core.selection.baselines import order_random
from core.selection.budgets import Allowance, allow, cut_order
from core.selection.fisher import select_fisher
from core.selection.instructdiff import order_instructdiff
from core.selection.pool import Pool
from core.settings import Budget, FisherSettings, InstructDiffSettings, RandomSettings, Settings


@dataclass(frozen=True, slots=True)
class Criterion:
    """A named rule that orders examples.

    `select(pool, allowance, settings, seed)` gives the candidate rows that the allowance buys,
    best first; `goal` is the rule in a curator's words, `reason` what the ledger says of each pick.
    """

    name: str
    goal: str
    explanation: str
    source: str
    reason: str
    settings: type[Settings]
    needs_calibration: bool
    select: Callable[[Pool, Allowance, Any, int], np.ndarray]


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
            select=lambda pool, allowance, settings, _: select_fisher(pool, allowance, settings),
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
            select=lambda pool, allowance, settings, _: cut_order(
                order_instructdiff(pool, settings), pool.response_tokens, allowance, "instructdiff"
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
            select=lambda pool, allowance, _, seed: cut_order(
                order_random(pool, seed), pool.response_tokens, allowance, "random"
            ),
        ),
    )
}


def find_criterion(name: str) -> Criterion:
    """Raises BadInput naming the criteria there are."""
    if name not in CRITERIA:
        raise BadInput(f"There is no criterion {name!r}; the criteria are: {', '.join(CRITERIA)}.")
    return CRITERIA[name]


def choose(pool: Pool, criterion: Criterion, budget: Budget, settings: Settings, seed: int) -> np.ndarray:
    """The selection: row numbers in order, pins first, then the criterion's order cut to the budget."""
    pool.check_decisions()
    allowance = allow(budget, pool.rows, pool.response_tokens)
    rest = allowance.without(pool.response_tokens[list(pool.pinned)])
    selected = np.array([*pool.pinned, *criterion.select(pool, rest, settings, seed)], dtype=np.int64)
    if not len(selected):
        raise BadInput(f"Budget {budget} is smaller than the first example of criterion {criterion.name}.")
    return selected
