"""FisherSFT: which examples tell the most about the last layer? (arXiv 2505.14826, algorithm 1)

Greedy log-det optimal design. With a budget of examples, plain greedy. With a budget of
tokens, plain greedy wastes it on long examples, so the better of plain greedy and greedy by
gain per token is taken, which keeps a constant-factor guarantee.
"""

import numpy as np

from core.selection.budgets import Allowance
from core.selection.greedy import Limit, Step, search_greedy
from core.selection.logdet import LogDet
from core.selection.pool import Pool
from core.settings import FisherSettings


def select_fisher(pool: Pool, allowance: Allowance, settings: FisherSettings) -> np.ndarray:
    """The candidates that the allowance buys, in the order in which greedy picks them; pins are in V first."""
    plain = _run(pool, allowance.limit(), settings)
    if allowance.tokens is None:
        return _rows(plain)
    per_token = _run(pool, allowance.limit(per_token=True), settings)
    return _rows(max(plain, per_token, key=lambda steps: sum(step.gain for step in steps)))


def _run(pool: Pool, limit: Limit, settings: FisherSettings) -> list[Step]:
    objective = LogDet(pool.factors, pool.offsets, settings.ridge)
    objective.add_all(pool.pinned)
    candidates = pool.candidates
    return list(search_greedy(objective, candidates, pool.response_tokens[candidates], limit, settings.search))


def _rows(steps: list[Step]) -> np.ndarray:
    return np.array([step.row for step in steps], dtype=np.int64)
