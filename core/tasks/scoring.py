"""A scoring run from its first shard to its last: base pass, calibration, calibrated pass.

Every step leaves files and is skipped when they are there, so the same call starts a run and
resumes it. InstructDiff's iterations are rounds: the first tunes the base model on a random
share, each later one on what InstructDiff's rule selects by the round before.
"""

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput, JobFailed
from core.files import replacing
from core.jobs.progress import Progress, peak_memory_mb
from core.scoring.arrays import join_shards
from core.scoring.calibration import calibrate, draw_share
from core.scoring.device import release_memory
from core.scoring.shards import list_shards, read_columns, read_reasons
from core.selection.choose import order, pick, prepare
from core.selection.criteria.instructdiff import InstructDiffSettings
from core.selection.pool import Pool
from core.selection.registry import find_criterion
from core.settings import Budget, CalibrationSettings, RunSettings, ScoringSettings
from core.tasks.crew import Workers, share_out
from core.tasks.models import check_pair
from core.tasks.passes import Models, Pass, RunRows
from core.workspace import RoundFolder, RunFolder

COLUMNS = ("rows", "response_tokens", "nll", "entropy")


class ScoringRun:
    """One run's work, in its folder."""

    def __init__(self, files: RunFolder, run: str, settings: RunSettings, workers: Workers, progress: Progress) -> None:
        self.files, self.settings, self.progress = files, settings, progress
        self.rows = RunRows(files, run, settings)
        self._models, self._workers = Models(settings.scoring, self.rows.workspace.models, self._begin), workers
        self._notes: list[str] = []

    def complete(self) -> dict[str, Any]:
        """Do what is not done yet, and report."""
        self.files.clear_partials()
        self._note_other_versions()
        scoring = self.settings.scoring
        if self.settings.calibrated_model:
            check_pair(scoring, self.rows.tuned(self.settings.calibrated_model), self.rows.workspace.models)
        self._pass(self.files.base, "Scoring with the base model", scoring)
        tokens = self._join()
        if scoring.ifd:
            self._pass(self.files.alone, "Scoring the responses alone", scoring)
        if self.settings.calibration and self.rows.earlier:
            self._calibrated_pass(self.files.calibrated, self.files.calibrated_model, "")
        elif self.settings.calibration:
            self._calibrate_in_rounds(self.settings.calibration.for_domain())
        elif self.settings.calibrated_model:
            self._calibrated_pass(self.files.calibrated, Path(self.settings.calibrated_model), "")
        return {
            "tokens": tokens,
            "seconds": self.progress.seconds,
            "notes": self._notes,
            "peak_memory_mb": peak_memory_mb(),
        }

    def _note_other_versions(self) -> None:
        """Say when the run was begun by other versions: its bits may then differ from one that was not."""
        recorded = json.loads(self.files.settings.read_text(encoding="utf-8")).get("versions", {})
        for package in ("torch", "transformers", "trl"):
            if package in recorded and recorded[package] != version(package):
                self._notes.append(f"Begun with {package} {recorded[package]}, gone on with {version(package)}.")

    def _pass(self, folder: Path, phase: str, settings: ScoringSettings) -> None:
        """Score every shard of `folder` that is not there, by the model that `settings` names."""
        of = Pass(self.rows, folder, settings)
        missing = of.missing
        if not missing:
            return
        scorer = of.prepare(self._models) if self._workers.is_alone else None
        if scorer is None:
            self._models.drop()  # each process has its own
        self.progress.begin(phase, len(self.rows), "examples")
        self.progress.skip(len(self.rows) - sum(len(plan.rows) for plan in missing))
        if scorer is None:
            release_memory()  # what tuning held, others may need
            share_out(of, missing, self._workers, self.progress, self._note)
            if of.missing:
                raise JobFailed(
                    f"{len(of.missing):,} blocks that were scored cannot be seen here; is the storage slow to show "
                    "what other machines wrote? Score again, which goes on from what is there."
                )
            return
        of.score(scorer, missing, self.progress.advance)
        self._note(scorer.forward.not_compiled)

    def _begin(self, phase: str) -> None:
        self.progress.begin(phase, 0, "")

    def _note(self, not_compiled: str | None) -> None:
        note = f"Not compiled, so slower: {not_compiled}"
        if not_compiled and note not in self._notes:
            self._notes.append(note)

    def _join(self) -> int:
        """Join the base pass's features and drop their shards. Returns the response tokens scored."""
        columns = _read_columns(self.files.base)
        tokens = int(columns["response_tokens"][~np.isnan(columns["nll"])].sum())
        if not tokens:
            reasons = (reason for path in list_shards(self.files.base) for reason in read_reasons(path) if reason)
            reason = next(reasons, "no reason was given")
            raise BadInput(f"None of the {len(self.rows):,} examples could be scored: {reason}.")
        join_shards(list(list_shards(self.files.base)), list(list_shards(self.files.features)), self.files.arrays)
        shutil.rmtree(self.files.features, ignore_errors=True)
        return tokens

    def _calibrate_in_rounds(self, settings: CalibrationSettings) -> None:
        for number in range(1, settings.iterations + 1):
            of = self.files.round(number, settings.iterations)
            prefix = f"Round {number} of {settings.iterations}: " if settings.iterations > 1 else ""
            drawn = self._drawn(of, number, settings)
            if not self._is_scored(of.shards):
                self._tune(of, drawn, settings, prefix)
                self._calibrated_pass(of.shards, of.model, prefix)
            if number < settings.iterations:
                shutil.rmtree(of.model, ignore_errors=True)

    def _is_scored(self, folder: Path) -> bool:
        return all(plan.path.exists() for plan in self.rows.plans(folder))

    def _drawn(self, of: RoundFolder, number: int, settings: CalibrationSettings) -> list[int]:
        """The rows that a round tunes on, drawn once and kept."""
        if not of.rows.exists():
            base = _read_columns(self.files.base)
            scorable = base["rows"][~np.isnan(base["nll"])]
            if number == 1:
                drawn = draw_share([int(row) for row in scorable], settings)
            else:
                before = _read_columns(self.files.round(number - 1, settings.iterations).shards)
                drawn = _select(base, before, settings)
            of.rows.parent.mkdir(parents=True, exist_ok=True)
            with replacing(of.rows) as partial:
                partial.write_text(json.dumps(drawn))
        rows: list[int] = json.loads(of.rows.read_text())
        return rows

    def _tune(self, of: RoundFolder, drawn: list[int], settings: CalibrationSettings, prefix: str) -> None:
        if of.model.exists():
            return
        rendered = [self.rows.render(example) for example in self.rows.input.read(drawn)]
        if settings.method == "full":
            self._models.drop()  # an adapter is put on these weights, a full fine-tune replaces them
        self.progress.begin(f"{prefix}Calibrating on {len(drawn):,} examples", 0, "steps")
        done = 0

        def report(step: int, steps: int) -> None:
            nonlocal done
            self.progress.total(steps)
            self.progress.advance(step - done)
            done = step

        calibrate(rendered, self.settings.scoring, settings, self.rows.workspace.models, of.model, report)

    def _calibrated_pass(self, shards: Path, model: Path, prefix: str) -> None:
        phase = f"{prefix}Scoring with the calibrated model"
        self._pass(shards, phase, self.rows.tuned(str(model)))


def _read_columns(folder: Path) -> dict[str, np.ndarray]:
    shards = [read_columns(path, COLUMNS) for path in list_shards(folder)]
    return {name: np.concatenate([shard[name] for shard in shards]) for name in COLUMNS}


def _select(base: dict[str, np.ndarray], calibrated: dict[str, np.ndarray], settings: CalibrationSettings) -> list[int]:
    """What InstructDiff's rule keeps, in row order (section 3.3)."""
    missing = np.full(len(base["rows"]), np.nan)
    pool = Pool(
        response_tokens=base["response_tokens"],
        prompt_tokens=base["response_tokens"],
        nll=base["nll"],
        entropy=base["entropy"],
        delta_nll=calibrated["nll"] - base["nll"],
        delta_entropy=base["entropy"] - calibrated["entropy"],
        ifd_loss_ratio=missing,
        ifd_perplexity_ratio=missing,
        factors=np.empty((0, 1), dtype=np.float32),
        offsets=np.zeros(len(base["rows"]) + 1, dtype=np.int64),
        mean_features=np.empty((len(base["rows"]), 0), dtype=np.float32),
    )
    assert settings.keep is not None  # put in by for_domain
    rule = InstructDiffSettings(rule=settings.rule, gamma=settings.gamma)
    budget = Budget(kind="percent", amount=100 * settings.keep)
    task = prepare(pool, find_criterion("instructdiff"), budget, rule, seed=settings.seed)
    ordered = order(task)
    rows = ordered.rankings[0].rows
    if 0 < int(task.room.costs[np.searchsorted(task.pool.candidates, rows)].sum()) <= task.room.total:
        return sorted(rows.tolist())  # the filter leaves less than was asked for
    return sorted(pick(task, ordered).rows.tolist())
