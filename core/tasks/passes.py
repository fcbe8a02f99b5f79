"""A run's rows as its models see them, and one pass over them that any process can carry out, shard by shard."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from core.records import HELD_OUT_REASON, Example, Rendered
from core.scoring.device import choose_device, choose_limits
from core.scoring.forward import compiling_pays
from core.scoring.models import LoadedModel, attach_adapter, is_adapter, load_model, load_tokenizer, longest_input
from core.scoring.rendering import Renderer
from core.scoring.scorer import Known, Render, Scored, Scorer, give_up_shard
from core.scoring.shards import ShardPlan, plan_shards
from core.settings import RunSettings, ScoringSettings
from core.tasks.reuse import EarlierRun
from core.tasks.rows import InputRows
from core.workspace import RunFolder, WorkspaceFolder, read_held_out


class RunRows:
    """A run's rows, rendered for its models, and the blocks that they are scored in."""

    def __init__(self, files: RunFolder, run: str, settings: RunSettings) -> None:
        self.files, self.run, self.settings = files, run, settings
        self.workspace = WorkspaceFolder(files.path.parents[1])
        self.input = InputRows(files.input)
        scoring, models = settings.scoring, self.workspace.models
        pair = [scoring, *([self.tuned(settings.calibrated_model)] if settings.calibrated_model else [])]
        longest = min((n for n in (longest_input(of, models) for of in pair) if n), default=None)
        self._renderer = Renderer(load_tokenizer(scoring, models), scoring, longest)
        self._held_out = _read_held_out(files, settings)
        self.earlier = EarlierRun.of(files)

    def __len__(self) -> int:
        return len(self.input.example_ids)

    def tuned(self, model: str) -> ScoringSettings:
        """The settings of a pass by another model."""
        return self.settings.scoring.model_copy(update={"model": model, "revision": None})

    def render(self, example: Example) -> Rendered:
        """What the model is shown; of a row that is held out, with that as the reason why it gets no score."""
        rendered = self._renderer.render(example.messages, example.tools)
        if example.row in self._held_out:
            return replace(rendered, unscorable_reason=HELD_OUT_REASON)
        return rendered

    def render_alone(self, example: Example) -> Rendered:
        """Its response without its prompt."""
        return self._renderer.response_alone(self.render(example))

    def plans(self, folder: Path) -> list[ShardPlan]:
        """The blocks of a pass whose shards lie in `folder`."""
        scoring = self.settings.scoring
        limits = choose_limits(scoring, choose_device(scoring.device))
        return plan_shards(folder, self.files.features, self.run, self.input.example_ids, limits.shard_rows)


class Models:
    """The models of a run's passes: the `base` model is loaded once for all that use its weights as they are or under
    an adapter."""

    def __init__(self, base: ScoringSettings, folder: Path, begin: Callable[[str], None] = lambda _: None) -> None:
        self._settings, self._folder, self._begin = base, folder, begin
        self._base: LoadedModel | None = None

    def load(self, settings: ScoringSettings) -> LoadedModel:
        """The model that `settings` names."""
        tuned, base = Path(settings.model), self._settings
        is_base = (settings.model, settings.revision) == (base.model, base.revision)
        if not is_base and not is_adapter(tuned):
            self._base = None  # two models need not be in memory together
            self._begin("Loading the calibrated model")
            return load_model(settings, self._folder)
        if self._base is None:
            self._begin("Loading the model")
            self._base = load_model(base, self._folder)
        model = self._base
        if not is_base:
            self._base = None  # from here on its weights carry the adapter
            return attach_adapter(model, tuned)
        return model

    def drop(self) -> None:
        """Keep none in memory."""
        self._base = None

    def prepare(self, settings: ScoringSettings, *, with_features: bool, tokens: int, kernels: Path) -> Scorer:
        """What scores by this model, compiled where a pass over about so many `tokens` pays for it."""
        model = self.load(settings)
        self._begin("Preparing the model")
        scorer = Scorer(model, settings, with_features=with_features)
        if compiling_pays(self._settings, model.device, tokens):
            for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
                os.environ.setdefault(name, str(kernels))
            self._begin("Compiling")
            scorer.forward.compile()
        return scorer


class Pass:
    """One model over all rows; its shards lie in `folder`."""

    def __init__(self, rows: RunRows, folder: Path, settings: ScoringSettings) -> None:
        self.rows, self.folder, self.settings = rows, folder, settings
        files = rows.files
        self.with_features = folder == files.base
        self._render: Render = rows.render_alone if folder == files.alone else rows.render

    @property
    def missing(self) -> list[ShardPlan]:
        """The blocks that are still to be scored."""
        needs_features = self.with_features and not self.rows.files.arrays.exists()
        plans = self.rows.plans(self.folder)
        return [plan for plan in plans if not plan.path.exists() or (needs_features and not plan.features.exists())]

    def prepare(self, models: Models) -> Scorer:
        """Its model, loaded and where it pays compiled."""
        kernels, tokens = self.rows.workspace.kernels, self.rows.input.about_tokens
        return models.prepare(self.settings, with_features=self.with_features, tokens=tokens, kernels=kernels)

    def score(self, scorer: Scorer, plans: Sequence[ShardPlan], report: Callable[[int], None] = lambda _: None) -> None:
        """Score these blocks, in order."""
        scorer.score_shards(self.rows.input.read, self._render, plans, report, self._known)

    def rendered(self, plan: ShardPlan) -> list[Rendered]:
        """A block's rows as the model is shown them."""
        return [self._render(example) for example in self.rows.input.read(plan.rows)]

    def known(self, plan: ShardPlan) -> list[Scored | None]:
        """What an earlier run found of a block's rows."""
        return [self._known(row) for row in plan.rows]

    def give_up(self, plan: ShardPlan, reason: str) -> None:
        """Leave all rows of a block unscored, for this reason."""
        give_up_shard(plan, self.rendered(plan), reason, with_features=self.with_features)

    @cached_property
    def _known(self) -> Known:
        earlier = self.rows.earlier
        return earlier.known(self.folder.name, with_features=self.with_features) if earlier else lambda _: None


def _read_held_out(files: RunFolder, settings: RunSettings) -> frozenset[int]:
    """The rows that get no score; a run that sets some aside never begins without knowing which."""
    if settings.held_out is None:
        return frozenset()
    return frozenset(read_held_out(files.held_out)[0].tolist())
