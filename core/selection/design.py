"""What do the chosen examples already tell, and in which directions is it still little?

The design matrix of a set S with weights w is `V = λI + Σ_{i∈S} w_i F_iᵀF_i`. Beside V stands a
whitening C with `C Cᵀ = V⁻¹`, so that `Y = F C` has `Y Yᵀ = F V⁻¹ Fᵀ`: sums of squares, which lose
less to rounding than products with V⁻¹. Adding F multiplies C from the right (`Y = F C`, `L Lᵀ = I + Y Yᵀ`):

    C ← C − C Yᵀ L⁻ᵀ (I + L)⁻¹ Y,    so that again    C Cᵀ = (V + FᵀF)⁻¹.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.products import exact_products
from core.selection.factors import Factors, Padded

REFACTOR_EVERY = 64
CPU_PRODUCT = 1e8
GPU_PRODUCT = 2e11
"""Multiply-adds that keep a device busy; a search evaluates that much at a time."""
FEWEST, MOST, SHARE = 8, 4096, 50
"""Examples in such a block, which is never more than a fiftieth of the pool."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Of each example asked for, given S: `gains` [n], what adding it brings, and `slopes` [n], the
    derivative of the objective by its weight. The objectives are concave in the weights, so a slope is
    at least the gain."""

    gains: np.ndarray
    slopes: np.ndarray

    def at(self, mask: np.ndarray) -> "Measures":
        """Those of some of the examples."""
        return Measures(self.gains[mask], self.slopes[mask])


@dataclass(frozen=True, slots=True)
class DesignState:
    """A design without the factors that it reads, for another process: its `kind`, λ, what else it was `given`, and V
    [p, p], or None while nothing is in it."""

    kind: type["Design"]
    ridge: float
    given: tuple[np.ndarray, ...]
    V: np.ndarray | None

    def over(self, factors: Factors) -> "Design":
        """The design as it was, over the same factors as they were opened there."""
        design = self.kind(factors, self.ridge, *map(torch.tensor, self.given))
        if self.V is not None:
            design._V = torch.tensor(self.V, device=factors.device)
            design._forget()
        return design


class Design:
    """V and its whitening, in float64 on the factors' device, with one update.

    Subclasses say what they maximise: `_measure` of whitened factors, `value` and `slope_sum`.
    """

    submodular = True

    def __init__(self, factors: Factors, ridge: float) -> None:
        self.factors, self.ridge = factors, ridge
        self._eye = torch.eye(factors.dimension, dtype=torch.float64, device=factors.device)
        self._V = ridge * self._eye
        self._C: Tensor | None = None
        self._is_empty = True
        self._updates = 0

    @property
    def block(self) -> int:
        """How many examples the device evaluates together without waiting."""
        product = GPU_PRODUCT if self.factors.device.type == "cuda" else CPU_PRODUCT
        mean_rank = max(1.0, float(self.factors.ranks.mean()))
        most = min(MOST, len(self.factors.ranks) // SHARE)
        return int(max(FEWEST, min(most, product / (mean_rank * self.factors.dimension**2))))

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of these rows would add, [n] float64."""
        return self.measure(rows).gains

    def bounds(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each of these rows would add, at least and at most, [n] each: the gains themselves, unless
        a subclass knows a cheaper way."""
        gains = self.gains(rows)
        return gains, gains

    def measure(self, rows: np.ndarray) -> Measures:
        """Gains and slopes of these rows, a block at a time."""
        self.settle()
        gains, slopes = np.zeros(len(rows)), np.zeros(len(rows))
        for positions, padded in self._whitened(np.asarray(rows, dtype=np.int64)):
            gain, slope = self._measure(padded.rows)
            where = positions[padded.positions]
            gains[where], slopes[where] = gain.cpu().numpy(), slope.cpu().numpy()
        if np.isnan(gains).any():
            raise torch.linalg.LinAlgError("a gain cannot be computed: I + F V⁻¹ Fᵀ is not positive definite")
        return Measures(gains, slopes)

    def add(self, row: int) -> float:
        """S ← S ∪ {row}; what it added to log det V, in nats."""
        F = self.factors.read(np.array([row]))
        Y = F @ self.whitening()
        L = torch.linalg.cholesky(identity(len(Y), Y) + Y @ Y.T)
        self._V += F.T @ F
        self._is_empty = False
        self._updates += 1
        if self._updates % REFACTOR_EVERY == 0 or 2 * len(Y) > len(self._V):
            self._forget()
        else:
            inner = torch.linalg.solve_triangular(identity(len(L), L) + L, Y, upper=False)
            self._shrink(Y, torch.linalg.solve_triangular(L.T, inner, upper=True))
        return float(2 * L.diagonal().log().sum())

    def add_all(self, rows: np.ndarray, weights: np.ndarray | None = None) -> None:
        """S ← S ∪ rows, with weights [n] if given, a block at a time."""
        self.settle()
        self._V += self._sum(np.asarray(rows, dtype=np.int64), weights)
        self._forget()

    def weighted(self, rows: np.ndarray, weights: np.ndarray) -> "Design":
        """The same objective at these weights [n] of these rows, and 0 elsewhere."""
        other = self.emptied()
        other.add_all(rows, weights)
        return other

    def between(self, other: "Design", step: float) -> "Design":
        """The same objective at weights so far on the way from these to the other's."""
        self.settle()
        mixture = self.emptied()
        mixture._V = (1 - step) * self._V + step * other._V
        mixture._forget()
        return mixture

    def whitening(self) -> Tensor:
        """C [p, p] with C Cᵀ = V⁻¹."""
        if self._C is None:
            L = torch.linalg.cholesky(self._V)
            self._C = torch.linalg.solve_triangular(L, self._eye, upper=False).T
        return self._C

    def emptied(self) -> "Design":
        """The same objective with nothing in it."""
        return type(self)(self.factors, self.ridge, *self._given())

    def state(self) -> DesignState:
        """The design as it is, without its factors."""
        self.settle()
        given = tuple(each.cpu().numpy() for each in self._given())
        V = None if self._is_empty else self._V.cpu().numpy().copy()
        return DesignState(type(self), self.ridge, given, V)

    def value(self) -> float:
        """The objective at S, 0 at the empty set."""
        raise NotImplementedError

    def slope_sum(self) -> float:
        """Σ_i w_i · slope_i at the present weights."""
        raise NotImplementedError

    def settle(self) -> None:
        """Bring everything that was added into V."""

    def _measure(self, Y: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _given(self) -> tuple[Tensor, ...]:
        """What a subclass was made with beside factors and λ."""
        return ()

    def _forget(self) -> None:
        """V has changed otherwise than by an update of what follows from it."""
        self._C, self._is_empty = None, False

    def _shrink(self, Y: Tensor, TY: Tensor) -> None:
        """C ← C S with S = I − Yᵀ T Y, T = L⁻ᵀ (I + L)⁻¹."""
        if self._C is not None:
            self._C = self._C - (self._C @ Y.T) @ TY

    def _sum(self, rows: np.ndarray, weights: np.ndarray | None) -> Tensor:
        total = torch.zeros_like(self._V)
        for positions in self.factors.blocks(rows):
            F = self.factors.read(rows[positions])
            if weights is None:
                total += F.T @ F
            else:
                each = np.repeat(weights[positions], self.factors.ranks[rows[positions]])
                total += F.T @ (F * torch.from_numpy(each).to(F.device)[:, None])
        return total

    def _whitened(self, rows: np.ndarray, dtype: torch.dtype = torch.float64) -> Iterator[tuple[np.ndarray, Padded]]:
        """Blocks of these rows with `Y = F C`, a product of this precision, in groups of like length."""
        C = self.whitening().to(dtype)
        for positions in self.factors.blocks(rows):
            F = self.factors.read(rows[positions], dtype)
            if self._is_empty:
                Y = F / self.ridge**0.5
            else:
                with exact_products(dtype):
                    Y = F @ C
            for padded in self.factors.pad(Y, rows[positions]):
                yield positions, padded


def identity(size: int, like: Tensor) -> Tensor:
    """I [size, size], of another tensor's precision and device."""
    return torch.eye(size, dtype=like.dtype, device=like.device)
