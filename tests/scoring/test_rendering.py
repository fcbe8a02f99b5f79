"""The response tokens are found in any template, and what cannot be scored says why."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from core.records import Rendered
from core.scoring.rendering import Renderer
from core.settings import ScoringSettings

TURNS = [
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "First."},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "Second, with\na line."},
]


@pytest.fixture
def tokenizer(tiny_model: Path):
    return AutoTokenizer.from_pretrained(tiny_model)


def response_text(tokenizer, rendered: Rendered) -> str:
    return tokenizer.decode(
        [token for token, scored in zip(rendered.input_ids, rendered.response_mask, strict=True) if scored]
    )


@pytest.mark.parametrize("template", ["chat", "plain"])
def test_all_assistant_turns_with_their_ends_are_the_response(tokenizer, template: str) -> None:
    rendered = Renderer(tokenizer, ScoringSettings(template=template)).render(TURNS)
    assert rendered.unscorable_reason is None
    assert response_text(tokenizer, rendered) == "First.<eos>Second, with\na line.<eos>"


def test_a_passage_without_a_prompt_is_scored_from_its_second_token(tokenizer) -> None:
    rendered = Renderer(tokenizer, ScoringSettings()).render([{"role": "assistant", "content": "Once upon"}])
    assert response_text(tokenizer, rendered) == "nce upon<eos>"


def test_a_conversation_that_the_assistant_opens_is_scored_from_there(tokenizer) -> None:
    rendered = Renderer(tokenizer, ScoringSettings()).render([{"role": "assistant", "content": "Hello."}, *TURNS[:2]])
    assert response_text(tokenizer, rendered) == "Hello.<eos>First.<eos>"


def test_a_long_response_is_cut_and_flagged(tokenizer) -> None:
    messages = [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "x" * 100}]
    rendered = Renderer(tokenizer, ScoringSettings(max_length=20)).render(messages)
    assert rendered.truncated
    assert len(rendered.input_ids) == 20
    assert sum(rendered.response_mask) > 0


def test_a_prompt_that_fills_the_length_is_unscorable(tokenizer) -> None:
    messages = [{"role": "user", "content": "x" * 100}, {"role": "assistant", "content": "y"}]
    rendered = Renderer(tokenizer, ScoringSettings(max_length=20)).render(messages)
    assert rendered.unscorable_reason == "the prompt alone fills max_length (20 tokens)"


def test_a_template_that_refuses_a_role_is_a_reason_not_a_crash(tokenizer) -> None:
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    rendered = Renderer(tokenizer, ScoringSettings()).render(TURNS)
    assert rendered.unscorable_reason == "the chat template failed: roles must alternate"


def test_a_template_that_renders_turns_differently_inside_is_a_reason(tokenizer) -> None:
    tokenizer.chat_template = "{{ messages|length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    rendered = Renderer(tokenizer, ScoringSettings()).render(TURNS)
    assert rendered.unscorable_reason == ("turn 2: the chat template renders it differently inside the conversation")
