"""How much information does a set of examples hold, and how much would one more add?

FisherSFT (arXiv 2505.14826, algorithm 1) maximises `log det V_S`. Here, in nats,

    f(S) = log det V_S − log det λI,
    Δ(i|S) = log det(I + F_i V_S⁻¹ F_iᵀ)        (matrix determinant lemma)

so a gain costs an r × r determinant instead of a p × p one. f is monotone and submodular: gains
only fall as S grows. By the weight of an example its derivative is `tr(F_i V⁻¹ F_iᵀ)`.
"""

import math

import torch
from torch import Tensor

from core.selection.design import Design


class LogDet(Design):
    """D-optimality: the volume of what the parameters can still be."""

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
        G = inner_products(Y)
        slopes = G.diagonal(dim1=1, dim2=2).sum(dim=1)
        G.diagonal(dim1=1, dim2=2).add_(1.0)
        diagonal = torch.linalg.cholesky(G).diagonal(dim1=1, dim2=2)
        return 2 * diagonal.log().sum(dim=1), slopes


def inner_products(Y: Tensor) -> Tensor:
    """Y Yᵀ [n, r, r] of Y [n, r, p]; Yᵀ Y [n, p, p] where that is smaller, with the same determinant of I + it."""
    return Y @ Y.mT if Y.shape[1] <= Y.shape[2] else Y.mT @ Y
