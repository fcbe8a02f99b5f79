"""In what do two orders of the same examples differ?

An order gives an example its place, 1 first. Where it tells less, of examples that enter at one budget or lie beyond
its end, it gives the span of places, `first` to `last`, that the example may have. Places of orders of different
lengths n are compared as shares s(place) = (place − ½) / n. The rank distance is what two spans differ by at least,

    d = max(0, s(first_A) − s(last_B), s(first_B) − s(last_A)),

so it never claims a disagreement that the orders do not prove; of two known places it is |s_A − s_B|.
"""

from dataclasses import dataclass

import numpy as np

BEYOND, REFUSED = 1e15, 2e15
"""Levels of what comes after everything that an order reaches, and of what it would never take."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The places `first` to `last` [N] that each example may have among `count`; NaN where it has none."""

    first: np.ndarray
    last: np.ndarray
    count: int

    @property
    def is_exact(self) -> np.ndarray:
        """Where the place itself is known, [N]."""
        known: np.ndarray = self.first == self.last
        return known

    @property
    def middle(self) -> np.ndarray:
        """The middle of each span [N], as rank statistics count ties."""
        middle: np.ndarray = (self.first + self.last) / 2
        return middle

    def at(self, rows: np.ndarray) -> "Spans":
        """Those of these rows [n], none at −1; the places stay those of the whole order."""
        held, here = np.where(rows >= 0, rows, 0), rows >= 0
        return Spans(np.where(here, self.first[held], np.nan), np.where(here, self.last[held], np.nan), self.count)


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many examples, and how many response tokens, only one of two selections has or both have."""

    only_a: int
    both: int
    only_b: int
    tokens_only_a: int
    tokens_both: int
    tokens_only_b: int

    @property
    def jaccard(self) -> float:
        """Shared ÷ chosen by either; 0 where nothing was chosen."""
        return self.both / max(1, self.only_a + self.both + self.only_b)

    @property
    def of_smaller(self) -> float:
        """Shared ÷ the smaller selection: 1 where it lies inside the other."""
        return self.both / max(1, self.both + min(self.only_a, self.only_b))


def spans_of(levels: np.ndarray) -> Spans:
    """Places by ascending `levels` [N]; equal ones share theirs, and NaN has none."""
    placed = np.flatnonzero(~np.isnan(levels))
    _, codes, counts = np.unique(levels[placed], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    first, last = np.full(len(levels), np.nan), np.full(len(levels), np.nan)
    first[placed], last[placed] = (ends - counts + 1)[codes], ends[codes]
    return Spans(first, last, len(placed))


def rank_distance(a: Spans, b: Spans) -> np.ndarray:
    """d [N], a share of the order from 0 to 1; NaN where either order has no place for an example."""
    low_a, high_a, low_b, high_b = ((place - 0.5) / max(1, of.count) for of in (a, b) for place in (of.first, of.last))
    gaps: np.ndarray = np.maximum(0.0, np.maximum(low_a - high_b, low_b - high_a))
    return gaps


def by_distance(distance: np.ndarray, *places: np.ndarray) -> np.ndarray:
    """The examples that two orders disagree about, the farthest first; ties by the better of their `places` [N],
    then by row."""
    found = np.flatnonzero(distance > 0)
    best = np.min([place[found] for place in places], axis=0)
    order: np.ndarray = found[np.lexsort((found, best, -distance[found]))]
    return order


def rank_correlation(a: Spans, b: Spans) -> float | None:
    """Spearman's ρ, ties counted by their middle, over the examples that both orders place; None below two, or
    where an order tells nothing apart."""
    x, y = a.middle, b.middle
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 2:
        return None
    x, y = (spans_of(of[both]).middle for of in (x, y))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def overlap(in_a: np.ndarray, in_b: np.ndarray, tokens_a: np.ndarray, tokens_b: np.ndarray) -> Overlap:
    """Of the masks [N] of two selections; what both have is counted in A's tokens [N]."""
    parts = ((in_a & ~in_b, tokens_a), (in_a & in_b, tokens_a), (in_b & ~in_a, tokens_b))
    counts, tokens = [int(part.sum()) for part, _ in parts], [int(of[part].sum()) for part, of in parts]
    return Overlap(*counts, *tokens)
