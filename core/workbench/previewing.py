"""Preview: what another budget or other decisions would give, without choosing anew.

A preview is a cut of an order that was computed before: no model and no search, only arithmetic. For other decisions
the order made around them is taken if there is one; else the selection's own, without what is banned and with what
is pinned. Selecting anew may then find something better.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from core.choices import SelectionRow, Standing, WhatIf
from core.errors import BadInput
from core.selection.budgets import make_room
from core.selection.choose import Task, information_ridge, pick, prepare
from core.selection.logdet import LogDet
from core.selection.price import information_change
from core.selection.ranking import Ordered, Ranking
from core.selection.registry import find_criterion
from core.selection.vectors import log_det
from core.settings import Budget
from core.workbench.base import keep_last
from core.workbench.choosing import Choosing, reach_of
from core.workbench.requests import Request, as_ordered

MOST_KEPT = 4
KINDS = ("pin", "ban", "unpin", "unban")


@dataclass(frozen=True, slots=True)
class Kept:
    """What previews of one selection need, kept in memory: what was asked, its task and order, its rows with their
    running information, and their design once somebody asked for a price."""

    request: Request
    task: Task
    ordered: Ordered
    rows: np.ndarray
    cumulative: np.ndarray
    design: list[LogDet]


class Previewing(Choosing):
    """Previews and prices."""

    _kept: dict[str, Kept]

    def request_of(self, selection: SelectionRow) -> Request:
        """What a stored selection was asked to be."""
        return Request.of(selection)

    def in_force(self, selection: SelectionRow) -> Standing:
        """The pins and bans that selecting again would keep to: those it was given, and those that stand now."""
        given, now = selection.settings.get("given", {}), self.standing_in(self.runs.get(selection.run))
        if not any(given.values()):
            return now
        pinned = tuple(dict.fromkeys([*given.get("pinned", ()), *now.pinned]))
        return Standing(pinned, tuple(sorted({*given.get("banned", ()), *now.banned})))

    def newer_decisions(self, selection: SelectionRow) -> int:
        """In how many pins and bans the selection differs from those in force."""
        now, then = self.in_force(selection), selection.settings
        return len(set(now.pinned) ^ set(then["pinned"])) + len(set(now.banned) ^ set(then["banned"]))

    def what_if(self, selection: str, budget: str | None = None, standing: Standing | None = None) -> WhatIf:
        """What another budget would give, or the decisions in force, or those given.

        Raises BadInput for a budget that cannot be, and where only selecting again tells.
        """
        chosen, kept = self.selections.get(selection), self._keep(selection)
        decided = standing or self.in_force(chosen)
        pool = kept.task.pool.decided(decided.pinned, decided.banned)
        allowance = kept.task.criterion.allow(Budget.parse(budget or chosen.budget), pool, kept.task.settings)
        task = replace(kept.task, pool=pool, allowance=allowance, room=make_room(pool, allowance))
        is_same = set(pool.pinned) == set(kept.task.pool.pinned) and pool.banned == kept.task.pool.banned
        if not task.is_free and not (is_same and budget is None):
            raise BadInput("With quotas, stochastic or greedi search only selecting again tells what would change.")
        ordered = kept.ordered if is_same else self._order_around(kept, task, decided)
        held = math.inf if ordered.is_complete else _reach(ordered, task)
        if held < task.room.total:
            raise BadInput(
                f"The order goes on for {held:,} {allowance.unit}, fewer than this budget: select again with it."
            )
        rows = np.array([*pool.pinned, *pick(task, ordered).rows], dtype=np.int64)
        information, is_exact = self._information(kept, chosen, rows)
        tokens, gone = int(pool.response_tokens[rows].sum()), np.setdiff1d(kept.rows, rows)
        entered = np.setdiff1d(rows, kept.rows)
        return WhatIf(rows.tolist(), tokens, information, is_exact, entered.tolist(), gone.tolist())

    def price(self, selection: str, kind: str, row: int) -> WhatIf:
        """What pinning or banning an example, or taking that back (unpin, unban), would change.

        Raises BadInput for another kind, and where only selecting again tells.
        """
        if kind not in KINDS:
            raise BadInput(f"There is no price of {kind!r}; there are those of {', '.join(KINDS)}.")
        now = self.in_force(self.selections.get(selection))
        pinned, banned = ([other for other in rows if other != row] for rows in (now.pinned, now.banned))
        if kind == "pin":
            pinned.append(row)
        elif kind == "ban":
            banned.append(row)
        return self.what_if(selection, standing=Standing(tuple(pinned), tuple(sorted(banned))))

    def _order_around(self, kept: Kept, task: Task, decided: Standing) -> Ordered:
        """The order made around these decisions, if there is one that goes far enough; else what they leave of the
        selection's own."""
        request = replace(kept.request, pinned=decided.pinned, banned=decided.banned)
        stored = self.orders.find(request.order_name(task.allowance.unit))
        if stored is not None and reach_of(stored, task) >= task.room.total:
            return as_ordered(stored)
        swaps = _new_representatives(kept.task, task)
        rankings = tuple(_left(ranking, task, swaps) for ranking in kept.ordered.rankings)
        return replace(kept.ordered, rankings=rankings)

    def _information(self, kept: Kept, chosen: SelectionRow, rows: np.ndarray) -> tuple[float, bool]:
        """What these rows hold, in nats, and whether that is exact."""
        known = min(len(rows), len(kept.rows))
        if np.array_equal(rows[:known], kept.rows[:known]):
            if len(rows) <= len(kept.rows):
                return float(kept.cumulative[len(rows) - 1]) if len(rows) else 0.0, True
            curve = chosen.curve
            if curve and len(rows) <= curve["examples"][-1]:
                return float(np.interp(len(rows), curve["examples"], curve["information"])), False
        out, into = np.setdiff1d(kept.rows, rows), np.setdiff1d(rows, kept.rows)
        factors = kept.task.pool.design_factors
        if int(factors.ranks[out].sum() + factors.ranks[into].sum()) > factors.dimension:
            return _design_of(kept.task, rows).value(), True
        if not kept.design:
            kept.design.append(_design_of(kept.task, kept.rows))
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
        picks = self.selections.picks(selection)
        rows = np.array([pick.row for pick in picks], dtype=np.int64)
        return Kept(request, task, as_ordered(stored), rows, np.array([pick.cumulative for pick in picks]), [])


def _reach(ordered: Ordered, task: Task) -> int:
    """How much of the budget's unit an order holds, of the shortest of its rankings."""
    costs, candidates = task.room.costs, task.pool.candidates
    return min(int(costs[np.searchsorted(candidates, ranking.rows)].sum()) for ranking in ordered.rankings)


def _design_of(task: Task, rows: np.ndarray) -> LogDet:
    design = log_det(task.pool.design_factors, information_ridge(task.settings))
    design.add_all(rows)
    return design


def _new_representatives(before: Task, now: Task) -> dict[int, int]:
    """Which row takes the place of another in an order, since the one that stood for their group is banned.

    Raises BadInput where a candidate has no place in the order at all, since it was pinned or banned before.
    """
    placed = dict[int, int]()
    came = now.pool.candidates[~np.isin(now.pool.candidates, before.pool.candidates, assume_unique=True)]
    for row in came.tolist():
        stood = before.pool.represented.get(row)
        if stood is None or stood in now.pool.rows:
            raise BadInput("A pin or ban is taken back: only selecting again tells where the example stands now.")
        placed[stood] = row
    return placed


def _left(ranking: Ranking, task: Task, swaps: dict[int, int]) -> Ranking:
    """What the task's decisions leave of a ranking."""
    rows = np.array([swaps.get(row, row) for row in ranking.rows.tolist()], dtype=np.int64) if swaps else ranking.rows
    still = np.isin(rows, task.pool.candidates)
    return Ranking(rows[still], None if ranking.gains is None else ranking.gains[still])
