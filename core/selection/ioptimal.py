"""How uncertain would the predictions be that one cares about?

D-optimality makes the whole parameter volume small, rare directions included. I-optimality makes the
mean predictive variance small over tokens with second moment `M = (1/T) Σ x xᵀ`, the pool's own or a
target set's (Atkinson and Donev; transductive experimental design, Yu, Bi and Tresp, ICML 2006):

    g(S) = tr(M (λI)⁻¹) − tr(M V_S⁻¹),
    Δ(i|S) = tr((I + F V⁻¹ Fᵀ)⁻¹ F V⁻¹ M V⁻¹ Fᵀ).

g is monotone and concave in the weights, with derivative `tr(F V⁻¹ M V⁻¹ Fᵀ)`, but not submodular:
a gain may rise as S grows, so the search cannot rely on gains computed earlier.
"""

import numpy as np
import torch
from torch import Tensor

from core.selection.design import Design, identity
from core.selection.factors import Factors


class PredictiveVariance(Design):
    """I-optimality: the fall of the mean predictive variance over tokens with second moment M [p, p]."""

    submodular = False

    def __init__(self, factors: Factors, ridge: float, moment: Tensor) -> None:
        super().__init__(factors, ridge)
        self._M = moment.to(factors.device, torch.float64)
        self._N: Tensor | None = None

    def value(self) -> float:
        """g(S): how much of the prior's mean variance `tr(M)/λ` is gone."""
        return float(self._M.trace()) / self.ridge - float(self._target().trace())

    def prior(self) -> float:
        """tr(M)/λ, the mean variance when nothing is selected."""
        return float(self._M.trace()) / self.ridge

    def slope_sum(self) -> float:
        """Σ_i w_i tr(F V⁻¹ M V⁻¹ Fᵀ) = tr N − λ tr(N Cᵀ C), with N = Cᵀ M C."""
        C, N = self.whitening(), self._target()
        return float(N.trace()) - self.ridge * float((N * (C.T @ C)).sum())

    def _measure(self, Y: Tensor) -> tuple[Tensor, Tensor]:
        YN = Y @ self._target()
        slopes = (YN * Y).sum(dim=(1, 2))
        if Y.shape[1] <= Y.shape[2]:
            P, G = YN @ Y.mT, Y @ Y.mT
        else:
            P, G = YN.mT @ Y, Y.mT @ Y  # tr((I + YYᵀ)⁻¹ Y N Yᵀ) = tr((I + YᵀY)⁻¹ YᵀY N), by Woodbury
        L = torch.linalg.cholesky(G + identity(G.shape[1], G))
        return torch.cholesky_solve(P, L).diagonal(dim1=1, dim2=2).sum(dim=1), slopes

    def _given(self) -> tuple[Tensor, ...]:
        return (self._M,)

    def _target(self) -> Tensor:
        """N = Cᵀ M C."""
        C = self.whitening()
        if self._N is None:
            self._N = C.T @ self._M @ C
        return self._N

    def _forget(self) -> None:
        super()._forget()
        self._N = None

    def _shrink(self, Y: Tensor, TY: Tensor) -> None:
        """With C also N ← Sᵀ N S."""
        N = self._target()
        N = N - (N @ Y.T) @ TY
        self._N = N - TY.T @ (Y @ N)
        super()._shrink(Y, TY)


def second_moment(factors: Factors, rows: np.ndarray, tokens: int) -> Tensor:
    """M = (1/T) Σ_i F_iᵀF_i [p, p] float64 over these rows, whose tokens are T in all."""
    M = torch.zeros(factors.dimension, factors.dimension, dtype=torch.float64, device=factors.device)
    for positions in factors.blocks(rows):
        F = factors.read(rows[positions])
        M += F.T @ F
    return M / max(tokens, 1)
