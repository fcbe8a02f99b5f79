"""What does Axolotl do with a row? Rules after its 0.19: prompt_strategies/chat_template.py, prompters.py, utils/data.

The configuration is the stanza that `beside.py` writes: `type: chat_template` for turns, `alpaca` or
`alpaca_w_system` for Alpaca, own fields for plain prompt and completion, `completion` for text; the loss is
on the assistant's turns but those of `weight` 0, and a row longer than `sequence_len` is dropped, Axolotl's default.
"""

import json
from typing import Any

from core.data.rows import name_of_type
from core.data.trainers.faults import (
    ARGUMENTS_NO_JSON,
    EMPTY_PROMPT,
    EMPTY_RESPONSE,
    NO_LOSS,
    SHARED_ROLES,
    Fault,
    Refused,
    RowCheck,
    Turn,
    find_soft,
    find_weights,
    need_text,
    read_tools,
    read_turns,
    warned,
)
from core.data.trainers.template import ChatTemplate
from core.settings import CheckSettings

FORMATS = ("messages", "sharegpt", "alpaca", "prompt-completion", "text")
DROPPED = "longer than the greatest length: Axolotl drops the row"
PASSED = ("name", "tool_calls", "tool_call_id", "reasoning_content")
WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
)


class AxolotlRules:
    """Asks of each row what Axolotl's strategies ask."""

    def __init__(self, shape: str, tokenizer: Any, settings: CheckSettings) -> None:
        self.shape, self.template = shape, ChatTemplate(tokenizer)
        self.length = settings.length("axolotl")
        self.named = {key for key in PASSED if key in str(getattr(tokenizer, "chat_template", ""))}

    def check(self, fields: dict[str, Any]) -> RowCheck:
        """The faults of one row and its supervised tokens."""
        try:
            if self.shape in ("messages", "sharegpt"):
                return self._check_turns(fields)
            return self._check_texts(*self._prompt_and_response(fields))
        except Refused as refused:
            return RowCheck([refused.fault])

    def _check_turns(self, fields: dict[str, Any]) -> RowCheck:
        turns = self._turns(fields)
        need_text(turns)
        tools = read_tools(fields.get("tools"))
        messages = [self._message(turn, number) for number, turn in enumerate(turns, 1)]
        text = self.template.render(messages, tools)
        unlearned = [index for index, turn in enumerate(turns) if turn.raw.get("weight") == 0]
        mask = self.template.supervised(text, messages, tools, unlearned)
        faults = find_soft(turns) + find_weights(turns, ("weight",)) + self.template.left_out(text, turns, tools)
        if turns[0].role == "system" and not turns[0].text and "system" in fields:
            faults.append(warned("an empty field `system` becomes an empty system turn"))
        return self._measured(faults, mask)

    def _turns(self, fields: dict[str, Any]) -> list[Turn]:
        if self.shape == "messages":
            turns = read_turns(fields["messages"], "messages")
        else:
            shared = read_turns(fields["conversations"], "conversations", "from", "value")
            turns = [Turn(SHARED_ROLES.get(turn.role, turn.role), turn.content, {}) for turn in shared]
        system = fields.get("system")
        if turns[0].role != "system" and system is not None:
            turns.insert(0, Turn("system", system, {}))
        return turns

    def _message(self, turn: Turn, number: int) -> dict[str, Any]:
        """The turn as the template gets it: of other keys, those that the template names; arguments parsed."""
        message: dict[str, Any] = {"role": turn.role, "content": turn.text}
        kept = {key: value for key, value in turn.raw.items() if value is not None and key in self.named}
        if "tool_calls" in kept:
            kept["tool_calls"] = [_parsed(call, number) for call in turn.calls]
        return kept | message

    def _prompt_and_response(self, fields: dict[str, Any]) -> tuple[str, str, list[Fault]]:
        if self.shape == "text":
            return "", _need_string(fields, "text"), []
        if self.shape == "prompt-completion":
            return _need_string(fields, "prompt"), _need_string(fields, "completion"), []
        asked, given = _need_string(fields, "instruction"), fields.get("input") or ""
        faults = [] if asked.strip() or str(given).strip() else [warned(EMPTY_PROMPT)]
        if fields.get("history"):
            faults.append(warned("Axolotl does not read the field `history`"))
        head = f"### System:\n{fields['system']}\n\n" if fields.get("system") else ""
        if "system" not in fields:
            head = WITH_INPUT if given else WITHOUT_INPUT
        context = f"\n\n### Input:\n{given}" if given else ""
        prompt = f"{head}### Instruction:\n{asked}{context}\n\n### Response:\n"
        return prompt, _need_string(fields, "output"), faults

    def _check_texts(self, prompt: str, response: str, faults: list[Fault]) -> RowCheck:
        asked = self.template.tokens(prompt, marks=True) if prompt else []
        answered = self.template.tokens(response) if response else []
        if response and not response.strip():
            faults = [*faults, warned(EMPTY_RESPONSE)]
        end = [1] if answered and answered[-1] != self.template.tokenizer.eos_token_id else []
        return self._measured(faults, [0] * len(asked) + [1] * len(answered) + end)

    def _measured(self, faults: list[Fault], mask: list[int]) -> RowCheck:
        tokens = sum(mask)
        if not tokens:
            return RowCheck([*faults, Fault(NO_LOSS, "Axolotl drops the row")])
        if len(mask) > self.length:
            return RowCheck([*faults, Fault(DROPPED, f"it has {len(mask):,} tokens")], 0, tokens)
        return RowCheck(faults, tokens)


def _parsed(call: Any, number: int) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        return call | {"function": function | {"arguments": json.loads(function["arguments"])}}
    except ValueError:
        raise Refused(ARGUMENTS_NO_JSON, f"turn {number}", stops=True) from None


def _need_string(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if isinstance(value, list) and name in ("prompt", "completion"):
        raise Refused("Axolotl has no type for a prompt and a completion of turns", "export as messages", stops=True)
    if not isinstance(value, str):
        raise Refused(f"`{name}` is not text", name_of_type(value), stops=True)
    return value
