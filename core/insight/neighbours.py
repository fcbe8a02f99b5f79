"""Which other examples are most like this one, by their mean response feature?

Exact: one product of all features with one. At 100,000 × 576 it reads 230 MB, which takes about as long as memory needs
to hand them over; an approximate index (pynndescent) answers sooner, but is built in minutes, for each run anew and
for each set of examples that one may ask among (the selected, the left out), which change with every budget.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another example, by row, and the cosine between its mean feature and the one asked about."""

    row: int
    similarity: float


class Neighbours:
    """The mean features [N, d] of one run, NaN where an example was unscorable; may be a memory map."""

    def __init__(self, features: np.ndarray) -> None:
        self._features = features
        self._norms = _by_blocks(features, lambda block: np.sqrt(np.einsum("ij,ij->i", block, block)))

    def cosines(self, row: int) -> np.ndarray:
        """Of every example with this one, [N] float32; NaN where there is none."""
        one = np.asarray(self._features[row], dtype=np.float32)
        products = _by_blocks(self._features, lambda block: block @ one)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: np.ndarray = products / (self._norms * self._norms[row])
        return found

    def nearest(self, row: int, among: list[np.ndarray], count: int) -> list[list[Neighbour]]:
        """For each of the masks [N] the `count` examples in it that are most like this one, itself apart; ties to
        the lowest row."""
        cosines = self.cosines(row)
        is_other = np.isfinite(cosines)
        is_other[row] = False
        return [_highest(cosines, np.flatnonzero(is_other & mask), count) for mask in among]


def _highest(cosines: np.ndarray, rows: np.ndarray, count: int) -> list[Neighbour]:
    count = min(count, len(rows))
    if not count:
        return []
    values = cosines[rows]
    least = np.partition(values, len(values) - count)[len(values) - count]
    few = rows[values >= least]
    best = few[np.lexsort((few, -cosines[few]))][:count]
    return [Neighbour(int(row), float(cosines[row])) for row in best]


def _by_blocks(features: np.ndarray, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.concatenate(
        [compute(features[start : start + BLOCK_ROWS]) for start in range(0, len(features), BLOCK_ROWS)]
    )
