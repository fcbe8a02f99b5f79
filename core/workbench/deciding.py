"""Decide: pin, ban, note and undo; what a decision costs, and what another budget would give.

A preview is a cut of the order that a selection was made from: no model and no search, only arithmetic. Selecting
anew with the decisions in force orders anew around them, and may find something better.
"""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.choices import Decision, SelectionRow, Standing, WhatIf
from core.errors import BadInput
from core.selection.choose import Task, information_ridge, pick, prepare
from core.selection.logdet import LogDet
from core.selection.price import information_change
from core.selection.ranking import Ordered, Ranking
from core.selection.registry import find_criterion
from core.selection.vectors import log_det
from core.settings import Budget
from core.workbench.base import keep_last
from core.workbench.choosing import Choosing
from core.workbench.requests import Request, as_ordered

KINDS = ("pin", "ban", "note")
LONGEST = 10_000
MOST_ROWS_EXACT = 4_096
MOST_KEPT = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """What previews of one selection need, kept in memory: its task and order, its rows, and their design once
    somebody asked for a price."""

    task: Task
    ordered: Ordered
    rows: np.ndarray
    design: list[LogDet]


class Deciding(Choosing):
    """Decisions and previews."""

    _kept: dict[str, Kept]

    def decide(self, dataset: str, rows: Sequence[int], kind: str, why: str = "", who: str | None = None) -> list[int]:
        """Pin, ban or note examples by row; returns the decisions' numbers.

        Raises BadInput for another kind, for a row that is not there, and for a note without words.
        """
        if kind not in KINDS:
            raise BadInput(f"There is no decision {kind!r}; there are {', '.join(KINDS)}, and undo.")
        if kind == "note" and not why.strip():
            raise BadInput("A note needs words.")
        if len(why) > LONGEST:
            raise BadInput(f"This reason has {len(why):,} characters; {LONGEST:,} are kept at most.")
        self._check_rows(dataset, rows)
        return self.decisions.add(dataset, list(dict.fromkeys(rows)), kind, why.strip(), who or local_person())

    def undo(self, decision: int, why: str = "", who: str | None = None) -> int:
        """Undo a decision by a new one; returns its number. Undoing an undo brings back what it undid."""
        undone = self.decisions.get(decision)
        return self.decisions.add(undone.dataset, [undone.row], "undo", why, who or local_person(), decision)[0]

    def history(self, dataset: str, row: int | None = None) -> list[Decision]:
        """Every decision on a dataset, or on one example of it, in order."""
        self.datasets.get(dataset)
        return self.decisions.of_dataset(dataset) if row is None else self.decisions.of_row(dataset, row)

    def newer_decisions(self, selection: SelectionRow) -> int:
        """In how many pins and bans the selection differs from those in force on its dataset."""
        now, then = self.decisions.standing(selection.dataset), selection.settings
        return len(set(now.pinned) ^ set(then["pinned"])) + len(set(now.banned) ^ set(then["banned"]))

    def what_if(self, selection: str, budget: str | None = None, standing: Standing | None = None) -> WhatIf:
        """What the selection's order gives for another budget, and under the decisions in force or those given.

        Raises BadInput for a budget that cannot be, or beyond which the order was not computed.
        """
        kept = self._keep(selection)
        chosen = self.selections.get(selection)
        decided = standing or self.decisions.standing(chosen.dataset)
        pool = replace(kept.task.pool, pinned=decided.pinned, banned=frozenset(decided.banned))
        task = prepare(pool, kept.task.criterion, Budget.parse(budget or chosen.budget), kept.task.settings, 0)
        rankings = tuple(_left(ranking, task) for ranking in kept.ordered.rankings)
        ordered = replace(kept.ordered, rankings=rankings)
        held = min(int(task.room.costs[np.searchsorted(task.pool.candidates, r.rows)].sum()) for r in rankings)
        if not ordered.is_complete and held < task.room.total:
            raise BadInput(
                f"The order of selection {selection!r} goes on for {held:,} {task.allowance.unit}, fewer than this "
                "budget; select with it."
            )
        rows = np.array([*pool.pinned, *pick(task, ordered).rows], dtype=np.int64)
        out, into = np.setdiff1d(kept.rows, rows), np.setdiff1d(rows, kept.rows)
        same = set(decided.pinned) == set(kept.task.pool.pinned) and set(decided.banned) == kept.task.pool.banned
        information, is_exact = self._information(kept, chosen, len(rows), out, into, is_prefix=same)
        return WhatIf(
            rows.tolist(),
            int(pool.response_tokens[rows].sum()),
            information,
            is_exact,
            into.tolist(),
            out.tolist(),
        )

    def price(self, selection: str, kind: str, row: int) -> WhatIf:
        """What pinning or banning an example, or taking that back (`unpin`, `unban`), would change."""
        chosen = self.selections.get(selection)
        now = self.decisions.standing(chosen.dataset)
        pinned, banned = set(now.pinned) - {row}, set(now.banned) - {row}
        if kind == "pin":
            pinned.add(row)
        elif kind == "ban":
            banned.add(row)
        return self.what_if(selection, standing=Standing(tuple(sorted(pinned)), tuple(sorted(banned))))

    def _information(
        self, kept: Kept, chosen: SelectionRow, count: int, out: np.ndarray, into: np.ndarray, *, is_prefix: bool
    ) -> tuple[float, bool]:
        if not len(out) and not len(into):
            return chosen.log_det, True
        ranks = kept.task.pool.design_factors.ranks
        if is_prefix or int(ranks[out].sum() + ranks[into].sum()) > MOST_ROWS_EXACT:
            curve = chosen.curve or {"examples": [chosen.examples], "information": [chosen.log_det]}
            return float(np.interp(count, [0, *curve["examples"]], [0.0, *curve["information"]])), False
        if not kept.design:
            design = log_det(kept.task.pool.design_factors, information_ridge(kept.task.settings))
            design.add_all(kept.rows)
            kept.design.append(design)
        return chosen.log_det + information_change(kept.design[0], out, into), True

    def _keep(self, selection: str) -> Kept:
        """The selection's task and order, read once; those of the selections last asked about are kept."""
        return keep_last(self._kept, selection, MOST_KEPT, lambda: self._read_kept(selection))

    def _read_kept(self, selection: str) -> Kept:
        chosen = self.selections.get(selection)
        stored = self.orders.find(chosen.order_name) if chosen.order_name else None
        if stored is None:
            raise BadInput(f"Selection {selection!r} was made by an older version; select again to go on with it.")
        request, rule = Request.of(chosen), find_criterion(chosen.criterion)
        settings = rule.settings.checked(**request.settings)
        task = prepare(self.pool_of(request), rule, Budget.parse(chosen.budget), settings, chosen.seed)
        rows = np.array([pick.row for pick in self.selections.picks(selection)], dtype=np.int64)
        return Kept(task, as_ordered(stored), rows, [])

    def _check_rows(self, dataset: str, rows: Sequence[int]) -> None:
        count = self.datasets.get(dataset).rows_loaded
        if not rows:
            raise BadInput("No example was named to decide on.")
        for row in rows:
            if not 0 <= row < count:
                raise BadInput(f"Dataset {dataset!r} has no row {row:,}; its rows are 0 to {count - 1:,}.")


def local_person() -> str:
    """Who decides where nobody has to sign in: the account's name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "local"


def _left(ranking: Ranking, task: Task) -> Ranking:
    """What the task's decisions leave of a ranking."""
    still = np.isin(ranking.rows, task.pool.candidates)
    return Ranking(ranking.rows[still], None if ranking.gains is None else ranking.gains[still])
