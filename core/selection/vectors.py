"""One vector per example: how does a gain become as cheap as a few dot products?

With F_i = x_iᵀ a gain is `log(1 + c_i)` with the leverage `c_i = xᵀ V⁻¹ x`. A pick s makes `V⁻¹` smaller by
`u uᵀ` with `u = V⁻¹ x_s / √(1 + c_s)`, and so each leverage by `(u · x_i)²`. The search asks for few leverages,
each after few picks: it is enough to remember every leverage with the pick it is from, and to subtract what
the picks since then took.
"""

import itertools

import numpy as np
import torch

from core.selection.design import Design
from core.selection.factors import Factors
from core.selection.logdet import LogDet


class VectorLogDet(LogDet):
    """D-optimality where every example has a single row: the same numbers as LogDet's, sooner.

    An example without a row, which could not be scored, has gain 0.
    """

    def __init__(self, factors: Factors, ridge: float) -> None:
        super().__init__(factors, ridge)
        n, p = len(factors.ranks), factors.dimension
        self._leverage, self._seen = np.zeros(n), np.full(n, -1)
        self._U = torch.zeros(p, p, dtype=torch.float64, device=factors.device)
        self._picks: list[int] = []

    @property
    def block(self) -> int:
        """Small: a leverage costs little, and one that was not needed costs as much."""
        return 64

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of these rows would add, [n] float64."""
        rows = np.asarray(rows, dtype=np.int64)
        rows_with_vector = rows[self.factors.ranks[rows] == 1]
        since = self._seen[rows_with_vector]
        for lowest, highest in self._ages():
            self._refresh(rows_with_vector[(since >= lowest) & (since < highest)], lowest)
        gains: np.ndarray = np.log1p(self._leverage[rows])
        return gains

    bounds = Design.bounds  # the gains themselves, which are cheap here

    def add(self, row: int) -> float:
        """S ← S ∪ {row}; what it added, in nats."""
        gain = float(self.gains(np.array([row]))[0])
        x = self.factors.read(np.array([row])).view(-1)
        if len(x):
            C, U = self.whitening(), self._U[: len(self._picks)]
            u = C @ (C.T @ x) - U.T @ (U @ x)
            self._U[len(self._picks)] = u / (1 + self._leverage[row]) ** 0.5
            self._picks.append(row)
        if len(self._picks) == len(self._U):
            self.settle()
        return gain

    def settle(self) -> None:
        """Bring the picks into V; what was remembered is computed anew when next asked for."""
        if self._picks:
            picks, self._picks = np.array(self._picks), []
            self.add_all(picks)

    def _forget(self) -> None:
        super()._forget()
        self._seen[:] = -1

    def _ages(self) -> list[tuple[int, int]]:
        """Cut what was remembered by how many picks ago: [lowest, highest) numbers of the last pick seen."""
        now = len(self._picks)
        bounds = sorted({now + 1, *(now - age for age in (16, 64, 256) if now > age), 0, -1}, reverse=True)
        return [(lowest, highest) for highest, lowest in itertools.pairwise(bounds)]

    def _refresh(self, rows: np.ndarray, since: int) -> None:
        """Bring these rows' leverages, seen at pick `since` or later (−1: never), up to date."""
        for positions in self.factors.blocks(rows):
            block = rows[positions]
            X = self.factors.read(block)
            if since < 0:
                self._leverage[block] = ((X @ self.whitening()) ** 2).sum(dim=1).cpu().numpy()
                self._seen[block] = 0
            first = int(self._seen[block].min())
            taken = (X @ self._U[first : len(self._picks)].T).cpu().numpy() ** 2
            taken[np.arange(first, len(self._picks)) < self._seen[block][:, None]] = 0.0
            self._leverage[block] = np.maximum(self._leverage[block] - taken.sum(axis=1), 0.0)
            self._seen[block] = len(self._picks)


def log_det(factors: Factors, ridge: float) -> LogDet:
    """The empty D-optimal design, by the quicker way where every example has one vector at most."""
    return VectorLogDet(factors, ridge) if factors.ranks.max(initial=0) <= 1 else LogDet(factors, ridge)
