"""Each format says a row in its own words, or says why it cannot."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.formats import ExportRow, FileSchema, NotExpressible, convert, find_schema
from core.settings import ExportFormat

USER, ANSWER = {"role": "user", "content": "Add 2."}, {"role": "assistant", "content": "4"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": {"a": 2}}}],
}
BROKEN_CALL = {"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]}
UNTRAINED = ANSWER | {"weight": 0}
THOUGHT = ANSWER | {"reasoning_content": "2 and 2"}
RESULT = {"role": "tool", "content": "4", "tool_call_id": "c1"}
TWO_CALLS = CALL | {"tool_calls": [{"id": name, "function": {"name": "add"}} for name in "ab"]}
RESULTS = [RESULT | {"tool_call_id": name} for name in "ab"]
TOOLS = [{"type": "function", "function": {"name": "add"}}]


def row(*messages: dict[str, Any], tools: list[Any] | None = None, original: str = "{}") -> ExportRow:
    return ExportRow(3, "a", list(messages), tools, original)


def test_original_is_the_row_as_it_came() -> None:
    assert convert(row(USER, ANSWER, original='{"q": 1}'), "original", FileSchema()) == {"q": 1}


def test_messages_are_openais_with_arguments_as_json_text() -> None:
    fields = convert(row(USER, CALL, RESULT, ANSWER, tools=TOOLS), "messages", FileSchema(with_tools=True))
    call = fields["messages"][1]["tool_calls"][0]
    assert call == {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    assert fields["messages"][2] == RESULT
    assert json.loads(fields["tools"]) == TOOLS


def test_tools_stand_on_every_line_or_on_none_but_for_openai_only_where_they_are() -> None:
    assert convert(row(USER, ANSWER), "messages", FileSchema(with_tools=True))["tools"] == "[]"
    assert "tools" not in convert(row(USER, ANSWER, tools=TOOLS), "messages", FileSchema())
    openai = FileSchema(with_tools=True, for_openai=True)
    assert convert(row(USER, ANSWER, tools=TOOLS), "messages", openai)["tools"] == TOOLS
    assert "tools" not in convert(row(USER, ANSWER), "messages", openai)


@pytest.mark.parametrize(
    ("said", "weight"),
    [
        ({"weight": 0}, 0),
        ({"weight": 1}, 1),
        ({"loss_weight": 0.0}, 0),
        ({"train": False}, 0),
        ({"train": True}, 1),
        ({"loss_weight": 1.0, "train": False}, 0),
        ({}, 1),
    ],
)
def test_messages_keep_what_an_assistants_turn_counts(said: dict[str, Any], weight: int) -> None:
    rows = [row(USER, UNTRAINED, USER, ANSWER), row(USER | {"weight": 0}, ANSWER | said)]
    schema = find_schema(rows, "messages")
    assert schema == FileSchema(with_weights=True)
    lines = [convert(one, "messages", schema)["messages"] for one in rows]
    assert [turn.get("weight") for turn in lines[0]] == [None, 0, None, 1]
    assert lines[1] == [USER, ANSWER | {"weight": weight}]


def test_a_turn_not_to_be_trained_stays_so_beside_rows_with_calls() -> None:
    rows = [row(USER, UNTRAINED, USER, ANSWER), row(USER, CALL, RESULT, ANSWER, tools=TOOLS)]
    schema = find_schema(rows, "messages")
    assert [turn.get("weight") for turn in convert(rows[0], "messages", schema)["messages"]] == [None, 0, None, 1]
    assert [turn.get("weight") for turn in convert(rows[1], "messages", schema)["messages"]] == [None, 1, None, 1]


def test_a_fraction_stands_under_its_own_name_on_every_assistant_turn() -> None:
    rows = [row(USER, ANSWER | {"loss_weight": 0.5}), row(USER, UNTRAINED, USER, ANSWER)]
    schema = find_schema(rows, "messages")
    lines = [convert(one, "messages", schema)["messages"] for one in rows]
    assert lines[0][1] == ANSWER | {"weight": 1, "loss_weight": 0.5}
    assert lines[1][1::2] == [ANSWER | {"weight": 0, "loss_weight": 0.0}, ANSWER | {"weight": 1, "loss_weight": 1.0}]


def test_a_weight_of_one_is_no_obstacle_and_of_the_prompt_none_counts() -> None:
    formats: list[ExportFormat] = ["prompt-completion", "alpaca", "sharegpt"]
    for format in formats:
        weighted = row(USER, ANSWER | {"weight": 1, "train": True})
        assert convert(weighted, format, FileSchema()) == convert(row(USER, ANSWER), format, FileSchema())
    fields = convert(row(USER, UNTRAINED, USER, ANSWER), "prompt-completion", FileSchema())
    assert fields == {"prompt": [USER, ANSWER, USER], "completion": [ANSWER]}


def test_reasoning_is_kept_where_turns_are_messages() -> None:
    rows = [row(USER, THOUGHT), row(USER, ANSWER)]
    schema = find_schema(rows, "messages")
    assert schema == FileSchema(with_reasoning=True)
    lines = [convert(one, "messages", schema)["messages"][1] for one in rows]
    assert lines == [THOUGHT | {"weight": 1}, ANSWER | {"weight": 1}]
    assert convert(rows[0], "prompt-completion", FileSchema())["completion"] == [THOUGHT]


@pytest.mark.parametrize("turn", [THOUGHT, ANSWER | {"loss_weight": 0.5}])
def test_openai_has_no_words_for_reasoning_and_fractions(turn: dict[str, Any]) -> None:
    with pytest.raises(NotExpressible):
        convert(row(USER, turn), "messages", FileSchema(for_openai=True))


def test_a_completion_is_the_last_assistants_turns_and_the_prompt_what_stands_before() -> None:
    fields = convert(row(SYSTEM, USER, ANSWER, USER, ANSWER, ANSWER), "prompt-completion", FileSchema())
    assert fields == {"prompt": [SYSTEM, USER, ANSWER, USER], "completion": [ANSWER, ANSWER]}


def test_alpaca_has_input_always_and_system_by_the_schema() -> None:
    plain = {"instruction": "Add 2.", "input": "", "output": "4"}
    assert convert(row(USER, ANSWER), "alpaca", FileSchema()) == plain
    with_system = FileSchema(with_system=True)
    assert convert(row(USER, ANSWER), "alpaca", with_system) == plain | {"system": ""}
    assert convert(row(SYSTEM, USER, ANSWER), "alpaca", with_system) == plain | {"system": "Be brief."}


def test_sharegpt_has_llama_factorys_names_and_calls_as_json() -> None:
    fields = convert(
        row(SYSTEM, USER, CALL, RESULT, ANSWER, tools=TOOLS), "sharegpt", FileSchema(with_tools=True, with_system=True)
    )
    assert [turn["from"] for turn in fields["conversations"]] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(fields["conversations"][1]["value"]) == {"name": "add", "arguments": {"a": 2}}
    assert (fields["system"], json.loads(fields["tools"])) == ("Be brief.", TOOLS)


@pytest.mark.parametrize(
    ("format", "messages", "reason"),
    [
        ("alpaca", [USER, ANSWER, USER, ANSWER], "several turns"),
        ("alpaca", [USER, CALL, RESULT, ANSWER], "tools"),
        ("alpaca", [ANSWER], "other turns than a prompt and its response"),
        ("prompt-completion", [USER, ANSWER, USER], "no assistant turn at the end"),
        ("prompt-completion", [ANSWER], "no turn before the response"),
        ("sharegpt", [USER, SYSTEM, ANSWER], "a system turn that is not the first"),
        ("sharegpt", [USER, CALL | {"content": "Wait."}], "a turn that both says something and calls a tool"),
        ("sharegpt", [USER, BROKEN_CALL], "a tool call whose arguments are not JSON"),
        ("messages", [USER, {"role": "assistant", "tool_calls": ["add"]}], "a tool call without a function's name"),
        ("messages", [USER, ANSWER | {"weight": 0.5}], "a turn whose `weight` is neither 0 nor 1"),
        ("messages", [USER, ANSWER | {"train": "no"}], "a turn whose `train` is no number from 0"),
        ("messages", [USER, ANSWER | {"reasoning_content": ["a"]}], "reasoning that is not text"),
        ("prompt-completion", [USER, UNTRAINED], "a turn that is not to be trained"),
        ("alpaca", [USER, UNTRAINED], "a turn that is not to be trained"),
        ("sharegpt", [USER, ANSWER | {"train": False}, USER, ANSWER], "a turn that is not to be trained"),
        ("alpaca", [USER, ANSWER | {"loss_weight": 0.5}], "a turn with a loss weight of its own"),
        ("alpaca", [USER, THOUGHT], "reasoning beside a response"),
        ("sharegpt", [USER, THOUGHT], "reasoning beside a response"),
        ("sharegpt", [USER, TWO_CALLS, *RESULTS[::-1], ANSWER], "results of tools in another order than their calls"),
    ],
)
def test_what_a_format_cannot_say_is_refused_by_name(format: ExportFormat, messages: Any, reason: str) -> None:
    with pytest.raises(NotExpressible) as refused:
        convert(row(*messages), format, FileSchema())
    assert refused.value.reason == reason


def test_results_in_their_calls_order_are_expressible() -> None:
    fields = convert(row(USER, TWO_CALLS, *RESULTS, ANSWER, tools=TOOLS), "sharegpt", FileSchema())
    said = " ".join(turn["from"] for turn in fields["conversations"])
    assert said == "human function_call observation observation gpt"


def test_the_schema_is_what_any_of_the_rows_needs() -> None:
    rows = [row(USER, ANSWER), row(SYSTEM, USER, CALL, RESULT, ANSWER, tools=TOOLS)]
    assert find_schema(rows[:1], "messages") == FileSchema()
    assert find_schema(rows, "messages") == FileSchema(with_tools=True, with_calls=True)
    assert find_schema(rows, "sharegpt") == FileSchema(with_tools=True, with_system=True)
    assert find_schema(rows, "original") == FileSchema()


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.none() | TEXT)
def test_sharegpt_and_messages_say_the_same(pairs: list[tuple[str, str]], system: str | None) -> None:
    turns = [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    messages = ([] if system is None else [{"role": "system", "content": system}]) + turns
    fields = convert(row(*messages), "sharegpt", FileSchema(with_system=True))
    back = [
        {"role": {"human": "user", "gpt": "assistant"}[t["from"]], "content": t["value"]}
        for t in fields["conversations"]
    ]
    assert back == turns
    assert fields["system"] == (system or "")
    assert convert(row(*messages), "messages", FileSchema()) == {"messages": messages}


def test_an_alpaca_row_keeps_its_input_apart() -> None:
    turns = [{"role": "user", "content": "Translate.\n\nHaus"}, {"role": "assistant", "content": "house"}]
    apart = ExportRow(0, "a", turns, None, '{"instruction": "Translate.", "input": "Haus", "output": "house"}')
    assert convert(apart, "alpaca", FileSchema()) == {"instruction": "Translate.", "input": "Haus", "output": "house"}
    joined = ExportRow(0, "a", turns, None, '{"instruction": "Other", "input": "Haus", "output": "house"}')
    assert convert(joined, "alpaca", FileSchema())["instruction"] == "Translate.\n\nHaus"
