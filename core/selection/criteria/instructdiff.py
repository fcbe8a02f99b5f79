"""InstructDiff: which examples does light tuning change least, among the learnable middle?

arXiv 2601.23006, sections 3.2 and 3.3, with ΔNLL = NLL_inst − NLL_base and ΔH = H_base − H_inst. The paper's
rule and the published code's differ:

    paper   keep q_γ ≤ ΔNLL ≤ q_{1−γ}; then the β·N of lowest ΔH
    code    drop int(n·γ) from each end of the list sorted by ΔNLL; then by ΔH, ascending, until their
            response tokens reach int(β · all scored response tokens), the crossing example included

A score that is missing or infinite takes no part, neither in the quantiles nor in the list.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from core.errors import BadInput
from core.selection.budgets import Allowance, allow
from core.selection.criterion import Criterion
from core.selection.pool import Pool
from core.selection.ranking import Ordered, of_rows
from core.selection.room import Room
from core.settings import Budget, InstructDiffRule, Settings

BALANCED = 0.4


class InstructDiffSettings(Settings):
    """InstructDiff's filter and order."""

    rule: InstructDiffRule = Field(
        "paper",
        description="paper: quantiles of ΔNLL, and a share of the examples; code: as many cut from each end, and a "
        "share of the response tokens, the example that crosses it included.",
    )
    gamma: float = Field(
        0.1, ge=0, lt=0.5, description="Share cut from each end of ΔNLL before the lowest ΔH are kept, γ."
    )


@dataclass(frozen=True, slots=True)
class Middle:
    """The learnable middle: `rows` [n] ascending that pass the filter, and the ΔNLL in nats, `low` to `high`,
    that they lie between."""

    rows: np.ndarray
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """What light tuning did to the model's certainty over a pool: `name` is compression where it got surer of most
    examples, expansion where less sure, else balanced; the share of negative ΔH, its mean and deviation in nats."""

    name: Literal["compression", "expansion", "balanced"]
    negative: float
    mean: float
    deviation: float


def learnable_middle(pool: Pool, rule: InstructDiffRule, gamma: float) -> Middle:
    """The rows, of all scored ones, that the bi-directional filter keeps."""
    rows = compared(pool)
    values = pool.delta_nll[rows]
    if rule == "paper":
        low, high = (float(value) for value in np.quantile(values, [gamma, 1 - gamma]))
        return Middle(rows[(values >= low) & (values <= high)], low, high)
    order, drop = np.lexsort((rows, -values)), int(len(rows) * gamma)
    kept = order[drop : len(order) - drop]
    return Middle(np.sort(rows[kept]), float(values[kept].min()), float(values[kept].max()))


def compared(pool: Pool) -> np.ndarray:
    """The scored rows with a finite ΔNLL and ΔH, ascending."""
    rows = pool.scored
    both: np.ndarray = rows[np.isfinite(pool.delta_nll[rows]) & np.isfinite(pool.delta_entropy[rows])]
    return both


def refuse(pool: Pool, middle: Middle) -> dict[int, str]:
    """Why each candidate outside the middle is left out."""
    outside = pool.candidates[~np.isin(pool.candidates, middle.rows)]
    reasons = {}
    for row, value in zip(outside.tolist(), pool.delta_nll[outside].tolist(), strict=True):
        if not np.isfinite(value) or not np.isfinite(pool.delta_entropy[row]):
            reasons[row] = "ΔNLL or ΔH could not be computed"
        elif value >= middle.high:
            reasons[row] = f"ΔNLL too high: {value:.4g} nats, the cut-off is {middle.high:.4g}"
        else:
            reasons[row] = f"ΔNLL too low: {value:.4g} nats, the cut-off is {middle.low:.4g}"
    return reasons


def rank_instructdiff(pool: Pool, _: Room, settings: InstructDiffSettings, __: int) -> Ordered:
    """The candidates in the learnable middle, lowest ΔH first, ties by row."""
    middle = learnable_middle(pool, settings.rule, settings.gamma)
    kept = middle.rows[np.isin(middle.rows, pool.candidates)]
    return of_rows(kept[np.lexsort((kept, pool.delta_entropy[kept]))], refuse(pool, middle))


def allow_instructdiff(budget: Budget, pool: Pool, settings: InstructDiffSettings) -> Allowance:
    """By the code's rule a percentage is of all scored response tokens, and the crossing example is taken."""
    if settings.rule == "paper" or budget.kind == "examples":
        return allow(budget, pool)
    if budget.kind == "tokens":
        return Allowance("tokens", allow(budget, pool).amount, takes_crossing=True)
    return Allowance("tokens", code_tokens(pool, budget.amount / 100), takes_crossing=True)


def code_tokens(pool: Pool, share: float) -> int:
    """The published code's budget: int(β · all scored response tokens), β = `share`."""
    amount = int(round(share * int(pool.response_tokens[pool.scored].sum()), 6))
    if amount < 1:
        raise BadInput(f"A share of {share:g} of the response tokens is none; ask for more.")
    return amount


def name_pattern(pool: Pool) -> Pattern:
    """The domain's pattern, from the data. Raises BadInput where there is nothing to compare."""
    rows = compared(pool)
    if not len(rows):
        raise BadInput("No example has both a ΔNLL and a ΔH.")
    values = pool.delta_entropy[rows]
    negative = float((values < 0).mean())
    name: Literal["compression", "expansion", "balanced"] = "balanced"
    if negative < BALANCED:
        name = "compression"
    elif negative > 1 - BALANCED:
        name = "expansion"
    return Pattern(name, negative, float(values.mean()), float(values.std()))


CRITERIA = (
    Criterion(
        name="instructdiff",
        goal="Keep what light tuning changes least",
        explanation="Drops the examples whose loss light tuning changes most in either direction, and keeps those "
        "whose entropy falls least. γ trades safety against choice: more of it drops more of the odd examples, "
        "rare but right ones among them.",
        source="InstructDiff, arXiv 2601.23006",
        reason="lowest ΔH left in the middle of ΔNLL",
        settings=InstructDiffSettings,
        rank=rank_instructdiff,
        needs=("calibration",),
        allow=allow_instructdiff,
    ),
)
