"""The scoring pass agrees with an unpadded, one-by-one pass of the whole model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Rendered
from core.scoring.batches import batches_by_length
from core.scoring.forward import reduce_vocabulary, score_batch
from core.scoring.models import Head, LoadedModel, load_model
from core.scoring.rendering import Renderer
from core.settings import ScoringSettings
from tests import oracles

CHATS = [
    [{"role": "user", "content": "Name a colour."}, {"role": "assistant", "content": "Blue, like the sea at noon."}],
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 2 + 2?"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "And 3 + 3?"},
        {"role": "assistant", "content": "6, of course."},
    ],
    [{"role": "user", "content": "Sing"}, {"role": "assistant", "content": "la " * 30}],
]


def load(folder: Path | str, models: Path) -> tuple[LoadedModel, list[Rendered]]:
    chosen = ScoringSettings(model=str(folder), dtype="float32", device="cpu")
    model = load_model(chosen, models)
    renderer = Renderer(model.tokenizer, chosen)
    return model, [renderer.render(messages) for messages in CHATS]


def assert_agrees(model: LoadedModel, rendered: list[Rendered], tolerance: float) -> None:
    for example, scores in zip(rendered, score_batch(model, rendered, 1 << 20), strict=True):
        truth = oracles.score_one(model.model, example.input_ids, example.response_mask)
        for name in ("nll", "entropy", "gini"):
            assert float(getattr(scores, name).double().mean()) == pytest.approx(truth[name], abs=tolerance)
        np.testing.assert_allclose(scores.features, truth["features"], atol=tolerance * 10)


def test_a_padded_batch_scores_as_one_by_one(tiny_model: Path, tmp_path: Path) -> None:
    assert_agrees(*load(tiny_model, tmp_path), tolerance=1e-5)


@pytest.mark.model
def test_the_embedded_model_scores_as_one_by_one_and_as_hugging_face_s_own_loss(models_folder: Path) -> None:
    model, rendered = load("embedded", models_folder)
    assert_agrees(model, rendered, tolerance=1e-4)
    for example, scores in zip(rendered, score_batch(model, rendered, 1 << 24), strict=True):
        ids = torch.tensor([example.input_ids])
        labels = torch.where(torch.tensor([example.response_mask]).bool(), ids, -100)
        loss = float(model.model(ids, labels=labels).loss)
        assert float(scores.nll.double().mean()) == pytest.approx(loss, rel=1e-4)


def test_the_size_of_the_logits_blocks_changes_nothing() -> None:
    torch.manual_seed(1)
    head = Head(torch.randn(50, 8), torch.randn(50), scale=0.5, cap=3.0)
    x, targets = torch.randn(17, 8), torch.randint(0, 50, (17,))
    whole = reduce_vocabulary(head, x, targets, 1 << 30)
    for blocks in (1, 4 * 50, 4 * 50 * 5):
        for small, large in zip(reduce_vocabulary(head, x, targets, blocks), whole, strict=True):
            torch.testing.assert_close(small, large)


@given(st.lists(st.floats(-60, 60), min_size=2, max_size=40), st.data())
def test_reductions_equal_torch_distributions(logits: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(logits) - 1))
    head = Head(torch.tensor(logits)[:, None], None)
    nll, entropy, gini = reduce_vocabulary(head, torch.ones(1, 1), torch.tensor([target]), 1 << 20)
    truth = oracles.token_scores(torch.tensor(logits), target)
    assert [float(nll), float(entropy), float(gini)] == pytest.approx(truth, abs=2e-4)
    assert 0 <= float(entropy) <= np.log(len(logits)) + 1e-5


def test_a_word_that_can_never_come_does_no_harm() -> None:
    head = Head(torch.tensor([[1.0], [float("-inf")], [0.5]]), None)
    nll, entropy, gini = reduce_vocabulary(head, torch.ones(1, 1), torch.tensor([0]), 1 << 20)
    assert [float(nll), float(entropy), float(gini)] == pytest.approx(
        oracles.token_scores(torch.tensor([1.0, 0.5]), 0), abs=1e-6
    )


@settings(max_examples=50)
@given(st.lists(st.integers(1, 300), max_size=40), st.integers(64, 512))
def test_batches_hold_every_example_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(batches_by_length(lengths, budget))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
