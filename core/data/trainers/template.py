"""What does a tokenizer's chat template make of a conversation: its text, its tokens, what it leaves out, and
where the assistant speaks?"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from typing import Any

from core.data.trainers.faults import TEMPLATE_FAILS, Fault, Refused, Turn, warned

STAND_INS = ("[[stand-in]]", "zzstandinzz")
"""Two, with no letter in common at their ends: a letter that one shares with its surroundings, the other shows."""
NEAR = 3
"""The tokens after a turn among which its end mark stands, template padding included."""


class ChatTemplate:
    """One tokenizer's template. Built once, asked for every row."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.has_template = bool(getattr(tokenizer, "chat_template", None))

    def render(self, messages: Sequence[dict[str, Any]], tools: list[Any] | None, *, asks: bool = False) -> str:
        """The text; with `asks`, up to where the assistant is to speak. Raises Refused where the template fails."""
        try:
            text = self.tokenizer.apply_chat_template(
                list(messages), tools=tools, tokenize=False, add_generation_prompt=asks
            )
        except Exception as error:  # a template is a program of the model's author and may raise anything
            words = " ".join(str(error).split())[:300]
            raise Refused(TEMPLATE_FAILS, words or type(error).__name__, stops=True) from None
        if not str(text).strip():
            raise Refused("the chat template makes an empty text of it")
        return str(text)

    def tokens(self, text: str, *, marks: bool = False) -> list[int]:
        """The text's token ids, those that the tokenizer puts around a text included with `marks`."""
        return list(self.tokenizer(text, add_special_tokens=marks)["input_ids"])

    def supervised(
        self, text: str, messages: Sequence[dict[str, Any]], tools: list[Any] | None, unlearned: Collection[int] = ()
    ) -> list[int]:
        """1 for each token of an assistant's turn and of the end mark after it, else 0; but for these turns, from 0."""
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        starts, ends = [start for start, _ in offsets], [end for _, end in offsets]
        mask = [0] * len(ids)
        for turn, message in enumerate(messages):
            if message["role"] != "assistant" or turn in unlearned:
                continue
            begin, end = self._span(text, messages, turn, tools)
            if end <= begin:
                continue
            first, last = bisect_right(ends, begin), bisect_left(starts, end)
            mask[first:last] = [1] * (last - first)
            near = range(last, min(len(ids), last + NEAR + 1))
            mark = next((i for i in near if ids[i] == self.tokenizer.eos_token_id), None)
            if mark is not None:
                mask[mark] = 1
        return mask

    def _span(
        self, text: str, messages: Sequence[dict[str, Any]], turn: int, tools: list[Any] | None
    ) -> tuple[int, int]:
        """Where a turn stands in the text: where the text differs from one with another content in its place."""
        begin, end = len(text), 0
        for stand_in in STAND_INS:
            other = [*messages[:turn], {"role": "assistant", "content": stand_in}, *messages[turn + 1 :]]
            changed = self.render(other, tools)
            same = _common(text, changed)
            tail = min(_common(text[::-1], changed[::-1]), min(len(text), len(changed)) - same)
            begin, end = min(begin, same), max(end, len(text) - tail)
        return begin, end

    def left_out(self, text: str, turns: Sequence[Turn], tools: list[Any] | None) -> list[Fault]:
        """What of the row the template does not write."""
        faults = []
        for number, turn in enumerate(turns, 1):
            who = turn.role if turn.role in ("system", "tool") else "user's or assistant's"
            if not _stands_in(turn.text.strip(), text):
                faults.append(warned(f"the chat template leaves a {who} turn out", f"turn {number}"))
            if any(not _stands_in(name, text) for name in map(_function_name, turn.calls)):
                faults.append(warned("the chat template leaves a tool call out", f"turn {number}"))
            if not _stands_in(str(turn.raw.get("reasoning_content") or "").strip(), text):
                faults.append(warned("the chat template leaves a turn's reasoning out", f"turn {number}"))
        if missing := [name for name in map(_function_name, tools or []) if not _stands_in(name, text)]:
            faults.append(warned("the chat template leaves the list of tools out", ", ".join(missing)))
        return faults


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike, by halving: the comparison of slices is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _stands_in(words: str, text: str) -> bool:
    return words in text or json.dumps(words, ensure_ascii=False)[1:-1] in text


def _function_name(call: Any) -> str:
    function = call.get("function", call) if isinstance(call, dict) else {}
    return str(function.get("name") or "") if isinstance(function, dict) else ""
