"""How is a conversation laid out, for models that bring no chat template, or when another is asked for?

A layout gives the text as pieces, each with whether it is scored. The pieces' places are then
known exactly, whatever the tokenizer.
"""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from core.records import Message

WEIGHTS = ("weight", "loss_weight", "train")
Piece = tuple[str, bool]
Layout = Callable[[Sequence[Message], str], list[Piece]]

ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
)
ALPACA_WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
)


def content(message: Message) -> str:
    """A turn's text."""
    return str(message.get("content") or "")


def is_response(message: Message) -> bool:
    """Whether the assistant says something to be learned in this turn: an empty one has nothing to be scored, and one
    that the dataset marks as not to be trained is context."""
    spoken = content(message).strip() or message.get("tool_calls")
    is_left_out = any(message.get(name) in (0, False) for name in WEIGHTS if name in message)
    return message["role"] == "assistant" and bool(spoken) and not is_left_out


def lay_out_plain(messages: Sequence[Message], end: str) -> list[Piece]:
    """Role names and line breaks."""
    pieces: list[Piece] = []
    for message in messages:
        pieces.append((("\n\n" if pieces else "") + f"### {message['role'].capitalize()}:\n", False))
        pieces.append(_turn(message, end))
    return pieces


def lay_out_raw(messages: Sequence[Message], end: str) -> list[Piece]:
    """The texts alone, a line break between them that is nobody's response."""
    pieces: list[Piece] = []
    for message in messages:
        if pieces:
            pieces.append(("\n", False))
        pieces.append(_turn(message, end))
    return pieces


def lay_out_alpaca(messages: Sequence[Message], end: str) -> list[Piece]:
    """Stanford Alpaca's prompts. A system turn takes the place of the opening sentence; a turn that
    came as instruction and input gets both headings; later turns follow under the same headings."""
    system = next((content(m) + "\n\n" for m in messages if m["role"] == "system"), None)
    has_input = any(message.get("input") for message in messages)
    pieces: list[Piece] = [(system or (ALPACA_WITH_INPUT if has_input else ALPACA_WITHOUT_INPUT), False)]
    for message in messages:
        if message["role"] == "system":
            continue
        if message["role"] == "assistant":
            pieces += [("### Response:", False), _turn(message, end), ("\n\n", False)]
        else:
            pieces.append((_asked(message), False))
    return pieces[:-1] if pieces[-1] == ("\n\n", False) else pieces


LAYOUTS: dict[str, Layout] = {"plain": lay_out_plain, "raw": lay_out_raw, "alpaca": lay_out_alpaca}


def template_identity(template: str, tokenizer: Any) -> str:
    """The template's name and the hash of its text: the tokenizer's own, or the layout's code here."""
    text = str(tokenizer.chat_template) if template == "chat" else _source(LAYOUTS[template])
    return f"{template}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _source(layout: Layout) -> str:
    parts = [inspect.getsource(part) for part in (layout, _turn, _asked, content, is_response)]
    return "".join([*parts, ALPACA_WITH_INPUT, ALPACA_WITHOUT_INPUT])


def _turn(message: Message, end: str) -> Piece:
    return content(message) + (end if message["role"] == "assistant" else ""), is_response(message)


def _asked(message: Message) -> str:
    given = str(message.get("input") or "")
    asked = content(message).removesuffix(given).rstrip() if given else content(message)
    heading = "### Instruction:" if message["role"] == "user" else f"### {message['role'].capitalize()}:"
    return f"{heading}\n{asked}\n\n" + (f"### Input:\n{given}\n\n" if given else "")
