"""What is the model shown, and which of its tokens are the response?

A conversation becomes text by a template; the response tokens are those of all assistant
turns, the end-of-turn token included, since a model must learn to stop. They are found by
rendering the conversation up to each assistant turn, so no template needs generation marks.
"""

import contextlib
import json
from typing import Any

from core.errors import BadInput
from core.records import Message, Rendered, Shown, SpokenTurn
from core.scoring.bounds import bounded
from core.scoring.templates import LAYOUTS, Piece, content, is_response, template_identity
from core.settings import ScoringSettings

Span = tuple[int, int]
DATE = "26 Jul 2024"
"""For templates that write today's date: the same row must always render alike. Llama's own default."""
CLOCK = "{%- macro strftime_now(format) -%}" + DATE + "{%- endmacro +%}"


class RenderError(Exception):
    """The template cannot say where the responses are; the message is the reason."""


class Renderer:
    """Renders conversations for one tokenizer, template and length.

    `longest` is what the model has positions for; a longer `max_length` is held to it.
    """

    def __init__(self, tokenizer: Any, settings: ScoringSettings, longest: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.max_length = min(settings.max_length, longest or settings.max_length)
        is_models = self.max_length < settings.max_length
        self._limit = "the model's positions" if is_models else "max_length"
        has_template = bool(getattr(tokenizer, "chat_template", None))
        self.template = ("chat" if has_template else "plain") if settings.template == "auto" else settings.template
        if self.template == "chat" and not has_template:
            raise BadInput("This model's tokenizer has no chat template; choose template plain, alpaca or raw.")
        self._marks = sorted(tokenizer.all_special_tokens, key=len, reverse=True)

    @property
    def identity(self) -> str:
        """The template's name and hash."""
        return template_identity(self.template, self.tokenizer)

    def render(self, messages: list[Message], tools: list[Any] | None = None) -> Rendered:
        """Render one conversation; what cannot be scored carries the reason, never a number."""
        return self._render(messages, tools)[0]

    def show(self, messages: list[Message], tools: list[Any] | None = None) -> Shown:
        """The same, with the text cut where prompt and response meet."""
        rendered, offsets, _ = self._render(messages, tools)
        parts: list[tuple[str, str]] = []
        end = 0
        for (_, after), scored in zip(offsets, rendered.response_mask, strict=False):
            kind = "response" if scored else "prompt"
            text = rendered.text[end : max(end, after)]
            if parts and parts[-1][0] == kind:
                parts[-1] = (kind, parts[-1][1] + text)
            elif text:
                parts.append((kind, text))
            end = max(end, after)
        if rendered.text[end:]:
            parts.append(("cut" if len(offsets) > len(rendered.input_ids) else "prompt", rendered.text[end:]))
        return Shown(rendered, parts, [self.tokenizer.decode([token]) for token in rendered.input_ids])

    def spoken(self, messages: list[Message], tools: list[Any] | None = None) -> dict[int, SpokenTurn]:
        """By its place in the conversation each turn that is scored, token by token; nothing where none can be."""
        rendered, offsets, spans = self._render(messages, tools)
        if rendered.unscorable_reason:
            return {}
        pieces, ends, end = [list[str]() for _ in spans], [start for start, _ in spans], 0
        for (start, after), is_scored in zip(offsets, rendered.response_mask, strict=False):
            end = max(end, after)
            if is_scored:
                turn = next(i for i, (a, b) in enumerate(spans) if a <= start < after <= b)
                pieces[turn].append(rendered.text[ends[turn] : end])
                ends[turn] = end
        turns = (place for place, message in enumerate(messages) if is_response(message))
        cuts = (rendered.text[end:b] if rendered.truncated else "" for end, (_, b) in zip(ends, spans, strict=True))
        return {place: SpokenTurn(*of) for place, of in zip(turns, zip(pieces, cuts, strict=True), strict=True)}

    def _render(self, messages: list[Message], tools: list[Any] | None) -> tuple[Rendered, list[Span], list[Span]]:
        """What the model is shown, where each of its tokens stands in the text, and where each response does."""
        try:
            text, spans = self._text_and_spans(messages, tools)
        except RenderError as error:
            return Rendered("", [], [], False, str(error)), [], []
        encoded = self.tokenizer(
            text, return_offsets_mapping=True, add_special_tokens=self._adds_special_tokens(messages)
        )
        ids, offsets = list(encoded["input_ids"]), encoded["offset_mapping"]
        mask = [int(any(a <= start < end <= b for a, b in spans)) for start, end in offsets]
        if mask:
            mask[0] = 0  # nothing stands before the first token to predict it from
        ids, kept = ids[: self.max_length], mask[: self.max_length]
        rendered = Rendered(text, ids, kept, sum(kept) < sum(mask), self._reason(mask, kept))
        return rendered, offsets, spans

    def _reason(self, mask: list[int], kept: list[int]) -> str | None:
        if not any(mask):
            return "the response has no tokens"
        if not any(kept):
            return f"the prompt alone fills {self._limit} ({self.max_length:,} tokens)"
        return None

    def response_alone(self, rendered: Rendered) -> Rendered:
        """The same response tokens with no prompt before them: what IFD compares with.

        They follow the tokenizer's first-token mark (its end mark where it has none), so that the
        first of them has a prediction too.
        """
        first = next((i for i in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id) if i is not None), None)
        if rendered.unscorable_reason or first is None:
            reason = rendered.unscorable_reason or "the tokenizer has no mark that a text could begin with"
            return Rendered("", [], [], False, reason)
        response = [token for token, scored in zip(rendered.input_ids, rendered.response_mask, strict=True) if scored]
        return Rendered("", [first, *response], [0] + [1] * len(response), rendered.truncated)

    def _adds_special_tokens(self, messages: list[Message]) -> bool:
        return self.template != "chat" or not _has_prompt(messages)

    def _text_and_spans(self, messages: list[Message], tools: list[Any] | None) -> tuple[str, list[Span]]:
        end = self.tokenizer.eos_token or ""
        if not _has_prompt(messages):
            text = "".join(content(m) for m in messages)
            return text + end, [(0, len(text + end))] if text else []
        if self.template == "chat":
            return self._chat(messages, tools)
        if any(message.get("tool_calls") for message in messages):
            raise RenderError(f"template {self.template} has no place for tool calls")
        return _join(LAYOUTS[self.template](messages, end))

    def _chat(self, messages: list[Message], tools: list[Any] | None) -> tuple[str, list[Span]]:
        messages = [_with_parsed_arguments(message) for message in messages]
        text, spans = self._apply(messages, tools, False), []
        for turn, message in enumerate(messages):
            if is_response(message):
                spans.append(self._find_turn(text, messages, turn, tools))
        return text, spans

    def _find_turn(self, text: str, messages: list[Message], turn: int, tools: list[Any] | None) -> Span:
        """Where an assistant turn begins and ends: what the template writes up to and through it says so.

        Some templates write a turn inside a conversation otherwise than at its end (they drop the thoughts
        of earlier turns); such a turn must then begin where the text leaves the prompt that asks for it.
        """
        before = self._apply(messages[:turn], tools, True) if turn else ""
        through = self._apply(messages[: turn + 1], tools, False).rstrip("\n")
        if turn and text.startswith(before) and text.startswith(through):
            return len(before), len(through)
        words = content(messages[turn]).strip()
        if turn:
            start = _common(before, text)
            start += len(text[start:]) - len(text[start:].lstrip())
        else:
            start = text.find(words)  # no template renders a prompt of no turns
        if words and text.startswith(through) and words in text[max(start, 0) : len(through)]:
            return start, len(through)
        if start < 0 or not words or not text.startswith(words, start):
            raise RenderError(f"turn {turn + 1}: the chat template renders it differently inside the conversation")
        end = start + len(words)
        mark = next((m for m in self._marks if text.startswith(m, end)), "")
        return start, end + len(mark)

    def _apply(self, messages: list[Message], tools: list[Any] | None, generation: bool) -> str:
        try:
            template = CLOCK + self.tokenizer.get_chat_template(None, tools)
            with bounded():
                return str(
                    self.tokenizer.apply_chat_template(
                        messages,
                        tools=tools,
                        chat_template=template,
                        tokenize=False,
                        add_generation_prompt=generation,
                        date_string=DATE,
                    )
                )
        except Exception as error:  # a template is a program of the model's author and may raise anything
            raise RenderError(f"the chat template failed: {str(error) or type(error).__name__}") from error


def _common(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    shorter = min(len(first), len(second))
    return next((i for i in range(shorter) if first[i] != second[i]), shorter)


def _with_parsed_arguments(message: Message) -> Message:
    """A call's arguments as the object that templates write out; OpenAI's shape has them as JSON text."""
    if not message.get("tool_calls"):
        return message
    calls = [dict(call) for call in message["tool_calls"] if isinstance(call, dict)]
    for call in calls:
        function = dict(call.get("function") or {})
        if isinstance(function.get("arguments"), str):
            with contextlib.suppress(ValueError):
                function["arguments"] = json.loads(function["arguments"])
        if function:
            call["function"] = function
    return message | {"tool_calls": calls}


def _has_prompt(messages: list[Message]) -> bool:
    return any(message["role"] != "assistant" for message in messages)


def _join(pieces: list[Piece]) -> tuple[str, list[Span]]:
    text, spans = "", []
    for piece, is_scored in pieces:
        if is_scored:
            spans.append((len(text), len(text) + len(piece)))
        text += piece
    return text, spans
