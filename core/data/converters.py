"""How does a row of each shape become a conversation?

Each converter takes the row, the mapping from the shape's fields to columns, and whether to be
lenient: to let empty prompts, outputs and turns through. It raises RowError with the reason when the
row does not fit. An optional field that is not mapped is read by its own name.

A number in place of a text is taken as it is written in the JSON row: 1.10, not 1.1. Where there is
no such text, in Parquet, in JSON columns and within `instances`, it is written anew.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from core.data.conversations import RowError, need_response, parse_list, read_turn, read_turns
from core.data.rows import WrittenFields, name_of_type
from core.records import Message

Mapping = dict[str, str]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a row becomes: its turns, and the tools they may call."""

    messages: list[Message]
    tools: list[Any] | None = None


def convert_messages(row: Row, mapping: Mapping, lenient: bool = False) -> Conversation:
    """A list of turns, in the column of field `messages` or `conversations`."""
    column = mapping["messages"] if "messages" in mapping else mapping["conversations"]
    turns = parse_list(row.get(column), column, "turns")
    if not turns:
        raise RowError(f"`{column}` is empty")
    messages = read_turns(turns)
    if not lenient:
        need_response(messages)
    return Conversation(_with_system(row, mapping, messages), _tools(row, mapping))


def convert_alpaca(row: Row, mapping: Mapping, lenient: bool = False) -> Conversation:
    """An instruction, perhaps with an input below it and a history before it, and an output."""
    _need_some(row, mapping, "instruction", "input", "output")
    prompt = _join(_text(row, mapping, "instruction"), _text(row, mapping, "input"))
    if not prompt and not lenient:
        raise RowError(" and ".join(f"`{mapping[f]}`" for f in ("instruction", "input") if f in mapping) + " empty")
    answer = _answer(row, mapping, "output", lenient)
    messages = [*_history(row, mapping), *_exchange(prompt, answer)]
    return Conversation(_with_system(row, mapping, messages), _tools(row, mapping))


def convert_instances(row: Row, mapping: Mapping, lenient: bool = False) -> Conversation:
    """An instruction with a list of inputs and outputs: one exchange for each, the instruction before the first."""
    column = mapping["instances"]
    instances = parse_list(row.get(column), column, "objects")
    if not instances or not all(isinstance(instance, dict) for instance in instances):
        raise RowError(f"`{column}` is not a list of objects")
    instruction = _text(row, mapping, "instruction")
    messages: list[Message] = []
    for at, instance in enumerate(instances):
        given = _text(instance, {}, "input")
        prompt = given if at and given.strip() else _join(instruction, given)
        if not prompt and not lenient:
            raise RowError(f"`{mapping['instruction']}` and `input` empty")
        messages += _exchange(prompt, _answer(instance, {"output": "output"}, "output", lenient))
    return Conversation(_with_system(row, mapping, messages), _tools(row, mapping))


def convert_prompt_completion(row: Row, mapping: Mapping, lenient: bool = False) -> Conversation:
    """A prompt and a completion, each text or a list of turns; the completion may be the whole talk."""
    _need_some(row, mapping, "prompt", "completion")
    prompt, completion = row.get(mapping["prompt"]), row.get(mapping["completion"])
    if not isinstance(prompt, list) and not isinstance(completion, list):
        question = _text(row, mapping, "prompt")
        if not question.strip() and not lenient:
            raise RowError(f"`{mapping['prompt']}` is empty")
        messages = _exchange(question, _answer(row, mapping, "completion", lenient))
        return Conversation(_with_system(row, mapping, messages), _tools(row, mapping))
    asked = [read_turn(turn) for turn in prompt] if isinstance(prompt, list) else []
    if isinstance(completion, list):
        said = [read_turn(turn) for turn in completion]
    else:
        said = [{"role": "assistant", "content": _answer(row, mapping, "completion", lenient)}]
    if not isinstance(prompt, list) and (not said or said[0]["role"] == "assistant"):
        asked = [{"role": "user", "content": _text(row, mapping, "prompt")}]
    messages = said if asked and said[: len(asked)] == asked else asked + said
    if not lenient:
        need_response(messages)
    if not messages:
        raise RowError(f"`{mapping['prompt']}` and `{mapping['completion']}` are empty")
    return Conversation(_with_system(row, mapping, messages), _tools(row, mapping))


def convert_text(row: Row, mapping: Mapping, lenient: bool = False) -> Conversation:
    """Text alone, all of it the response."""
    return Conversation([{"role": "assistant", "content": _answer(row, mapping, "text", lenient)}])


def _exchange(prompt: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part.strip())


def _text(row: Row, mapping: Mapping, field: str) -> str:
    column = mapping.get(field, field)
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"`{column}` is {name_of_type(value)}, not text")
    if isinstance(value, float) and isinstance(row, WrittenFields):
        return row.number(column)
    return str(value)


def _answer(row: Row, mapping: Mapping, field: str, lenient: bool) -> str:
    text = _text(row, mapping, field)
    if lenient or text.strip():
        return text
    raise RowError(f"`{mapping[field]}` is {'missing' if row.get(mapping[field]) is None else 'empty'}")


def _need_some(row: Row, mapping: Mapping, *fields: str) -> None:
    """A row without any of a shape's columns is of another shape, and no conversation even to the lenient."""
    columns = [mapping[field] for field in fields if field in mapping]
    if not any(column in row for column in columns):
        raise RowError(f"{' and '.join(f'`{column}`' for column in columns)} are missing")


def _history(row: Row, mapping: Mapping) -> list[Message]:
    """Earlier exchanges: pairs of question and answer, or turns."""
    column = mapping.get("history", "history")
    if not row.get(column):
        return []
    messages: list[Message] = []
    for pair in parse_list(row[column], column, "pairs of texts"):
        if isinstance(pair, dict):
            messages += read_turns([pair])
        elif isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, str | None) for side in pair):
            messages += _exchange(pair[0] or "", pair[1] or "")
        else:
            raise RowError(f"`{column}` is not a list of pairs of texts")
    return messages


def _with_system(row: Row, mapping: Mapping, messages: list[Message]) -> list[Message]:
    system = _text(row, mapping, "system")
    if not system.strip() or messages[0]["role"] == "system":
        return messages
    return [{"role": "system", "content": system}, *messages]


def _tools(row: Row, mapping: Mapping) -> list[Any] | None:
    column = mapping.get("tools") or ("tools" if row.get("tools") else "functions")
    tools = row.get(column)
    if not tools or (isinstance(tools, str) and not tools.strip()):
        return None
    return [_tool(tool, column) for tool in parse_list(tools, column, "tools")] or None


def _tool(tool: Any, column: str) -> Any:
    """A tool, or the one that a JSON text holds."""
    if not isinstance(tool, str) or not tool.lstrip().startswith("{"):
        return tool
    try:
        return orjson.loads(tool)
    except orjson.JSONDecodeError:
        raise RowError(f"`{column}` has text that is not JSON") from None
