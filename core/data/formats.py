"""How is an example said in the format that a trainer reads? One row in, one line's fields out.

original            the row as it came
messages            {"messages": [{"role", "content", …}]}, OpenAI's shape
prompt-completion   {"prompt": [messages], "completion": [messages]}, TRL's conversational shape
alpaca              {"instruction", "input", "output"}: one turn each way
sharegpt            {"conversations": [{"from", "value"}]} by LLaMA-Factory's tags

One file has one schema: `tools` and `system` stand on every line or on none. `tools`, and a call's
`arguments`, are JSON text: `datasets` takes the type of a column from the file's first 10 MB, and
refuses the file where a later object has other keys. OpenAI, which does not read through `datasets`,
wants `tools` as a list, and not at all where it is empty: so it is in a file made for it.

What an assistant's turn counts in the loss, and its reasoning, stand in `messages`; where another format
would have a trainer learn what it should not, or not learn what it should, the row is not expressible:

weight              0 or 1, on every assistant turn of the file or on none: 0 where the turn's `weight`,
                    `loss_weight` or `train` says 0 or false. Weights on other turns mean nothing here.
loss_weight         where some turn has another than 0 and 1: as it came on every assistant turn, 1 where
                    it had none, beside `weight`. OpenAI has no words for it.
reasoning_content   in `messages` and `prompt-completion`, on the turns that have it. OpenAI has no words for it.

Of a `prompt-completion` only the completion's weights count: the prompt is context. `sharegpt` leaves out `name`
and `tool_call_id`, which none of its readers reads: results stand in the order of their calls.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from core.records import Message
from core.settings import ExportFormat, Trainer

CALLED = ("tool_calls", "tool_call_id", "name")
WEIGHTS = ("weight", "loss_weight", "train")
UNTRAINED = "a turn that is not to be trained"
WEIGHTED = "a turn with a loss weight of its own"
REASONING = "reasoning beside a response"
SHARED_NAMES = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One example to export."""

    row: int
    example_id: str
    messages: list[Message]
    tools: list[Any] | None
    original: str


@dataclass(frozen=True)
class FileSchema:
    """Which optional fields every line of a file has.

    With `with_calls` some turns have keys that others have not (a call, its id, a name); with `with_reasoning`
    some have a `reasoning_content`. Then every assistant turn of `messages` also has OpenAI's `weight`, whose
    default is 1: turns of unequal keys on the first line are what makes `datasets` read a list of turns as
    plain JSON. With `with_weights` some turn said its weight itself, with `with_loss_weights` one beside 0 and 1.
    """

    with_tools: bool = False
    with_system: bool = False
    with_calls: bool = False
    for_openai: bool = False
    with_reasoning: bool = False
    with_weights: bool = False
    with_loss_weights: bool = False

    @property
    def has_uneven_turns(self) -> bool:
        """Whether some turns have keys that others of their role have not."""
        return self.with_calls or self.with_reasoning


class NotExpressible(Exception):
    """A row that a format cannot say; `reason` names what the row has: "several turns"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def convert(row: ExportRow, format: ExportFormat, schema: FileSchema) -> dict[str, Any]:
    """The fields of one line. Raises NotExpressible when the format has no words for the row."""
    if format == "original":
        fields: dict[str, Any] = json.loads(row.original)
        return fields
    fields = CONVERTERS[format](row, schema)
    if schema.for_openai:
        return fields | ({"tools": row.tools} if row.tools else {})
    if schema.with_tools:
        fields["tools"] = json.dumps(row.tools or [], ensure_ascii=False)
    return fields


def find_schema(rows: Iterable[ExportRow], format: ExportFormat, trainer: Trainer | None = None) -> FileSchema:
    """The optional fields that the rows need in a format, and by its trainer."""
    tools = system = calls = reasoning = weights = fractions = False
    for row in rows:
        tools = tools or bool(row.tools)
        system = system or _leading_system(row.messages) is not None
        calls = calls or any(message.get(key) for message in row.messages for key in CALLED)
        reasoning = reasoning or any(message.get("reasoning_content") for message in row.messages)
        if format == "messages":
            said = [find_weight(message) for message in row.messages if message["role"] == "assistant"]
            weights = weights or any(weight is not None for weight in said)
            fractions = fractions or any(weight not in (None, 0, 1) for weight in said)
    if format == "original":
        return FileSchema()
    has_field = format in ("alpaca", "sharegpt")
    return FileSchema(
        with_tools=tools and format != "alpaca",
        with_system=system and has_field,
        with_calls=calls and not has_field,
        for_openai=is_for_openai(format, trainer),
        with_reasoning=reasoning and not has_field,
        with_weights=weights,
        with_loss_weights=fractions,
    )


def is_for_openai(format: ExportFormat, trainer: Trainer | None) -> bool:
    """Whether a file is written as OpenAI wants it."""
    return trainer == "openai" and format == "messages"


def find_weight(message: Message) -> float | None:
    """What an assistant's turn counts in the loss: 0 where one of its keys says 0 or false, else its `loss_weight`,
    else 1; None where no key says it. Raises NotExpressible for what is no such number."""
    said = {key: message[key] for key in WEIGHTS if message.get(key) is not None}
    for key, value in said.items():
        if not isinstance(value, int | float) or value < 0:
            raise NotExpressible(f"a turn whose `{key}` is no number from 0")
        if key != "loss_weight" and value not in (0, 1):
            raise NotExpressible(f"a turn whose `{key}` is neither 0 nor 1")
    if not said:
        return None
    return float(said.get("loss_weight", 1)) if all(said.values()) else 0


def parse_arguments(arguments: Any) -> Any:
    """A call's arguments as the value that they are; OpenAI's shape has them as JSON text. Raises ValueError."""
    if not isinstance(arguments, str):
        return {} if arguments is None else arguments
    return json.loads(arguments) if arguments.strip() else {}


def _as_messages(row: ExportRow, schema: FileSchema) -> dict[str, Any]:
    if schema.for_openai:
        _need_no_reasoning(row.messages)
    return {"messages": [_message(message) | _weights(message, schema) for message in row.messages]}


def _as_prompt_completion(row: ExportRow, _: FileSchema) -> dict[str, Any]:
    turns = [_message(message) for message in row.messages]
    end = len(turns)
    while end and turns[end - 1]["role"] == "assistant":
        end -= 1
    if end == len(turns):
        raise NotExpressible("no assistant turn at the end")
    if not end:
        raise NotExpressible("no turn before the response")
    _need_plain_weights(row.messages[end:])
    return {"prompt": turns[:end], "completion": turns[end:]}


def _as_alpaca(row: ExportRow, schema: FileSchema) -> dict[str, Any]:
    system = _leading_system(row.messages)
    turns = row.messages if system is None else row.messages[1:]
    _need_plain_weights(turns)
    _need_no_reasoning(turns)
    if row.tools or any(turn.get("tool_calls") or turn["role"] == "tool" for turn in turns):
        raise NotExpressible("tools")
    if len(turns) > 2:
        raise NotExpressible("several turns")
    if [turn["role"] for turn in turns] != ["user", "assistant"]:
        raise NotExpressible("other turns than a prompt and its response")
    instruction, given = _asked(row, _text(turns[0]))
    fields = {"instruction": instruction, "input": given, "output": _text(turns[1])}
    return fields | ({"system": system or ""} if schema.with_system else {})


def _asked(row: ExportRow, prompt: str) -> tuple[str, str]:
    """Instruction and input apart where the row had them so, since Alpaca has a template for each case."""
    original = json.loads(row.original)
    parts = [str(original.get(name) or "") for name in ("instruction", "input")] if isinstance(original, dict) else []
    if all(part.strip() for part in parts) and "\n\n".join(parts) == prompt:
        return parts[0], parts[1]
    return prompt, ""


def _as_sharegpt(row: ExportRow, schema: FileSchema) -> dict[str, Any]:
    system = _leading_system(row.messages)
    turns = row.messages if system is None else row.messages[1:]
    _need_plain_weights(turns)
    _need_no_reasoning(turns)
    _need_order(turns)
    if any(turn["role"] == "system" for turn in turns):
        raise NotExpressible("a system turn that is not the first")
    fields: dict[str, Any] = {"conversations": [_shared(turn) for turn in turns]}
    return fields | ({"system": system or ""} if schema.with_system else {})


CONVERTERS: dict[ExportFormat, Callable[[ExportRow, FileSchema], dict[str, Any]]] = {
    "messages": _as_messages,
    "prompt-completion": _as_prompt_completion,
    "alpaca": _as_alpaca,
    "sharegpt": _as_sharegpt,
}


def _message(message: Message) -> Message:
    """A turn with its keys in one order, and its calls in OpenAI's shape."""
    fields: Message = {"role": message["role"], "content": _text(message)}
    if message.get("name"):
        fields["name"] = str(message["name"])
    if message.get("tool_calls"):
        fields["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    if message.get("tool_call_id"):
        fields["tool_call_id"] = str(message["tool_call_id"])
    if message.get("reasoning_content"):
        if not isinstance(message["reasoning_content"], str):
            raise NotExpressible("reasoning that is not text")
        fields["reasoning_content"] = message["reasoning_content"]
    return fields


def _weights(message: Message, schema: FileSchema) -> dict[str, float]:
    """The weights of a turn of `messages`, as the file has them."""
    if message["role"] != "assistant":
        return {}
    said = find_weight(message)
    weight = 1 if said is None else said
    if schema.for_openai and weight not in (0, 1):
        raise NotExpressible(WEIGHTED)
    fields: dict[str, float] = {"weight": int(weight > 0)} if schema.with_weights or schema.has_uneven_turns else {}
    return fields | ({"loss_weight": float(weight)} if schema.with_loss_weights else {})


def _need_plain_weights(turns: list[Message]) -> None:
    """Raises NotExpressible where an assistant's turn is not to be learned like any other."""
    weights = [find_weight(turn) for turn in turns if turn["role"] == "assistant"]
    if 0 in weights:
        raise NotExpressible(UNTRAINED)
    if any(weight not in (None, 1) for weight in weights):
        raise NotExpressible(WEIGHTED)


def _need_no_reasoning(turns: list[Message]) -> None:
    if any(turn.get("reasoning_content") for turn in turns if turn["role"] == "assistant"):
        raise NotExpressible(REASONING)


def _need_order(turns: list[Message]) -> None:
    """Raises NotExpressible where results, whose ids are left out, would seem to be those of other calls."""
    calls = [call for turn in turns for call in turn.get("tool_calls") or [] if isinstance(call, dict)]
    asked = [str(call["id"]) for call in calls if call.get("id") is not None]
    given = [str(turn["tool_call_id"]) for turn in turns if turn.get("tool_call_id")]
    both = set(asked) & set(given)
    if [name for name in asked if name in both] != [name for name in given if name in both]:
        raise NotExpressible("results of tools in another order than their calls")


def _shared(message: Message) -> dict[str, str]:
    if not message.get("tool_calls"):
        return {"from": SHARED_NAMES[message["role"]], "value": _text(message)}
    if _text(message).strip():
        raise NotExpressible("a turn that both says something and calls a tool")
    calls = [_call(call)["function"] for call in message["tool_calls"]]
    try:
        parsed = [{"name": call["name"], "arguments": parse_arguments(call["arguments"])} for call in calls]
    except ValueError:
        raise NotExpressible("a tool call whose arguments are not JSON") from None
    value = json.dumps(parsed[0] if len(parsed) == 1 else parsed, ensure_ascii=False)
    return {"from": "function_call", "value": value}


def _call(call: Any) -> dict[str, Any]:
    """A tool call as OpenAI writes it, its arguments as text."""
    function = (call.get("function") or call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise NotExpressible("a tool call without a function's name")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
    named = {"id": str(call["id"])} if call.get("id") is not None else {}
    return {**named, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _leading_system(messages: list[Message]) -> str | None:
    return _text(messages[0]) if messages and messages[0]["role"] == "system" else None


def _text(message: Message) -> str:
    return str(message.get("content") or "")
