"""Look closely at one example: its tokens one by one, its story's facts, and the examples most like it."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.choices import Cover, LeftOut, Outcome, Pick, SelectionRow
from core.errors import BadInput
from core.insight.neighbours import Neighbour, Neighbours
from core.jobs.folder import JobFolder
from core.records import RunRow, SpokenTurn
from core.scoring.identity import model_identity
from core.scoring.models import load_model
from core.selection.choose import information_ridge, view
from core.selection.leverage import token_leverage
from core.selection.logdet import LogDet
from core.selection.registry import find_criterion
from core.selection.vectors import log_det
from core.settings import RunSettings, ScoringSettings
from core.workbench.base import keep_last
from core.workbench.explaining import Explaining
from core.workbench.requests import Request

if TYPE_CHECKING:
    from core.scoring.scorer import Scorer
    from core.scoring.tokenwise import TokenFeatures

MOST_COVERED = 1000
MOST_NEIGHBOURS, MOST_DESIGNS, MOST_FEATURES = 3, 4, 16


@dataclass(frozen=True, slots=True)
class TokenLens:
    """A run's response tokens of one row: `turns` has those of each scored turn by its place in the conversation;
    `values` has a list for each measure, over the tokens of all turns in order, in nats."""

    turns: dict[int, SpokenTurn]
    values: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to tell about an example and a selection. `pick` is its line of the stored selection's ledger,
    `outcome` and `left` say why it has none and what it would bring; `covers` are picks by rank. `shown` is its
    rank among the `examples` that are shown, which another budget may have cut (`is_tried`); `standing` is "pinned",
    "banned" or ""."""

    row: int
    selection: SelectionRow
    pick: Pick | None
    outcome: Outcome | None
    left: LeftOut | None
    covers: list[tuple[int, Cover]]
    shown: int | None
    examples: int
    is_tried: bool
    standing: str


class Lensing(Explaining):
    """One example."""

    _neighbours: dict[str, Neighbours]
    _row_covers: dict[tuple[str, int], list[Cover]]
    _designs: dict[tuple[str, bytes], LogDet]
    _features: "dict[tuple[str, int], TokenFeatures]"
    _reader: "tuple[str, Scorer] | None" = None
    _reading = threading.Lock()

    def token_lens(self, run: str, row: int) -> TokenLens:
        """What each response token scored, from disk. Raises BadInput for a row that was not scored, and where the
        tokens are no longer those that were."""
        scores, found = self.token_scores(run, row), self.runs.get(run)
        renderer = self.renderer(self.settings_of(found).scoring)
        example = self.prepared_example(found.dataset, row, renderer)
        turns = renderer.spoken(example.messages, example.tools)
        if sum(len(turn.pieces) for turn in turns.values()) != len(scores.nll):
            raise BadInput(
                f"Row {row:,} is cut into other tokens now than when run {run!r} scored it; score again, which makes "
                "a new run."
            )
        values = {"nll": scores.nll, "entropy": scores.entropy}
        if tuned := scores.calibrated:
            values["delta_nll"] = [after - before for before, after in zip(scores.nll, tuned["nll"], strict=True)]
            values["delta_entropy"] = [b - a for b, a in zip(scores.entropy, tuned["entropy"], strict=True)]
        return TokenLens(turns, values)

    def leverage(self, selection: str, row: int, rows: np.ndarray | None = None) -> list[float]:
        """`xᵀ V⁻¹ x` of each response token of a row, V being the design matrix of these rows, else of the selection.

        The run's own model reads the row once more, in this process. Raises BadInput where it is not there or not
        the same, where the row was not scored, and for a selection that sees one vector an example.
        """
        design = self._design(self.selections.get(selection), rows)
        return token_leverage(design, self.token_features(self.selections.get(selection).run, row).response).tolist()

    def token_features(self, run: str, row: int) -> "TokenFeatures":
        """The features of one row's tokens, as the factors were made of them."""

        def read() -> "TokenFeatures":
            from core.scoring.tokenwise import read_token_features

            found = self.runs.get(run)
            settings = self.settings_of(found).scoring
            rendered = self.render(found.dataset, row, settings)
            if rendered.unscorable_reason:
                raise BadInput(f"Row {row:,} has no token features: {rendered.unscorable_reason}.")
            try:
                with self._reading:
                    return read_token_features(self._scorer(found, settings), rendered, self.arrays(run).rms_norm)
            except (torch.OutOfMemoryError, MemoryError):
                raise BadInput(f"Row {row:,} does not fit into this process's memory with its model.") from None

        return keep_last(self._features, (run, row), MOST_FEATURES, read)

    def nearest(self, run: str, row: int, among: list[np.ndarray], count: int = 3) -> list[list[Neighbour]]:
        """For each mask [N] the examples in it whose mean feature is most like this row's; none for one that was not
        scored."""
        finder = keep_last(self._neighbours, run, MOST_NEIGHBOURS, lambda: Neighbours(self.arrays(run).mean_features))
        return finder.nearest(row, among, count)

    def story_facts(self, selection: str, row: int, rows: np.ndarray, *, is_tried: bool = False) -> Facts:
        """What there is to tell of a row, where `rows` are those that are shown as chosen: the selection's, or where
        `is_tried` those of another budget."""
        chosen, places = self.selections.get(selection), np.flatnonzero(rows == row)
        decided = self.decisions.standing(chosen.dataset)
        covers = keep_last(self._row_covers, (selection, row), MOST_COVERED, lambda: self.covers(selection, [row])[row])
        held = {pick.row: pick for pick in self.selections.picks(selection, [row, *(cover.row for cover in covers)])}
        return Facts(
            row=row,
            selection=chosen,
            pick=held.get(row),
            outcome=next(iter(self.selections.outcomes(selection, [row])), None),
            left=next(iter(self.selections.left_out(selection, [row])), None),
            covers=[(held[cover.row].rank, cover) for cover in covers],
            shown=int(places[0]) + 1 if len(places) else None,
            examples=len(rows),
            is_tried=is_tried,
            standing="pinned" if row in decided.pinned else "banned" if row in decided.banned else "",
        )

    def settings_of(self, run: RunRow) -> RunSettings:
        """A run's settings with the paths that its worker was given: the app may stand in another folder."""
        try:
            _, arguments = JobFolder(self.folder.run(run.run).path).request()
        except BadInput:
            arguments = {}
        return RunSettings.checked(**arguments.get("settings", run.settings))

    def _design(self, chosen: SelectionRow, rows: np.ndarray | None) -> LogDet:
        """The design that holds these rows, or the selection's; those last asked about are kept."""
        held = [pick.row for pick in self.selections.picks(chosen.selection)] if rows is None else rows
        among = np.asarray(held, dtype=np.int64)

        def make() -> LogDet:
            request = Request.of(chosen)
            settings, pool = (
                find_criterion(chosen.criterion).settings.checked(**request.settings),
                self.pool_of(request),
            )
            if view(pool, settings) is not pool:
                raise BadInput("This selection sees one vector an example, so its tokens have no leverage.")
            design = log_det(pool.design_factors, information_ridge(settings))
            design.add_all(among)
            return design

        return keep_last(self._designs, (chosen.selection, among.tobytes()), MOST_DESIGNS, make)

    def _scorer(self, run: RunRow, settings: ScoringSettings) -> "Scorer":
        """The run's base model, loaded once; that of the run last asked about is kept."""
        from core.scoring.scorer import Scorer  # brings torch's compiler, which takes a second to import

        if self._reader is None or self._reader[0] != run.run:
            self._reader = None  # two models need not be in memory together
            known = run.model_identity.partition(" → ")[0]
            if known.startswith("hub:"):
                settings = settings.model_copy(update={"revision": known.rpartition("@")[2]})
            elif (now := model_identity(settings.model, settings.revision)) != known:
                raise BadInput(f"The model was {known} when this run was made and is {now} now.")
            if settings.device.startswith("cuda") and not torch.cuda.is_available():
                settings = settings.model_copy(update={"device": "cpu"})
            model = load_model(settings, self.folder.models)
            self._reader = run.run, Scorer(model, settings, with_features=True)
        return self._reader[1]
