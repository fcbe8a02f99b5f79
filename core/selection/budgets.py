"""How many examples does a budget buy, and is there that much to buy from?"""

from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.selection.greedy import Limit
from core.settings import Budget


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget made concrete for a pool: a number of examples, or of response tokens."""

    examples: int | None = None
    tokens: int | None = None

    def without(self, pinned_tokens: np.ndarray) -> "Allowance":
        """What is left once the pins [n], given by their tokens, are in. Raises BadInput if they do not fit."""
        count, tokens = len(pinned_tokens), int(pinned_tokens.sum())
        if self.examples is not None and count > self.examples:
            raise BadInput(f"{count:,} examples are pinned, more than the budget of {self.examples:,}.")
        if self.tokens is not None and tokens > self.tokens:
            raise BadInput(f"The pinned examples have {tokens:,} tokens, more than the budget of {self.tokens:,}.")
        return Allowance(
            None if self.examples is None else self.examples - count,
            None if self.tokens is None else self.tokens - tokens,
        )

    def limit(self, *, per_token: bool = False) -> Limit:
        """The same as a stopping rule for the greedy search."""
        return Limit(self.examples, self.tokens, per_token and self.tokens is not None)


def allow(budget: Budget, rows: np.ndarray, response_tokens: np.ndarray) -> Allowance:
    """What `budget` means for the selectable `rows`; a percentage is of these, rounded, at least one.

    Raises BadInput for more than there is.
    """
    available_tokens = int(response_tokens[rows].sum())
    if not len(rows):
        raise BadInput("No example can be selected: none was scored, or all are banned.")
    if budget.kind == "percent":
        return Allowance(examples=max(1, round(budget.amount / 100 * len(rows))))
    amount = int(budget.amount)
    if budget.kind == "examples":
        if amount > len(rows):
            raise BadInput(f"Budget {budget} is more than there is: {len(rows):,} examples can be selected.")
        return Allowance(examples=amount)
    if amount > available_tokens:
        raise BadInput(
            f"Budget {budget} is more than there is: the selectable examples have {available_tokens:,} tokens."
        )
    shortest = int(response_tokens[rows].min())
    if amount < shortest:
        raise BadInput(f"Budget {budget} buys nothing: the shortest response has {shortest:,} tokens.")
    return Allowance(tokens=amount)


def cut_order(order: np.ndarray, response_tokens: np.ndarray, allowance: Allowance, what: str) -> np.ndarray:
    """The longest prefix of an order that the allowance pays for, so a smaller budget is a prefix too.

    Raises BadInput when the order is shorter than the budget.
    """
    if allowance.examples is not None:
        if allowance.examples > len(order):
            raise BadInput(
                f"Criterion {what} leaves {len(order):,} examples to choose from, fewer than {allowance.examples:,}."
            )
        return order[: allowance.examples]
    assert allowance.tokens is not None
    cumulative = np.cumsum(response_tokens[order])
    total = int(cumulative[-1]) if len(order) else 0
    if total < allowance.tokens:
        raise BadInput(f"Criterion {what} leaves {total:,} tokens to choose from, fewer than {allowance.tokens:,}.")
    return order[: int(np.searchsorted(cumulative, allowance.tokens, side="right"))]
