"""A pass over a dataset: render, batch, score, factor, one shard at a time.

Rows are scored in blocks; inside a block the batches depend on nothing but the block's own
rows, so a resumed run writes the shards that an uninterrupted one would have written. A batch's
features are reduced to factors on the device and dropped before the next.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from core.records import Example, Rendered
from core.scoring.batches import batches_by_length, halves
from core.scoring.device import choose_limits
from core.scoring.factors import draw_projection, factor_features
from core.scoring.forward import Forward, ResponseTokens
from core.scoring.models import LoadedModel
from core.scoring.shards import (
    NOT_FINITE,
    ExampleFeatures,
    ExampleScores,
    ShardPlan,
    write_features,
    write_scores,
)
from core.settings import ScoringSettings

ReadRows = Callable[[range], Sequence[Example]]
Render = Callable[[Example], Rendered]
Report = Callable[[int], None]
Scored = tuple[ExampleScores, ExampleFeatures | None]
Known = Callable[[int], Scored | None]


class Scorer:
    """Scores rendered examples with one model; with `with_features`, factors them too."""

    def __init__(self, model: LoadedModel, settings: ScoringSettings, *, with_features: bool) -> None:
        self.settings = settings
        self.limits = choose_limits(settings, model.device)
        self.forward = Forward(model, self.limits, prompt_features=with_features and settings.prompt_features)
        self._with_features = with_features
        self._projection = None
        if settings.projection:
            self._projection = draw_projection(
                model.dimension, settings.projection, settings.projection_seed, model.device
            )

    def score_shards(
        self,
        read_rows: ReadRows,
        render: Render,
        plans: Sequence[ShardPlan],
        report: Report,
        known: Known = lambda _: None,
    ) -> None:
        """Score the planned shards, in order.

        `read_rows` gives the examples of a range of rows; `report` is called with the number of
        rows each batch finished, and may raise to cancel: nothing but the open shard is lost. A row
        that is `known` is not scored again.
        """
        for plan, rendered in _render_ahead(read_rows, render, plans):
            scored = self.score(rendered, report, [known(row) for row in plan.rows])
            write_shard(plan, rendered, scored, self.width if self._with_features else None)

    def score(
        self,
        rendered: Sequence[Rendered],
        report: Report = lambda _: None,
        known: Sequence[Scored | None] = (),
    ) -> list[Scored]:
        """Score these examples, in their order; what cannot be scored has a reason instead, what is known stays."""
        words = self.forward.model.words
        results: list[Scored] = [(ExampleScores.failed(_why_not(example, words)), None) for example in rendered]
        scorable = [i for i, (scores, _) in enumerate(results) if scores.reason is None]
        for i, before in enumerate(known):
            results[i] = before or results[i]
        scorable = [i for i in scorable if not (known and known[i])]
        report(len(rendered) - len(scorable))
        lengths = [len(rendered[i].input_ids) for i in scorable]
        for batch in batches_by_length(lengths, self.limits.batch_tokens, self.forward.model.boundary):
            positions = [scorable[k] for k in batch]
            for i, scored in zip(positions, self._score_within_memory(rendered, positions), strict=True):
                results[i] = scored
            report(len(batch))
        return results

    def weigh(self, tokens: ResponseTokens) -> torch.Tensor:
        """The features that the design sees, [T, d] or [T, p] float32."""
        X = tokens.design_features.float()
        if self.settings.uncertainty_weight:
            X = X * tokens.gini.to(X.device).sqrt()[:, None]
        return X if self._projection is None else X @ self._projection

    @property
    def width(self) -> tuple[int, int]:
        """Of its means and of its factors, (d, p)."""
        d = self.forward.model.dimension
        return d, self.settings.projection or d

    def _score_within_memory(self, rendered: Sequence[Rendered], positions: Sequence[int]) -> list[Scored]:
        """Score a batch; one that does not fit is halved, until what is left is one example."""
        examples = [rendered[i] for i in positions]
        try:
            return self._finish(self.forward.score_batch(examples))
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        torch.cuda.empty_cache()  # a no-op without a GPU
        if len(positions) == 1:
            tokens = len(examples[0].input_ids)
            return [(ExampleScores.failed(f"its {tokens:,} tokens do not fit into memory, even alone"), None)]
        return [scored for half in halves(positions) for scored in self._score_within_memory(rendered, half)]

    @torch.inference_mode()
    def _finish(self, batch: Sequence[ResponseTokens]) -> list[Scored]:
        finished = [ExampleScores.of_tokens(tokens.nll, tokens.entropy, tokens.gini) for tokens in batch]
        if not self._with_features:
            return [(scores, None) for scores in finished]
        finite = torch.stack([torch.isfinite(tokens.design_features).all() for tokens in batch]).tolist()
        usable = [k for k, scores in enumerate(finished) if finite[k] and scores.reason is None]
        features = dict(zip(usable, self._features([batch[k] for k in usable]), strict=True))
        return [
            (scores, features[k]) if k in features else (ExampleScores.failed(NOT_FINITE), None)
            for k, scores in enumerate(finished)
        ]

    def _features(self, batch: Sequence[ResponseTokens]) -> list[ExampleFeatures]:
        """Means, factors and traces, brought to the CPU in one transfer each."""
        if not batch:
            return []
        weighted = [self.weigh(tokens) for tokens in batch]
        factors, kept = zip(*factor_features(weighted, self.settings.factor_energy), strict=True)
        means = torch.stack([tokens.features.float().mean(dim=0) for tokens in batch]).cpu().numpy()
        traces = torch.stack([(X.double() ** 2).sum() for X in weighted]).tolist()
        rows = torch.cat(factors).cpu().split([len(factor) for factor in factors])
        return [
            ExampleFeatures(mean, factor.numpy(), share, trace, len(X))
            for mean, factor, share, trace, X in zip(means, rows, kept, traces, weighted, strict=True)
        ]


def write_shard(
    plan: ShardPlan, rendered: Sequence[Rendered], scored: Sequence[Scored], width: tuple[int, int] | None
) -> None:
    """Write a block's scores, and with a `width` (d, p) its features before them."""
    if width:
        write_features(plan.features, [features for _, features in scored], width)
    write_scores(plan.path, plan.rows, rendered, [scores for scores, _ in scored])


def give_up_shard(plan: ShardPlan, rendered: Sequence[Rendered], reason: str, *, with_features: bool) -> None:
    """Write a shard that has a reason instead of scores in every row."""
    nothing: Scored = ExampleScores.failed(reason), None
    write_shard(plan, rendered, [nothing] * len(rendered), (1, 1) if with_features else None)


def _render_ahead(
    read_rows: ReadRows, render: Render, plans: Sequence[ShardPlan]
) -> Iterator[tuple[ShardPlan, list[Rendered]]]:
    """Each plan with its rendered rows; the next plan's are rendered while this one is scored."""

    def prepare(plan: ShardPlan) -> list[Rendered]:
        return [render(example) for example in read_rows(plan.rows)]

    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(prepare, plans[0]) if plans else None
        for number, plan in enumerate(plans, 1):
            assert following is not None
            rendered = following.result()
            following = thread.submit(prepare, plans[number]) if number < len(plans) else None
            yield plan, rendered


def _why_not(example: Rendered, words: int) -> str | None:
    if example.unscorable_reason is None and max(example.input_ids) >= words:
        return f"token id {max(example.input_ids):,} is beyond the model's {words:,} words"
    return example.unscorable_reason


def _is_out_of_memory(error: Exception) -> bool:
    words = ("can't allocate memory", "ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error) for word in words)
