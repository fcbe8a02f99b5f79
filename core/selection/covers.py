"""Which picks already tell what an example would tell?

A set T covers the share `1 − Δ(i|T) / Δ(i|∅)` of example i's information. Looking at every pick for every
example is too much; the picks whose directions are most like the example's are found by sketches: with
the saturated directions `P_i = F_iᵀ (λI + F_iF_iᵀ)⁻¹ F_i` and a random Ω [p, m], `⟨ΩᵀP_iΩ, ΩᵀP_sΩ⟩` grows with
`tr(P_i P_s)` (its expectation, once the traces are taken off). Of those few, greedy takes the pick that covers
most, then the one that covers most together with it, and so on; their shares are exact.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from core.choices import Cover
from core.selection.factors import Factors

SKETCH = 24
SHORTLIST, SHORTEST = 8, 4
MOST = 3
MAIN_BLOCK = 256
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

    def main(
        self, rows: np.ndarray, follow: Callable[[int, int], None] = lambda *_: None
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each of many `rows` [n], none of them a pick, the pick that alone covers most of it, by its place [n]
        among the picks, and its share [n]: the best of the few most like it. `follow` is called with the picks done
        and their number."""
        count = min(SHORTEST, len(self._picks))
        blocks = [rows[start : start + MAIN_BLOCK] for start in range(0, len(rows) if count else 0, MAIN_BLOCK)]
        found = [(self._sketch(block) @ self._sketches.T).topk(count).indices.cpu().numpy() for block in blocks]
        nearest = np.concatenate([np.zeros((0, max(count, 1)), dtype=np.int64), *found])
        shares: np.ndarray = np.zeros(nearest.size)
        order = np.argsort(nearest, axis=None, kind="stable")
        picks, starts = np.unique(nearest.ravel()[order], return_index=True)
        for done, (pick, pairs) in enumerate(zip(picks.tolist(), np.split(order, starts[1:]), strict=False), 1):
            shares[pairs] = self._shares(pick, rows[pairs // nearest.shape[1]])
            follow(done, len(picks))
        shares = shares.reshape(nearest.shape)
        best = shares.argmax(axis=1)[:, None]
        return np.take_along_axis(nearest, best, axis=1)[:, 0], np.take_along_axis(shares, best, axis=1)[:, 0]

    def _shares(self, pick: int, rows: np.ndarray) -> np.ndarray:
        """The share [n] of each of these rows that one pick alone covers. With E = L⁻¹ G of the pick's G,
        `L Lᵀ = λI + G Gᵀ`, what is left of a row's F is log det(I + (F Fᵀ − F EᵀE Fᵀ) / λ)."""
        G, shares = self._factors.read(self._picks[pick : pick + 1]), np.zeros(len(rows))
        S = G @ G.T
        S.diagonal().add_(self._ridge)
        E = torch.linalg.solve_triangular(torch.linalg.cholesky(S), G, upper=False)
        for positions in self._factors.blocks(rows):
            for padded in self._factors.pad(self._factors.read(rows[positions]), rows[positions]):
                F = padded.rows  # [n, r, p]
                B, gram = F @ E.T, F @ F.mT
                alone = _information(gram / self._ridge)
                share = 1 - _information((gram - B @ B.mT) / self._ridge) / alone
                shares[positions[padded.positions]] = torch.where(alone > 0, share, 0.0).cpu().numpy()
        return shares

    def _cover(self, row: int, likeness: Tensor) -> list[Cover]:
        """Greedy over the picks most like this row. All is read off the Gram matrix K of its rows and theirs: with
        `Q = λ V_T⁻¹` of the covers T so far K holds the products `A Q Bᵀ`, and a pick g changes it by the Schur
        complement `K ← K − K_g (λI + K_gg)⁻¹ K_gᵀ`."""
        before = self._rank.get(row, len(self._picks))
        nearest = np.sort(likeness[:before].topk(min(SHORTLIST, before)).indices.cpu().numpy())
        of = np.array([row, *self._picks[nearest]])
        Z, ends = self._factors.read(of), np.cumsum(self._factors.ranks[of])
        F, *parts = (slice(int(end - rank), int(end)) for end, rank in zip(ends, self._factors.ranks[of], strict=True))
        K = Z @ Z.T
        alone = float(_information(K[F, F] / self._ridge))
        covers, left = list[Cover](), dict(enumerate(parts))
        for _ in range(MOST if alone > 0 else 0):
            if not left:
                break
            told = {i: float(_information(self._given(K, part, F)[F] / self._ridge)) for i, part in left.items()}
            best = min(told, key=lambda i: told[i])
            share = 1 - told[best] / alone
            if share - (covers[-1].share if covers else 0.0) < LEAST_SHARE:
                break
            covers.append(Cover(int(of[1 + best]), share))
            K = self._given(K, left.pop(best), slice(0, len(K)))
        return covers

    def _given(self, K: Tensor, part: slice, columns: slice) -> Tensor:
        """Columns of K once the pick that has this part of it is among the covers."""
        S = K[part, part].clone()
        S.diagonal().add_(self._ridge)
        return K[:, columns] - K[:, part] @ torch.cholesky_solve(K[part, columns], torch.linalg.cholesky(S))

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
