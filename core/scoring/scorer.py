"""A pass over a dataset: render, batch, score, factor, one shard at a time.

Rows are scored in blocks; inside a block the batches depend on nothing but the block's own
rows, so a resumed run writes the shards that an uninterrupted one would have written.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from core.records import Example, Rendered
from core.scoring.batches import batches_by_length
from core.scoring.factors import factor_features
from core.scoring.forward import ResponseTokens, score_batch
from core.scoring.models import LoadedModel
from core.scoring.rendering import Renderer
from core.scoring.shards import Shard, ShardPlan, write_shard
from core.settings import ScoringSettings

ReadRows = Callable[[range], Sequence[Example]]
Report = Callable[[int], None]


def score_shards(
    model: LoadedModel,
    read_rows: ReadRows,
    plans: Sequence[ShardPlan],
    settings: ScoringSettings,
    report: Report,
    *,
    with_features: bool,
) -> None:
    """Score every planned shard that does not exist yet.

    `read_rows` gives the examples of a range of rows; `report` is called with the number of
    rows each batch finished, and may raise to cancel: nothing but the open shard is lost.
    """
    renderer = Renderer(model.tokenizer, settings)
    for plan in plans:
        if plan.path.exists():
            report(len(plan.rows))
            continue
        rendered = [renderer.render(example.messages, example.tools) for example in read_rows(plan.rows)]
        tokens = _score_rendered(model, rendered, settings, report)
        report(sum(1 for scores in tokens if scores is None))
        write_shard(plan.path, _build_shard(plan.rows, rendered, tokens, settings, model.dimension, with_features))


def _score_rendered(
    model: LoadedModel, rendered: Sequence[Rendered], settings: ScoringSettings, report: Report
) -> list[ResponseTokens | None]:
    results: list[ResponseTokens | None] = [None] * len(rendered)
    scorable = [i for i, example in enumerate(rendered) if example.unscorable_reason is None]
    lengths = [len(rendered[i].input_ids) for i in scorable]
    for batch in batches_by_length(lengths, settings.batch_tokens):
        positions = [scorable[k] for k in batch]
        scores = score_batch(model, [rendered[i] for i in positions], settings.logits_megabytes << 20)
        for i, example_scores in zip(positions, scores, strict=True):
            results[i] = example_scores
        report(len(batch))
    return results


def _build_shard(
    rows: range,
    rendered: Sequence[Rendered],
    tokens: Sequence[ResponseTokens | None],
    settings: ScoringSettings,
    dimension: int,
    with_features: bool,
) -> Shard:
    finite = [t if t is not None and _is_finite(t) else None for t in tokens]

    def means(name: str) -> np.ndarray:
        return np.array([np.nan if t is None else float(getattr(t, name).double().mean()) for t in finite])

    shard = Shard(
        rows=np.array(rows, dtype=np.int64),
        prompt_tokens=np.array([len(r.response_mask) - sum(r.response_mask) for r in rendered], dtype=np.int32),
        response_tokens=np.array([sum(r.response_mask) for r in rendered], dtype=np.int32),
        nll=means("nll"),
        entropy=means("entropy"),
        gini=means("gini"),
        truncated=np.array([r.truncated for r in rendered], dtype=np.uint8),
        reasons=[
            r.unscorable_reason or (None if scores else "the model's output is not a finite number")
            for r, scores in zip(rendered, finite, strict=True)
        ],
    )
    return _with_features(shard, finite, settings, dimension) if with_features else shard


def _is_finite(tokens: ResponseTokens) -> bool:
    return all(bool(torch.isfinite(values).all()) for values in (tokens.nll, tokens.entropy, tokens.features))


def _with_features(
    shard: Shard, tokens: Sequence[ResponseTokens | None], settings: ScoringSettings, dimension: int
) -> Shard:
    factors, kept, traces, means = [], [], [], []
    for example in tokens:
        X = torch.zeros(0, dimension) if example is None else example.features
        means.append(X.mean(dim=0))  # of no rows: NaN
        if example is not None and settings.uncertainty_weight:
            X = X * example.gini.sqrt()[:, None]
        factor, share = factor_features(X, settings.factor_energy)
        factors.append(factor)
        kept.append(share if len(X) else np.nan)
        traces.append(float((X.double() ** 2).sum()))
    return replace(
        shard,
        mean_feature=torch.stack(means).numpy(),
        factors=torch.cat(factors).numpy(),
        factor_offsets=np.cumsum([0, *(len(f) for f in factors)], dtype=np.int64),
        factor_kept=np.array(kept),
        feature_trace=np.array(traces),
    )
