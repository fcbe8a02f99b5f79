"""Which of a row's fields is the prompt, and which the response?

A shape declares the fields it reads and turns them into a conversation. Which column is which
field is guessed from the usual names, or said by the user's mapping.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from core.data.conversations import RowError, chat_message, need_response, shared_message
from core.data.texts import name_of_type
from core.errors import BadInput
from core.records import Message
from core.settings import IngestFormat

Mapping = dict[str, str]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a row becomes: its turns, and the tools they may call."""

    messages: list[Message]
    tools: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """A way in which rows are laid out. An optional field that is not mapped is read by its own name.

    `names` has the usual column names of each field, likeliest first; `required` fields must be
    there; `convert(row, mapping)` makes the conversation or raises RowError with the reason.
    """

    name: IngestFormat
    names: dict[str, Sequence[str]]
    required: tuple[str, ...]
    convert: Callable[[dict[str, Any], Mapping], Conversation]

    def map_fields(self, columns: Sequence[str], said: Mapping) -> Mapping | None:
        """Field → column: what was said, if that is enough, or with the usual names for the rest.

        None when a required field has no column.
        """
        if said and all(field in said for field in self.required):
            return said
        by_name = {column.strip().lower(): column for column in reversed(columns)}
        guessed = {
            field: by_name[found]
            for field, names in self.names.items()
            if (found := next((name for name in names if name in by_name), None))
        }
        mapping = guessed | said
        return mapping if all(field in mapping for field in self.required) else None


def _messages(row: dict[str, Any], mapping: Mapping) -> Conversation:
    turns = _turns(row, mapping["messages"])
    messages = [chat_message(turn, number) for number, turn in enumerate(turns, 1)]
    return Conversation(_with_system(row, mapping, need_response(messages)), _tools(row, mapping))


def _sharegpt(row: dict[str, Any], mapping: Mapping) -> Conversation:
    turns = _turns(row, mapping["conversations"])
    messages = [shared_message(turn, number) for number, turn in enumerate(turns, 1)]
    return Conversation(_with_system(row, mapping, need_response(messages)), _tools(row, mapping))


def _alpaca(row: dict[str, Any], mapping: Mapping) -> Conversation:
    asked = [_text(row, mapping, field) for field in ("instruction", "input")]
    prompt = "\n\n".join(part for part in asked if part.strip())
    if not prompt:
        raise RowError(" and ".join(f"`{mapping[f]}`" for f in ("instruction", "input") if f in mapping) + " empty")
    messages: list[Message] = []
    for question, answer in _history(row, mapping):
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": _answer(row, mapping, "output")}]
    return Conversation(_with_system(row, mapping, messages))


def _instances(row: dict[str, Any], mapping: Mapping) -> Conversation:
    instances = row.get(mapping["instances"])
    if not (isinstance(instances, list) and instances and isinstance(instances[0], dict)):
        raise RowError(f"`{mapping['instances']}` is not a list of objects")
    fields = {"instruction": row.get(mapping["instruction"]), **instances[0]}
    return _alpaca(fields, {"instruction": "instruction", "input": "input", "output": "output"})


def _prompt_completion(row: dict[str, Any], mapping: Mapping) -> Conversation:
    prompt, completion = row.get(mapping["prompt"]), row.get(mapping["completion"])
    if isinstance(prompt, list) or isinstance(completion, list):
        turns = [*_turns(row, mapping["prompt"]), *_turns(row, mapping["completion"])]
        messages = [chat_message(turn, number) for number, turn in enumerate(turns, 1)]
        return Conversation(need_response(messages), _tools(row, mapping))
    question = _text(row, mapping, "prompt")
    if not question.strip():
        raise RowError(f"`{mapping['prompt']}` is empty")
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": _answer(row, mapping, "completion")},
    ]
    return Conversation(_with_system(row, mapping, messages))


def _passage(row: dict[str, Any], mapping: Mapping) -> Conversation:
    return Conversation([{"role": "assistant", "content": _answer(row, mapping, "text")}])


SHAPES = (
    Shape(
        "messages",
        {
            "messages": ("messages", "conversation", "traj", "dialog", "dialogue"),
            "system": ("system",),
            "tools": ("tools",),
        },
        ("messages",),
        _messages,
    ),
    Shape(
        "sharegpt",
        {"conversations": ("conversations", "conversation"), "system": ("system",), "tools": ("tools",)},
        ("conversations",),
        _sharegpt,
    ),
    Shape(
        "alpaca",
        {
            "instruction": ("instruction",),
            "input": ("input", "context"),
            "output": ("output", "response", "completion", "answer"),
            "system": ("system",),
            "history": ("history",),
        },
        ("instruction", "output"),
        _alpaca,
    ),
    Shape(
        "alpaca",
        {"instruction": ("instruction",), "instances": ("instances",)},
        ("instruction", "instances"),
        _instances,
    ),
    Shape(
        "prompt-completion",
        {
            "prompt": ("prompt", "question", "query", "problem", "input", "instruction"),
            "completion": ("completion", "response", "answer", "solution", "output", "chosen"),
            "system": ("system",),
            "tools": ("tools",),
        },
        ("prompt", "completion"),
        _prompt_completion,
    ),
    Shape("text", {"text": ("text", "content", "passage")}, ("text",), _passage),
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """The shape found, its mapping, and the share of the sample that fits."""

    shape: Shape
    mapping: Mapping
    confidence: float


def recognise(source: str, sample: Sequence[dict[str, Any]], wanted: IngestFormat, said: Mapping) -> Recognised:
    """Find the shape that most of the sample fits; `wanted` and `said` narrow the choice.

    Raises BadInput that names the columns there are when nothing fits.
    """
    columns = list(dict.fromkeys(column for row in sample for column in row))
    shown = ", ".join(columns[:20]) or "none"
    for column in said.values():
        if column not in columns:
            raise BadInput(f"There is no column {column!r} in {source!r}; its columns are: {shown}.")
    candidates = []
    for shape in SHAPES:
        if wanted not in ("auto", shape.name) or not set(said) <= set(shape.names):
            continue
        mapping = shape.map_fields(columns, said)
        if mapping is not None:
            candidates.append(Recognised(shape, mapping, _share_that_fits(shape, mapping, sample)))
    best = max(candidates, key=lambda found: found.confidence, default=None)
    if best is None:
        raise _unrecognised(source, shown, wanted, said)
    return best


def _unrecognised(source: str, shown: str, wanted: str, said: Mapping) -> BadInput:
    known = {field for shape in SHAPES for field in shape.names}
    unknown = next((field for field in said if field not in known), None)
    if unknown:
        return BadInput(f"A mapping cannot name {unknown!r}; the fields are: {', '.join(sorted(known))}.")
    shape = "a known shape" if wanted == "auto" else f"the shape {wanted}"
    return BadInput(
        f"{source!r} is not of {shape}; its columns are: {shown}. Say which column is what, "
        "such as prompt=question and completion=answer; a table without a header line needs one."
    )


def _share_that_fits(shape: Shape, mapping: Mapping, sample: Sequence[dict[str, Any]]) -> float:
    fitting = 0
    for row in sample:
        try:
            shape.convert(row, mapping)
            fitting += 1
        except RowError:
            pass
    return fitting / max(len(sample), 1)


def _turns(row: dict[str, Any], column: str) -> list[Any]:
    turns = row.get(column)
    if isinstance(turns, str):
        try:
            turns = orjson.loads(turns)
        except orjson.JSONDecodeError:
            raise RowError(f"`{column}` is text, not a list of turns") from None
    if not isinstance(turns, list):
        raise RowError(f"`{column}` is {name_of_type(turns)}, not a list of turns")
    if not turns:
        raise RowError(f"`{column}` is empty")
    return turns


def _text(row: dict[str, Any], mapping: Mapping, field: str) -> str:
    column = mapping.get(field, field)
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"`{column}` is {name_of_type(value)}, not text")
    return str(value)


def _answer(row: dict[str, Any], mapping: Mapping, field: str) -> str:
    if row.get(mapping[field]) is None:
        raise RowError(f"`{mapping[field]}` is missing")
    text = _text(row, mapping, field)
    if not text.strip():
        raise RowError(f"`{mapping[field]}` is empty")
    return text


def _history(row: dict[str, Any], mapping: Mapping) -> list[tuple[str, str]]:
    column = mapping.get("history", "history")
    pairs = row.get(column)
    if not pairs:
        return []
    if not isinstance(pairs, list) or any(
        not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, str) for side in pair))
        for pair in pairs
    ):
        raise RowError(f"`{column}` is not a list of pairs of texts")
    return [(pair[0], pair[1]) for pair in pairs]


def _with_system(row: dict[str, Any], mapping: Mapping, messages: list[Message]) -> list[Message]:
    system = _text(row, mapping, "system")
    if not system.strip() or messages[0]["role"] == "system":
        return messages
    return [{"role": "system", "content": system}, *messages]


def _tools(row: dict[str, Any], mapping: Mapping) -> list[Any] | None:
    column = mapping.get("tools", "tools")
    tools = row.get(column)
    if isinstance(tools, str) and tools.strip():
        try:
            tools = orjson.loads(tools)
        except orjson.JSONDecodeError:
            raise RowError(f"`{column}` is text that is not JSON") from None
    if not tools:
        return None
    if not isinstance(tools, list):
        raise RowError(f"`{column}` is {name_of_type(tools)}, not a list of tools")
    return tools
