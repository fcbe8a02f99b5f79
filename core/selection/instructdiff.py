"""InstructDiff: which examples does light tuning change least, among the learnable middle?

arXiv 2601.23006, sections 3.2 and 3.3, one iteration of the paper's rule:

    keep   q_γ ≤ ΔNLL_i ≤ q_{1−γ}        bi-directional filter, ΔNLL = NLL_inst − NLL_base
    order  by ΔH_i ascending              ΔH = H_base − H_inst, lowest first
"""

import numpy as np

from core.errors import BadInput
from core.selection.pool import Pool
from core.settings import InstructDiffSettings


def order_instructdiff(pool: Pool, settings: InstructDiffSettings) -> np.ndarray:
    """Row numbers that pass the filter, lowest ΔH first, ties by row. Raises BadInput without calibration."""
    rows = pool.scored
    both = np.isfinite(pool.delta_nll[rows]) & np.isfinite(pool.delta_entropy[rows])
    if not both.any():
        raise BadInput(
            "instructdiff compares the model before and after calibration, and this scoring run has none; "
            "score again with a calibration share."
        )
    rows = rows[both]
    low, high = cutoffs(pool.delta_nll[rows], settings.gamma)
    rows = rows[np.isin(rows, pool.candidates)]
    kept = rows[(pool.delta_nll[rows] >= low) & (pool.delta_nll[rows] <= high)]
    return kept[np.lexsort((kept, pool.delta_entropy[kept]))]


def cutoffs(delta_nll: np.ndarray, gamma: float) -> tuple[float, float]:
    """The quantiles q_γ and q_{1−γ} of ΔNLL, in nats."""
    low, high = np.quantile(delta_nll, [gamma, 1 - gamma])
    return float(low), float(high)
