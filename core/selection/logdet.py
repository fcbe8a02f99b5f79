"""How much information does a set of examples hold, and how much would one more add?

FisherSFT (arXiv 2505.14826) maximises `log det V_S` with `V_S = λI + Σ_{i∈S} F_iᵀF_i`. Here

    f(S) = log det V_S − log det λI,
    Δ(i|S) = log det(I + F_i V_S⁻¹ F_iᵀ)        (matrix determinant lemma)

so a gain costs an r × r determinant instead of a d × d one. f is monotone and submodular:
gains only fall as S grows.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

REFACTOR_EVERY = 64
BLOCK_ROWS = 8192


class LogDet:
    """The objective and its one update, in float64 on `device`.

    `factors` [Σ r_i, d] may be a memory map: only the candidates asked for are read.
    """

    def __init__(self, factors: np.ndarray, offsets: np.ndarray, ridge: float, device: str = "cpu") -> None:
        self._factors, self._offsets = factors, offsets
        self._device = torch.device(device)
        d = factors.shape[1]
        self._V = ridge * torch.eye(d, dtype=torch.float64, device=self._device)
        self._inverse: Tensor | None = torch.eye(d, dtype=torch.float64, device=self._device) / ridge
        self._log_det_empty = d * float(np.log(ridge))
        self._updates = 0

    def factor(self, row: int) -> Tensor:
        """F_i [r_i, d] in float64."""
        block = np.asarray(self._factors[self._offsets[row] : self._offsets[row + 1]], dtype=np.float64)
        return torch.from_numpy(block).to(self._device)

    def gains(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Δ(i|S) in nats for every row asked for, [n] float64."""
        gains = [self._block_gains(block) for block in self._blocks(np.asarray(rows))]
        return np.concatenate(gains) if gains else np.zeros(0)

    def add(self, row: int) -> None:
        """S ← S ∪ {row}: a rank-r update of V⁻¹, refactored from V every few updates."""
        F = self.factor(row)
        self._V += F.T @ F
        self._updates += 1
        if self._inverse is None or self._updates % REFACTOR_EVERY == 0:
            self._inverse = None
            return
        W = F @ self._inverse  # [r, d]
        inner = torch.eye(len(F), dtype=torch.float64, device=self._device) + W @ F.T
        self._inverse -= W.T @ torch.cholesky_solve(W, torch.linalg.cholesky(inner))

    def add_all(self, rows: Sequence[int] | np.ndarray) -> None:
        """S ← S ∪ rows, a block at a time; V⁻¹ is formed again when a gain is next asked for."""
        for block in self._blocks(np.asarray(rows, dtype=np.int64)):
            F = torch.cat([self.factor(int(row)) for row in block])
            self._V += F.T @ F
            self._inverse = None

    def value(self) -> float:
        """f(S) in nats, from a fresh factorisation of V."""
        diagonal = torch.linalg.cholesky(self._V).diagonal()
        return float(2 * diagonal.log().sum()) - self._log_det_empty

    def _block_gains(self, rows: np.ndarray) -> np.ndarray:
        factors = [self.factor(int(row)) for row in rows]
        if self._inverse is None:
            self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(self._V))
        P = torch.nn.utils.rnn.pad_sequence(factors, batch_first=True)  # [n, r, d]; a zero row adds nothing
        G = (P @ self._inverse) @ P.transpose(1, 2)  # [n, r, r]
        G.diagonal(dim1=1, dim2=2).add_(1.0)
        diagonal = torch.linalg.cholesky(G).diagonal(dim1=1, dim2=2)
        gains: np.ndarray = (2 * diagonal.log().sum(dim=1)).cpu().numpy()
        return gains

    def _blocks(self, rows: np.ndarray) -> list[np.ndarray]:
        """Cut the rows so that a block, padded to its longest factor, has at most BLOCK_ROWS rows."""
        ranks = self._offsets[rows + 1] - self._offsets[rows]
        blocks, start, longest = [], 0, 1
        for i, rank in enumerate(ranks):
            longest = max(longest, int(rank))
            if (i - start + 1) * longest > BLOCK_ROWS and i > start:
                blocks.append(rows[start:i])
                start, longest = i, max(1, int(rank))
        return [*blocks, rows[start:]] if len(rows) else blocks
