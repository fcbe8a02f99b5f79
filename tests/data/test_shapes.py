"""Every usual shape becomes the right conversation, and a row that does not fit says why."""

from typing import Any

import pytest

from core.data.conversations import RowError
from core.data.shapes import recognise
from core.errors import BadInput

USER, ASSISTANT = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
SYSTEM = {"role": "system", "content": "S"}


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
            [USER, ASSISTANT],
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
        ({"messages": [USER, {"role": "narrator", "content": "x"}]}, "turn 2: unknown role 'narrator'"),
        ({"messages": [USER, {"content": "x"}]}, "turn 2: not an object with `role` and `content`"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "turn 1: a part of the content is 'image', not text",
        ),
        ({"conversations": [{"from": "human"}]}, "turn 1: not an object with `from` and `value`"),
        ({"messages": [USER, ASSISTANT], "tools": "{"}, "`tools` is text that is not JSON"),
    ],
)
def test_a_row_that_does_not_fit_says_why(row: dict, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        convert(row)
    assert str(caught.value) == reason


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
