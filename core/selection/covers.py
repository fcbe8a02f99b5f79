"""Which picks already tell what an example would tell?

A set T covers the share `1 − Δ(i|T) / Δ(i|∅)` of example i's information. Looking at every pick for every
example is too much; the picks whose directions are most like the example's are found by sketches: with
the saturated directions `P_i = F_iᵀ (λI + F_iF_iᵀ)⁻¹ F_i` and a random Ω [p, m], `⟨ΩᵀP_iΩ, ΩᵀP_sΩ⟩` grows with
`tr(P_i P_s)` (its expectation, once the traces are taken off). Of those few, greedy takes the pick that covers
most, then the one that covers most together with it, and so on; their shares are exact.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.choices import Cover
from core.selection.factors import Factors

SKETCH = 24
SHORTLIST = 8
MOST = 3
LEAST_SHARE = 0.02
"""A further pick is named where it covers at least so much more."""


class Covers:
    """What the `picks` [n], rows in order, cover of other examples and of later picks."""

    def __init__(self, factors: Factors, picks: np.ndarray, ridge: float) -> None:
        self._factors, self._picks, self._ridge = factors, picks, ridge
        generator = torch.Generator().manual_seed(0)
        self._omega = torch.randn(factors.dimension, SKETCH, generator=generator, dtype=torch.float64)
        self._omega = self._omega.to(factors.device)
        self._sketches = self._sketch(picks)
        self._rank = {int(row): rank for rank, row in enumerate(picks)}

    def of(self, rows: Sequence[int]) -> list[list[Cover]]:
        """For each row the picks that cover most of it, at most three; for a pick, of those before it."""
        array = np.asarray(rows, dtype=np.int64)
        likeness = self._sketch(array) @ self._sketches.T  # [rows, picks]
        return [self._cover(int(row), likeness[i]) for i, row in enumerate(array)]

    def _cover(self, row: int, likeness: Tensor) -> list[Cover]:
        """Greedy over the picks most like this row. With `Q = I − EᵀE = λ V_T⁻¹` of the covers T so far,
        a pick G adds the rows `L⁻¹ G Q` to E, where `L Lᵀ = λI + G Q Gᵀ`."""
        before = self._rank.get(row, len(self._picks))
        F = self._factors.read(np.array([row]))
        alone = float(_information(F @ F.T / self._ridge))
        nearest = np.sort(likeness[:before].topk(min(SHORTLIST, before)).indices.cpu().numpy())
        if not len(nearest) or alone <= 0:
            return []
        picks, covers, named = self._picks[nearest], list[Cover](), list[int]()
        G = self._factors.read_padded(picks)  # [n, g, p]
        FQ, GQ = F, G
        for _ in range(min(MOST, len(picks))):
            S = GQ @ G.mT
            S.diagonal(dim1=1, dim2=2).add_(self._ridge)
            L = torch.linalg.cholesky(S)  # [n, g, g]
            B = torch.linalg.solve_triangular(L, GQ @ F.T, upper=False)  # [n, g, r]
            left = _information((FQ @ F.T - B.mT @ B) / self._ridge)
            left[named] = torch.inf
            best = int(left.argmin())
            share = 1 - float(left[best]) / alone
            if share - (covers[-1].share if covers else 0.0) < LEAST_SHARE:
                break
            covers.append(Cover(int(picks[best]), share))
            named.append(best)
            E = torch.linalg.solve_triangular(L[best], GQ[best], upper=False)  # [g, p]
            FQ, GQ = FQ - (F @ E.T) @ E, GQ - (G @ E.T) @ E
        return covers

    def _sketch(self, rows: np.ndarray) -> Tensor:
        """ΩᵀP_iΩ without its trace part, flattened, [n, m²] float32."""
        sketches = torch.zeros(len(rows), SKETCH, SKETCH, dtype=torch.float32, device=self._factors.device)
        for positions in self._factors.blocks(rows):
            flat = self._factors.read(rows[positions])
            for padded in self._factors.pad(flat, rows[positions]):
                F = padded.rows
                gram = F @ F.mT
                gram.diagonal(dim1=1, dim2=2).add_(self._ridge)
                W = torch.linalg.solve_triangular(torch.linalg.cholesky(gram), F @ self._omega, upper=False)
                sketches[torch.from_numpy(positions[padded.positions])] = (W.mT @ W).float()
        traces = sketches.diagonal(dim1=1, dim2=2).sum(dim=1)
        sketches.diagonal(dim1=1, dim2=2).sub_(traces[:, None] / SKETCH)
        return sketches.flatten(1) / math.sqrt(SKETCH)


def _information(G: Tensor) -> Tensor:
    """log det(I + G) of G […, r, r]."""
    eye = torch.eye(G.shape[-1], dtype=G.dtype, device=G.device)
    return 2 * torch.linalg.cholesky(eye + G).diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
