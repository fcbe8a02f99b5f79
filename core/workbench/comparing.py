"""Compare: how a selection's mixture differs, what light tuning did to a pool, and how stable a choice is."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.choices import SelectionRow, Standing
from core.errors import BadInput
from core.people import Role
from core.records import RunRow
from core.selection.criteria.instructdiff import Middle, Pattern, learnable_middle, name_pattern
from core.selection.criterion import Need
from core.selection.envelope import Prefixes, random_prefixes
from core.selection.registry import find_criterion
from core.settings import InstructDiffRule
from core.workbench.base import check_target, keep_last
from core.workbench.choosing import Choosing
from core.workbench.requests import Request
from core.workbench.rights import needs
from core.workbench.tables import write_table


@dataclass(frozen=True, slots=True)
class Share:
    """One group's examples in the pool and in the selection, and its lowest and highest share, 0 to 1, of the examples
    of random subsets of equal tokens: these have other numbers of examples than the selection."""

    group: str
    pool: int
    selected: int
    random_low: float
    random_high: float


@dataclass(frozen=True, slots=True)
class Round:
    """One round of InstructDiff's iterations: how many examples it tuned on, and which share of them the round
    before had tuned on too; none for the first."""

    number: int
    examples: int
    overlap: float | None


@dataclass(frozen=True, slots=True)
class Stability:
    """One criterion and budget on several runs: what sets each run apart, the overlap of each two selections
    (shared examples ÷ those of the smaller), for each row ever chosen the share of runs that chose it, and why runs
    were skipped."""

    selections: dict[str, str]
    differences: dict[str, str]
    overlaps: list[dict[str, Any]]
    frequency: dict[int, float]
    skipped: dict[str, str]

    @property
    def mean_overlap(self) -> float:
        """Over all pairs."""
        return float(np.mean([pair["overlap"] for pair in self.overlaps]))

    @property
    def always(self) -> int:
        """How many examples every run chose."""
        return sum(share == 1 for share in self.frequency.values())


class Comparing(Choosing):
    """Mixtures, patterns, rounds and stability."""

    _prefixes: dict[str, Prefixes]

    def mixture(self, selection: str, column: str, rows: Sequence[int] | np.ndarray | None = None) -> list[Share]:
        """How the values of a column are spread over a selection, or over these rows in its place, the largest group
        first. Raises BadInput for no such column."""
        chosen = self.selections.get(selection)
        groups, tokens_of = self.groups(chosen.dataset, column), self.pool(self.runs.get(chosen.run)).response_tokens
        held = [pick.row for pick in self.selections.picks(selection)] if rows is None else rows
        here = np.asarray(held, dtype=np.int64)
        prefixes = keep_last(
            self._prefixes, selection, 1, lambda: random_prefixes(self.pool_of(Request.of(chosen)), chosen.seed)
        )

        def count(of: np.ndarray) -> np.ndarray:
            counted: np.ndarray = np.bincount(groups.codes[of], minlength=len(groups.names))
            return counted

        subsets = prefixes.of_tokens(int(tokens_of[here].sum()))
        drawn = np.stack([count(subset) / max(1, len(subset)) for subset in subsets])
        everywhere, mine, low, high = count(prefixes.rows), count(here), drawn.min(axis=0), drawn.max(axis=0)
        order = np.argsort(-everywhere, kind="stable")
        return [
            Share(groups.names[i], int(everywhere[i]), int(mine[i]), float(low[i]), float(high[i]))
            for i in order.tolist()
        ]

    def pattern(self, run: str) -> Pattern:
        """Whether light tuning made the model surer of a pool (compression), less sure (expansion), or neither."""
        return name_pattern(self.pool(self.runs.get(run)))

    def middle(self, run: str, rule: InstructDiffRule, gamma: float) -> Middle:
        """InstructDiff's learnable middle of a run, with its cut-offs."""
        pool = self.pool(self.runs.get(run))
        find_criterion("instructdiff").check_needs(pool)
        return learnable_middle(pool, rule, gamma)

    def rounds(self, run: str) -> list[Round]:
        """The rounds of a run's calibration, as far as it has got."""
        self.runs.get(run)
        paths = sorted((self.folder.run(run).path / "rounds").glob("*.json"), key=lambda path: int(path.stem))
        drawn = [set(json.loads(path.read_text())) for path in paths]
        before: list[set[int] | None] = [None, *drawn]
        return [
            Round(number, len(rows), None if last is None else len(rows & last) / max(1, len(rows)))
            for number, (rows, last) in enumerate(zip(drawn, before, strict=False), start=1)
        ]

    @needs(Role.CURATOR, "choose on other runs")
    def stability(self, selection: str, runs: Sequence[str] = ()) -> Stability:
        """The same choice on other finished runs of the dataset, all that can carry it or those named.

        Raises BadInput where there is none to compare with.
        """
        chosen = self.selections.get(selection)
        others = [self.runs.get(run) for run in runs] or self._alike(chosen.run, chosen.criterion)
        own = self.runs.get(chosen.run)
        every = [own, *(other for other in others if other.run != own.run)]
        if len(every) < 2:
            raise BadInput(
                "There is no other finished scoring run to compare with; score this dataset again with another "
                "seed, template, dtype or model."
            )
        names, skipped = {own.run: selection}, dict[str, str]()
        for run in every[1:]:
            try:
                names[run.run] = self._same_on(chosen, run)
            except BadInput as error:
                skipped[run.run] = str(error)
        if len(names) < 2:
            raise BadInput(f"No other run could make this choice: {next(iter(skipped.values()))}")
        rows = {run: {pick.row for pick in self.selections.picks(name)} for run, name in names.items()}
        pairs = [
            {"runs": [a, b], "shared": len(rows[a] & rows[b]), "overlap": _overlap(rows[a], rows[b])}
            for a, b in itertools.combinations(rows, 2)
        ]
        often = {row: sum(row in of for of in rows.values()) / len(rows) for row in sorted(set().union(*rows.values()))}
        return Stability(names, {run.run: _difference(own, run) for run in every}, pairs, often, skipped)

    @needs(Role.CURATOR, "write a file")
    def write_stability(self, found: Stability, selection: str, path: Path | str) -> Path:
        """Write for each example that any run chose how often it was."""
        target, chosen = check_target(path, ".parquet", ".jsonl", ".csv"), self.selections.get(selection)
        ids = self.datasets.example_ids(chosen.dataset)
        lines = [{"example_id": ids[row], "row": row, "frequency": share} for row, share in found.frequency.items()]
        return write_table(pa.Table.from_pylist(lines), target)

    def _alike(self, run: str, criterion: str) -> list[RunRow]:
        """Finished runs of the same dataset that have what the criterion needs."""
        needs = find_criterion(criterion).needs
        runs = self.runs.of_dataset(self.runs.get(run).dataset)
        return [other for other in runs if self._is_done_with(other, needs)]

    def _is_done_with(self, run: RunRow, needs: Sequence[Need]) -> bool:
        return self.run_progress(run.run).state == "done" and all(self.has(run, need) for need in needs)

    def _same_on(self, chosen: SelectionRow, run: RunRow) -> str:
        """The same request on another run, decisions as they were then. Raises BadInput where it cannot be."""
        request, given = replace(Request.of(chosen), run=run.run), chosen.settings.get("given", {})
        own = Standing(tuple(given.get("pinned", ())), tuple(given.get("banned", ())))
        return self.select_request(request, own).selection


def _overlap(a: set[int], b: set[int]) -> float:
    return len(a & b) / max(1, min(len(a), len(b)))


def _difference(own: RunRow, other: RunRow) -> str:
    """In which settings another run differs, in words."""
    if own.run == other.run:
        return "this run"
    parts = []
    for part in ("scoring", "calibration"):
        ours, theirs = own.settings[part] or {}, other.settings[part] or {}
        names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        parts += [f"{name} {theirs.get(name)!s}" for name in names if theirs]
        parts += ["not calibrated"] if ours and not theirs else []
    if own.settings["calibrated_model"] != other.settings["calibrated_model"]:
        parts.append(f"calibrated_model {other.settings['calibrated_model']}")
    return ", ".join(parts) or "the same settings"
