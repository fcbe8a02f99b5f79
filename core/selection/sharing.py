"""How is the work on a pool done elsewhere? As an errand that other processes run, piece by piece.

An errand says what to do with each piece: search a part of the candidates, or measure some rows. It brings the design
as it is and says where the factors lie; whoever runs it opens them once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch

from core.errors import BadInput
from core.selection.design import Design, DesignState, Measures
from core.selection.factors import Factors
from core.selection.pool import Pool

Piece = TypeVar("Piece")
Done = TypeVar("Done")
MEASURING = "Measuring the pool"
PIECE = {"cpu": 1e12, "cuda": 1e14}
"""Multiply-adds in a piece of a look at the pool, some ten seconds; less than two are not shared out."""


@dataclass(frozen=True)
class Errand(Generic[Piece, Done]):
    """What is to be done with every piece: `work(design, piece)`, with a design of its own for each.

    `factors` [Σ r_i, p] with `offsets` [N + 1], or the file that holds them; `doing` says it to whoever waits;
    `threads` are those of a process.
    """

    doing: str
    work: Callable[[Design, Piece], Done]
    design: DesignState
    factors: Path | np.ndarray
    offsets: np.ndarray
    device: str
    threads: int

    @classmethod
    def of(cls, pool: Pool, design: Design, work: Callable[[Design, Piece], Done], doing: str) -> "Errand[Piece, Done]":
        """The errand for pieces of a pool."""
        values = pool.factors
        path = values.filename if isinstance(values, np.memmap) else None
        return cls(
            doing=doing,
            work=work,
            design=design.state(),
            factors=np.asarray(values) if path is None else Path(str(path)),
            offsets=pool.offsets,
            device=pool.device,
            threads=torch.get_num_threads(),
        )

    def shared_by(self, workers: int) -> "Errand[Piece, Done]":
        """The same, where so many work on one machine at once."""
        return replace(self, threads=max(1, self.threads // workers))

    def __call__(self) -> Callable[[Piece], Done]:
        """Open the factors; what then does a piece. Raises BadInput where their file is not to be seen."""
        torch.set_num_threads(self.threads)
        factors = Factors(self._open(), self.offsets, self.device)
        return lambda piece: self.work(self.design.over(factors), piece)

    def _open(self) -> np.ndarray:
        if not isinstance(self.factors, Path):
            return self.factors
        try:
            values: np.ndarray = np.load(self.factors, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise BadInput(
                f"A node does not see {str(self.factors)!r}; a pool is shared out on a cluster where the workspace "
                "lies on storage that all its nodes share."
            ) from None
        return values


class Spread(Protocol):
    """Who does the pieces."""

    def __call__(self, errand: Errand[Piece, Done], pieces: Sequence[Piece]) -> Sequence[Done]:
        """What was done of each piece, in their order."""


def look_at(pool: Pool, design: Design, rows: np.ndarray) -> Measures:
    """What `design.measure(rows)` gives, but for rounding: by whom the pool's work is shared out to, if it is and the
    rows are many."""
    cost = float(design.factors.ranks[rows].sum()) * design.factors.dimension**2
    pieces = int(cost // PIECE[design.factors.device.type])
    if pool.spread is None or pieces < 2:
        return design.measure(rows)
    found = pool.spread(Errand.of(pool, design, Design.measure, MEASURING), np.array_split(rows, pieces))
    return Measures(np.concatenate([of.gains for of in found]), np.concatenate([of.slopes for of in found]))
