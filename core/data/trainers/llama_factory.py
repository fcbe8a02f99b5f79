"""What does LLaMA-Factory do with a row? Rules after its 0.9: data/converter.py, formatter.py, processor/supervised.py.

The entry of dataset_info.json is the one that `beside.py` writes. A prompter (human, observation) and an answerer
(gpt, function_call) take turns, an even number of them after the system's; what breaks this is dropped with a
line in the log. LLaMA-Factory lays text out by the template that its configuration names; tokens here are
counted by the tokenizer's own.
"""

import json
from typing import Any

from core.data.rows import name_of_type
from core.data.trainers.faults import (
    CUT,
    EMPTY_PROMPT,
    EMPTY_RESPONSE,
    SHARED_ROLES,
    UNKNOWN_ROLE,
    UNREAD_REASONING,
    Fault,
    Refused,
    RowCheck,
    Turn,
    find_emptiness,
    find_unknown_role,
    find_weights,
    read_tools,
    read_turns,
    warned,
)
from core.data.trainers.template import ChatTemplate
from core.settings import CheckSettings

FORMATS = ("messages", "sharegpt", "alpaca", "prompt-completion")
ODD = "the turns do not alternate"
QUOTED = "a call's arguments, being text, are written in quotation marks"
UNEVEN = "the number of turns is odd"
ASKS, ANSWERS = ("human", "observation"), ("gpt", "function_call")
NAMES = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}
PLAIN = SHARED_ROLES | {"system": "system"}


class LlamaFactoryRules:
    """Asks of each row what LLaMA-Factory's converters and formatters ask."""

    def __init__(self, shape: str, tokenizer: Any, settings: CheckSettings) -> None:
        self.shape, self.template = shape, ChatTemplate(tokenizer)
        self.length = settings.length("llama-factory")

    def check(self, fields: dict[str, Any]) -> RowCheck:
        """The faults of one row and its supervised tokens."""
        try:
            if self.shape in ("messages", "sharegpt"):
                return self._check_turns(fields)
            return self._check_pair(fields)
        except Refused as refused:
            return RowCheck([refused.fault])

    def _check_turns(self, fields: dict[str, Any]) -> RowCheck:
        turns = self._turns(fields)
        faults: list[Fault] = []
        system, turns = (turns[:1], turns[1:]) if turns[0].role == "system" else ([], turns)
        for number, turn in enumerate(turns):
            if turn.role not in (ANSWERS if number % 2 else ASKS):
                raise Refused(ODD, f"turn {number + 1} after the system's is {turn.role}; the row is dropped")
        if len(turns) % 2 or not turns:
            raise Refused(UNEVEN, f"{len(turns)} turns after the system's; the row is dropped")
        for number, turn in enumerate(turns, 1):
            if not isinstance(turn.content, str):
                raise Refused(
                    "a turn's content is not text", f"turn {number}: {name_of_type(turn.content)}", stops=True
                )
            if turn.role == "function_call":
                faults += _faults_of_call(turn, number)
        self._need_tools(fields)
        plain = [Turn(PLAIN[turn.role], turn.content, {}) for turn in [*system, *turns]]
        faults += find_weights(turns) + find_emptiness(plain)
        if any(turn.raw.get("reasoning_content") for turn in turns):
            faults.append(warned(UNREAD_REASONING))
        return self._measured(faults, plain)

    def _turns(self, fields: dict[str, Any]) -> list[Turn]:
        if self.shape == "sharegpt":
            turns = read_turns(fields["conversations"], "conversations", "from", "value")
            odd = find_unknown_role(turns, tuple(PLAIN))
            if odd is not None:
                raise Refused(UNKNOWN_ROLE, f"{odd}; the row is dropped")
            return turns
        turns = read_turns(fields["messages"], "messages")
        odd = find_unknown_role(turns, tuple(NAMES))
        if odd is not None:
            raise Refused(UNKNOWN_ROLE, f"{odd}; the row is dropped")
        joined: list[Turn] = []
        for turn in turns:
            if turn.role == "tool" and joined and joined[-1].role == "observation":
                continue  # results of calls made together are joined into one
            joined.append(_as_shared(turn))
        return joined

    def _need_tools(self, fields: dict[str, Any]) -> None:
        tools = fields.get("tools")
        if self.shape == "sharegpt" and tools is not None and not isinstance(tools, str):
            raise Refused("the tools are not JSON text", f"`tools` is {name_of_type(tools)}", stops=True)
        read_tools(tools)

    def _check_pair(self, fields: dict[str, Any]) -> RowCheck:
        asked, answered = ("prompt", "completion") if self.shape == "prompt-completion" else ("instruction", "output")
        if isinstance(fields[asked], list) or isinstance(fields[answered], list):
            raise Refused(
                "LLaMA-Factory has no format for a prompt and a completion of turns", "export as messages", stops=True
            )
        if not isinstance(fields[answered], str):
            raise Refused(f"`{answered}` is not text", f"{name_of_type(fields[answered])}; the row is dropped")
        parts = [part for part in (fields[asked], fields.get("input")) if part]
        if not all(isinstance(part, str) for part in parts):
            raise Refused(f"`{asked}` is not text", name_of_type(fields[asked]), stops=True)
        faults = [] if "".join(parts).strip() else [warned(EMPTY_PROMPT)]
        if not fields[answered].strip():
            faults.append(warned(EMPTY_RESPONSE))
        if fields.get("history"):
            faults.append(warned("LLaMA-Factory reads the field `history` only where its entry names it"))
        turns = [Turn("user", "\n".join(parts), {}), Turn("assistant", fields[answered], {})]
        return self._measured(faults, turns)

    def _measured(self, faults: list[Fault], turns: list[Turn]) -> RowCheck:
        """Supervised tokens as the trainer cuts them: prompt and response of each pair share the room that is left."""
        mask = self._mask(turns)
        kept, room = 0, self.length
        for source, target in _pairs(mask):
            if room <= 0:
                break
            mine = _room_of_response(source, target, room)
            kept, room = kept + mine, room - mine - min(source, room - mine)
        if kept < sum(mask):
            faults = [*faults, warned(CUT, f"it has {len(mask):,} tokens")]
        return RowCheck(faults, kept, sum(mask) - kept)

    def _mask(self, turns: list[Turn]) -> list[int]:
        """1 for each token to learn: by the tokenizer's template, or the turns alone where it takes none of this."""
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            text = self.template.render(messages, None)
            return self.template.supervised(text, messages, None)
        except Refused:
            learned = [(turn.role == "assistant", self.template.tokens(turn.text)) for turn in turns]
            return [int(is_learned) for is_learned, ids in learned for _ in range(len(ids) + is_learned)]


def _as_shared(turn: Turn) -> Turn:
    role = "function_call" if turn.calls and turn.role == "assistant" else NAMES[turn.role]
    if not turn.calls:
        return Turn(role, turn.content, turn.raw)
    functions = [call.get("function") if isinstance(call, dict) else None for call in turn.calls]
    return Turn(role, json.dumps(functions, ensure_ascii=False), turn.raw)


def _faults_of_call(turn: Turn, number: int) -> list[Fault]:
    """A function_call's text has to be an object, or a list of them, with a name and arguments."""
    try:
        calls = json.loads(turn.content)
    except ValueError:
        raise Refused("a call is not JSON", f"turn {number}", stops=True) from None
    for call in calls if isinstance(calls, list) else [calls]:
        if not isinstance(call, dict) or not {"name", "arguments"} <= call.keys():
            raise Refused("a call has no name or no arguments", f"turn {number}", stops=True)
        if isinstance(call["arguments"], str):
            detail = f"turn {number}: export as sharegpt, whose arguments are an object"
            return [warned(QUOTED, detail)]
    return []


def _pairs(mask: list[int]) -> list[tuple[int, int]]:
    """Lengths of what is read and what is learned, in turns."""
    pairs: list[tuple[int, int]] = []
    source = target = 0
    for bit in mask:
        if not bit and target:
            pairs.append((source, target))
            source = target = 0
        source, target = source + (not bit), target + bit
    return [*pairs, (source, target)]


def _room_of_response(source: int, target: int, room: int) -> int:
    """A response keeps what is under half the room, else what a short prompt leaves, else its share by length."""
    if 2 * target < room:
        share = room
    elif 2 * source < room:
        share = room - source
    else:
        share = room * target // (source + target)
    return min(share, target)
