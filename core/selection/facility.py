"""Which examples stand for all others? Facility location, as the greedy search knows it.

    f(S) = Σ_i max_{s ∈ S} max(0, cos(x_i, x_s)),    f(∅) = 0

over the pool's rows i: monotone and submodular. With `b_i` what the best so far gives row i, a pick s that raises
some of them to `b'_i` makes every other candidate's gain smaller by what it, too, would have raised:

    Δ(c | S + s) = Δ(c | S) − Σ_{i: b'_i > b_i} (clamp(cos(x_i, x_c), b_i, b'_i) − b_i)

so that all gains stay exact at the price of the few rows that a pick changes, and no N × N matrix is kept. In a pool of
more than `MOST_SERVED` rows a random sample of them stands for all that are served; every row may still serve.
(Lin and Bilmes 2011, "A class of submodular functions for document summarization".)
"""

import numpy as np
import torch

MOST_SERVED = 20_000
SAMPLE_SEED = 0
BLOCK = 1024
ENTRIES = BLOCK * BLOCK
ROUNDING = 1e-12
"""Gains are told to within this share of the pool's size: what is less is rounding, and equals stay equal."""


class FacilityLocation:
    """f(S), its gains and its update, in float64 on `device`.

    `features` [n, d] are those of `rows` [n], ascending row numbers: both what is served and what may serve.
    A row without any direction, a zero vector, is like none.
    """

    submodular = True

    def __init__(self, features: np.ndarray, rows: np.ndarray, device: str = "cpu") -> None:
        X = torch.from_numpy(np.asarray(features, dtype=np.float64)).to(device)
        self._directions = torch.nn.functional.normalize(X, dim=1, eps=np.finfo(np.float64).tiny)
        self._rows, self._grain = rows, ROUNDING * max(1, len(rows))
        self._asking = self._directions[_sample(len(rows)).to(device)]
        self._served = torch.zeros(len(self._asking), dtype=torch.float64, device=device)
        everybody = torch.arange(len(self._asking), device=device)
        self._gains = self._raised_by_each(everybody, torch.ones_like(self._served))

    @property
    def block(self) -> int:
        """Large: gains are kept, and looking one up costs next to nothing."""
        return BLOCK

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of these rows would add, [n] float64."""
        kept = self._gains[torch.from_numpy(np.searchsorted(self._rows, rows)).to(self._gains.device)]
        told: np.ndarray = np.maximum(np.round(kept.cpu().numpy() / self._grain) * self._grain, 0.0)
        return told

    def bounds(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The gains themselves, twice."""
        gains = self.gains(rows)
        return gains, gains

    def add(self, row: int) -> float:
        """S ← S ∪ {row}; what it added."""
        place = int(np.searchsorted(self._rows, row))
        cosines = self._asking @ self._directions[place]
        raised = torch.nonzero(cosines > self._served).flatten()
        gain = float((cosines[raised] - self._served[raised]).sum())
        self._gains -= self._raised_by_each(raised, cosines[raised])
        self._served[raised] = cosines[raised]
        return gain

    def value(self) -> float:
        """f(S)."""
        return float(self._served.sum())

    def _raised_by_each(self, places: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
        """By how much each of the rows raises those at `places` among the served from what serves them now, at most to
        `limits`, [n]."""
        total = torch.zeros(len(self._directions), dtype=torch.float64, device=self._directions.device)
        for some, most in zip(places.split(BLOCK), limits.split(BLOCK), strict=True):
            least, those = self._served[some], self._asking[some].T
            size = max(BLOCK, ENTRIES // max(1, len(some)))
            for start in range(0, len(total), size):
                cosines = self._directions[start : start + size] @ those
                total[start : start + size] += cosines.clamp_(least, most).sub_(least).sum(dim=1)
        return total


def _sample(count: int) -> torch.Tensor:
    """The places of those that are served, ascending: all, or as many as are looked at."""
    if count <= MOST_SERVED:
        return torch.arange(count)
    drawn = np.random.default_rng(SAMPLE_SEED).choice(count, MOST_SERVED, replace=False)
    return torch.from_numpy(np.sort(drawn))
