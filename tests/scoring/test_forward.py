"""The scoring pass agrees with an unpadded, one-by-one pass of the whole model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import BadInput
from core.records import Rendered
from core.scoring.batches import batches_by_length
from core.scoring.device import Limits
from core.scoring.forward import Forward
from core.scoring.head import Head, check_head
from core.scoring.models import EMBEDDED_PARAMETERS, LoadedModel, load_model, load_tokenizer
from core.scoring.reduction import VocabularyReduction
from core.scoring.rendering import Renderer
from core.scoring.scorer import Scorer
from core.settings import ScoringSettings
from tests import oracles
from tests.scoring.families import FAMILIES, LONGROPE, make_model

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
LIMITS = Limits(batch_tokens=4096, logits_bytes=1 << 20, shard_rows=64)


def load(folder: Path | str, models: Path) -> tuple[LoadedModel, list[Rendered]]:
    chosen = ScoringSettings(model=str(folder), dtype="float32", device="cpu")
    model = load_model(chosen, models)
    renderer = Renderer(load_tokenizer(chosen, models), chosen)
    return model, [renderer.render(messages) for messages in CHATS]


def assert_agrees(forward: Forward, rendered: list[Rendered], tolerance: float) -> None:
    for example, scores in zip(rendered, forward.score_batch(rendered), strict=True):
        truth = oracles.score_one(forward.model.model, example.input_ids, example.response_mask)
        for name in ("nll", "entropy", "gini"):
            assert float(getattr(scores, name).double().mean()) == pytest.approx(truth[name], abs=tolerance)
        np.testing.assert_allclose(scores.features, truth["features"], atol=tolerance)
        every = truth["all_features" if forward.prompt_features else "features"]
        np.testing.assert_allclose(scores.design_features, every, atol=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_scores_a_batch_as_one_by_one(family: str, tiny_model: Path, tmp_path: Path) -> None:
    make_model(family, tiny_model, tmp_path / "model")
    model, rendered = load(tmp_path / "model", tmp_path)
    assert_agrees(Forward(model, LIMITS), rendered, tolerance=1e-4)
    assert_agrees(Forward(model, LIMITS, prompt_features=True), rendered, tolerance=1e-4)


def test_added_tokens_are_scored_as_any_other(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(tiny_model), AutoModelForCausalLM.from_pretrained(tiny_model)
    tokenizer.add_tokens([f"<t{i}>" for i in range(60)] + ["blue"])
    model.resize_token_embeddings(len(tokenizer))
    for part in (tokenizer, model):
        part.save_pretrained(tmp_path / "model")
    loaded, _ = load(tmp_path / "model", tmp_path)
    renderer = Renderer(tokenizer, ScoringSettings())
    rendered = [
        renderer.render([{"role": "user", "content": "?"}, {"role": "assistant", "content": words}])
        for words in ("so blue", "blueblue or <t59>")
    ]
    assert max(max(example.input_ids) for example in rendered) >= 300
    assert_agrees(Forward(loaded, LIMITS), rendered, tolerance=1e-4)


@pytest.mark.model
def test_the_embedded_model_scores_as_one_by_one_and_as_hugging_face_s_own_loss(models_folder: Path) -> None:
    model, rendered = load("embedded", models_folder)
    assert model.model.num_parameters() == EMBEDDED_PARAMETERS
    forward = Forward(model, replace(LIMITS, logits_bytes=1 << 24))
    assert_agrees(forward, rendered, tolerance=1e-4)
    for example, scores in zip(rendered, forward.score_batch(rendered), strict=True):
        ids = torch.tensor([example.input_ids])
        labels = torch.where(torch.tensor([example.response_mask]).bool(), ids, -100)
        loss = float(model.model(ids, labels=labels).loss)
        assert float(scores.nll.double().mean()) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_compiled_pass_scores_as_one_by_one(family: str, tiny_model: Path, tmp_path: Path) -> None:
    make_model(family, tiny_model, tmp_path / "model")
    model, rendered = load(tmp_path / "model", tmp_path)
    forward = Forward(model, LIMITS)
    forward.compile()
    assert forward.not_compiled is None
    assert_agrees(forward, rendered, tolerance=1e-4)
    assert_agrees(forward, rendered[:1], tolerance=1e-4)


def test_a_compiler_that_fails_leaves_plain_operations_and_its_reason(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rendered = load(tiny_model, tmp_path)
    forward = Forward(model, LIMITS)

    def fail() -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(forward.reduction, "compile", fail)
    forward.compile()
    assert forward.not_compiled == "RuntimeError: no compiler here"
    assert all(module._compiled_call_impl is None for module in model.decoder.modules())
    assert_agrees(forward, rendered, tolerance=1e-4)


def test_a_head_that_is_not_understood_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model, _ = load(tiny_model, tmp_path)
    check_head(model.model, model.decoder, model.head, "tiny")
    with pytest.raises(BadInput, match="does something to its logits that is not known here"):
        check_head(model.model, model.decoder, replace(model.head, scale=1 / 1.03), "tiny")


@pytest.mark.parametrize("family", ["gemma2", "granite", "cohere"])
def test_what_a_family_does_to_its_logits_is_missed_in_bfloat16_too(
    family: str, tiny_model: Path, tmp_path: Path
) -> None:
    make_model(family, tiny_model, tmp_path / "model")
    model = load_model(ScoringSettings(model=str(tmp_path / "model"), dtype="bfloat16", device="cpu"), tmp_path)
    with pytest.raises(BadInput, match="does something to its logits that is not known here"):
        check_head(model.model, model.decoder, replace(model.head, scale=1.0, cap=None), family)


@pytest.mark.parametrize("family", ["llama", "gemma2", "phi3"])
def test_a_bfloat16_pass_scores_as_one_by_one_up_to_its_rounding(family: str, tiny_model: Path, tmp_path: Path) -> None:
    make_model(family, tiny_model, tmp_path / "model")
    _, rendered = load(tmp_path / "model", tmp_path)
    model = load_model(ScoringSettings(model=str(tmp_path / "model"), dtype="bfloat16", device="cpu"), tmp_path)
    for example, scores in zip(rendered, Forward(model, LIMITS).score_batch(rendered), strict=True):
        truth = oracles.score_one(model.model, example.input_ids, example.response_mask)
        assert float(scores.nll.double().mean()) == pytest.approx(truth["nll"], abs=0.05)


def test_a_neighbour_beyond_longropes_boundary_changes_nothing(tiny_model: Path, tmp_path: Path) -> None:
    make_model("phi3", tiny_model, tmp_path / "model", **LONGROPE)
    chosen = ScoringSettings(model=str(tmp_path / "model"), device="cpu", dtype="float32")
    model = load_model(chosen, tmp_path)
    assert model.boundary == 64
    examples = [Rendered("", [i % 300 for i in range(n)], [0] + [1] * (n - 1), False) for n in (60, 70, 64, 65)]
    scored = Scorer(model, chosen, with_features=False).score(examples)
    for example, (scores, _) in zip(examples, scored, strict=True):
        truth = oracles.score_one(model.model, example.input_ids, example.response_mask)
        assert scores.nll == pytest.approx(truth["nll"], abs=1e-4)


def reduce(head: Head, x: torch.Tensor, targets: torch.Tensor, logits_bytes: int) -> tuple[torch.Tensor, ...]:
    return VocabularyReduction(head, logits_bytes)(x, targets)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_size_of_the_logits_blocks_changes_nothing(compiled: bool) -> None:
    torch.manual_seed(1)
    head = Head(torch.randn(50, 8), torch.randn(50), scale=0.5, cap=3.0)
    x, targets = torch.randn(17, 8), torch.randint(0, 50, (17,))
    whole = reduce(head, x, targets, 1 << 30)
    for blocks in (1, 4 * 50, 4 * 50 * 5):
        reduction = VocabularyReduction(head, blocks)
        if compiled:
            reduction.compile()
        for small, large in zip(reduction(x, targets), whole, strict=True):
            torch.testing.assert_close(small, large)


def most_bytes(work: Callable[[], object]) -> int:
    """The most memory that was allocated at a time while `work` ran, by torch's own profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    alive = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            most = max(most, alive)
    return most


@pytest.mark.parametrize("changes", [{}, {"cap": 5.0}, {"bias": torch.ones(20_000)}, {"scale": 0.5}])
@pytest.mark.parametrize("compiled", [False, True])
def test_no_more_logits_are_alive_than_the_setting_allows(compiled: bool, changes: dict) -> None:
    words, allowed = 20_000, 4 << 20
    reduction = VocabularyReduction(replace(Head(torch.randn(words, 8), None), **changes), allowed)
    if compiled:
        reduction.compile()
    x, targets = torch.randn(300, 8), torch.zeros(300, dtype=torch.long)
    reduction(x, targets)
    assert 0.4 * allowed < most_bytes(lambda: reduction(x, targets)) < 1.05 * allowed


def test_bfloat16_features_and_weights_are_multiplied_without_rounding() -> None:
    torch.manual_seed(2)
    x, weight = torch.randn(20, 64).bfloat16(), torch.randn(300, 64).bfloat16()
    logits = Head(weight.float(), None).logits(x)
    torch.testing.assert_close(logits.double(), x.double() @ weight.double().T, rtol=1e-5, atol=1e-4)


@given(st.lists(st.floats(-60, 60), min_size=2, max_size=40), st.data())
def test_reductions_equal_torch_distributions(logits: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(logits) - 1))
    head = Head(torch.tensor(logits)[:, None], None)
    nll, entropy, gini = reduce(head, torch.ones(1, 1), torch.tensor([target]), 1 << 20)
    truth = oracles.token_scores(torch.tensor(logits), target)
    assert [float(nll), float(entropy), float(gini)] == pytest.approx(truth, abs=2e-4)
    assert 0 <= float(entropy) <= np.log(len(logits)) + 1e-5


def test_a_word_that_can_never_come_does_no_harm() -> None:
    head = Head(torch.tensor([[1.0], [float("-inf")], [0.5]]), None)
    nll, entropy, gini = reduce(head, torch.ones(1, 1), torch.tensor([0]), 1 << 20)
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
