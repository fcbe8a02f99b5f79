"""What would you get without a method? The order to compare with."""

import numpy as np

from core.selection.pool import Pool


def order_random(pool: Pool, seed: int) -> np.ndarray:
    """The candidates in a uniform random order."""
    order: np.ndarray = np.random.default_rng(seed).permutation(pool.candidates)
    return order
