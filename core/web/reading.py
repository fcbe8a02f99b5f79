"""How does a person read a conversation? Turn by turn, tools as code, long texts opened on demand.

What a dataset holds is text: nothing of it is ever interpreted as markdown or HTML.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from core.records import Example, Message
from core.web.notices import escape_markdown
from core.web.theme import format_count

SHOWN, LONG_LINES, OPENED = 480, 10, 20_000
TURNS_SHOWN, TURNS_CHARACTERS, LATER_CHARACTERS = (2, 6), 600, 2_000
WHOLE, TURNS_AT_ONCE = 1_000_000, 24


def show_turns(example: Example) -> None:
    """The system message and the declared tools folded away, then the turns; of a long conversation the first."""
    spoken = [message for message in example.messages if message["role"] != "system"]
    for message in example.messages:
        if message["role"] == "system":
            text = str(message.get("content") or "")
            _fold(f"System message ({_characters(text)})", text)
    _fold_tools(example)
    first = _turns_that_fit(spoken)
    rest = spoken[first:]
    for message in spoken[:first]:
        _show_turn(message, folds=True)
    if rest:
        with st.expander(f"{format_count(len(rest))} more turn{'s' if len(rest) > 1 else ''}"):
            for message in rest:
                _show_turn(message, folds=False)


def show_whole(example: Example, draw: Callable[[int], bool], key: str) -> None:
    """Every turn in full and in order, system messages and the declared tools folded away; of very many turns the
    first, until asked for.

    `draw` may draw the text of the turn at a place itself, and says whether it did.
    """
    _fold_tools(example)
    messages, most = example.messages, st.session_state.get(key, TURNS_AT_ONCE)
    for place, message in enumerate(messages[:most]):
        if message["role"] == "system":
            text = str(message.get("content") or "")
            st.expander(f"System message ({_characters(text)})").text(text[:WHOLE])
            continue
        with st.container(border=True, gap="small"):
            _show_turn(message, folds=False, most=WHOLE, draw=partial(draw, place))
    if rest := len(messages) - most if most < len(messages) else 0:
        label = f"Show the other {format_count(rest)} turn{'s' if rest > 1 else ''}"
        st.button(label, on_click=st.session_state.update, args=({key: len(messages)},))


def read_call(content: str) -> tuple[str, Any] | None:
    """Name and arguments, where a turn's text is nothing but a function call written as JSON."""
    if not content.lstrip().startswith("{"):
        return None
    try:
        call = json.loads(content)
    except ValueError:
        return None
    arguments = call.get("arguments", call.get("parameters"))
    return (call["name"], arguments) if isinstance(call.get("name"), str) and arguments is not None else None


def write_call(name: str, arguments: Any) -> str:
    """A call as a reader of code expects it: `weather(city="Paris", days=3)`, one argument a line when long."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError:
            return f"{name}({arguments})"
    if not isinstance(arguments, dict):
        return f"{name}({_as_json(arguments)})"
    parts = [f"{key}={_as_json(value)}" for key, value in arguments.items()]
    line = f"{name}({', '.join(parts)})"
    return line if len(line) <= 80 else f"{name}(\n  " + ",\n  ".join(parts) + "\n)"


def _fold_tools(example: Example) -> None:
    if example.tools:
        names = [name for tool in example.tools if (name := _name_of(tool))]
        with st.expander(f"Tools declared: {format_count(len(example.tools))}"):
            st.code("\n".join(names) or _as_json(example.tools)[:OPENED], language=None, wrap_lines=True)


def _turns_that_fit(spoken: Sequence[Message]) -> int:
    """How many turns are shown at first: two, and up to six while they are short."""
    least, most = TURNS_SHOWN
    used = 0
    for number, message in enumerate(spoken[:most]):
        used += len(str(message.get("content") or "")) + len(str(message.get("tool_calls") or ""))
        if number >= least and used > TURNS_CHARACTERS:
            return number
    return min(most, len(spoken))


def _show_turn(
    message: Message, *, folds: bool, most: int = LATER_CHARACTERS, draw: Callable[[], bool] = lambda: False
) -> None:
    role, content = str(message["role"]), str(message.get("content") or "")
    calls = [_call_of(call) for call in message.get("tool_calls") or []]
    if role == "assistant" and not calls and (written := read_call(content)):
        calls, content = [write_call(*written)], ""
    name = f" {escape_markdown(str(message['name'])[:80])}" if message.get("name") else ""
    st.caption(f"{escape_markdown(role.capitalize())}{name}{' calls' if calls and not content.strip() else ''}")
    if not draw():
        if role == "tool":
            _show_code(_pretty(content), folds, most)
        elif content.strip() or not calls:
            _show_text(content, folds, most)
    for call in calls:
        _show_code(call, folds, most)


def _show_text(text: str, folds: bool, most: int) -> None:
    if not text.strip():
        st.caption("(empty)")
        return
    shown = _beginning(text) if folds else text[:most]
    st.text(shown if shown == text else f"{shown.rstrip()} …")
    if folds and shown != text:
        _fold(f"Show all ({_characters(text)})", text)


def _show_code(text: str, folds: bool, most: int) -> None:
    shown = _beginning(text) if folds else text[:most]
    st.code(shown if shown == text else f"{shown.rstrip()} …", language=None, wrap_lines=True)
    if folds and shown != text:
        _fold(f"Show all ({_characters(text)})", text)


def _fold(label: str, text: str) -> None:
    with st.expander(label):
        st.text(text[:OPENED])
        if len(text) > OPENED:
            st.caption(f"The first {format_count(OPENED)} characters; the example's own page has the rest.")


def _beginning(text: str) -> str:
    """The whole text when it is nearly short enough, else its first lines."""
    lines = text.split("\n")
    if len(text) <= 1.25 * SHOWN and len(lines) <= 1.25 * LONG_LINES:
        return text
    return "\n".join(lines[:LONG_LINES])[:SHOWN]


def _characters(text: str) -> str:
    return f"{format_count(len(text))} characters"


def _call_of(call: Any) -> str:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not function.get("name"):
        return _as_json(call)
    return write_call(str(function["name"]), function.get("arguments", {}))


def _name_of(tool: Any) -> str | None:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    return str(function["name"]) if isinstance(function, dict) and function.get("name") else None


def _pretty(content: str) -> str:
    """JSON with its structure shown; any other text as it is."""
    if content.lstrip()[:1] not in ("{", "["):
        return content
    try:
        return json.dumps(json.loads(content), ensure_ascii=False, indent=2)
    except ValueError:
        return content


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
