"""Decide: pin, ban and note examples, take it back, and read who decided what."""

import getpass
from collections.abc import Sequence

from core.choices import Decision
from core.errors import BadInput
from core.workbench.base import check_text
from core.workbench.previewing import Previewing

KINDS = ("pin", "ban", "note")
LONGEST, LONGEST_NAME = 10_000, 200


class Deciding(Previewing):
    """Decisions."""

    def decide(self, dataset: str, rows: Sequence[int], kind: str, why: str = "", who: str | None = None) -> list[int]:
        """Pin, ban or note examples by row; returns the decisions' numbers.

        Raises BadInput for another kind, for a row that is not there, and for a note without words.
        """
        if kind not in KINDS:
            raise BadInput(f"There is no decision {kind!r}; there are {', '.join(KINDS)}, and undo.")
        if kind == "note" and not why.strip():
            raise BadInput("A note needs words.")
        why, who = check_text(why, "reason", LONGEST), check_text(who or local_person(), "name", LONGEST_NAME)
        self._check_rows(dataset, rows)
        return self.decisions.add(dataset, list(dict.fromkeys(rows)), kind, why, who)

    def undo(self, decision: int, why: str = "", who: str | None = None) -> int:
        """Undo a decision by a new one; returns its number. Undoing an undo brings back what it undid.

        Raises BadInput for one that is not there, or that is undone already.
        """
        undone = self.decisions.get(decision)
        if not self.decisions.stands(undone):
            raise BadInput(f"Decision {decision} is undone already; undo that undo to bring it back.")
        why, who = check_text(why, "reason", LONGEST), check_text(who or local_person(), "name", LONGEST_NAME)
        return self.decisions.add(undone.dataset, [undone.row], "undo", why, who, decision)[0]

    def history(self, dataset: str, row: int | None = None) -> list[Decision]:
        """Every decision on a dataset, or on one example of it, in order."""
        self.datasets.get(dataset)
        return self.decisions.of_dataset(dataset) if row is None else self.decisions.of_row(dataset, row)

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
