"""How much information does a set of examples hold, and how much would one more add?

FisherSFT (arXiv 2505.14826, algorithm 1) maximises `log det V_S`. Here, in nats,

    f(S) = log det V_S − log det λI,
    Δ(i|S) = log det(I + F_i V_S⁻¹ F_iᵀ)        (matrix determinant lemma)

so a gain costs an r × r determinant instead of a p × p one. f is monotone and submodular: gains
only fall as S grows. By the weight of an example its derivative is `tr(F_i V⁻¹ F_iᵀ)`.
"""

import math

import numpy as np
import torch
from torch import Tensor

from core.products import exact_products
from core.selection.design import Design


class LogDet(Design):
    """D-optimality: the volume of what the parameters can still be."""

    def bounds(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gains from products in float32, several times as fast, and how far they may be off.

        A product of inner length p is taken to be off by ε = (8 + p/4) 2⁻²⁴, relative to its factors' norms;
        the worst seen, with features all alike, is p/7. `Y = F C` moves log det(I + Y Yᵀ) by
        `2 ‖(I + Y Yᵀ)⁻¹ Y‖ ‖δY‖ ≤ √r ε ‖F‖ / √λ`, since σ / (1 + σ²) ≤ 1/2 for singular values σ of Y and
        ‖C‖² ≤ 1/λ; `Y Yᵀ`, off by `ε ‖Y‖² ≤ 1/2`, by `2 √r ε ‖Y‖²`. Where it is off by more, nothing is known.
        """
        gains, squares = np.zeros(len(rows)), np.zeros(len(rows))
        for positions, padded in self._whitened(np.asarray(rows, dtype=np.int64), torch.float32):
            where = positions[padded.positions]
            with exact_products(torch.float32):
                gain, square = self._measure(padded.rows)
            gains[where], squares[where] = gain.cpu().numpy(), square.cpu().numpy()
        epsilon = (8 + self.factors.dimension / 4) * 2.0**-24
        spread = self.factors.norms(rows) / self.ridge**0.5 + 2 * squares
        off = epsilon * np.sqrt(self.factors.ranks[rows]) * spread
        unknown = ~np.isfinite(gains) | ~(epsilon * squares <= 0.5)
        return np.where(unknown, -np.inf, gains - off), np.where(unknown, np.inf, gains + off)

    def value(self) -> float:
        """f(S) in nats, from a fresh factorisation of V."""
        self.settle()
        diagonal = torch.linalg.cholesky(self._V).diagonal()
        return float(2 * diagonal.log().sum()) - len(diagonal) * math.log(self.ridge)

    def slope_sum(self) -> float:
        """Σ_i w_i tr(F_i V⁻¹ F_iᵀ) = p − λ tr V⁻¹."""
        self.settle()
        return len(self._V) - self.ridge * float((self.whitening() ** 2).sum())

    def _measure(self, Y: Tensor) -> tuple[Tensor, Tensor]:
        G = inner_products(Y).double()
        slopes = G.diagonal(dim1=1, dim2=2).sum(dim=1)
        G.diagonal(dim1=1, dim2=2).add_(1.0)
        L, failed = torch.linalg.cholesky_ex(G)  # what was rounded too much to be factored is not a number
        gains = 2 * L.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        return torch.where(failed == 0, gains, torch.nan), slopes


def inner_products(Y: Tensor) -> Tensor:
    """Y Yᵀ [n, r, r] of Y [n, r, p]; Yᵀ Y [n, p, p] where that is smaller, with the same determinant of I + it."""
    return Y @ Y.mT if Y.shape[1] <= Y.shape[2] else Y.mT @ Y
