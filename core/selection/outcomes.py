"""Why was each example left out, and at which budget would it enter?

The gates, in the order in which they are passed: it is held out for a proof; it could not be scored; it is banned; it
repeats another; the criterion's own filter; a full quota; the budget. The first that kept an example out is its reason.
"""

from dataclasses import dataclass

import numpy as np

from core.selection.budgets import Allowance
from core.selection.pool import Pool
from core.selection.ranking import Ordered, Picked, Ranking
from core.selection.room import Room

HELD_OUT, UNSCORABLE, BANNED, REPEAT = "held out", "unscorable", "banned", "repeat"
FILTER, QUOTA, BUDGET = "filter", "quota", "budget"
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Outcomes:
    """For each row [n] that is not selected its gate; `details` of it, "" where the gate says all; `others`, the
    row that stands for a repeat, and `enters`, the budget in its unit at which it would be in, −1 if unknown."""

    rows: np.ndarray
    gates: list[str]
    details: list[str]
    others: np.ndarray
    enters: np.ndarray


def explain_left_out(
    ordered: Ordered, pool: Pool, room: Room, allowance: Allowance, picked: Picked, *, foretell: bool
) -> Outcomes:
    """The gate of every row outside the selection, ascending; with `foretell`, where the order is that of every
    budget, the budget at which each would enter."""
    rows = np.setdiff1d(np.arange(len(pool.nll)), [*pool.pinned, *picked.rows])
    barred = _barred(pool, room, picked)
    enters = _entries(ordered, pool, room, allowance, foretell=foretell)
    gates, details, scored = list[str](), list[str](), np.isfinite(pool.nll)
    for row in rows.tolist():
        gate, detail = BUDGET, ""
        if not scored[row]:
            gate = HELD_OUT if row in pool.held_out else UNSCORABLE
        elif row in pool.banned:
            gate = BANNED
        elif row in pool.represented:
            gate, detail = REPEAT, pool.repeats.how if pool.repeats else ""
        elif row in ordered.refused:
            gate, detail = FILTER, ordered.refused[row]
        elif row in barred:
            gate, detail = QUOTA, pool.groups.describe(int(pool.groups.codes[row]))
        gates.append(gate)
        details.append(detail)
    others = np.array([pool.represented.get(row, UNKNOWN) for row in rows.tolist()], dtype=np.int64)
    is_over = np.array([gate == BUDGET for gate in gates], dtype=bool)
    return Outcomes(rows, gates, details, others, np.where(is_over, enters[rows], UNKNOWN))


def _barred(pool: Pool, room: Room, picked: Picked) -> set[int]:
    """The candidates that a quota keeps out at the end."""
    if not room.has_quotas:
        return set()
    rest = room.copy()
    for position in np.searchsorted(pool.candidates, picked.rows):
        rest.take(int(position))
    return set(pool.candidates[rest.is_barred(np.arange(len(pool.candidates)))].tolist())


def _entries(ordered: Ordered, pool: Pool, room: Room, allowance: Allowance, *, foretell: bool) -> np.ndarray:
    """The smallest budget [N], pins included, at which each ordered row is in; −1 where the order does not tell."""
    enters = np.full(len(pool.nll), UNKNOWN, dtype=np.int64)
    if not foretell:
        return enters
    pins = allowance.amount - room.total
    spent = [np.cumsum(room.costs[np.searchsorted(pool.candidates, r.rows)]) for r in ordered.rankings]
    if allowance.takes_crossing:
        ranking = ordered.rankings[0]
        enters[ranking.rows] = pins + np.concatenate([[0], spent[0][:-1]]) + 1
    elif len(spent) == 1:
        enters[ordered.rankings[0].rows] = pins + spent[0]
    else:
        _enter_by_the_better(enters, ordered.rankings, spent, room.total, pins)
    return enters


def _enter_by_the_better(
    enters: np.ndarray, rankings: tuple[Ranking, ...], spent: list[np.ndarray], total: int, pins: int
) -> None:
    """Of rivals a budget takes the one that gains most: a row is in at the next budget beyond `total` at which a
    ranking that holds it is that one."""
    budgets = np.unique(np.concatenate(spent))
    reach = min(int(cumulative[-1]) if len(cumulative) else 0 for cumulative in spent)
    budgets = budgets[(budgets > total) & (budgets <= reach)]
    counts = [np.searchsorted(cumulative, budgets, side="right") for cumulative in spent]
    sums = [np.concatenate([[0.0], np.cumsum(r.gains)]) for r in rankings if r.gains is not None]
    winner = np.argmax([total[count] for total, count in zip(sums, counts, strict=True)], axis=0)
    for i, ranking in enumerate(rankings):
        when, held = budgets[winner == i], counts[i][winner == i]
        places = np.searchsorted(held, np.arange(len(ranking.rows)), side="right")
        known = places < len(when)
        rows, entry = ranking.rows[known], pins + when[places[known]]
        before = enters[rows]
        enters[rows] = np.where((before == UNKNOWN) | (entry < before), entry, before)
