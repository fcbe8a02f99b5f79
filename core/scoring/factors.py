"""Which few rows carry an example's share of the design?

FisherSFT (arXiv 2505.14826) adds `XᵀX` of an example's token features to the design matrix.
That matrix is nearly low-rank: with the eigenvalues e_1 ≥ e_2 ≥ … of the T × T Gram matrix
`XXᵀ = U diag(e) Uᵀ`, the factor `F = U_rᵀ X` has `FᵀF ≈ XᵀX` and keeps `Σ_{k≤r} e_k` of its trace.
"""

import contextlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

GRAM_BYTES = 128 << 20
"""Of Gram matrices decomposed together; their eigenvectors and the solver's room need as much again, thrice."""


def factor_features(batch: Sequence[Tensor], energy: float) -> list[tuple[Tensor, float]]:
    """For each features X [T, d]: the factor F [r, d] float32 and the share of the trace it keeps.

    `energy = 1` keeps every token: F is X itself. Otherwise r is the least number of
    directions whose share of the trace reaches `energy`. On a GPU the examples of a batch are
    decomposed together, in float32; on a CPU one by one, in float64.
    """
    if energy >= 1:
        return [(X.float(), 1.0) for X in batch]
    results = []
    for group in _groups(batch):
        if group[0].is_cuda and max(map(len, group)) <= group[0].shape[1]:
            with contextlib.suppress(torch.linalg.LinAlgError):  # a batched solver may not converge; each alone does
                results += _factor_together(group, energy)
                continue
        results += [_factor_one(X.double(), energy) for X in group]
    return results


def draw_projection(d: int, p: int, seed: int, device: torch.device) -> Tensor:
    """A Gaussian projection P [d, p] with E‖xP‖² = ‖x‖² (Johnson and Lindenstrauss), the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(d, p, generator=generator) / math.sqrt(p)
    return drawn.to(device)


def _groups(batch: Sequence[Tensor]) -> list[list[Tensor]]:
    """Neighbours whose padded Gram matrices fit into `GRAM_BYTES` together."""
    groups: list[list[Tensor]] = []
    longest = 0
    for X in batch:
        longest = max(longest, len(X))
        if not groups or 4 * longest * longest * (len(groups[-1]) + 1) > GRAM_BYTES:
            groups.append([])
            longest = len(X)
        groups[-1].append(X)
    return groups


def _factor_one(X: Tensor, energy: float) -> tuple[Tensor, float]:
    tokens, d = X.shape
    if not bool((X != 0).any()):
        return X[:1].float(), 1.0
    eigenvalues, vectors = torch.linalg.eigh(X @ X.T if tokens <= d else X.T @ X)  # ascending
    r, kept = _rank(eigenvalues.flip(0), energy)
    top = vectors[:, -r:].flip(1)  # the largest first
    if tokens <= d:
        return (top.T @ X).float(), kept
    return (eigenvalues[-r:].flip(0).clamp(min=0).sqrt()[:, None] * top.T).float(), kept


def _factor_together(group: Sequence[Tensor], energy: float) -> list[tuple[Tensor, float]]:
    X = torch.nn.utils.rnn.pad_sequence([x.float() for x in group], batch_first=True)  # [B, T, d]
    eigenvalues, vectors = torch.linalg.eigh(X @ X.mT)  # [B, T], [B, T, T]; padding adds zeros
    spectra = eigenvalues.flip(1).double().cpu()
    rows = vectors.flip(2).mT @ X  # [B, T, d], the largest first
    ranks = [_rank(spectrum, energy) for spectrum in spectra]
    return [(rows[i, :r], kept) for i, (r, kept) in enumerate(ranks)]


def _rank(spectrum: Tensor, energy: float) -> tuple[int, float]:
    """How many of the eigenvalues, largest first, reach the share `energy`, and the share they reach."""
    shares = spectrum.clamp(min=0).cumsum(0)
    if float(shares[-1]) == 0.0:
        return 1, 1.0
    shares = shares / shares[-1]
    r = min(int((shares < energy).sum()) + 1, len(shares))
    return r, float(shares[r - 1])
