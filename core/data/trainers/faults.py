"""What can be wrong with a row, whoever trains on it? Its turns read, and the questions that trainers ask of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from core.data.rows import name_of_type

ROLES = ("system", "user", "assistant", "tool")
SHARED_ROLES = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}
EMPTY_RESPONSE = "the response is empty"
EMPTY_PROMPT = "the prompt is empty"
NO_ASSISTANT = "no assistant turn"
NOT_LAST = "the last turn is not the assistant's"
SAME_ROLE = "two turns of one role follow each other"
LATE_SYSTEM = "a system turn is not the first"
UNKNOWN_ROLE = "a role that the trainer does not know"
NO_LOSS = "no supervised token"
CUT = "longer than the greatest length: its end is cut"
ALL_CUT = "no supervised token is left within the greatest length"
TEMPLATE_FAILS = "the chat template fails"
TOOLS_NO_JSON = "the tools are not a JSON list"
UNREAD_WEIGHT = "a turn's weight in the loss, which the trainer does not read: it learns the turn like any other"
UNREAD_REASONING = "a turn's reasoning, which the trainer does not read"
WEIGHTS = ("weight", "loss_weight", "train")
ARGUMENTS_NO_JSON = "a call's arguments are not JSON"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a trainer makes of a row: `refused`, or only `warned`; `stops` when its whole run ends there."""

    reason: str
    detail: str = ""
    severity: str = "refused"
    stops: bool = False


@dataclass(slots=True)
class RowCheck:
    """The faults of one row, its supervised tokens, and those of them beyond the greatest length."""

    faults: list[Fault] = field(default_factory=list)
    tokens: int = 0
    tokens_cut: int = 0


class Refused(Exception):
    """A row that need not be looked at further."""

    def __init__(self, reason: str, detail: str = "", *, stops: bool = False) -> None:
        super().__init__(reason)
        self.fault = Fault(reason, detail, "refused", stops)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, whatever its keys are called; `raw` is it as it stood."""

    role: str
    content: Any
    raw: dict[str, Any]

    @property
    def text(self) -> str:
        """Its words, those of its parts joined."""
        if isinstance(self.content, list):
            return "".join(str(part.get("text") or "") for part in self.content if isinstance(part, dict))
        return self.content if isinstance(self.content, str) else ""

    @property
    def calls(self) -> list[Any]:
        """Its tool calls."""
        calls = self.raw.get("tool_calls")
        return calls if isinstance(calls, list) else []


def warned(reason: str, detail: str = "") -> Fault:
    """A fault that leaves the row in."""
    return Fault(reason, detail, "warned")


def read_turns(value: Any, name: str, role_key: str = "role", content_key: str = "content") -> list[Turn]:
    """The turns of a field. Raises Refused where trainers raise: no list, no turns, no object, no role."""
    if not isinstance(value, list):
        raise Refused("the turns are not a list", f"`{name}` is {name_of_type(value)}", stops=True)
    if not value:
        raise Refused("there are no turns", f"`{name}` is an empty list", stops=True)
    turns = []
    for number, turn in enumerate(value, 1):
        if not isinstance(turn, dict) or not isinstance(turn.get(role_key), str):
            raise Refused("a turn has no role", f"turn {number} is no object with `{role_key}`", stops=True)
        turns.append(Turn(turn[role_key], turn.get(content_key), turn))
    return turns


def read_tools(value: Any) -> list[Any] | None:
    """The tools of a row, whether as a list or as JSON text. Raises Refused."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError as error:
            raise Refused(TOOLS_NO_JSON, str(error), stops=True) from None
    if not value:
        return None
    if not isinstance(value, list):
        raise Refused(TOOLS_NO_JSON, f"`tools` is {name_of_type(value)}", stops=True)
    return value


def need_text(turns: Sequence[Turn], *, stops: bool = True) -> None:
    """Raises Refused for a turn whose content is neither text nor parts, where no call stands instead."""
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn.content, str | list) and not (turn.content is None and turn.calls):
            detail = f"turn {number}: {name_of_type(turn.content)}"
            raise Refused("a turn's content is not text", detail, stops=stops)


def find_unknown_role(turns: Sequence[Turn], known: Sequence[str]) -> str | None:
    """The first turn whose role is none of these."""
    return next((f"turn {i}: {turn.role!r}" for i, turn in enumerate(turns, 1) if turn.role not in known), None)


def find_same_role(turns: Sequence[Turn]) -> str | None:
    """The first place where a speaker speaks twice; results of tools may follow each other."""
    for number, (one, other) in enumerate(pairwise(turns), 1):
        if one.role == other.role != "tool":
            return f"turns {number} and {number + 1}: {one.role}"
    return None


def find_late_system(turns: Sequence[Turn]) -> str | None:
    """The first system turn after the first turn."""
    return next((f"turn {i}" for i, turn in enumerate(turns[1:], 2) if turn.role == "system"), None)


def find_emptiness(turns: Sequence[Turn]) -> list[Fault]:
    """Whether nothing is asked or nothing is answered."""
    spoken = [turn for turn in turns if turn.role == "assistant"]
    asked = [turn for turn in turns if turn.role == "user"]
    faults = []
    if spoken and not any(turn.text.strip() or turn.calls for turn in spoken):
        faults.append(warned(EMPTY_RESPONSE))
    if asked and not any(turn.text.strip() for turn in asked):
        faults.append(warned(EMPTY_PROMPT))
    return faults


def find_weights(turns: Sequence[Turn], read: Sequence[str] = ()) -> list[Fault]:
    """Whether an assistant's turn counts other than fully by a key that is not among those that the trainer reads."""
    for number, turn in enumerate(turns, 1):
        if SHARED_ROLES.get(turn.role, turn.role) != "assistant":
            continue
        said = {key: turn.raw[key] for key in WEIGHTS if key not in read and turn.raw.get(key) not in (None, 1)}
        if said and not any(turn.raw.get(key) == 0 for key in read):
            return [warned(UNREAD_WEIGHT, f"turn {number}: {json.dumps(said, default=str)}")]
    return []


def find_soft(turns: Sequence[Turn]) -> list[Fault]:
    """What a trainer lets pass, that takes turns as they come and leaves the rest to the chat template."""
    found = [
        (UNKNOWN_ROLE, find_unknown_role(turns, ROLES)),
        (SAME_ROLE, find_same_role(turns)),
        (LATE_SYSTEM, find_late_system(turns)),
    ]
    if not any(turn.role == "assistant" for turn in turns):
        found.append((NO_ASSISTANT, ""))
    elif turns[-1].role != "assistant":
        found.append((NOT_LAST, f"it is the {turns[-1].role}'s"))
    return [warned(reason, detail) for reason, detail in found if detail is not None] + find_emptiness(turns)
