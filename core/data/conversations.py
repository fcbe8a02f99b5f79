"""One turn of a conversation, however it was written, in OpenAI's shape."""

from typing import Any

from core.data.texts import name_of_type
from core.records import Message

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
SHARED_ROLES = ROLES | {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "tool_response": "tool",
}
KEPT = ("name", "tool_calls", "tool_call_id")


class RowError(Exception):
    """A row that does not fit its shape; the message is the reason in the quarantine."""


def chat_message(turn: Any, number: int) -> Message:
    """A turn with `role` and `content`, the content text, typed parts, or nothing beside tool calls."""
    if not isinstance(turn, dict) or "role" not in turn:
        raise RowError(f"turn {number}: not an object with `role` and `content`")
    role = _role(turn["role"], ROLES, number)
    message: Message = {"role": role, "content": _content(turn.get("content"), number)}
    return message | {name: turn[name] for name in KEPT if turn.get(name)}


def shared_message(turn: Any, number: int) -> Message:
    """ShareGPT's turn with `from` and `value`; a function call is what the assistant says."""
    if not isinstance(turn, dict) or "from" not in turn or "value" not in turn:
        raise RowError(f"turn {number}: not an object with `from` and `value`")
    return {"role": _role(turn["from"], SHARED_ROLES, number), "content": _content(turn["value"], number)}


def need_response(messages: list[Message]) -> list[Message]:
    """The messages, if an assistant says something in them."""
    spoken = [m for m in messages if m["role"] == "assistant"]
    if not spoken:
        raise RowError("no assistant turn")
    if not any(str(m["content"]).strip() or m.get("tool_calls") for m in spoken):
        raise RowError("every assistant turn is empty")
    return messages


def _role(role: Any, known: dict[str, str], number: int) -> str:
    if not isinstance(role, str) or role.lower() not in known:
        raise RowError(f"turn {number}: unknown role {role!r}")
    return known[role.lower()]


def _content(content: Any, number: int) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(part, number) for part in content)
    raise RowError(f"turn {number}: the content is {name_of_type(content)}, not text")


def _part(part: Any, number: int) -> str:
    if isinstance(part, str):
        return part
    text = (
        next((part[key] for key in ("text", "value") if part.get(key) is not None), None)
        if isinstance(part, dict)
        else None
    )
    if not isinstance(text, str):
        kind = part.get("type") if isinstance(part, dict) else name_of_type(part)
        raise RowError(f"turn {number}: a part of the content is {kind!r}, not text")
    return text
