"""With `prompt_features` a factor is of every token that is predicted, and nothing else changes."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import BadInput
from core.records import Rendered
from core.scoring.arrays import RunArrays, join_shards, open_arrays
from core.scoring.forward import Forward
from core.scoring.models import load_model
from core.scoring.scorer import Scorer
from core.scoring.shards import plan_shards
from core.settings import ScoringSettings
from tests import oracles

FAILED = Rendered("", [], [], False, "the response has no tokens")


def make_examples() -> list[Rendered]:
    """Two turns each, of lengths that differ, and a line break after the last that is not scored."""
    generator = np.random.default_rng(1)
    masks = [[0] * n + [1] * (n // 2 + 1) + [0, 0, 0] + [1] * 4 + [0] for n in (2, 30, 11, 1, 19)]
    return [Rendered("", generator.integers(0, 300, len(mask)).tolist(), mask, False) for mask in masks]


def make_scorer(model: Path, *, with_features: bool = True, **settings: object) -> Scorer:
    chosen = ScoringSettings(model=str(model), device="cpu", dtype="float32", factor_energy=1, **settings)
    return Scorer(load_model(chosen, model), chosen, with_features=with_features)


def design_features(scorer: Scorer, example: Rendered) -> np.ndarray:
    """The features that the factor should be of, from an unpadded pass of the example alone, in float64."""
    truth = oracles.score_one(scorer.forward.model.model, example.input_ids, example.response_mask)
    features: torch.Tensor = truth["all_features" if scorer.settings.prompt_features else "features"]
    return features.double().numpy()


@pytest.mark.parametrize("prompt_features", [False, True])
def test_a_factors_gram_is_that_of_the_features_that_it_is_made_of(prompt_features: bool, tiny_model: Path) -> None:
    scorer, examples, batches = make_scorer(tiny_model, prompt_features=prompt_features), make_examples(), []
    scored = scorer.score(examples, batches.append)
    assert batches == [0, len(examples)]
    for example, (_, features) in zip(examples, scored, strict=True):
        assert features is not None
        X, F = design_features(scorer, example), features.factor.astype(np.float64)
        assert len(X) == (len(example.input_ids) - 1 if prompt_features else sum(example.response_mask))
        np.testing.assert_allclose(F.T @ F, X.T @ X, atol=1e-4 * float((X**2).sum()))
        assert features.trace == pytest.approx(float((X**2).sum()), rel=1e-5)
        assert features.tokens == len(X)


def test_scores_and_mean_features_stay_the_same_bits(tiny_model: Path) -> None:
    examples = make_examples()
    without = make_scorer(tiny_model).score(examples)
    for (scores, features), (other, other_features) in zip(
        without, make_scorer(tiny_model, prompt_features=True).score(examples), strict=True
    ):
        assert features is not None
        assert other_features is not None
        assert [other.nll, other.entropy, other.gini] == [scores.nll, scores.entropy, scores.gini]
        for name in ("token_nll", "token_entropy", "token_gini"):
            np.testing.assert_array_equal(getattr(other, name), getattr(scores, name))
        np.testing.assert_array_equal(other_features.mean, features.mean)


def test_no_prompt_feature_is_kept_where_none_is_asked_for_or_no_factor_is_made(tiny_model: Path) -> None:
    for scorer in (make_scorer(tiny_model), make_scorer(tiny_model, with_features=False, prompt_features=True)):
        assert all(tokens.all_features is None for tokens in scorer.forward.score_batch(make_examples()))


def score_and_join(scorer: Scorer, examples: list[Rendered], folder: Path) -> RunArrays:
    plans = plan_shards(folder / "base", folder / "features", "run", [str(i) for i in range(len(examples))], 2)
    scorer.score_shards(lambda rows: [examples[row] for row in rows], lambda example: example, plans, lambda _: None)
    join_shards([plan.path for plan in plans], [plan.features for plan in plans], folder / "arrays")
    return open_arrays(folder / "arrays")


@pytest.mark.parametrize("prompt_features", [False, True])
def test_the_factors_tokens_have_a_root_mean_square_norm_of_one(
    prompt_features: bool, tiny_model: Path, tmp_path: Path
) -> None:
    first, *others = make_examples()
    scorer = make_scorer(tiny_model, prompt_features=prompt_features)
    arrays = score_and_join(scorer, [first, FAILED, *others], tmp_path)
    X = np.concatenate([design_features(scorer, example) for example in [first, *others]])
    assert arrays.rms_norm == pytest.approx(math.sqrt((X**2).sum() / len(X)), rel=1e-5)
    assert float((np.linalg.norm(arrays.factors, axis=1) ** 2).mean()) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(arrays.factors, X / arrays.rms_norm, atol=1e-4)


@pytest.mark.parametrize("position", ["prompt", "response"])
def test_a_feature_that_is_no_number_is_a_reason_wherever_it_stands(
    position: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = make_examples()[1]
    decode = Forward._decode

    def poisoned(self: Forward, ids: torch.Tensor) -> torch.Tensor:
        hidden = decode(self, ids)
        hidden[0, 0 if position == "prompt" else example.response_mask.index(1)] = float("nan")
        return hidden

    monkeypatch.setattr(Forward, "_decode", poisoned)
    ((scores, features),) = make_scorer(tiny_model, prompt_features=True).score([example])
    assert scores.reason == "the model's output is not a finite number"
    assert features is None


def test_the_weight_that_needs_p_is_refused_beside_it() -> None:
    refused = "Option 'prompt_features' was given as 'yes': it cannot go with uncertainty_weight"
    with pytest.raises(BadInput, match=refused) as error:
        ScoringSettings.checked(prompt_features="yes", uncertainty_weight="true")
    assert "\n" not in str(error.value)
    assert ScoringSettings.checked(prompt_features="no", uncertainty_weight="true").uncertainty_weight
    assert ScoringSettings.checked(prompt_features="yes").prompt_features
