"""A token's feature is what the factor was made of, and its text is what it stands for."""

from pathlib import Path

import numpy as np
import pytest

from core.records import Rendered
from core.scoring.models import load_model, load_tokenizer
from core.scoring.rendering import Renderer
from core.scoring.scorer import Scorer
from core.scoring.tokenwise import read_token_features
from core.settings import ScoringSettings
from tests import oracles

RMS_NORM = 1.7
USER, LONG = {"role": "user", "content": "Héllo, 你好?"}, "word " * 30


def make_example() -> Rendered:
    ids = np.random.default_rng(5).integers(0, 300, 24).tolist()
    return Rendered("", ids, [0] * 6 + [1] * 7 + [0] * 4 + [1] * 6 + [0], False)


@pytest.mark.parametrize(
    "settings",
    [{}, {"uncertainty_weight": True}, {"projection": 8, "projection_seed": 3}, {"prompt_features": True}],
    ids=["plain", "weighed", "projected", "prompt"],
)
def test_the_features_gram_is_that_of_the_runs_factor(settings: dict, tiny_model: Path) -> None:
    chosen = ScoringSettings(model=str(tiny_model), device="cpu", dtype="float32", factor_energy=1, **settings)
    scorer, example = Scorer(load_model(chosen, tiny_model), chosen, with_features=True), make_example()
    ((_, features),) = scorer.score([example])
    assert features is not None
    found, F = read_token_features(scorer, example, RMS_NORM), features.factor.astype(np.float64) / RMS_NORM
    np.testing.assert_allclose(found.design.T @ found.design, F.T @ F, rtol=1e-4, atol=1e-4 * float((F**2).sum()))
    assert len(found.response) == sum(example.response_mask)
    if not settings.get("projection") and not settings.get("uncertainty_weight"):
        truth = oracles.score_one(scorer.forward.model.model, example.input_ids, example.response_mask)
        np.testing.assert_allclose(found.response, truth["features"].double().numpy() / RMS_NORM, rtol=1e-3, atol=1e-4)


def make_renderer(model: Path, **settings: object) -> Renderer:
    chosen = ScoringSettings(model=str(model), **settings)
    return Renderer(load_tokenizer(chosen, model), chosen)


@pytest.mark.parametrize("template", ["chat", "plain", "alpaca", "raw"])
@pytest.mark.parametrize("beyond", [0, 60])
def test_pieces_are_the_turns_text_token_by_token_and_what_is_beyond_is_cut(
    template: str, beyond: int, tiny_model: Path
) -> None:
    said = ["你好 👋\n\n  yes", LONG]
    messages = [USER, {"role": "assistant", "content": said[0]}, USER, {"role": "assistant", "content": said[1]}]
    length = len(make_renderer(tiny_model, template=template).render(messages).input_ids)
    renderer = make_renderer(tiny_model, template=template, max_length=length - beyond)
    turns, rendered = renderer.spoken(messages), renderer.render(messages)
    assert sum(len(turn.pieces) for turn in turns.values()) == sum(rendered.response_mask)
    assert list(turns) == [1, 3]
    assert rendered.truncated == bool(beyond) == bool(turns[3].cut)
    for turn, words in zip(turns.values(), said, strict=True):
        assert "".join(turn.pieces) + turn.cut == f"{words}<eos>"


def test_a_character_of_several_tokens_stands_at_the_first_of_them(tiny_model: Path) -> None:
    turns = make_renderer(tiny_model, template="chat").spoken([USER, {"role": "assistant", "content": "你"}])
    assert turns[1].pieces == ["你", "", "", "<eos>"]


def test_a_turn_that_is_only_context_has_no_pieces(tiny_model: Path) -> None:
    context = {"role": "assistant", "content": "aside", "weight": 0}
    turns = make_renderer(tiny_model).spoken([USER, context, USER, {"role": "assistant", "content": "yes"}])
    assert list(turns) == [3]
    assert make_renderer(tiny_model, max_length=8).spoken([USER, {"role": "assistant", "content": "yes"}]) == {}
