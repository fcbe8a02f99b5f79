"""Which few rows carry an example's share of the design?

FisherSFT (arXiv 2505.14826) adds `XᵀX` of an example's token features to the design matrix.
That matrix is nearly low-rank: with the eigenvalues e_1 ≥ e_2 ≥ … of the T × T Gram matrix
`XXᵀ = U diag(e) Uᵀ`, the factor `F = U_rᵀ X` has `FᵀF ≈ XᵀX` and keeps `Σ_{k≤r} e_k` of its trace.
"""

import torch
from torch import Tensor


def factor_features(features: Tensor, energy: float) -> tuple[Tensor, float]:
    """The factor F [r, d] of features X [T, d] and the share of the trace it keeps.

    `energy = 1` keeps every token: F is X itself. Otherwise r is the least number of
    directions whose share of the trace reaches `energy`; computed in float64.
    """
    trace = float((features.double() ** 2).sum())
    if energy >= 1 or trace == 0.0:
        return features, 1.0
    X = features.double()
    if X.shape[0] <= X.shape[1]:
        eigenvalues, vectors = torch.linalg.eigh(X @ X.T)  # [T], [T, T], ascending
        rows = vectors.T @ X
    else:
        eigenvalues, vectors = torch.linalg.eigh(X.T @ X)  # [d], [d, d]
        rows = eigenvalues.clamp(min=0).sqrt()[:, None] * vectors.T
    kept = eigenvalues.clamp(min=0).flip(0).cumsum(0) / eigenvalues.clamp(min=0).sum()
    r = min(int((kept < energy).sum()) + 1, len(kept))
    return rows.flip(0)[:r].to(features.dtype), float(kept[r - 1])
