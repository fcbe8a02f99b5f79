"""What is wrong with a workspace, in one line each, and how is it mended?"""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import GleanerError

RESTORE = "put it back from a backup"


@dataclass(frozen=True, slots=True)
class Flaw:
    """`where` it is, `what` is wrong, and what to do: by the user's hand (`then`), or by `mend`, which does what `then`
    says. A note is nothing wrong, but worth knowing."""

    where: str
    what: str
    then: str
    mend: Callable[[], None] | None = None
    is_note: bool = False


@dataclass(slots=True)
class Verification:
    """What was looked at, by kind, and one line for each flaw: those that were mended, those that are left, notes."""

    looked_at: dict[str, int] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to do."""
        return not self.left

    def count(self, kind: str, number: int = 1) -> None:
        """So many more of a kind were looked at."""
        self.looked_at[kind] = self.looked_at.get(kind, 0) + number

    def enter(self, flaw: Flaw, *, repair: bool) -> None:
        """Note a flaw down, mended first where that is asked for and can be."""
        told = f"{flaw.where}: {flaw.what}"
        if repair and flaw.mend:
            try:
                flaw.mend()
            except (GleanerError, OSError) as error:
                self.left.append(f"{told}; it cannot be mended: {error}")
            else:
                (self.notes if flaw.is_note else self.repaired).append(f"{told}; {flaw.then}.")
        elif flaw.is_note:
            self.notes.append(f"{told}.")
        else:
            self.left.append(f"{told}; {'with --repair: ' if flaw.mend else ''}{flaw.then}.")
