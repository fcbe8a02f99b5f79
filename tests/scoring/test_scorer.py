"""A pass keeps every row: scored, or with the reason why not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.records import Rendered
from core.scoring.forward import Forward, ResponseTokens
from core.scoring.models import load_model
from core.scoring.scorer import Scorer
from core.settings import ScoringSettings


def make_scorer(model: Path, **settings: object) -> Scorer:
    chosen = ScoringSettings(model=str(model), device="cpu", dtype="float32", **settings)
    return Scorer(load_model(chosen, model), chosen, with_features=True)


def make_examples(count: int = 12) -> list[Rendered]:
    generator = np.random.default_rng(0)
    lengths = generator.integers(5, 40, count)
    return [Rendered("", generator.integers(0, 300, n).tolist(), [0, 0] + [1] * (int(n) - 2), False) for n in lengths]


@pytest.mark.parametrize("prompt_features", [False, True])
def test_the_size_of_the_batches_and_the_order_of_the_rows_change_nothing(
    prompt_features: bool, tiny_model: Path
) -> None:
    examples = make_examples()
    scorer = make_scorer(tiny_model, prompt_features=prompt_features)
    expected = scorer.score(examples)
    small = make_scorer(tiny_model, prompt_features=prompt_features, batch_tokens=64).score(examples)
    backwards = scorer.score(examples[::-1])[::-1]
    for (scores, features), *others in zip(expected, small, backwards, strict=True):
        assert features is not None
        for other, other_features in others:
            assert other_features is not None
            assert [other.nll, other.entropy, other.gini] == pytest.approx([scores.nll, scores.entropy, scores.gini])
            np.testing.assert_allclose(other_features.mean, features.mean, atol=1e-5)
            np.testing.assert_allclose(
                other_features.factor.T @ other_features.factor, features.factor.T @ features.factor, atol=1e-3
            )


def test_the_tokens_scores_are_kept_in_16_bits_and_their_mean_is_the_examples(tiny_model: Path) -> None:
    for example, (scores, _) in zip(make_examples(), make_scorer(tiny_model).score(make_examples()), strict=True):
        assert scores.token_nll.dtype == scores.token_entropy.dtype == scores.token_gini.dtype == np.float16
        assert len(scores.token_nll) == sum(example.response_mask)
        assert float(scores.token_nll.astype(float).mean()) == pytest.approx(scores.nll, rel=1e-3)
        assert float(scores.token_gini.astype(float).mean()) == pytest.approx(scores.gini, rel=1e-3)


def test_a_batch_that_does_not_fit_is_halved_and_a_row_that_never_fits_says_so(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = make_examples()
    expected = make_scorer(tiny_model).score(examples)
    score_batch, sizes = Forward.score_batch, []
    longest = max(len(example.input_ids) for example in examples)

    def cramped(self: Forward, batch: list[Rendered]) -> list[ResponseTokens]:
        sizes.append(len(batch))
        if len(batch) > 2 or any(len(example.input_ids) == longest for example in batch):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return score_batch(self, batch)

    monkeypatch.setattr(Forward, "score_batch", cramped)
    scored = make_scorer(tiny_model).score(examples)
    assert max(sizes) > 2
    for example, (scores, features), (truth, _) in zip(examples, scored, expected, strict=True):
        if len(example.input_ids) == longest:
            assert scores.reason == f"its {longest:,} tokens do not fit into memory, even alone"
            assert np.isnan(scores.nll)
            assert features is None
        else:
            assert scores.nll == pytest.approx(truth.nll)


def test_an_error_that_is_not_of_memory_stops_the_job(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Forward, batch: list[Rendered]) -> list[ResponseTokens]:
        raise RuntimeError("device-side assert")

    monkeypatch.setattr(Forward, "score_batch", broken)
    with pytest.raises(RuntimeError, match="device-side assert"):
        make_scorer(tiny_model).score(make_examples())


def test_a_token_that_the_model_does_not_know_is_a_reason(tiny_model: Path) -> None:
    examples = [*make_examples(3), Rendered("", [5, 300, 6], [0, 1, 1], False)]
    reasons = [scores.reason for scores, _ in make_scorer(tiny_model).score(examples)]
    assert reasons == [None, None, None, "token id 300 is beyond the model's 300 words"]


def test_numbers_that_are_none_are_a_reason(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score_batch = Forward.score_batch

    def poisoned(self: Forward, batch: list[Rendered]) -> list[ResponseTokens]:
        first, second, *rest = score_batch(self, batch)
        return [
            replace(first, features=first.features * float("nan")),
            replace(second, nll=second.nll + float("inf")),
            *rest,
        ]

    monkeypatch.setattr(Forward, "score_batch", poisoned)
    scored = make_scorer(tiny_model).score(make_examples(4))
    assert sum(scores.reason == "the model's output is not a finite number" for scores, _ in scored) == 2
    assert all((features is None) == (scores.reason is not None) for scores, features in scored)


@pytest.mark.parametrize("projection", [8, 64])
def test_factors_are_of_the_projected_features(projection: int, tiny_model: Path) -> None:
    (example,) = make_examples(1)
    ((_, whole),) = make_scorer(tiny_model, factor_energy=1).score([example])
    scorer = make_scorer(tiny_model, factor_energy=1, projection=projection, projection_seed=5)
    ((_, projected),) = scorer.score([example])
    assert whole is not None
    assert projected is not None
    assert projected.factor.shape == (sum(example.response_mask), projection)
    np.testing.assert_allclose(projected.factor, whole.factor @ scorer._projection.numpy(), atol=1e-4)
    np.testing.assert_allclose(projected.mean, whole.mean, atol=1e-5)


def test_the_uncertainty_weight_scales_each_feature_by_its_tokens_impurity(tiny_model: Path) -> None:
    (example,) = make_examples(1)
    ((scores, whole),) = make_scorer(tiny_model, factor_energy=1).score([example])
    ((_, weighted),) = make_scorer(tiny_model, factor_energy=1, uncertainty_weight=True).score([example])
    assert whole is not None
    assert weighted is not None
    expected = whole.factor * np.sqrt(scores.token_gini.astype(np.float64))[:, None]
    np.testing.assert_allclose(weighted.factor, expected, rtol=2e-3)
    assert weighted.trace == pytest.approx(float((expected**2).sum()), rel=2e-3)
