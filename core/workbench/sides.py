"""What does one choice make of each example: where in its order, chosen or not, and why not?"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from core.choices import SelectionRow
from core.errors import BadInput
from core.insight.difference import BEYOND, REFUSED, Spans
from core.records import RunRow

Score = Literal["nll", "entropy", "delta_nll", "delta_entropy", "response_tokens"]
SCORES: tuple[Score, ...] = get_args(Score)
CHOSEN, BUDGET, FILTER, QUOTA, UNSCORABLE = "selected", "budget", "filter", "quota", "unscorable"
HELD_OUT, BANNED, REPEAT, ORDERED, ABSENT, UNTOLD = "held out", "banned", "repeat", "ordered", "absent", ""
STATES = (CHOSEN, BUDGET, FILTER, QUOTA, UNSCORABLE, HELD_OUT, BANNED, REPEAT, ORDERED, ABSENT, UNTOLD)
"""What may be with an example: chosen, kept out by a gate, `ordered` where nothing is chosen, `absent` from this
version of the dataset; "" where an older version kept no reason."""


@dataclass(frozen=True, slots=True)
class Side:
    """A selection, or a run's examples in the order of a score, highest first, with what it makes of each example.

    `chosen` [N]; `spans` of its order; `codes` [N] uint8 into `STATES`; `enters` [N] in `unit` and `others` [N], −1
    if unknown; and the scores [N] of its run, which are the pool's own arrays: nobody changes them.
    """

    name: str
    run: RunRow
    selection: SelectionRow | None
    chosen: np.ndarray
    spans: Spans
    codes: np.ndarray
    enters: np.ndarray
    others: np.ndarray
    scores: dict[str, np.ndarray]

    @property
    def unit(self) -> str:
        """What `enters` is counted in."""
        return self.selection.unit if self.selection else "examples"

    @property
    def tokens(self) -> np.ndarray:
        """Response tokens of each example [N]."""
        return self.scores["response_tokens"]

    def state(self, i: int) -> str:
        """The state of one example."""
        return STATES[self.codes[i]]

    def is_in(self, *states: str) -> np.ndarray:
        """Where an example has one of these states, [N]."""
        return is_in(self.codes, *states)

    def mean(self, score: Score) -> float:
        """The mean of a score over what is chosen; NaN where there is none."""
        values = self.scores[score][self.chosen]
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else float("nan")

    def at(self, rows: np.ndarray) -> "Side":
        """The same for these rows [n]; what is at −1 is absent."""
        held, here = np.where(rows >= 0, rows, 0), rows >= 0
        return replace(
            self,
            chosen=self.chosen[held] & here,
            spans=self.spans.at(rows),
            codes=np.where(here, self.codes[held], code_of(ABSENT)),
            enters=np.where(here, self.enters[held], -1),
            others=np.where(here, self.others[held], -1),
            scores={name: np.where(here, values[held], np.nan) for name, values in self.scores.items()},
        )

    def cut(self, rows: np.ndarray) -> "Side":
        """The same order, cut by another budget."""
        chosen = np.zeros(len(self.chosen), dtype=bool)
        chosen[rows] = True
        left = np.where(self.is_in(CHOSEN), code_of(BUDGET), self.codes)
        return replace(self, chosen=chosen, codes=np.where(chosen, code_of(CHOSEN), left))


def find_score(name: str) -> Score:
    """Raises BadInput naming the scores that runs can be compared by."""
    for score in SCORES:
        if score == name:
            return score
    raise BadInput(f"Runs are compared by {', '.join(SCORES)}, not by {name!r}.")


def code_of(state: str) -> np.uint8:
    """Its place in `STATES`."""
    return np.uint8(STATES.index(state))


def codes_of(states: np.ndarray) -> np.ndarray:
    """The codes [N] of states in words."""
    codes: np.ndarray = pd.Categorical(states, categories=list(STATES)).codes
    assert (codes >= 0).all()
    return codes.astype(np.uint8)


def is_in(codes: np.ndarray, *states: str) -> np.ndarray:
    """Where codes [N] are those of these states, [N]."""
    among = np.zeros(len(STATES), dtype=bool)
    among[[code_of(state) for state in states]] = True
    found: np.ndarray = among[codes]
    return found


def levels(rank: np.ndarray, enters: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What an order sorts by [N]: ranks, then the budgets of entry, then what lies beyond its end, then what its
    filter refused; NaN for what is banned, repeats another, is held out, or could not be scored."""
    found = np.full(len(rank), np.nan)
    is_open = is_in(codes, BUDGET, QUOTA, UNTOLD)
    found[is_open] = np.where(enters[is_open] >= 0, rank.max(initial=0) + enters[is_open], BEYOND)
    found[is_in(codes, FILTER)] = REFUSED
    found[rank > 0] = rank[rank > 0]
    return found


def tell_place(side: Side, i: int) -> str:
    """Where a side has its example `i`, in words."""
    state, place, is_exact = side.state(i), side.spans.first[i], side.spans.first[i] == side.spans.last[i]
    if state == CHOSEN:
        return f"picked as #{place:,.0f}" if is_exact else f"picked as #{place:,.0f} or later"
    if state == ORDERED:
        return f"place {place:,.0f} of {side.spans.count:,}"
    if state in (BUDGET, QUOTA, UNTOLD) and np.isfinite(place):
        if side.enters[i] >= 0:
            return f"left out, enters at {side.enters[i]:,} {side.unit}"
        return f"left out, beyond place {place - 1:,.0f}"
    if state == REPEAT and side.others[i] >= 0:
        return f"near-duplicate of row {side.others[i]:,}"
    return WORDS.get(state, state)


WORDS = {
    FILTER: "dropped by its filter",
    UNSCORABLE: "could not be scored",
    HELD_OUT: "held out for a proof",
    ABSENT: "not in this version",
    BANNED: "banned",
    REPEAT: "near-duplicate of another",
}
