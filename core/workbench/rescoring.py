"""Are model and scores here the lock's? By identity and by hash; where scores differ, the first row is named."""

from core.data.digests import VALUE_BYTES, first_difference, split
from core.data.lock import LockedDataset, LockedRun
from core.errors import BadInput
from core.people import Role
from core.records import RunRow
from core.scoring.device import choose_device
from core.scoring.identity import run_identity
from core.scoring.tokenizers import tokenizer_identity
from core.settings import RunSettings
from core.workbench.locking import Locking
from core.workbench.rights import needs
from core.workbench.scoring import SCORING_VERSION
from core.workbench.trail import Elsewhere, Follow, Trail


class Rescoring(Locking):
    """The second and third stage of a replay."""

    @needs(Role.CURATOR, "replay a lock")
    def find_run(
        self, dataset: str, locked: LockedRun, rows: LockedDataset, where: Elsewhere, trail: Trail, follow: Follow
    ) -> str:
        """A finished run of the dataset like the lock's: one that is here, else the dataset is scored.

        Raises BadInput where model, tokenizer or template are others. Scores that differ are noted.
        """
        run = next((run.run for run in self.runs.of_dataset(dataset) if self._is_alike(run, locked)), None)
        if run:
            trail.passed("model", f"Scoring run {run} in this workspace is by the lock's model and template.")
        else:
            settings = self._settings_here(locked, where, trail)
            self._check_model(locked, settings, trail)
            run = self.score(dataset, settings, follow).run
        self._compare_scores(run, locked, rows, trail)
        return run

    def _is_alike(self, run: RunRow, locked: LockedRun) -> bool:
        if run.model_identity != locked.model_identity or self.run_progress(run.run).state != "done":
            return False
        described = self.described_run(run.run)
        return (
            described.get("template") == locked.template
            and described.get("scoring_version") == locked.scoring_version
            and bool(described.get("scores_taken_from")) == bool(locked.earlier)
            and _nameless(RunSettings(**run.settings)) == _nameless(locked.settings)
        )

    def _settings_here(self, locked: LockedRun, where: Elsewhere, trail: Trail) -> RunSettings:
        """The lock's settings, with the models where they lie here, on a device that is here."""
        scoring, tuned = locked.settings.scoring, where.calibrated_model or locked.settings.calibrated_model
        if where.model:
            scoring = scoring.model_copy(update={"model": where.model, "revision": None})
        try:
            device = where.device or scoring.device
            choose_device(device)
        except BadInput:
            if where.device:
                raise
            device = "auto"
        here = choose_device(device).type
        if here != scoring.device.partition(":")[0]:
            trail.notes.append(f"Scored on {here}; the lock's run was on {scoring.device}.")
        scoring = scoring.model_copy(update={"device": device})
        return locked.settings.model_copy(update={"scoring": scoring, "calibrated_model": tuned})

    def _check_model(self, locked: LockedRun, settings: RunSettings, trail: Trail) -> None:
        try:
            identity, renderer = run_identity(settings), self._load_renderer(settings.scoring)
        except BadInput as error:
            raise trail.failed("model", f"{error} Name the model with --model where it lies elsewhere.") from None
        tokenizer = tokenizer_identity(renderer.tokenizer)
        compared = {
            "model": (identity, locked.model_identity),
            "template": (renderer.identity, locked.template),
            "tokenizer": (tokenizer, locked.tokenizer or tokenizer),
        }
        for what, (here, there) in compared.items():
            if here != there:
                raise trail.failed("model", f"The {what} is {here} here and {there} in the lock.")
        if locked.scoring_version != SCORING_VERSION:
            trail.notes.append(f"Scored by method {SCORING_VERSION}; the lock's run was by {locked.scoring_version}.")
        trail.passed("model", f"Model, tokenizer and template are the lock's ({identity}).")

    def _compare_scores(self, run: str, locked: LockedRun, rows: LockedDataset, trail: Trail) -> None:
        sha256, digests = self.digest_scores(run)
        if sha256 == locked.scores_sha256:
            trail.passed("scores", f"The scores of all {rows.rows_loaded:,} rows are the lock's, bit by bit.")
            return
        found = first_difference(locked.digests(rows.rows_loaded), split(digests, VALUE_BYTES))
        where = "no row differs by its digest" if found is None else self._name_row(run, found.row)
        trail.differs("scores", f"They are not the lock's, bit by bit; the first that differs: {where}.")

    def _name_row(self, run: str, row: int) -> str:
        (example,) = self.datasets.examples(self.runs.get(run).dataset, [row])
        return f"row {row:,} (line {example.line:,} of {example.file}, example {example.example_id})"


def _nameless(settings: RunSettings) -> RunSettings:
    """Without where the models lie and the device's number: their identity is compared apart."""
    device = settings.scoring.device.partition(":")[0]
    scoring = settings.scoring.model_copy(update={"model": "", "revision": None, "device": device})
    return settings.model_copy(update={"scoring": scoring, "calibrated_model": None})
