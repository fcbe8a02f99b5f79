"""Decide: pin, ban and note examples, take it back, and read who decided what."""

from collections.abc import Sequence

from core.choices import Decided, Decision
from core.errors import BadInput
from core.people import Role
from core.workbench.base import check_text
from core.workbench.previewing import Previewing
from core.workbench.rights import needs

KINDS = ("pin", "ban", "note")
LONGEST = 10_000


class Deciding(Previewing):
    """Decisions."""

    @needs(Role.ANNOTATOR, "pin, ban or note examples")
    def decide(self, dataset: str, rows: Sequence[int], kind: str, why: str = "", who: str | None = None) -> list[int]:
        """Pin, ban or note examples by row; returns the decisions' numbers.

        Raises BadInput for another kind, for a row that is not there, and for a note without words.
        """
        if kind not in KINDS:
            raise BadInput(f"There is no decision {kind!r}; there are {', '.join(KINDS)}, and undo.")
        if kind == "note" and not why.strip():
            raise BadInput("A note needs words.")
        why, who = check_text(why, "reason", LONGEST), self.sign(who)
        self._check_rows(dataset, rows)
        return self.decisions.add(dataset, list(dict.fromkeys(rows)), kind, why, who)

    @needs(Role.ANNOTATOR, "undo decisions")
    def undo(self, decision: int, why: str = "", who: str | None = None) -> int:
        """Undo a decision by a new one; returns its number. Undoing an undo brings back what it undid.

        Raises BadInput for one that is not there, or that is undone already.
        """
        return self.undo_many([decision], why, who)[0]

    @needs(Role.ANNOTATOR, "undo decisions")
    def undo_many(self, decisions: Sequence[int], why: str = "", who: str | None = None) -> list[int]:
        """The same of several at once, all or none; returns the numbers of the new decisions."""
        if not decisions:
            raise BadInput("There is nothing to undo; it may be undone already.")
        return self.decisions.undo(decisions, check_text(why, "reason", LONGEST), self.sign(who))

    def made_together(self, dataset: str, most: int, row: int | None = None) -> tuple[list[Decided], int]:
        """What was decided at once on a dataset, or one by one on one example of it, the last first, at most so many;
        and how many there are."""
        self.datasets.get(dataset)
        made = self.decisions
        return made.made_together(dataset, most) if row is None else made.made_on(dataset, row, most)

    @needs(Role.ANNOTATOR, "undo decisions")
    def undo_together(self, decided: Decided, who: str | None = None) -> list[int]:
        """Undo, all or none, those decisions made at once that nobody undid; returns the numbers of the new ones."""
        return self.undo_many(self.decisions.open_of(decided), who=who)

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
