"""What is the model shown, and which of its tokens are the response?

A conversation becomes text by a template; the response tokens are those of all assistant
turns, the end-of-turn token included, since a model must learn to stop. They are found by
rendering the conversation up to each assistant turn, so no template needs generation marks.
"""

from typing import Any

from core.records import Message, Rendered
from core.settings import ScoringSettings

Span = tuple[int, int]


class RenderError(Exception):
    """The template cannot say where the responses are; the message is the reason."""


class Renderer:
    """Renders conversations for one tokenizer, template and length."""

    def __init__(self, tokenizer: Any, settings: ScoringSettings) -> None:
        self.tokenizer = tokenizer
        self.max_length = settings.max_length
        has_template = bool(getattr(tokenizer, "chat_template", None))
        self.template = ("chat" if has_template else "plain") if settings.template == "auto" else settings.template

    def render(self, messages: list[Message], tools: list[Any] | None = None) -> Rendered:
        """Render one conversation; what cannot be scored carries the reason, never a number."""
        try:
            text, spans = self._text_and_spans(messages, tools)
        except RenderError as error:
            return Rendered("", [], [], False, str(error))
        encoded = self.tokenizer(
            text, return_offsets_mapping=True, add_special_tokens=self._adds_special_tokens(messages)
        )
        ids, offsets = list(encoded["input_ids"]), encoded["offset_mapping"]
        mask = [int(any(a <= start < end <= b for a, b in spans)) for start, end in offsets]
        if mask:
            mask[0] = 0  # nothing stands before the first token to predict it from
        truncated = len(ids) > self.max_length
        ids, kept = ids[: self.max_length], mask[: self.max_length]
        return Rendered(text, ids, kept, truncated, self._reason(mask, kept))

    def _reason(self, mask: list[int], kept: list[int]) -> str | None:
        if not any(mask):
            return "the response has no tokens"
        if not any(kept):
            return f"the prompt alone fills max_length ({self.max_length:,} tokens)"
        return None

    def _adds_special_tokens(self, messages: list[Message]) -> bool:
        return self.template != "chat" or not _has_prompt(messages)

    def _text_and_spans(self, messages: list[Message], tools: list[Any] | None) -> tuple[str, list[Span]]:
        if not _has_prompt(messages):
            text = "".join(_content(m) for m in messages) + (self.tokenizer.eos_token or "")
            return text, [(0, len(text))]
        if self.template == "plain":
            return self._plain(messages)
        return self._chat(messages, tools)

    def _plain(self, messages: list[Message]) -> tuple[str, list[Span]]:
        text, spans, end = "", [], self.tokenizer.eos_token or ""
        for message in messages:
            text += ("\n\n" if text else "") + f"### {message['role'].capitalize()}:\n"
            start = len(text)
            text += _content(message) + (end if message["role"] == "assistant" else "")
            if message["role"] == "assistant":
                spans.append((start, len(text)))
        return text, spans

    def _chat(self, messages: list[Message], tools: list[Any] | None) -> tuple[str, list[Span]]:
        text, spans = self._apply(messages, tools, False), []
        for turn, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._apply(messages[:turn], tools, True) if turn else _text_before(text, _content(message))
            through = self._apply(messages[: turn + 1], tools, False).rstrip("\n")
            if not (text.startswith(before) and text.startswith(through)):
                raise RenderError(f"turn {turn + 1}: the chat template renders it differently inside the conversation")
            spans.append((len(before), len(through)))
        return text, spans

    def _apply(self, messages: list[Message], tools: list[Any] | None, generation: bool) -> str:
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    messages, tools=tools, tokenize=False, add_generation_prompt=generation
                )
            )
        except Exception as error:  # a template is a program of the model's author and may raise anything
            raise RenderError(f"the chat template failed: {str(error) or type(error).__name__}") from error


def _text_before(text: str, opening: str) -> str:
    """What stands before an opening assistant turn: no template renders a prompt of no turns."""
    start = text.find(opening.strip())
    if start < 0 or not opening.strip():
        raise RenderError("turn 1: the chat template changes it")
    return text[:start]


def _has_prompt(messages: list[Message]) -> bool:
    return any(message["role"] != "assistant" for message in messages)


def _content(message: Message) -> str:
    return str(message.get("content") or "")
