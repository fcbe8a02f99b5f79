"""The response tokens are found in any template, and what cannot be scored says why."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from core.errors import BadInput
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


@pytest.mark.parametrize("template", ["chat", "plain"])
@pytest.mark.parametrize("mark", [{"weight": 0}, {"loss_weight": 0.0}, {"train": False}])
def test_a_turn_that_is_not_to_be_trained_is_context(tokenizer, template: str, mark: dict) -> None:
    assert TURNS[1]["role"] == "assistant"
    marked = [TURNS[0], TURNS[1] | mark, *TURNS[2:]]
    renderer = Renderer(tokenizer, ScoringSettings(template=template))
    assert response_text(tokenizer, renderer.render(marked)) == "Second, with\na line.<eos>"
    assert renderer.render(marked).text == renderer.render(TURNS).text
    assert renderer.render([TURNS[0], TURNS[1] | {"weight": 1}]).unscorable_reason is None
    assert renderer.render([TURNS[0], TURNS[1] | mark]).unscorable_reason == "the response has no tokens"


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


def test_a_template_that_drops_the_thoughts_of_earlier_turns_is_read_by_its_words(tokenizer) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{% if m['role'] == 'assistant' and loop.last %}[thought]{% endif %}"
        "{{ m['content'] }}{% if m['role'] == 'assistant' %}<eos>{% endif %}\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    rendered = Renderer(tokenizer, ScoringSettings()).render(TURNS)
    assert response_text(tokenizer, rendered) == "First.<eos>[thought]Second, with\na line.<eos>"


def test_a_response_that_its_prompt_contains_is_not_looked_for_in_the_prompt(tokenizer) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{% if m['role'] == 'assistant' and loop.last %}[thought]{% endif %}"
        "{{ m['content'] }}{% if m['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>(think){% endif %}"
    )
    messages = [
        {"role": "user", "content": "Is 7 prime? Answer yes or no."},
        {"role": "assistant", "content": "yes"},
        *TURNS[2:],
    ]
    shown = Renderer(tokenizer, ScoringSettings()).show(messages)
    assert shown.parts[:3] == [
        ("prompt", "<user>Is 7 prime? Answer yes or no.<assistant>"),
        ("response", "yes<eos>"),
        ("prompt", "<user>Two?<assistant>"),
    ]


def test_a_template_that_reads_the_clock_renders_alike_on_every_day(tokenizer) -> None:
    tokenizer.chat_template = "{{ strftime_now('%Y-%m-%d') }} " + tokenizer.chat_template
    rendered = Renderer(tokenizer, ScoringSettings()).render(TURNS)
    assert rendered.text.startswith("26 Jul 2024 <bos>")


@pytest.mark.parametrize("template", ["chat", "plain", "raw", "alpaca"])
def test_an_empty_response_is_a_reason(tokenizer, template: str) -> None:
    renderer = Renderer(tokenizer, ScoringSettings(template=template))
    rendered = renderer.render([TURNS[0], {"role": "assistant", "content": " "}])
    assert rendered.unscorable_reason == "the response has no tokens"


@pytest.mark.parametrize("template", ["plain", "raw", "alpaca"])
def test_a_layout_without_a_place_for_tool_calls_says_so(tokenizer, template: str) -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}
    rendered = Renderer(tokenizer, ScoringSettings(template=template)).render([TURNS[0], call])
    assert rendered.unscorable_reason == f"template {template} has no place for tool calls"


def test_a_calls_arguments_are_written_as_the_object_that_they_are(tokenizer) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}"
        "{% for c in m['tool_calls'] or [] %}{{ c['function']['arguments'] | tojson }}{% endfor %}"
        "{% if m['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    function = {"name": "look", "arguments": '{"city": "Rome"}'}
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
    rendered = Renderer(tokenizer, ScoringSettings()).render([TURNS[0], call])
    assert response_text(tokenizer, rendered) == '{"city": "Rome"}<eos>'


def test_a_template_that_changes_what_was_said_is_a_reason(tokenizer) -> None:
    tokenizer.chat_template = "{{ messages|length }}{% for m in messages %}{{ m['content']|upper }}{% endfor %}"
    rendered = Renderer(tokenizer, ScoringSettings()).render(TURNS)
    assert rendered.unscorable_reason == "turn 2: the chat template renders it differently inside the conversation"


def test_tool_calls_are_scored_with_the_turn_that_makes_them(tokenizer) -> None:
    tokenizer.chat_template = (
        "{% for t in tools or [] %}{{ t['name'] }};{% endfor %}{% for m in messages %}<{{ m['role'] }}>"
        "{{ m['content'] or '' }}{% for c in m['tool_calls'] or [] %}CALL {{ c['function']['name'] }}{% endfor %}"
        "{% if m['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "look"}}]},
        {"role": "tool", "content": "rain"},
        {"role": "assistant", "content": "Rain."},
    ]
    rendered = Renderer(tokenizer, ScoringSettings()).render(messages, [{"name": "look"}])
    assert rendered.text.startswith("look;<user>Weather?")
    assert response_text(tokenizer, rendered) == "CALL look<eos>Rain.<eos>"


def test_raw_is_the_texts_alone_and_no_line_break_is_scored(tokenizer) -> None:
    rendered = Renderer(tokenizer, ScoringSettings(template="raw")).render(TURNS)
    assert rendered.text == "One?\nFirst.<eos>\nTwo?\nSecond, with\na line.<eos>"
    assert response_text(tokenizer, rendered) == "First.<eos>Second, with\na line.<eos>"


def test_alpaca_is_stanfords_text_with_and_without_input(tokenizer) -> None:
    renderer = Renderer(tokenizer, ScoringSettings(template="alpaca"))
    answer = {"role": "assistant", "content": "4"}
    without = renderer.render([{"role": "user", "content": "Add 2 and 2."}, answer])
    assert without.text == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nAdd 2 and 2.\n\n### Response:4<eos>"
    )
    given = renderer.render([{"role": "user", "content": "Add.\n\n2 and 2", "input": "2 and 2"}, answer])
    assert given.text == (
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
        "response that appropriately completes the request."
        "\n\n### Instruction:\nAdd.\n\n### Input:\n2 and 2\n\n### Response:4<eos>"
    )
    assert response_text(tokenizer, given) == "4<eos>"
    system = renderer.render([{"role": "system", "content": "Be brief."}, *TURNS])
    assert system.text.startswith("Be brief.\n\n### Instruction:\nOne?\n\n### Response:First.<eos>\n\n### Instr")
    assert response_text(tokenizer, system) == "First.<eos>Second, with\na line.<eos>"


def test_the_templates_identity_changes_with_its_text(tokenizer) -> None:
    def identity(template: str) -> str:
        return Renderer(tokenizer, ScoringSettings(template=template)).identity

    names = {identity(template) for template in ("chat", "alpaca", "plain", "raw")}
    assert len(names) == 4
    assert identity("auto") == identity("chat")
    tokenizer.chat_template += " "
    assert identity("chat") not in names


def test_the_parts_shown_are_the_text_cut_where_it_is_scored(tokenizer) -> None:
    shown = Renderer(tokenizer, ScoringSettings(template="raw")).show(TURNS)
    assert "".join(text for _, text in shown.parts) == shown.rendered.text
    assert [text for kind, text in shown.parts if kind == "response"] == ["First.<eos>", "Second, with\na line.<eos>"]
    assert len(shown.tokens) == len(shown.rendered.input_ids)
    cut = Renderer(tokenizer, ScoringSettings(template="raw", max_length=10)).show(TURNS)
    assert cut.parts[-1][0] == "cut"
    assert "".join(text for _, text in cut.parts) == cut.rendered.text


def test_only_what_was_cut_of_a_response_counts_as_truncated(tokenizer) -> None:
    tokenizer.chat_template += "{{ '\\n' }}"
    whole = Renderer(tokenizer, ScoringSettings()).render(TURNS)
    tail = len(whole.input_ids) - 1  # the line break after the last turn
    assert whole.response_mask[-1] == 0
    assert not Renderer(tokenizer, ScoringSettings(max_length=tail)).render(TURNS).truncated
    assert Renderer(tokenizer, ScoringSettings(max_length=tail - 1)).render(TURNS).truncated


def test_no_example_is_longer_than_the_model_has_positions(tokenizer) -> None:
    messages = [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "x" * 100}]
    rendered = Renderer(tokenizer, ScoringSettings(), longest=32).render(messages)
    assert len(rendered.input_ids) == 32
    assert rendered.truncated


def test_a_response_alone_has_the_same_tokens_after_a_first_mark(tokenizer) -> None:
    renderer = Renderer(tokenizer, ScoringSettings())
    rendered = renderer.render(TURNS)
    alone = renderer.response_alone(rendered)
    assert alone.input_ids[0] == tokenizer.bos_token_id
    assert response_text(tokenizer, alone) == response_text(tokenizer, rendered)
    assert sum(alone.response_mask) == len(alone.input_ids) - 1
    failed = renderer.response_alone(renderer.render([{"role": "user", "content": "x"}]))
    assert failed.unscorable_reason == "the response has no tokens"


def test_a_chat_template_that_is_not_there_is_asked_for_in_vain(tokenizer) -> None:
    tokenizer.chat_template = None
    with pytest.raises(BadInput, match="no chat template; choose template plain, alpaca or raw"):
        Renderer(tokenizer, ScoringSettings(template="chat"))


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_tokenizers_side_of_padding_changes_nothing(tokenizer, side: str) -> None:
    expected = Renderer(tokenizer, ScoringSettings()).render(TURNS)
    tokenizer.padding_side = side
    tokenizer.pad_token = None
    assert Renderer(tokenizer, ScoringSettings()).render(TURNS) == expected
