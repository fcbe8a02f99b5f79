"""Which decisions stand on which row, and who made them?"""

from collections.abc import Sequence

from core.choices import Decision
from core.store.decisions import undone_by


def standing_by_row(decisions: Sequence[Decision]) -> dict[int, list[Decision]]:
    """The pins, bans and notes that nobody took back, of decisions in the order in which they were made."""
    undone, found = undone_by(decisions), dict[int, list[Decision]]()
    for made in decisions:
        if made.decision not in undone and made.kind != "undo":
            found.setdefault(made.row, []).append(made)
    return found
