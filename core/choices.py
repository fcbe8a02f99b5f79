"""Plain results about selections: picks, reasons, orders and decisions, handed from room to room.

`row` is an example's position in its dataset, as in `core.records`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Pick:
    """One line of the ledger. Gains are information in nats; `objective_gain` is the gain in the criterion's
    own objective, `None` where it has none."""

    rank: int
    row: int
    gain: float | None
    gain_alone: float | None
    cumulative: float | None
    response_tokens: int
    reason: str
    objective_gain: float | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """A selection's picks in rank order, as arrays [n]: what `Pick` says of each, NaN where it says nothing."""

    rows: np.ndarray
    gain: np.ndarray
    gain_alone: np.ndarray
    cumulative: np.ndarray
    response_tokens: np.ndarray
    objective_gain: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Cover:
    """A pick, by row, and the share of an example's information that it and those named before it cover."""

    row: int
    share: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A scored example outside a selection: what it would add to it, and what alone, in nats of information."""

    row: int
    gain: float
    gain_alone: float

    @property
    def covered(self) -> float:
        """The share of its information that the selection already holds."""
        return max(0.0, 1 - self.gain / self.gain_alone) if self.gain_alone > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why an example is not in a selection: the first gate that kept it out, `detail` of it, the row of the
    example that stands for a repeat, and the budget, in the selection's unit, at which it would enter."""

    row: int
    gate: str
    detail: str = ""
    other: int | None = None
    enters: int | None = None


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A criterion's order as the database keeps it: of each ranking the rows [n], best first, and their gains
    [n], NaN where there are none; why rows were refused; and what the search computed."""

    order: str
    run: str
    criterion: str
    is_complete: bool
    rankings: list[tuple[np.ndarray, np.ndarray]]
    refused: dict[int, str]
    evaluations: int
    naive_evaluations: int


@dataclass(frozen=True, slots=True)
class SelectionRow:
    """Criterion + budget + decisions → an ordered list. `envelope` is `selection.envelope.Envelope.bands()`,
    `curve` the information along its order, `comparison` its measures beside those of random subsets."""

    selection: str
    run: str
    dataset: str
    criterion: str
    budget: str
    seed: int
    settings: dict[str, Any]
    examples: int
    tokens: int
    log_det: float
    envelope: dict[str, list[float]]
    created_at: datetime | None = None
    upper_bound: float | None = None
    variance: dict[str, float] | None = None
    evaluations: dict[str, int] | None = None
    order_name: str | None = None
    curve: dict[str, Any] | None = None
    comparison: dict[str, Any] | None = None

    @property
    def unit(self) -> str:
        """What its budget, and the budgets at which examples would enter, are counted in."""
        if self.budget.endswith("tok") or (self.settings.get("rule") == "code" and self.budget.endswith("%")):
            return "tokens"
        return "examples"

    @property
    def everything(self) -> float | None:
        """What all scored examples hold together, in nats; unknown for a selection of an older version."""
        return (self.curve or {}).get("everything")

    @property
    def at_least(self) -> float | None:
        """The share of the best possible within the budget that it is sure to reach: of the fall of variance
        where that is what its criterion maximises, else of information."""
        if self.variance is not None:
            best = self.variance["upper_bound"]
            return min(1.0, self.variance["explained"] / best) if best > 0 else 1.0
        if self.upper_bound is None:
            return None
        return min(1.0, self.log_det / self.upper_bound) if self.upper_bound > 0 else 1.0


@dataclass(frozen=True, slots=True)
class SelectionReport:
    """`log_det` is `log det V_S − log det λI` in nats; `random_log_det` the lowest and highest of the random
    subsets of as many tokens; `upper_bound` what any selection within the budget reaches at most, in nats.
    `variance` are I-optimality's own figures; `at_least` is the share of the best possible, of its own
    objective, that the selection is sure to reach; `is_distinguishable` whether it can be told from random
    subsets by any of its measures. `evaluations` are the gains that the search computed
    and those that naive search computes; `note` says what to know."""

    selection: str
    examples: int
    tokens: int
    log_det: float
    random_log_det: tuple[float, float]
    upper_bound: float | None = None
    at_least: float | None = None
    variance: dict[str, float] | None = None
    evaluations: dict[str, int] | None = None
    is_distinguishable: bool | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What an order would give for another budget or other decisions: its rows in order, pins first, what they
    cost and hold (in nats; `is_exact` unless read off the curve), and who comes and goes against the selection."""

    rows: list[int]
    tokens: int
    information: float
    is_exact: bool
    entered: list[int]
    displaced: list[int]


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about an example: `kind` is pin, ban, note or undo, which `undoes` an earlier one."""

    decision: int
    dataset: str
    row: int
    kind: str
    why: str
    who: str
    undoes: int | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions that one person made at once, alike but for their rows: the numbers of the `first` and the `last`,
    how many `decisions` there are, the first `row`, the first that they undo, and how many of them nobody undid."""

    dataset: str
    first: int
    last: int
    kind: str
    why: str
    who: str
    made_at: datetime
    decisions: int
    row: int
    undoes: int | None
    open: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The decisions in force on a dataset: pinned and banned rows, ascending."""

    pinned: tuple[int, ...] = ()
    banned: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """How many decisions of one kind a person made, and the first row that they are about."""

    who: str
    kind: str
    decisions: int
    row: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one person said of an example in a review queue: `verdict` is keep, drop or unsure."""

    judgement: int
    dataset: str
    row: int
    queue: str
    verdict: str
    why: str
    who: str
    made_at: datetime
