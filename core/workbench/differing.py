"""Differ: where do two selections, or the orders of two runs, put the same examples?

Examples of one dataset are the same by row, those of a dataset's versions by example id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from core.choices import SelectionRow
from core.errors import BadInput
from core.insight.difference import Overlap, by_distance, overlap, rank_correlation, rank_distance, spans_of
from core.people import Role
from core.records import RunRow
from core.selection.choose import information_ridge
from core.selection.registry import find_criterion
from core.workbench.base import check_target
from core.workbench.explaining import Explaining
from core.workbench.pools import unlike
from core.workbench.requests import Request
from core.workbench.rights import needs
from core.workbench.sides import (
    CHOSEN,
    HELD_OUT,
    ORDERED,
    SCORES,
    STATES,
    UNSCORABLE,
    UNTOLD,
    Score,
    Side,
    code_of,
    codes_of,
    is_in,
    levels,
)
from core.workbench.tables import write_table


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sides over the U examples that either dataset has: their rows in each [U], −1 where one has them not;
    the rank `distance` [U], NaN where an order has no place for one; and why information of the two cannot be
    compared, if it cannot."""

    a: Side
    b: Side
    rows_a: np.ndarray
    rows_b: np.ndarray
    distance: np.ndarray
    overlap: Overlap
    correlation: float | None
    unlike: str | None

    @property
    def is_least(self) -> np.ndarray:
        """Where the distance is what is sure, and may be more, [U]."""
        least: np.ndarray = ~(self.a.spans.is_exact & self.b.spans.is_exact)
        return least

    def only_a(self) -> np.ndarray:
        """What A alone has, in its order."""
        return _in_order(self.a, self.a.chosen & ~self.b.chosen)

    def only_b(self) -> np.ndarray:
        """What B alone has, in its order."""
        return _in_order(self.b, self.b.chosen & ~self.a.chosen)

    def disagreements(self) -> np.ndarray:
        """The examples whose places differ for sure, the farthest apart first."""
        return by_distance(self.distance, self.a.spans.first, self.b.spans.first)


class Differing(Explaining):
    """Two selections, or two runs, example by example."""

    def compare(
        self, a: str, b: str, *, by: Score = "nll", cut_a: Sequence[int] | np.ndarray | None = None
    ) -> Difference:
        """Compare two selections, or two scoring runs `by` a score; `cut_a` are the rows that another budget cuts
        from A's order.

        Raises BadInput for one of each, for what is not there, and where the datasets have no example in common.
        """
        if self.selections.has(a) != self.selections.has(b):
            raise BadInput("Compare two selections or two scoring runs, not one with the other.")
        if a == b:
            raise BadInput(f"{a!r} is on both sides; name another to compare it with.")
        sides = [self.side(name, by) for name in (a, b)]
        if cut_a is not None:
            sides[0] = sides[0].cut(np.asarray(cut_a, dtype=np.int64))
        left, right = sides
        rows_a, rows_b = self._match(left.run.dataset, right.run.dataset)
        if left.run.dataset != right.run.dataset:
            left, right = left.at(rows_a), right.at(rows_b)
        return Difference(
            left,
            right,
            rows_a,
            rows_b,
            rank_distance(left.spans, right.spans),
            overlap(left.chosen, right.chosen, left.tokens, right.tokens),
            rank_correlation(left.spans, right.spans),
            self._unlike(left, right),
        )

    def side(self, name: str, by: Score = "nll") -> Side:
        """A selection's order, or that of a run by a score."""
        if not self.selections.has(name):
            return self._side_of_run(self.runs.get(name), by)
        chosen = self.selections.get(name)
        run = self.runs.get(chosen.run)
        scores = self._scores(run)
        places = self.selections.places(name, len(scores["nll"]))
        is_chosen = places["rank"] > 0
        codes = np.where(is_chosen, code_of(CHOSEN), codes_of(places["gate"]))
        codes[is_in(codes, UNTOLD) & ~np.isfinite(scores["nll"])] = code_of(UNSCORABLE)
        codes[list(self.pool(run).held_out)] = code_of(HELD_OUT)
        return Side(
            name,
            run,
            chosen,
            is_chosen,
            spans_of(levels(places["rank"], places["enters"], codes)),
            codes,
            places["enters"],
            places["other"],
            scores,
        )

    def _side_of_run(self, run: RunRow, by: Score) -> Side:
        """All that a run scored, the highest score first."""
        self._check_finished(run.run)
        scores = self._scores(run)
        values, none = np.where(np.isfinite(scores["nll"]), scores[by], np.nan), np.full(len(scores["nll"]), -1)
        if not np.isfinite(values).any():
            raise BadInput(f"Scoring run {run.run!r} has no {by}; it was not calibrated.")
        codes = np.where(np.isfinite(values), code_of(ORDERED), code_of(UNSCORABLE))
        codes[list(self.pool(run).held_out)] = code_of(HELD_OUT)
        nothing = np.zeros(len(values), dtype=bool)
        return Side(run.run, run, None, nothing, spans_of(-values), codes, none, none, scores)

    def _scores(self, run: RunRow) -> dict[str, np.ndarray]:
        pool = self.pool(run)
        return {name: getattr(pool, name) for name in SCORES}

    def _match(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the examples that either dataset has: all of A's, then those that B alone has."""
        if a == b:
            rows = np.arange(self.datasets.get(a).rows_loaded)
            return rows, rows
        ids_a, ids_b = pd.Index(self.datasets.example_ids(a)), pd.Index(self.datasets.example_ids(b))
        found, others = ids_b.get_indexer(ids_a), np.flatnonzero(ids_a.get_indexer(ids_b) < 0)
        if not (found >= 0).any():
            raise BadInput(f"Datasets {a!r} and {b!r} have no example in common, so there is nothing to compare.")
        rows_a = np.concatenate([np.arange(len(ids_a)), np.full(len(others), -1)])
        return rows_a, np.concatenate([found, others])

    def _unlike(self, a: Side, b: Side) -> str | None:
        """Why information of the two cannot be compared, if it cannot."""
        if a.run.run != b.run.run:
            if (why := unlike(a.run, b.run)) is not None:
                return why.split(";")[0]
            if a.run.dataset != b.run.dataset:
                return "features are scaled by the norm of their own dataset"
        if a.selection and b.selection and _measure(a.selection) != _measure(b.selection):
            return "it is measured with another ridge, or of other features"
        return None

    @needs(Role.CURATOR, "write a file")
    def write_comparison(self, found: Difference, path: Path | str) -> Path:
        """Write a line for each example that either side has or places: Parquet, JSONL or CSV by suffix."""
        target, ids = check_target(path, ".parquet", ".jsonl", ".csv"), self._ids_of(found)
        columns: dict[str, Any] = {"example_id": ids}
        for letter, side, rows in (("a", found.a, found.rows_a), ("b", found.b, found.rows_b)):
            columns |= {
                f"row_{letter}": _nullable(rows, rows >= 0),
                f"state_{letter}": pa.array(STATES, pa.string()).take(pa.array(side.codes)),
                f"rank_{letter}": _nullable(side.spans.first, side.chosen),
                f"enters_{letter}": _nullable(side.enters, side.enters >= 0),
                f"place_{letter}": _nullable(side.spans.first, np.isfinite(side.spans.first)),
            }
        columns["distance"] = pa.array(found.distance, from_pandas=True)
        columns["is_least"] = pa.array(found.is_least & np.isfinite(found.distance))
        told = found.a.chosen | found.b.chosen | np.isfinite(found.distance)
        return write_table(pa.table(columns).filter(pa.array(told)), target)

    def _ids_of(self, found: Difference) -> pa.Array:
        ids = [np.array(self.datasets.example_ids(side.run.dataset), dtype=object) for side in (found.a, found.b)]
        return pa.array(np.where(found.rows_a >= 0, ids[0][found.rows_a], ids[1][found.rows_b]), pa.string())


def _measure(selection: SelectionRow) -> tuple[float, str]:
    """By which ridge and features a selection's information is measured."""
    settings = find_criterion(selection.criterion).settings.checked(**Request.of(selection).settings)
    return information_ridge(settings), getattr(settings, "features", "tokens")


def _in_order(side: Side, mask: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(mask)
    ordered: np.ndarray = rows[np.argsort(side.spans.first[rows], kind="stable")]
    return ordered


def _nullable(values: np.ndarray, is_known: np.ndarray) -> pa.Array:
    return pa.array(np.where(is_known, values, 0).astype(np.int64), mask=~is_known)
