"""What a criterion may look at: one scoring run's numbers, as plain arrays over the N rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from core.errors import BadInput
from core.selection.factors import Factors
from core.selection.ioptimal import second_moment
from core.settings import Quota

if TYPE_CHECKING:
    from core.selection.sharing import Spread


@dataclass(frozen=True)
class Grouping:
    """A column's values: `codes` [N] int point into `names`."""

    column: str
    codes: np.ndarray
    names: tuple[str, ...]

    def describe(self, code: int) -> str:
        """The group in words."""
        return f"{self.column}={self.names[code]}"


@dataclass(frozen=True)
class Repeats:
    """Groups of examples that say nearly the same: rows with the same of `codes` [N]; `how` names the kind."""

    codes: np.ndarray
    how: str


@dataclass(frozen=True)
class Target:
    """Examples of the task that one cares about: `factors` [Σ r_i, p] with `offsets`, in units of the pool's
    root-mean-square norm once multiplied by `scale`; `rows` [n] are those that count, `tokens` theirs."""

    factors: np.ndarray
    offsets: np.ndarray
    rows: np.ndarray
    tokens: int
    scale: float = 1.0


@dataclass(frozen=True)
class Pool:
    """Scores of one run. Rows that could not be scored have NaN and never enter a selection, nor do those `held_out`.

    `response_tokens`, `prompt_tokens` [N] int; `nll`, `entropy`, `delta_nll`, `delta_entropy` [N] in nats;
    `ifd_loss_ratio`, `ifd_perplexity_ratio` [N]; `factors` [Σ r_i, p] with `offsets` [N + 1]; `mean_features`
    [N, d]; `banned` and `pinned` are row numbers; of each group of `repeats` one example stands for all;
    `quotas` are about `groups`; designs are computed on `device`; `read_texts` gives prompt and response
    of each row as one text; `spread`, if there is one, has pieces of the work done elsewhere.
    `withheld` are rows that a criterion itself sets aside.
    """

    response_tokens: np.ndarray
    prompt_tokens: np.ndarray
    nll: np.ndarray
    entropy: np.ndarray
    delta_nll: np.ndarray
    delta_entropy: np.ndarray
    ifd_loss_ratio: np.ndarray
    ifd_perplexity_ratio: np.ndarray
    factors: np.ndarray
    offsets: np.ndarray
    mean_features: np.ndarray
    pinned: tuple[int, ...] = ()
    banned: frozenset[int] = field(default_factory=frozenset)
    repeats: Repeats | None = None
    groups: Grouping = field(default_factory=lambda: Grouping("", np.zeros(0, np.int64), ()))
    quotas: tuple[Quota, ...] = ()
    target: Target | None = None
    device: str = "cpu"
    withheld: frozenset[int] = field(default_factory=frozenset)
    held_out: frozenset[int] = field(default_factory=frozenset)
    read_texts: Callable[[], Sequence[str]] | None = None
    spread: "Spread | None" = None

    @cached_property
    def scored(self) -> np.ndarray:
        """The rows that have scores, ascending."""
        return np.flatnonzero(np.isfinite(self.nll))

    @cached_property
    def represented(self) -> dict[int, int]:
        """Rows that repeat another, with the row that stands for them: a pinned one of the group, else its
        first that was scored and is not banned. Pinned rows stand for themselves."""
        if self.repeats is None:
            return {}
        rows = self.scored[~np.isin(self.scored, list(self.banned))]
        is_pinned = np.isin(rows, self.pinned)
        rows, is_pinned = (part[np.argsort(~is_pinned, kind="stable")] for part in (rows, is_pinned))
        _, first, groups = np.unique(self.repeats.codes[rows], return_index=True, return_inverse=True)
        stands = rows[first][groups]
        is_other = (stands != rows) & ~is_pinned
        return dict(zip(rows[is_other].tolist(), stands[is_other].tolist(), strict=True))

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows that may be selected: scored, not banned, and no repeat of another, ascending."""
        out = [*self.banned, *self.represented]
        return self.scored[~np.isin(self.scored, out)]

    @cached_property
    def candidates(self) -> np.ndarray:
        """The selectable rows that are neither pinned nor withheld: what a criterion orders."""
        return self.rows[~np.isin(self.rows, [*self.pinned, *self.withheld])]

    def narrowed(self, withheld: Iterable[int]) -> "Pool":
        """The same pool without these rows among the candidates."""
        return self._changed(withheld=self.withheld | frozenset(withheld))

    def decided(self, pinned: tuple[int, ...], banned: Iterable[int]) -> "Pool":
        """The same pool with these pins and bans alone. Raises BadInput for what cannot be pinned."""
        pool = self._changed(pinned=pinned, banned=frozenset(banned))
        pool.check_decisions()
        return pool

    def _changed(self, **changes: Any) -> "Pool":
        pool = replace(self, **changes)
        vars(pool)["design_factors"] = self.design_factors  # not loaded onto the device twice
        return pool

    @cached_property
    def design_factors(self) -> Factors:
        """The factors, as designs read them."""
        return Factors(self.factors, self.offsets, self.device)

    @cached_property
    def moment(self) -> Tensor:
        """The second moment [p, p] of the target's tokens, of the pool's own where there is no target.

        Raises BadInput where it is zero.
        """
        of = self.target or Target(
            self.factors, self.offsets, self.rows, int(self.response_tokens[self.rows].sum()), scale=1.0
        )
        is_own = of.factors is self.factors
        factors = self.design_factors if is_own else Factors(of.factors, of.offsets, self.device)
        moment = of.scale**2 * second_moment(factors, of.rows, of.tokens)
        if float(moment.trace()) == 0.0:
            raise BadInput("There is nothing to serve: the features of these tokens are all zero.")
        return moment

    def as_vectors(self) -> "Pool":
        """The same pool with one vector an example: the mean response feature, of root-mean-square norm 1."""
        vectors = np.asarray(self.mean_features[self.scored], dtype=np.float32)
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        norm = np.sqrt(squares.mean()) if len(vectors) else 1.0
        has_vector = np.isfinite(self.nll).astype(np.int64)
        return replace(
            self, factors=vectors / np.float32(norm or 1.0), offsets=np.concatenate([[0], np.cumsum(has_vector)])
        )

    def check_decisions(self) -> None:
        """Raises BadInput for a pin that is also banned, cannot be scored, or is not there."""
        for row in self.pinned:
            if not 0 <= row < len(self.nll):
                raise BadInput(f"Row {row:,} is pinned, but the dataset has {len(self.nll):,} rows.")
            if row in self.banned:
                raise BadInput(f"Row {row:,} is both pinned and banned; take it out of one list.")
            if not np.isfinite(self.nll[row]):
                raise BadInput(f"Row {row:,} is pinned, but it could not be scored; take it out of the pins.")
