"""What does TRL do with a file? Its own dataset preparation says: SFTTrainer is built over the rows.

Before it, the rows are asked what TRL would let pass in silence: a role that no template knows, a turn that the
template leaves out, a prompt that is tokenised otherwise once the response follows.
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.data.trainers.faults import (
    ALL_CUT,
    CUT,
    EMPTY_PROMPT,
    EMPTY_RESPONSE,
    NO_LOSS,
    ROLES,
    SHARED_ROLES,
    UNKNOWN_ROLE,
    Fault,
    Refused,
    RowCheck,
    Turn,
    find_soft,
    find_unknown_role,
    find_weights,
    read_tools,
    read_turns,
    warned,
)
from core.data.trainers.loading import quiet_datasets
from core.data.trainers.template import ChatTemplate
from core.settings import CheckSettings

FORMATS = ("messages", "prompt-completion", "sharegpt", "text")
RAISES = "TRL raises an error"
LINE = "line of the file"
CULPRITS = 20
IGNORED = -100


class TrlRules:
    """What can be said of a row before TRL has it."""

    def __init__(self, shape: str, tokenizer: Any) -> None:
        self.shape, self.template = shape, ChatTemplate(tokenizer)

    def check(self, fields: dict[str, Any]) -> RowCheck:
        """The faults of one row; its tokens are TRL's to count."""
        try:
            return RowCheck(self._faults(fields))
        except Refused as refused:
            return RowCheck([refused.fault])

    def _faults(self, fields: dict[str, Any]) -> list[Fault]:
        if self.shape == "text":
            return _faults_of_text(fields["text"])
        if self.shape == "prompt-completion" and not _is_chat(fields):
            return self._faults_of_strings(fields["prompt"], fields["completion"])
        tools = read_tools(fields.get("tools"))
        if self.shape == "prompt-completion":
            prompt = read_turns(fields["prompt"], "prompt")
            turns = prompt + read_turns(fields["completion"], "completion")
        elif self.shape == "sharegpt":
            prompt, turns = [], read_turns(fields["conversations"], "conversations", "from", "value")
        else:
            prompt, turns = [], read_turns(fields["messages"], "messages")
        messages = [self._message(turn) for turn in turns]
        text = self.template.render(messages, tools)
        faults = self._soft(turns) + find_weights(turns[len(prompt) :]) + self.template.left_out(text, turns, tools)
        if prompt and not text.startswith(self.template.render(messages[: len(prompt)], tools, asks=True)):
            faults.append(warned("the chat template writes the prompt otherwise when the response follows"))
        if str(fields.get("system") or "").strip():
            faults.append(warned("TRL does not read the field `system`"))
        return faults

    def _soft(self, turns: list[Turn]) -> list[Fault]:
        if self.shape != "sharegpt":
            return find_soft(turns)
        named = [Turn(SHARED_ROLES.get(turn.role, turn.role), turn.content, turn.raw) for turn in turns]
        odd = find_unknown_role(turns, ROLES)
        kept = [warned(UNKNOWN_ROLE, f"{odd}: TRL keeps ShareGPT's names as roles")] if odd else []
        return kept + [fault for fault in find_soft(named) if fault.reason != UNKNOWN_ROLE]

    def _message(self, turn: Turn) -> dict[str, Any]:
        """What TRL hands to the template: `from` and `value` renamed, their roles as they stand."""
        kept = {key: value for key, value in turn.raw.items() if key not in ("from", "value")}
        return kept | {"role": turn.role, "content": turn.content}

    def _faults_of_strings(self, prompt: Any, completion: Any) -> list[Fault]:
        if not isinstance(prompt, str) or not isinstance(completion, str):
            raise Refused("prompt and completion are not both texts or both lists of turns", stops=True)
        faults = [] if prompt.strip() else [warned(EMPTY_PROMPT)]
        if not completion.strip():
            faults.append(warned(EMPTY_RESPONSE))
        alone = self.template.tokens(prompt, marks=True)
        if self.template.tokens(prompt + completion, marks=True)[: len(alone)] != alone:
            faults.append(warned("the end of the prompt is tokenised together with the response"))
        return faults


def _faults_of_text(text: Any) -> list[Fault]:
    if not isinstance(text, str):
        raise Refused("`text` is not text", stops=True)
    return [] if text.strip() else [warned("the text is empty")]


def _is_chat(fields: dict[str, Any]) -> bool:
    return isinstance(fields["prompt"], list) and isinstance(fields["completion"], list)


def run_preparation(
    rows: Any, lines: list[int], tokenizer: Any, settings: CheckSettings, scratch: Path
) -> Iterator[tuple[int, RowCheck]]:
    """What SFTTrainer makes of each row, by its line; `rows` is a `datasets.Dataset`, one row a line.

    Where TRL raises, the row that it raises at is found by halving, and TRL's words are the detail; line 0 is
    for words that every row calls forth.
    """
    numbered = rows.add_column(LINE, lines)
    tokenizer = copy.deepcopy(tokenizer)  # SFTTrainer gives its tokenizer a padding token
    with quiet_datasets(), _quiet_trl():
        try:
            yield from _outcomes(numbered, tokenizer, settings, scratch)
        except Exception as error:  # TRL raises many kinds, and a template any
            if _raises_everywhere(numbered, tokenizer, settings, scratch):
                yield 0, RowCheck([Fault(RAISES, _words(error), stops=True)])
            else:
                yield from _halve(numbered, error, tokenizer, settings, scratch, [CULPRITS])


def _halve(
    rows: Any, error: Exception, tokenizer: Any, settings: CheckSettings, scratch: Path, left: list[int]
) -> Iterator[tuple[int, RowCheck]]:
    """The outcomes of rows among which TRL raised an error; when `left` has run down, of all that they might."""
    if len(rows) == 1 or not left[0]:
        left[0] = max(0, left[0] - 1)
        among = f"one of these {len(rows):,} lines: " if len(rows) > 1 else ""
        for line in rows[LINE]:
            yield line, RowCheck([Fault(RAISES, among + _words(error), stops=True)])
        return
    middle = len(rows) // 2
    for half in (rows.select(range(middle)), rows.select(range(middle, len(rows)))):
        try:
            yield from _outcomes(half, tokenizer, settings, scratch)
        except Exception as inner:  # as above
            yield from _halve(half, inner, tokenizer, settings, scratch, left)


def _outcomes(rows: Any, tokenizer: Any, settings: CheckSettings, scratch: Path) -> list[tuple[int, RowCheck]]:
    """What comes of rows: prepared whole, then again with the greatest length."""
    whole = _built(rows, tokenizer, settings, None, scratch)
    remaining = dict(_counted(_built(whole, tokenizer, settings, settings.length("trl"), scratch)))
    found = []
    for line, (tokens, length) in _counted(whole):
        seen, seen_length = remaining.get(line, (0, 0))
        found.append((line, RowCheck(_faults_of_length(tokens, length, seen, seen_length), seen, tokens - seen)))
    return found


def _faults_of_length(tokens: int, length: int, seen: int, seen_length: int) -> list[Fault]:
    if not tokens:
        return [Fault(NO_LOSS, "TRL drops the row")]
    if not seen:
        return [Fault(ALL_CUT, f"it has {length:,} tokens; TRL drops the row")]
    return [warned(CUT, f"it has {length:,} tokens")] if seen_length < length else []


def _raises_everywhere(rows: Any, tokenizer: Any, settings: CheckSettings, scratch: Path) -> bool:
    """Whether TRL has the same words for the first, the middle and the last of several rows."""
    said = set()
    for index in {0, len(rows) // 2, len(rows) - 1}:
        try:
            _built(rows.select([index]), tokenizer, settings, None, scratch)
        except Exception as error:  # as above
            said.add(_words(error))
        else:
            return False
    return len(said) == 1 and len(rows) > 2


def _built(rows: Any, tokenizer: Any, settings: CheckSettings, length: int | None, scratch: Path) -> Any:
    """The rows as SFTTrainer prepares them for a model of the least size."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    arguments = SFTConfig(
        output_dir=str(scratch / "trainer"),
        max_length=length,
        assistant_only_loss=settings.assistant_only,
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
    )
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    return SFTTrainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer).train_dataset


@contextmanager
def _quiet_trl() -> Iterator[None]:
    """TRL's warnings are findings here."""
    logger = logging.getLogger("trl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


def _counted(rows: Any) -> Iterator[tuple[int, tuple[int, int]]]:
    """Supervised tokens and length by line."""
    for batch in rows.select_columns([LINE, "labels"]).iter(batch_size=1000):
        for line, labels in zip(batch[LINE], batch["labels"], strict=True):
            yield line, (sum(label != IGNORED for label in labels), len(labels))


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
