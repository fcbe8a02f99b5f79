"""One turn of a conversation, however it was written, in OpenAI's shape.

Reasons name the kind of fault and not the turn it is in, so that equal faults are counted together.
"""

from typing import Any

import orjson

from core.data.rows import name_of_type
from core.records import Message

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "gpt-4": "assistant",
    "claude": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "function_call": "assistant",
    "function-call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "tool_response": "tool",
    "function_response": "tool",
    "tool_result": "tool",
    "ipython": "tool",
}
ROLE_KEYS = ("role", "from", "speaker", "author")
CONTENT_KEYS = ("content", "value", "text", "message")
PAIRS = (("input", "output"), ("human", "assistant"), ("user", "assistant"), ("human", "bot"), ("prompt", "response"))
"""Keys of one turn that holds a question and its answer."""

TEXT_KEYS = ("text", "value", "input_text", "content")
KEPT = ("name", "tool_call_id", "reasoning_content")
WEIGHTS = ("weight", "loss_weight", "train")
"""What tells a trainer whether to learn a turn; 0 and false say most."""


class RowError(Exception):
    """A row that does not fit its shape; the message is the reason in the quarantine."""


def read_turns(turns: list[Any]) -> list[Message]:
    """Messages out of a list of turns: `role` and `content`, `from` and `value`, pairs, or texts in turn."""
    if turns and all(isinstance(turn, str) for turn in turns):
        return [{"role": ("user", "assistant")[at % 2], "content": turn} for at, turn in enumerate(turns)]
    messages: list[Message] = []
    for turn in turns:
        pair = _pair(turn)
        messages += pair if pair is not None else [read_turn(turn)]
    return messages


def read_turn(turn: Any) -> Message:
    """A turn with a role, and as content text, typed parts, or nothing beside tool calls."""
    role_key = next((key for key in ROLE_KEYS if key in turn), None) if isinstance(turn, dict) else None
    if role_key is None:
        raise RowError("a turn is no object with `role` and `content`, or `from` and `value`")
    content_key = next((key for key in CONTENT_KEYS if key in turn), "content")
    if content_key not in turn and role_key != "role":
        raise RowError(f"a turn has `{role_key}` but no `value`")
    message: Message = {"role": _role(turn[role_key]), "content": _content(turn.get(content_key))}
    message |= {name: turn[name] for name in KEPT if turn.get(name)}
    message |= {name: turn[name] for name in WEIGHTS if turn.get(name) is not None}
    calls = _tool_calls(turn)
    return message | {"tool_calls": calls} if calls else message


def need_response(messages: list[Message]) -> list[Message]:
    """The messages, if an assistant says something in them."""
    spoken = [m for m in messages if m["role"] == "assistant"]
    if not spoken:
        raise RowError("no assistant turn")
    if not any(str(m["content"]).strip() or m.get("tool_calls") for m in spoken):
        raise RowError("every assistant turn is empty")
    return messages


def parse_list(value: Any, column: str, of: str) -> list[Any]:
    """A list, or a JSON text of one. Raises RowError with the column's name and what it should hold."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise RowError(f"`{column}` is text that is not JSON, not a list of {of}") from None
    if not isinstance(value, list):
        raise RowError(f"`{column}` is {name_of_type(value)}, not a list of {of}")
    return value


def _pair(turn: Any) -> list[Message] | None:
    """The messages of a turn that holds a question and its answer; None for any other."""
    if not isinstance(turn, dict) or any(key in turn for key in ROLE_KEYS):
        return None
    asked, answered = next((pair for pair in PAIRS if all(key in turn for key in pair)), (None, None))
    if asked is None:
        return None
    system = _content(turn.get("system"))
    first: list[Message] = [{"role": "system", "content": system}] if system.strip() else []
    question = {"role": "user", "content": _content(turn[asked])}
    return [*first, question, {"role": "assistant", "content": _content(turn[answered])}]


def _role(role: Any) -> str:
    known = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None:
        raise RowError(f"unknown role {str(role)[:40]!r} of a turn")
    return known


def _tool_calls(turn: dict[str, Any]) -> list[Any] | None:
    """The calls in OpenAI's newer form, made from the older `function_call` if that is what there is."""
    calls = turn.get("tool_calls")
    is_blank = isinstance(calls, str) and not calls.strip()
    if calls and not is_blank and (parsed := parse_list(calls, "tool_calls", "calls")):
        return parsed
    call = turn.get("function_call")
    return [{"type": "function", "function": call}] if isinstance(call, dict) and call.get("name") else None


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_part, content))
    if isinstance(content, dict):
        return _part(content)
    raise RowError(f"the content of a turn is {name_of_type(content)}, not text")


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    text = None
    if isinstance(part, dict):
        text = next((part[key] for key in TEXT_KEYS if part.get(key) is not None), None)
    if not isinstance(text, str) or (isinstance(part, dict) and "image" in str(part.get("type"))):
        kind = part.get("type") if isinstance(part, dict) else name_of_type(part)
        raise RowError(f"a part of a turn is of type {str(kind)[:40]!r}, not text")
    return text
