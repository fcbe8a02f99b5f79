"""A scoring run from its first shard to its last: base pass, calibration, calibrated pass.

Every step leaves files and is skipped when they are there, so the same call starts a run and
resumes it. InstructDiff's iterations are rounds: the first tunes the base model on a random
share, each later one on what InstructDiff's rule selects by the round before.
"""

import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.files import replacing
from core.jobs.progress import Progress, peak_memory_mb
from core.records import Example, Rendered
from core.scoring.arrays import join_shards
from core.scoring.calibration import calibrate, draw_share
from core.scoring.device import choose_device, choose_limits
from core.scoring.forward import Forward, compiling_pays
from core.scoring.models import LoadedModel, attach_adapter, is_adapter, load_model, load_tokenizer, longest_input
from core.scoring.rendering import Renderer
from core.scoring.scorer import Render, Scorer
from core.scoring.shards import ShardPlan, list_shards, plan_shards, read_columns, read_reasons
from core.selection.choose import order, pick, prepare
from core.selection.criteria.instructdiff import InstructDiffSettings
from core.selection.pool import Pool
from core.selection.registry import find_criterion
from core.settings import Budget, CalibrationSettings, RunSettings, ScoringSettings
from core.tasks.models import check_pair
from core.tasks.reuse import EarlierRun
from core.tasks.rows import InputRows
from core.workspace import RoundFolder, RunFolder, WorkspaceFolder

COLUMNS = ("rows", "response_tokens", "nll", "entropy")


class ScoringRun:
    """One run's work, in its folder."""

    def __init__(self, files: RunFolder, run: str, settings: RunSettings, progress: Progress) -> None:
        self.files, self.run, self.settings, self.progress = files, run, settings, progress
        self.workspace = WorkspaceFolder(files.path.parents[1])
        self.rows = InputRows(files.input)
        scoring = settings.scoring
        models = self.workspace.models
        pair = [scoring, *([self._tuned(settings.calibrated_model)] if settings.calibrated_model else [])]
        longest = min((n for n in (longest_input(of, models) for of in pair) if n), default=None)
        self.renderer = Renderer(load_tokenizer(scoring, models), scoring, longest)
        self._base: LoadedModel | None = None
        self._notes: list[str] = []
        self._earlier = EarlierRun.of(files)

    def complete(self) -> dict[str, Any]:
        """Do what is not done yet, and report."""
        self.files.clear_partials()
        self._note_other_versions()
        scoring = self.settings.scoring
        if self.settings.calibrated_model:
            check_pair(scoring, self._tuned(self.settings.calibrated_model), self.workspace.models)
        self._pass(self.files.base, "Scoring with the base model", self._render, scoring)
        tokens = self._join()
        if scoring.ifd:
            self._pass(self.files.alone, "Scoring the responses alone", self._render_alone, scoring)
        if self.settings.calibration and self._earlier:
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

    def _render(self, example: Example) -> Rendered:
        return self.renderer.render(example.messages, example.tools)

    def _render_alone(self, example: Example) -> Rendered:
        return self.renderer.response_alone(self._render(example))

    def _tuned(self, model: str) -> ScoringSettings:
        return self.settings.scoring.model_copy(update={"model": model, "revision": None})

    def _pass(self, folder: Path, phase: str, render: Render, settings: ScoringSettings) -> None:
        """Score every shard of `folder` that is not there, by the model that `settings` names."""
        with_features = folder == self.files.base and not self.files.arrays.exists()
        missing = [p for p in self._plans(folder) if not p.path.exists() or (with_features and not p.features.exists())]
        if not missing:
            return
        model = self._load(settings)
        self.progress.begin("Preparing the model", 0, "")
        scorer = Scorer(model, settings, with_features=folder == self.files.base)
        self._compile(scorer)
        self.progress.begin(phase, len(self.rows.example_ids), "examples")
        self.progress.skip(len(self.rows.example_ids) - sum(len(plan.rows) for plan in missing))
        known = self._earlier.known(folder.name, with_features=folder == self.files.base) if self._earlier else None
        scorer.score_shards(self.rows.read, render, missing, self.progress.advance, known or (lambda _: None))
        self._note(scorer.forward)

    def _load(self, settings: ScoringSettings) -> LoadedModel:
        """The model, loaded once for all passes that use its weights as they are or under an adapter."""
        tuned = Path(settings.model)
        base = self.settings.scoring
        is_base = (settings.model, settings.revision) == (base.model, base.revision)
        if not is_base and not is_adapter(tuned):
            self._base = None  # two models need not be in memory together
            self.progress.begin("Loading the calibrated model", 0, "")
            return load_model(settings, self.workspace.models)
        if self._base is None:
            self.progress.begin("Loading the model", 0, "")
            self._base = load_model(base, self.workspace.models)
        model = self._base
        if not is_base:
            self._base = None  # from here on its weights carry the adapter
            return attach_adapter(model, tuned)
        return model

    def _compile(self, scorer: Scorer) -> None:
        device = scorer.forward.model.device
        if not compiling_pays(self.settings.scoring, device, self.rows.about_tokens):
            return
        for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
            os.environ.setdefault(name, str(self.workspace.kernels))
        self.progress.begin("Compiling", 0, "")
        scorer.forward.compile()

    def _note(self, forward: Forward) -> None:
        note = f"Not compiled, so slower: {forward.not_compiled}"
        if forward.not_compiled and note not in self._notes:
            self._notes.append(note)

    def _join(self) -> int:
        """Join the base pass's features and drop their shards. Returns the response tokens scored."""
        columns = _read_columns(self.files.base)
        tokens = int(columns["response_tokens"][~np.isnan(columns["nll"])].sum())
        if not tokens:
            reasons = (reason for path in list_shards(self.files.base) for reason in read_reasons(path) if reason)
            reason = next(reasons, "no reason was given")
            raise BadInput(f"None of the {len(self.rows.example_ids):,} examples could be scored: {reason}.")
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

    def _plans(self, folder: Path) -> list[ShardPlan]:
        scoring = self.settings.scoring
        limits = choose_limits(scoring, choose_device(scoring.device))
        return plan_shards(folder, self.files.features, self.run, self.rows.example_ids, limits.shard_rows)

    def _is_scored(self, folder: Path) -> bool:
        return all(plan.path.exists() for plan in self._plans(folder))

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
        rendered = [self._render(example) for example in self.rows.read(drawn)]
        if settings.method == "full":
            self._base = None  # an adapter is put on these weights, a full fine-tune replaces them
        self.progress.begin(f"{prefix}Calibrating on {len(drawn):,} examples", 0, "steps")
        done = 0

        def report(step: int, steps: int) -> None:
            nonlocal done
            self.progress.total(steps)
            self.progress.advance(step - done)
            done = step

        calibrate(rendered, self.settings.scoring, settings, self.workspace.models, of.model, report)

    def _calibrated_pass(self, shards: Path, model: Path, prefix: str) -> None:
        phase = f"{prefix}Scoring with the calibrated model"
        self._pass(shards, phase, self._render, self._tuned(str(model)))


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
