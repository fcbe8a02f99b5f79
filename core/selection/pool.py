"""What a criterion may look at: one scoring run's numbers, as plain arrays over the N rows."""

from dataclasses import dataclass, field

import numpy as np

from core.errors import BadInput


@dataclass(frozen=True)
class Pool:
    """Scores of one run. Rows that could not be scored have NaN and never enter a selection.

    `response_tokens` [N] int; `nll`, `entropy`, `delta_nll`, `delta_entropy` [N] in nats;
    `factors` [Σ r_i, d] with `offsets` [N + 1]; `banned` and `pinned` are row numbers.
    """

    response_tokens: np.ndarray
    nll: np.ndarray
    entropy: np.ndarray
    delta_nll: np.ndarray
    delta_entropy: np.ndarray
    factors: np.ndarray
    offsets: np.ndarray
    pinned: tuple[int, ...] = ()
    banned: frozenset[int] = field(default_factory=frozenset)

    @property
    def scored(self) -> np.ndarray:
        """The rows that have scores, ascending."""
        return np.flatnonzero(np.isfinite(self.nll))

    @property
    def rows(self) -> np.ndarray:
        """The rows that may be selected: scored and not banned, ascending."""
        return self.scored[~np.isin(self.scored, list(self.banned))]

    @property
    def candidates(self) -> np.ndarray:
        """The selectable rows that are not pinned: what a criterion orders."""
        rows = self.rows
        return rows[~np.isin(rows, self.pinned)]

    def check_decisions(self) -> None:
        """Raises BadInput for a pin that is also banned, cannot be scored, or is not there."""
        for row in self.pinned:
            if not 0 <= row < len(self.nll):
                raise BadInput(f"Row {row:,} is pinned, but the dataset has {len(self.nll):,} rows.")
            if row in self.banned:
                raise BadInput(f"Row {row:,} is both pinned and banned; take it out of one list.")
            if not np.isfinite(self.nll[row]):
                raise BadInput(f"Row {row:,} is pinned, but it could not be scored; take it out of the pins.")
