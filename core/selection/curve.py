"""What would more, or less, of the same order tell, and where does more stop paying?

The information f of the first so many examples of an order, at a few dozen of its lengths: enough to read off any
budget between them. The knee is where the curve's distance from its chord is largest (Kneedle, Satopää
and others 2011).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.selection.design import Design
from core.selection.pool import Pool

POINTS = 64
FEWEST_FOR_KNEE = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """Along an order: how many examples, their response tokens, and their information in nats, each [g]; and the
    place of the knee in them, if there is one. The order itself tells budgets up to `reach`, in their unit."""

    examples: list[int]
    tokens: list[int]
    information: list[float]
    knee: int | None
    reach: int

    def recorded(self) -> dict[str, Any]:
        """As plain lists."""
        return asdict(self)


def information_curve(pool: Pool, rows: np.ndarray, empty: Design, reach: int, points: int = POINTS) -> Curve:
    """The curve of `rows` [n] in order, by adding them to the `empty` log-det design."""
    counts = np.unique(np.linspace(min(1, len(rows)), len(rows), min(points, len(rows))).round().astype(int))
    tokens, values, taken = np.cumsum(pool.response_tokens[rows]), list[float](), 0
    for count in counts:
        empty.add_all(rows[taken:count])
        taken = int(count)
        values.append(empty.value())
    spent = [int(tokens[count - 1]) for count in counts]
    return Curve([int(count) for count in counts], spent, values, find_knee(spent, values), reach)


def find_knee(x: list[int], y: list[float]) -> int | None:
    """The place of the knee of a concave, rising curve."""
    from kneed import KneeLocator

    if len(x) < FEWEST_FOR_KNEE or x[0] == x[-1] or y[0] == y[-1]:
        return None
    found = KneeLocator([0, *x], [0.0, *y], curve="concave", direction="increasing").knee
    return None if found is None or found == 0 else x.index(int(found))
