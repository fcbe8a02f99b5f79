"""How do the pool's factors come from the disk onto the device, a block at a time?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CPU_BLOCK_BYTES = 64 << 20
GPU_BLOCK_BYTES = 1 << 30
RESIDENT_SHARE = 0.4
PADDING = 0.6
MULTIPLE = 8
"""Factors are padded together while the shortest has this share of the longest's rows, to a multiple of
eight: every new shape of a product costs a library some preparation."""


@dataclass(frozen=True, slots=True)
class Padded:
    """Some factors of a block, padded to one length: `rows` [n, r, p], of the block's `positions` [n]."""

    positions: np.ndarray
    rows: Tensor


class Factors:
    """The factors F_i [r_i, p] of N examples, read where they are needed, in float64 on `device`.

    `values` [Σ r_i, p] may be a memory map: only what is asked for is read, a block at a time, so the
    pool may be larger than memory. On a GPU with room for it, `values` is kept there in float32.
    """

    def __init__(self, values: np.ndarray, offsets: np.ndarray, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.dimension = values.shape[1]
        self.offsets = offsets
        self.ranks = np.diff(offsets)
        self._values = values
        self._norms = np.full(len(self.ranks), np.nan)
        self._resident = self._load_whole() if self.device.type == "cuda" else None
        block_bytes = GPU_BLOCK_BYTES if self.device.type == "cuda" else CPU_BLOCK_BYTES
        self._block_rows = max(1, block_bytes // (8 * self.dimension))

    def read(self, rows: np.ndarray, dtype: torch.dtype = torch.float64) -> Tensor:
        """The factors of these rows, one after the other, [Σ r_i, p]."""
        index = _ranges(self.offsets[rows], self.ranks[rows])
        if self._resident is not None:
            return self._resident[torch.from_numpy(index).to(self.device)].to(dtype)
        is_one_range = len(index) and (np.diff(rows) == 1).all()
        values = self._values[index[0] : index[-1] + 1].copy() if is_one_range else self._values[index]
        return torch.from_numpy(values).to(self.device, dtype)

    def norms(self, rows: np.ndarray) -> np.ndarray:
        """The Frobenius norms ‖F_i‖ of these rows [n], each computed once."""
        unknown = rows[np.isnan(self._norms[rows])]
        for positions in self.blocks(unknown):
            block = unknown[positions]
            squares = (self.read(block) ** 2).sum(dim=1).cpu().numpy()
            owner = np.repeat(np.arange(len(block)), self.ranks[block])
            self._norms[block] = np.sqrt(np.bincount(owner, squares, len(block)))
        norms: np.ndarray = self._norms[rows]
        return norms

    def read_padded(self, rows: np.ndarray) -> Tensor:
        """The factors of these rows, padded with zeros to the longest, [n, r, p] float64."""
        ranks = self.ranks[rows]
        return _pad(self.read(rows), np.cumsum(ranks) - ranks, ranks, int(ranks.max(initial=0)))

    def blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Positions in `rows`, cut so that a block's factors fit into the device's block."""
        start = 0
        ends = np.cumsum(self.ranks[rows])
        while start < len(rows):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + self._block_rows, side="right")))
            yield np.arange(start, stop)
            start = stop

    def pad(self, flat: Tensor, rows: np.ndarray) -> Iterator[Padded]:
        """Cut `flat` [Σ r_i, p], row i's being r_i long, into groups of like length, each padded with zeros."""
        ranks = self.ranks[rows]
        starts = np.cumsum(ranks) - ranks
        order = np.argsort(-ranks, kind="stable")
        while len(order):
            count = int(np.searchsorted(-ranks[order], -PADDING * ranks[order[0]], side="right"))
            longest = -(-int(ranks[order[0]]) // MULTIPLE) * MULTIPLE if count > 1 else int(ranks[order[0]])
            group, order = order[:count], order[count:]
            yield Padded(group, _pad(flat, starts[group], ranks[group], longest))

    def _load_whole(self) -> Tensor | None:
        free, _ = torch.cuda.mem_get_info(self.device)
        if self._values.nbytes > RESIDENT_SHARE * free:
            return None
        whole = torch.empty(self._values.shape, dtype=torch.float32, device=self.device)
        step = max(1, GPU_BLOCK_BYTES // (4 * self.dimension))
        for start in range(0, len(whole), step):
            whole[start : start + step] = torch.from_numpy(np.array(self._values[start : start + step]))
        return whole


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """start_i, …, start_i + length_i − 1 for every i, one after the other."""
    total = int(lengths.sum())
    index = np.arange(total)
    index += np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return index


def _pad(flat: Tensor, starts: np.ndarray, lengths: np.ndarray, longest: int) -> Tensor:
    if longest == 0:
        return flat.new_zeros(len(starts), 1, flat.shape[1])
    if len(starts) * longest == len(flat) and (lengths == longest).all() and (np.diff(starts) == longest).all():
        return flat.view(len(starts), longest, -1)
    places = np.arange(longest)
    index = np.minimum(starts[:, None] + places, len(flat) - 1)
    padded = flat[torch.from_numpy(index.ravel()).to(flat.device)].view(len(starts), longest, -1)
    beyond = torch.from_numpy(places >= lengths[:, None]).to(flat.device)
    return padded.masked_fill_(beyond[:, :, None], 0.0)
