"""Hold out: what is set aside for a proof before a run scores anything, and read again by all who must not touch it."""

from contextlib import suppress

import numpy as np

from core.choices import Standing
from core.errors import BadInput
from core.files import replacing
from core.people import Role
from core.records import RunRow
from core.selection.heldout import draw_held_out
from core.selection.repeats import exact_repeats
from core.settings import HeldOutSettings
from core.workbench.base import UNREADABLE
from core.workbench.carrying import Carrying
from core.workbench.rights import needs
from core.workspace import RunFolder, read_held_out

MOST_STRATA = 1_000


class Holding(Carrying):
    """Held-out splits. A run gives their rows no scores, and without a score nothing is selected or tuned on."""

    @needs(Role.CURATOR, "score")
    def set_aside(self, dataset: str, settings: HeldOutSettings, files: RunFolder) -> None:
        """Draw the held-out examples of a run, once, and again where the file that names them is damaged: by the same
        settings they are the same. Examples of the same text go together.

        Raises BadInput for a share of nothing or of everything, and for a column that has no groups.
        """
        with suppress(*UNREADABLE):
            read_held_out(files.held_out)
            return
        ids = self.datasets.example_ids(dataset)
        strata = np.zeros(len(ids), dtype=np.int64)
        if settings.column is not None:
            strata = np.asarray(self.datasets.grouped(dataset, settings.column, MOST_STRATA)[0])
        found = draw_held_out(ids, exact_repeats(self.datasets.full_texts(dataset)).codes, strata, settings)
        files.path.mkdir(parents=True, exist_ok=True)
        with replacing(files.held_out) as partial, partial.open("wb") as stream:
            np.savez(stream, rows=found.rows, measured=found.measured)

    def held_out(self, run: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows that a run sets aside for a proof, ascending, and those of them that are measured, in the order of
        the draw; both are empty where none are. Raises BadInput where the file that names them is gone or damaged."""
        path = self.folder.run(run).held_out
        if not self.runs.get(run).settings.get("held_out"):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        try:
            return read_held_out(path)
        except UNREADABLE:
            raise BadInput(
                f"{str(path)!r}, which says what run {run!r} holds out, is gone or damaged; score again with the same "
                "settings: the same examples are drawn."
            ) from None

    def standing_in(self, run: RunRow) -> Standing:
        """The pins and bans in force on a run's dataset; pins of what the run sets aside for a proof are not."""
        standing = self.decisions.standing(run.dataset)
        if not standing.pinned or not run.settings.get("held_out"):
            return standing
        aside = set(self.held_out(run.run)[0].tolist())
        return Standing(tuple(row for row in standing.pinned if row not in aside), standing.banned)
