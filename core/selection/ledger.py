"""What did each pick bring? The marginal gain of every example, in the order of the selection."""

import numpy as np

from core.records import Pick
from core.selection.logdet import LogDet
from core.selection.pool import Pool


def build_ledger(pool: Pool, selected: np.ndarray, ridge: float, reason: str) -> list[Pick]:
    """One Pick a selected row: its gain on the earlier picks, alone on the empty set, and the running sum.

    `selected` [n] row numbers in order; the gains sum to f(S) = log det V_S − log det λI.
    """
    objective = LogDet(pool.factors, pool.offsets, ridge)
    alone = objective.gains(selected)
    picks, cumulative = [], 0.0
    for rank, row in enumerate(int(row) for row in selected):
        gain = float(objective.gains([row])[0])
        objective.add(row)
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
            )
        )
    return picks
