"""Every usual shape becomes the right conversation, and a row that does not fit says why."""

import json
from typing import Any

import orjson
import pytest

from core.data.conversations import RowError
from core.data.rows import parse_object
from core.data.shapes import convert_leniently, recognise
from core.errors import BadInput

USER, ASSISTANT = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
SYSTEM = {"role": "system", "content": "S"}
PAIR = [USER, ASSISTANT]
UNTRAINED = ASSISTANT | {"loss_weight": 0.0, "train": False}
CALL, RESULT = {"name": "f", "arguments": "{}"}, {"role": "function", "name": "f", "content": "1"}


def convert(row: dict[str, Any], shape: Any = "auto", **said: str) -> list[dict[str, Any]]:
    found = recognise("file", [row], shape, said)
    return found.shape.convert(row, found.mapping).messages


@pytest.mark.parametrize(
    ("shape", "row", "messages"),
    [
        ("alpaca", {"instruction": "Q", "input": "", "output": "A"}, [USER, ASSISTANT]),
        (
            "alpaca",
            {"instruction": "Add", "input": "1 and 2", "response": "A"},
            [{"role": "user", "content": "Add\n\n1 and 2"}, ASSISTANT],
        ),
        (
            "alpaca",
            {"instruction": "Q", "output": "A", "system": "S", "history": [["Q", "A"]]},
            [SYSTEM, USER, ASSISTANT, USER, ASSISTANT],
        ),
        ("alpaca", {"instruction": "Q", "instances": [{"input": "", "output": "A"}]}, [USER, ASSISTANT]),
        ("prompt-completion", {"prompt": "Q", "completion": "A"}, [USER, ASSISTANT]),
        ("prompt-completion", {"question": "Q", "answer": 7}, [USER, {"role": "assistant", "content": "7"}]),
        ("prompt-completion", {"prompt": [USER], "completion": [ASSISTANT]}, [USER, ASSISTANT]),
        ("messages", {"messages": [SYSTEM, USER, ASSISTANT]}, [SYSTEM, USER, ASSISTANT]),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}], "weight": 0}, ASSISTANT]},
            [USER | {"weight": 0}, ASSISTANT],
        ),
        (
            "messages",
            {"messages": '[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]'},
            [USER, ASSISTANT],
        ),
        (
            "messages",
            {"traj": [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
            [USER, {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}],
        ),
        (
            "sharegpt",
            {
                "conversations": [
                    {"from": "human", "value": "Q"},
                    {"from": "function_call", "value": "f()"},
                    {"from": "observation", "value": "1"},
                    {"from": "gpt", "value": "A"},
                ],
                "system": "S",
            },
            [SYSTEM, USER, {"role": "assistant", "content": "f()"}, {"role": "tool", "content": "1"}, ASSISTANT],
        ),
        ("prompt-completion", {"Question": "Q", "Answer": "A"}, [USER, ASSISTANT]),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": None, "value": "Q"}]}, ASSISTANT]},
            [USER, ASSISTANT],
        ),
        ("text", {"text": "A"}, [ASSISTANT]),
        ("messages", {"conversations": [USER, ASSISTANT]}, [USER, ASSISTANT]),
        ("sharegpt", {"messages": [{"from": "user", "value": "Q"}, {"from": "bot", "value": "A"}]}, [USER, ASSISTANT]),
        ("messages", {"dialog": ["Q", "A"]}, [USER, ASSISTANT]),
        ("messages", {"conversation": [{"system": "S", "input": "Q", "output": "A"}]}, [SYSTEM, USER, ASSISTANT]),
        (
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "Q"}]}, ASSISTANT]},
            PAIR,
        ),
        ("messages", {"messages": [USER, ASSISTANT | {"loss_weight": 0.0, "train": False}]}, [USER, UNTRAINED]),
        (
            "messages",
            {"messages": [USER, {"role": "assistant", "content": None, "function_call": CALL}, RESULT, ASSISTANT]},
            [
                USER,
                {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": CALL}]},
                {"role": "tool", "content": "1", "name": "f"},
                ASSISTANT,
            ],
        ),
        (
            "alpaca",
            {"instruction": "I", "instances": [{"input": "1", "output": "A"}, {"input": "Q", "output": "A"}]},
            [{"role": "user", "content": "I\n\n1"}, ASSISTANT, USER, ASSISTANT],
        ),
        ("alpaca", {"instruction": "Q", "output": "A", "history": [USER, ASSISTANT]}, PAIR * 2),
        ("prompt-completion", {"prompt": "Q", "chosen": [USER, ASSISTANT], "rejected": []}, PAIR),
        ("prompt-completion", {"prompt": "Q", "completion": [ASSISTANT]}, PAIR),
        ("prompt-completion", {"prompt": [USER], "completion": "A"}, PAIR),
        ("prompt-completion", {"system_prompt": "S", "question": "Q", "response": "A"}, [SYSTEM, USER, ASSISTANT]),
    ],
)
def test_a_usual_shape_is_recognised(shape: str, row: dict, messages: list) -> None:
    assert recognise("file", [row], "auto", {}).shape.name == shape
    assert convert(row) == messages


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"instruction": "Q", "input": "", "output": " "}, "`output` is empty"),
        ({"instruction": "Q", "output": None}, "`output` is missing"),
        ({"instruction": "", "input": "", "output": "A"}, "`instruction` and `input` empty"),
        ({"instruction": "Q", "output": ["A"]}, "`output` is a list, not text"),
        ({"prompt": "", "completion": "A"}, "`prompt` is empty"),
        ({"messages": []}, "`messages` is empty"),
        ({"messages": {"role": "user"}}, "`messages` is an object, not a list of turns"),
        ({"messages": [USER]}, "no assistant turn"),
        ({"messages": [USER, {"role": "assistant", "content": ""}]}, "every assistant turn is empty"),
        ({"messages": [USER, {"role": "narrator", "content": "x"}]}, "unknown role 'narrator' of a turn"),
        (
            {"messages": [USER, {"content": "x"}]},
            "a turn is no object with `role` and `content`, or `from` and `value`",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "a part of a turn is of type 'image', not text",
        ),
        ({"conversations": [{"from": "human"}]}, "a turn has `from` but no `value`"),
        ({"messages": [USER, ASSISTANT], "tools": "{"}, "`tools` is text that is not JSON, not a list of tools"),
    ],
)
def test_a_row_that_does_not_fit_says_why(row: dict, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        convert(row)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("prompt", "completion"),
        ("prompt", "response"),
        ("question", "answer"),
        ("query", "response"),
        ("input", "output"),
        ("problem", "solution"),
        ("user", "assistant"),
        ("human", "bot"),
        ("Source", "Target"),
        ("instruction", "response"),
        ("instruction", "reply"),
    ],
)
def test_the_usual_names_of_a_pair_are_known(prompt: str, completion: str) -> None:
    assert convert({"id": 1, prompt: "Q", completion: "A"}) == PAIR


@pytest.mark.parametrize("tools", [[CALL], '[{"name": "f", "arguments": "{}"}]', ['{"name": "f", "arguments": "{}"}']])
@pytest.mark.parametrize("column", ["tools", "functions"])
def test_tools_are_a_list_or_the_text_of_one(tools: Any, column: str) -> None:
    row = {"messages": PAIR, column: tools}
    found = recognise("file", [row], "auto", {})
    assert found.shape.convert(row, found.mapping).tools == [CALL]


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"instruction": "", "input": "", "output": ""}, [USER | {"content": ""}, ASSISTANT | {"content": ""}]),
        ({"prompt": None, "completion": " "}, [USER | {"content": ""}, ASSISTANT | {"content": " "}]),
        ({"messages": [USER, ASSISTANT | {"content": ""}]}, [USER, ASSISTANT | {"content": ""}]),
        ({"messages": [USER]}, [USER]),
    ],
)
def test_a_curator_may_keep_what_is_empty(row: dict, messages: list) -> None:
    found = recognise("file", [row], "auto", {})
    with pytest.raises(RowError):
        found.shape.convert(row, found.mapping)
    assert convert_leniently(found, row).messages == messages


@pytest.mark.parametrize("row", [{"messages": []}, {"messages": "x"}, {"prompt": "Q", "completion": [1]}])
def test_what_is_no_conversation_at_all_is_refused_leniently_too(row: dict) -> None:
    with pytest.raises(RowError):
        convert_leniently(recognise("file", [row], "auto", {}), row)


def test_nameless_columns_are_taken_by_their_position_with_half_the_confidence() -> None:
    found = recognise("file", [{"column_1": "Q", "column_2": "A"}], "auto", {})
    assert (found.shape.name, found.confidence) == ("prompt-completion", 0.5)
    assert found.mapping == {"prompt": "column_1", "completion": "column_2"}
    found = recognise("file", [{"column_1": "Q", "column_2": "", "column_3": "A"}], "auto", {})
    assert (found.shape.name, found.confidence) == ("alpaca", 0.5)
    with pytest.raises(BadInput):
        recognise("file", [{f"column_{n}": "x" for n in range(1, 5)}], "auto", {})


def test_turns_of_both_kinds_are_read_in_one_file() -> None:
    rows = [{"messages": PAIR}, {"messages": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}]
    found = recognise("file", [rows[0], *rows], "auto", {})
    assert found.shape.name == "messages"
    assert [found.shape.convert(row, found.mapping).messages for row in rows] == [PAIR, PAIR]


@pytest.mark.parametrize("calls", [[{"id": "1"}], '[{"id": "1"}]', "[]", "", " ", [], None])
def test_tool_calls_are_a_list_or_the_text_of_one_and_none_leave_no_trace(calls: Any) -> None:
    _, message = convert({"messages": [USER, ASSISTANT | {"tool_calls": calls}]})
    assert message == ASSISTANT | ({"tool_calls": [{"id": "1"}]} if "id" in str(calls) else {})


@pytest.mark.parametrize(
    "number", ["1.10", "12345678901234567890123", "-0.0", "1e5", "1E-7", "7", "0.1", "100000000000000000000.50"]
)
def test_a_number_for_a_text_is_taken_as_it_is_written(number: str) -> None:
    row, problem = parse_object(f'{{"prompt": {number}, "score": 0.50, "completion": {number}}}'.encode())
    assert row is not None, problem
    assert [message["content"] for message in convert(row)] == [number, number]
    assert json.loads(orjson.dumps(row)) == {"prompt": float(number), "score": 0.5, "completion": float(number)}


def test_a_history_that_is_none_says_so() -> None:
    with pytest.raises(RowError, match="`history` is not a list of pairs of texts"):
        convert({"instruction": "Q", "output": "A", "history": ["x"]}, "alpaca")


def test_an_optional_field_that_the_sample_lacks_is_still_read() -> None:
    found = recognise("file", [{"prompt": "Q", "completion": "A"}], "auto", {})
    later = found.shape.convert({"prompt": "Q", "completion": "A", "system": "S"}, found.mapping)
    assert later.messages == [SYSTEM, USER, ASSISTANT]


def test_a_mapping_names_the_columns_where_their_names_do_not() -> None:
    assert convert({"frage": "Q", "antwort": "A"}, prompt="frage", completion="antwort") == [USER, ASSISTANT]
    assert convert({"instruction": "Q", "reply": "A"}, output="reply") == [USER, ASSISTANT]
    assert convert({"talk": [USER, ASSISTANT]}, messages="talk") == [USER, ASSISTANT]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"prompt": "nothere", "completion": "b"}, "There is no column 'nothere' in 'file'; its columns are: a, b"),
        ({"colour": "a"}, "A mapping cannot name 'colour'"),
        ({}, "'file' is not of a known shape; its columns are: a, b. Say which column is what"),
    ],
)
def test_a_shape_that_cannot_be_found_says_what_there_is(said: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        recognise("file", [{"a": "1", "b": "2"}], "auto", said)


def test_the_shape_that_most_rows_fit_is_taken_with_its_share() -> None:
    rows: list[dict] = [{"conversation": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}] * 3
    found = recognise("file", [*rows, {"conversation": [USER]}], "auto", {})
    assert (found.shape.name, found.confidence) == ("sharegpt", 0.75)
