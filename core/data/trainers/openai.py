"""What does OpenAI say to a file? Rules after its schema of a line (FineTuneChatRequestInput) and its cookbook's check.

OpenAI refuses a file for one bad line. Tokens are counted with the tokenizer at hand, three for each turn's marks:
an estimate, since OpenAI's own tokenizers are others.
"""

import json
import re
from typing import Any

from core.data.rows import name_of_type
from core.data.trainers.faults import (
    ALL_CUT,
    ARGUMENTS_NO_JSON,
    CUT,
    NO_ASSISTANT,
    NOT_LAST,
    TOOLS_NO_JSON,
    UNKNOWN_ROLE,
    Fault,
    Refused,
    RowCheck,
    Turn,
    find_emptiness,
    read_turns,
    warned,
)
from core.data.trainers.template import ChatTemplate
from core.settings import CheckSettings

FORMATS = ("messages",)
LEAST = 10
MARKS = 3
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
KEYS = {"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NOT_ITS_TOOL = "a call of a tool that the row does not list"
NO_ANSWER = "a tool call without its result"


class OpenAiRules:
    """Asks of each line what OpenAI's upload asks."""

    def __init__(self, tokenizer: Any, settings: CheckSettings) -> None:
        self.template, self.length = ChatTemplate(tokenizer), settings.length("openai")

    def check(self, fields: dict[str, Any]) -> RowCheck:
        """The faults of one line and the tokens of its supervised turns."""
        try:
            turns = read_turns(fields["messages"], "messages")
            tools = _check_tools(fields)
            for number, turn in enumerate(turns, 1):
                _check_turn(turn, number)
            _check_assistants(turns)
            _check_calls(turns, tools)
            return self._measured(find_emptiness(turns) + _faults_of_fields(fields), turns)
        except Refused as refused:
            fault = refused.fault
            return RowCheck([Fault(fault.reason, fault.detail, "refused", stops=True)])

    def _measured(self, faults: list[Fault], turns: list[Turn]) -> RowCheck:
        tokens = kept = position = 0
        for turn in turns:
            words = turn.text + "".join(json.dumps(call, ensure_ascii=False) for call in turn.calls)
            count, start = len(self.template.tokens(words)), position + MARKS
            position = start + count
            if turn.role == "assistant" and turn.raw.get("weight") != 0:
                tokens, kept = tokens + count, kept + max(0, min(count, self.length - start))
        if tokens and not kept:
            return RowCheck([*faults, Fault(ALL_CUT, f"it has about {position:,} tokens")], 0, tokens)
        if position > self.length:
            faults = [*faults, warned(CUT, f"it has about {position:,} tokens")]
        return RowCheck(faults, kept, tokens - kept)


def _check_tools(fields: dict[str, Any]) -> set[str] | None:
    """The names of the row's tools, None where it lists none. Raises Refused."""
    tools, functions = fields.get("tools"), fields.get("functions")
    if tools is None and functions is None:
        return None
    if isinstance(tools, str) or not isinstance(tools or [], list):
        raise Refused(TOOLS_NO_JSON, f"`tools` is {name_of_type(tools)}; OpenAI wants a list of objects")
    listed = [tool.get("function") if isinstance(tool, dict) else None for tool in tools or []] + (functions or [])
    for number, function in enumerate(listed, 1):
        if not isinstance(function, dict) or not NAME.fullmatch(str(function.get("name") or "")):
            raise Refused("a tool without a function's name", f"tool {number}; letters, digits, _ and -, 64 at most")
    if any(tool.get("type") != "function" for tool in tools or []):
        raise Refused("a tool whose type is not function")
    return {str(function["name"]) for function in listed if function}


def _check_turn(turn: Turn, number: int) -> None:
    where = f"turn {number}"
    if turn.role not in ROLES:
        raise Refused(UNKNOWN_ROLE, f"{where}: {turn.role!r}")
    if odd := turn.raw.keys() - KEYS:
        raise Refused("a turn has a key that OpenAI does not know", f"{where}: {', '.join(sorted(odd))}")
    calls = turn.calls or turn.raw.get("function_call")
    if turn.content is None or turn.content in ("", []):
        if not calls and not turn.raw.get("refusal"):
            raise Refused("a turn has no content", where)
    elif not isinstance(turn.content, str | list):
        raise Refused("a turn's content is not text", f"{where}: {name_of_type(turn.content)}")
    if turn.role == "tool" and not isinstance(turn.raw.get("tool_call_id"), str):
        raise Refused("a tool's turn has no tool_call_id", where)
    if "name" in turn.raw and not NAME.fullmatch(str(turn.raw["name"])):
        raise Refused("a name has other characters than letters, digits, _ and -", f"{where}: {turn.raw['name']!r}")


def _check_assistants(turns: list[Turn]) -> None:
    spoken = [turn for turn in turns if turn.role == "assistant"]
    if not spoken:
        raise Refused(NO_ASSISTANT)
    if turns[-1].role != "assistant":
        raise Refused(NOT_LAST, f"it is the {turns[-1].role}'s")
    weights = [turn.raw["weight"] for turn in spoken if turn.raw.get("weight") is not None]
    if odd := [weight for weight in weights if isinstance(weight, bool) or weight not in (0, 1)]:
        raise Refused("a weight is neither 0 nor 1", repr(odd[0]))
    if any("weight" in turn.raw for turn in turns if turn.role != "assistant"):
        raise Refused("a weight on another turn than the assistant's")
    if len(weights) == len(spoken) and not any(weights):
        raise Refused("every assistant turn has weight 0")


def _check_calls(turns: list[Turn], tools: set[str] | None) -> None:
    """Every call is of a listed tool, its arguments are JSON text, and its result follows before anyone else speaks."""
    waiting: set[str] = set()
    for number, turn in enumerate(turns, 1):
        where = f"turn {number}"
        if turn.role == "tool":
            if turn.raw["tool_call_id"] not in waiting:
                raise Refused("a tool's turn answers no call before it", where)
            waiting.discard(turn.raw["tool_call_id"])
            continue
        if waiting:
            raise Refused(NO_ANSWER, f"before {where}")
        for call in turn.calls:
            waiting.add(_check_call(call, tools, where))


def _check_call(call: Any, tools: set[str] | None, where: str) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call.get("id"), str) or call.get("type") != "function":
        raise Refused("a call without id, type and function", where)
    if function.get("name") not in (tools or ()):
        raise Refused(NOT_ITS_TOOL, f"{where}: {function.get('name')!r}")
    try:
        json.loads(function["arguments"])
    except (KeyError, TypeError, ValueError):
        raise Refused(ARGUMENTS_NO_JSON, f"{where}: OpenAI wants them as JSON text") from None
    return str(call["id"])


def _faults_of_fields(fields: dict[str, Any]) -> list[Fault]:
    if fields.get("tools") == []:
        return [warned("an empty list of tools, which OpenAI's API refuses", "leave the field out")]
    return []
