"""What did each pick bring, and what would each example bring that was left out?"""

from dataclasses import dataclass

import numpy as np

from core.choices import Pick
from core.selection.design import Design
from core.selection.pool import Pool


@dataclass(frozen=True, slots=True)
class Remainder:
    """The scored `rows` [n] that are not in a selection: what each would bring now, and alone, [n] in nats."""

    rows: np.ndarray
    gains: np.ndarray
    gains_alone: np.ndarray


def build_picks(
    empty: Design,
    pool: Pool,
    selected: np.ndarray,
    alone: np.ndarray,
    reason: str,
    objective_gains: np.ndarray | None,
) -> list[Pick]:
    """One Pick a selected row: its gain on the earlier picks, `alone` [n] on the empty set, and the running sum.

    `empty` is the log-det design, which holds the `selected` [n] rows afterwards; the gains, in nats,
    sum to f(S) = log det V_S − log det λI. `objective_gains` [n − pins] are those of the criterion's
    own objective, where it has another.
    """
    own = np.full(len(selected), np.nan)
    if objective_gains is not None:
        own[len(selected) - len(objective_gains) :] = objective_gains
    picks, cumulative = [], 0.0
    for rank, row in enumerate(int(row) for row in selected):
        gain = empty.add(row)
        cumulative += gain
        picks.append(
            Pick(
                rank=rank + 1,
                row=row,
                gain=gain,
                gain_alone=float(alone[rank]),
                cumulative=cumulative,
                response_tokens=int(pool.response_tokens[row]),
                reason="pinned" if row in pool.pinned else reason,
                objective_gain=float(own[rank]) if np.isfinite(own[rank]) else None,
            )
        )
    return picks
