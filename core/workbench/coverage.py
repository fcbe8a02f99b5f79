"""Coverage: how much of each group's information a selection holds, and which picks tell what others would tell."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.choices import SelectionRow
from core.errors import BadInput
from core.insight.places import count_terms, find_cells, find_copies, name_cells
from core.selection.choose import information_ridge, view
from core.selection.coverage import Members, Shares, measure_shares, share_held
from core.selection.covers import SHORTEST, SKETCH
from core.selection.envelope import random_prefixes
from core.selection.pool import Grouping, Pool
from core.selection.registry import find_criterion
from core.selection.vectors import log_det
from core.workbench.base import keep_last
from core.workbench.explaining import Explaining
from core.workbench.requests import Request

MAP_CELLS = ""
"""In place of a column: the neighbourhoods of the run's map."""
SAMPLED, SAMPLED_A_GROUP = 600, 24
"""So many examples of all groups, but so many of each group, are measured for sets that are not stored."""
RANDOM_SUBSETS = 20
MOST_COVERED = 10_000
TEXTS_A_CELL, LONGEST_TEXT = 200, 2_000
MOST_KEPT = 3
PRODUCTS_A_SECOND, SECONDS_A_PICK = 8e9, 4e-4
"""Multiply-adds in float64 that two cores do in a second, in pieces of this size, and what each piece costs besides."""


@dataclass(frozen=True, slots=True)
class GroupCoverage:
    """One group's scored examples, how many of them are selected, the share of its information that is held (NaN where
    it tells nothing), and the lowest and highest share that random subsets hold, where they were measured."""

    group: str
    examples: int
    selected: int
    share: float
    random_low: float | None = None
    random_high: float | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every group, the least held first; the share of all examples; and whether a sample stands for the groups."""

    groups: list[GroupCoverage]
    share: float
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class MainCovers:
    """Of examples left out, by `rows` [n]: the `rank` [n] of the pick that alone covers most of each, and its `shares`
    [n]. `left_out` is how many there are; beyond ten thousand, `rows` is a random sample of them."""

    rows: np.ndarray
    ranks: np.ndarray
    shares: np.ndarray
    left_out: int


class Covering(Explaining):
    """Coverage by group, and who covers whom."""

    _gains: dict[str, dict[str, np.ndarray]]
    _cells: dict[tuple[str, int], Grouping]
    _measured: dict[tuple[str, str, bytes], Coverage]
    _main_covers: dict[str, MainCovers]

    def coverage(self, selection: str, column: str = MAP_CELLS) -> Coverage:
        """How much a stored selection holds of each value of a column, or of each neighbourhood of the map. Exact.

        Raises BadInput for no such column, without a map, and for a selection of an older version.
        """
        chosen, gains = self.selections.get(selection), self._gains_of(selection)
        grouping = self.grouping_of(chosen, column)
        members, inside = _members(gains, grouping), gains["rank"] > 0
        outside = np.flatnonzero(~inside)
        held = share_held(members, inside, outside, gains["gain"][outside])
        return _coverage(members, grouping, inside, held)

    def coverage_beside_random(
        self, selection: str, column: str, rows: np.ndarray, follow: Callable[[int, int], None] = lambda *_: None
    ) -> Coverage:
        """The same of any `rows` [n], beside random subsets of as many tokens, all by one sample of each group.

        Kept for those last asked about. `follow` is called with the sets measured and their number.
        """
        return keep_last(
            self._measured,
            (selection, column, rows.tobytes()),
            MOST_KEPT,
            lambda: self._measure(selection, column, rows, follow),
        )

    def has_coverage_beside_random(self, selection: str, column: str, rows: np.ndarray) -> bool:
        """Whether that was measured, and is kept."""
        return (selection, column, rows.tobytes()) in self._measured

    def grouping_of(self, selection: SelectionRow, column: str) -> Grouping:
        """The values of a column of its dataset, or the neighbourhoods of its run's map."""
        if column != MAP_CELLS:
            return self.groups(selection.dataset, column)
        drawings = len([1 for kind, _ in self.runs.taken_shards(selection.run) if kind == "map"])
        return keep_last(
            self._cells,
            (selection.run, drawings),
            MOST_KEPT,
            lambda: self._find_cells(selection.run, selection.dataset),
        )

    def main_covers_seconds(self, selection: str) -> float:
        """About how long finding the main covers takes; nothing once they are kept."""
        if selection in self._main_covers:
            return 0.0
        gains, pool = self._gains_of(selection), self.pool(self.runs.get(self.selections.get(selection).run))
        inside, every_rank = gains["rank"] > 0, np.diff(pool.offsets)
        rows, picks = gains["row"][~inside], gains["row"][inside]
        if not len(rows) or not len(picks):
            return 0.0
        n, k, p = min(len(rows), MOST_COVERED), len(picks), pool.factors.shape[1]
        rank, rank_of_pick = float(every_rank[rows].mean()), float(every_rank[picks].mean())
        sketches = (n * rank + k * rank_of_pick) * p * SKETCH + n * k * SKETCH**2 / 2
        shares = SHORTEST * n * rank * (rank + rank_of_pick) * p
        return (sketches + shares) / PRODUCTS_A_SECOND + min(k, SHORTEST * n) * SECONDS_A_PICK

    def main_covers(self, selection: str, follow: Callable[[int, int], None] = lambda *_: None) -> MainCovers:
        """For each example left out, the pick that alone covers most of it. `follow` is called with the picks looked at
        and their number.

        Raises BadInput for a selection of an older version.
        """
        return keep_last(self._main_covers, selection, MOST_KEPT, lambda: self._find_main_covers(selection, follow))

    def _find_main_covers(self, selection: str, follow: Callable[[int, int], None]) -> MainCovers:
        gains, finder = self._gains_of(selection), self._finder(self.selections.get(selection))
        every: np.ndarray = gains["row"][gains["rank"] == 0]
        rows = every
        if len(every) > MOST_COVERED:
            rows = np.sort(np.random.default_rng(0).choice(every, MOST_COVERED, replace=False))
        places, shares = finder.main(rows, follow)
        return MainCovers(rows, places + 1, shares, len(every))

    def _measure(self, selection: str, column: str, rows: np.ndarray, follow: Callable[[int, int], None]) -> Coverage:
        chosen = self.selections.get(selection)
        grouping, pool = self.grouping_of(chosen, column), self._pool_seen(chosen)
        members = _members(self._gains_of(selection), grouping)
        most = max(SAMPLED_A_GROUP, SAMPLED // max(1, members.groups))
        ridge = information_ridge(find_criterion(chosen.criterion).settings.checked(**Request.of(chosen).settings))
        subsets = random_prefixes(pool, chosen.seed, RANDOM_SUBSETS).of_tokens(int(pool.response_tokens[rows].sum()))
        held = []
        for done, chosen_rows in enumerate([rows, *subsets], 1):
            held.append(measure_shares(members, chosen_rows, log_det(pool.design_factors, ridge), most))
            follow(done, 1 + len(subsets))
        drawn = np.stack([each.of_groups for each in held[1:]])
        return _coverage(
            members, grouping, members.inside(rows), held[0], sampled=most, band=(drawn.min(axis=0), drawn.max(axis=0))
        )

    def _gains_of(self, selection: str) -> dict[str, np.ndarray]:
        """What each scored example tells; kept for the selections last asked about."""
        gains = keep_last(self._gains, selection, MOST_KEPT, lambda: self.selections.gains(selection))
        if self.selections.get(selection).upper_bound is None:
            raise BadInput(f"Selection {selection!r} was made by an older version; select again for what it left out.")
        return gains

    def _find_cells(self, run: str, dataset: str) -> Grouping:
        points = self.runs.map_points(run)
        if not points.num_rows:
            raise BadInput(f"Scoring run {run!r} has no map yet; draw it on the Map page.")
        rows = points["row_number"].to_numpy()
        cells = find_cells(np.stack([points["x"].to_numpy(), points["y"].to_numpy()], axis=1), 0)
        drawn, place = np.random.default_rng(0).permutation(len(rows)), dict[int, np.ndarray]()
        for cell in range(int(cells.max()) + 1):
            place[cell] = drawn[cells[drawn] == cell][:TEXTS_A_CELL]
        sampled = np.sort(np.concatenate(list(place.values())))
        read = self.datasets.texts(dataset, rows[sampled].tolist())
        texts = [f"{text.prompt}\n{text.response}"[:LONGEST_TEXT] for text in read]
        counts, vocabulary = count_terms(texts)
        named = name_cells(counts, cells[sampled], vocabulary, find_copies(texts))
        names = [", ".join(named.get(cell, (f"neighbourhood {cell + 1}",))) for cell in place]
        codes = np.full(self.datasets.get(dataset).rows_loaded, len(names), dtype=np.int64)
        codes[rows] = cells
        return Grouping("neighbourhood", codes, (*names, "not on the map"))

    def _pool_seen(self, chosen: SelectionRow) -> Pool:
        """The pool as the selection's criterion sees it."""
        request = Request.of(chosen)
        return view(self.pool_of(request), find_criterion(chosen.criterion).settings.checked(**request.settings))


def _members(gains: dict[str, np.ndarray], grouping: Grouping) -> Members:
    return Members(gains["row"], gains["gain_alone"], grouping.codes[gains["row"]], len(grouping.names))


def _coverage(
    members: Members,
    grouping: Grouping,
    inside: np.ndarray,
    held: Shares,
    sampled: int | None = None,
    band: tuple[np.ndarray, np.ndarray] | None = None,
) -> Coverage:
    """As records, without the groups that have no scored example."""
    examples = np.bincount(members.codes, minlength=members.groups)
    selected = np.bincount(members.codes[inside], minlength=members.groups)
    found = [
        GroupCoverage(
            grouping.names[code],
            int(examples[code]),
            int(selected[code]),
            float(held.of_groups[code]),
            *(float(edge[code]) for edge in band or ()),
        )
        for code in np.argsort(held.of_groups, kind="stable").tolist()
        if examples[code]
    ]
    return Coverage(found, held.of_all, sampled is not None and int((examples - selected).max()) > sampled)
