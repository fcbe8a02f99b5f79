"""A proof from its first fine-tune to its last: each subset, each training seed, measured on the held-out examples.

Every fine-tune leaves a file and is skipped when it is there, so the same call starts a proof and resumes it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.files import remove_abandoned, replacing
from core.jobs.progress import Progress, peak_memory_mb
from core.records import Rendered
from core.reports import Arm, ProofPlan
from core.scoring.answers import answer_questions, find_questions
from core.scoring.models import LoadedModel, load_model, load_tokenizer, longest_input
from core.scoring.rendering import Renderer
from core.scoring.scorer import Scorer
from core.scoring.tuning import fine_tune, plan_steps
from core.settings import ProofSettings, RunSettings, ScoringSettings
from core.tasks.models import claim_device, pin_model
from core.tasks.rows import InputRows
from core.tasks.tunes import Tunes, is_whole
from core.workspace import ProofFolder, WorkspaceFolder, read_plan

NO_QUESTIONS = "No held-out response ends in a line `#### value`, so no answer could be right; prove without accuracy."


class ProofRun:
    """One proof's work, in its folder."""

    def __init__(self, files: ProofFolder, progress: Progress) -> None:
        self.plan, self.progress = read_plan(files.plan), progress
        plan = self.plan
        self.settings = ProofSettings.checked(**plan.settings)
        self.scoring = _claim(plan)
        workspace = WorkspaceFolder(files.path.parents[1])
        self.models, self.tunes = workspace.models, Tunes(workspace, plan)
        self.tokenizer = load_tokenizer(self.scoring, self.models)
        self._renderer = Renderer(self.tokenizer, self.scoring, longest_input(self.scoring, self.models))
        self._rows = InputRows(workspace.run(plan.run).input)

    def complete(self) -> dict[str, Any]:
        """Do what is not done yet, and report."""
        self.tunes.base.parent.mkdir(exist_ok=True)
        self.progress.begin("Reading the examples", 0, "")
        examples = self._read(self.plan.held_out)
        self.held_out = [self._renderer.render(example.messages, example.tools) for example in examples]
        self.questions = find_questions(examples, self.held_out) if self.settings.accuracy else []
        if self.settings.accuracy and not self.questions:
            raise BadInput(NO_QUESTIONS)
        subsets = [self._trainable(arm) for arm in self.plan.arms]
        self._measure_base()
        epochs, units = self.settings.epochs, [(arm, seed) for seed in range(self.settings.seeds) for arm in subsets]
        self.progress.begin("Fine-tuning", epochs * sum(arm.steps for (arm, _), _ in units), "steps")
        for number, ((arm, rendered), seed) in enumerate(units, 1):
            if is_whole(self.tunes.of(arm, seed)):
                self.progress.skip(epochs * arm.steps)
                continue
            self.progress.rename(f"Fine-tune {number:,} of {len(units):,}: {arm.name}, training seed {seed + 1}")
            self._tune(arm, seed, rendered)
        return {"fine_tunes": len(units), "seconds": self.progress.seconds, "peak_memory_mb": peak_memory_mb()}

    def _read(self, rows: Sequence[int]) -> list[Any]:
        """The examples of these rows, in their order."""
        found = {example.row: example for example in self._rows.read(sorted(rows))}
        return [found[row] for row in rows]

    def _trainable(self, arm: Arm) -> tuple[Arm, list[Rendered]]:
        """An arm with its examples that have response tokens to train on."""
        rendered = [self._renderer.render(example.messages, example.tools) for example in self._read(arm.rows)]
        usable = [each for each in rendered if each.unscorable_reason is None]
        if len(usable) < arm.steps:
            told = (
                f"Of {arm.name!r} this model can be tuned on {len(usable):,} examples, too few for {arm.steps:,} steps"
            )
            raise BadInput(
                f"{told} of {self.settings.batch_tokens:,} tokens; choose another model or more batch_tokens."
            )
        return arm, usable

    def _measure_base(self) -> None:
        if is_whole(self.tunes.base):
            return
        self.progress.begin("Measuring the model before tuning", len(self.held_out), "examples")
        started = self.progress.seconds
        model = load_model(self.scoring.model_copy(update={"dtype": self.settings.dtype}), self.models)
        nll = self._measure(model, self.progress.advance)
        if np.isnan(nll).all():
            raise BadInput("None of the held-out examples can be scored by this model; choose another model.")
        answered = self._answered(model)
        self._write(self.tunes.base, started, [], nll=nll[None], steps=np.zeros(1, np.int64), **answered)

    def _tune(self, arm: Arm, seed: int, examples: list[Rendered]) -> None:
        started, before, tokens = self.progress.seconds, 0, _tokens(examples)
        batches = plan_steps(tokens, arm.steps, self.settings.epochs, seed)
        measured: dict[int, np.ndarray] = {}
        answered: dict[str, np.ndarray] = {}

        def measure(step: int, model: LoadedModel) -> None:
            measured[step] = self._measure(model)
            if step == len(batches):
                answered.update(self._answered(model))

        def report(step: int, _: int) -> None:
            nonlocal before
            self.progress.advance(step - before)
            before = step

        rendered = [[examples[i] for i in batch] for batch in batches]
        losses = fine_tune(rendered, self.scoring, self.settings, seed, self.models, measure, report)
        if not np.isfinite(losses).all() or np.isnan(measured[len(batches)]).all():
            raise BadInput(f"The fine-tune on {arm.name!r} diverged; choose a lower learning_rate.")
        nll, steps = np.stack(list(measured.values())), np.array(list(measured))
        self._write(
            self.tunes.of(arm, seed), started, examples, nll=nll, steps=steps, loss=np.array(losses), **answered
        )

    def _measure(self, model: LoadedModel, report: Callable[[int], None] | None = None) -> np.ndarray:
        """NLL of each held-out example, in nats a token; NaN where it cannot be scored."""
        scorer = Scorer(model, self.scoring, with_features=False)
        scored = scorer.score(self.held_out, report or (lambda _: self.progress.check()))
        return np.array([scores.nll if scores.reason is None else np.nan for scores, _ in scored])

    def _answered(self, model: LoadedModel) -> dict[str, np.ndarray]:
        """Which of the questions the model answers right, by their place among the held-out examples."""
        if not self.questions:
            return {}
        right = answer_questions(model, self.tokenizer, self.questions, self.progress.check)
        return {"asked": np.array([question.position for question in self.questions]), "right": np.array(right)}

    def _write(self, path: Path, started: float, trained: Sequence[Rendered], **arrays: Any) -> None:
        arrays |= {"tokens": _tokens(self.held_out), "seconds": np.array(self.progress.seconds - started)}
        remove_abandoned(path)
        with replacing(path) as partial, partial.open("wb") as stream:
            np.savez(stream, trained=np.array([len(trained), int(_tokens(trained).sum())]), **arrays)


def _tokens(examples: Sequence[Rendered]) -> np.ndarray:
    return np.array([sum(each.response_mask) for each in examples], dtype=np.int64)


def _claim(plan: ProofPlan) -> ScoringSettings:
    """The model's settings on the one device that this process may see, a hub model's commit put in. Raises BadInput
    when the model is another."""
    settings = RunSettings(scoring=ScoringSettings.checked(**plan.scoring), calibration=None)
    return claim_device(pin_model(settings, plan.model_identity, "proof was planned")).scoring
