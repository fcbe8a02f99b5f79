"""The known traps of the trainers, one row each, and what is to be said of it.

From the trainers' issue threads and code: hiyouga/LlamaFactory#6878 and #7577, axolotl PR 2832, trl#2541 and #4110,
unslothai/unsloth#334, #1769 and PR 11293, Together's data preparation, OpenAI's cookbook.
"""

import json
from dataclasses import dataclass
from typing import Any

from core.data.trainers.faults import UNREAD_REASONING, UNREAD_WEIGHT

STRICT = (
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A template as Mistral's and Gemma's: no system turn, and roles that alternate."""
FORGETFUL = (
    "{% for m in messages %}{% if m['role'] in ('user', 'assistant') %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A template that knows nothing but user and assistant."""
SILENT = "{% if false %}{{ messages }}{% endif %}"
CALLING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}{{ c['function'] | tojson }}{% endfor %}<|im_end|>\n{% endfor %}"
)
"""A template that writes tool calls."""
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}{{ m['content'] }}{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
"""A template that asks with a thought begun, which it does not write before a response without one."""
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
LONG = "far " * 600


@dataclass(frozen=True)
class Trap:
    """A line, and the reason that the trainer's check must give for it."""

    trainer: str
    line: Any
    reason: str
    severity: str = "refused"
    template: str | None = None
    good: Any = None

    @property
    def text(self) -> str | bytes:
        """The line as it stands in a file."""
        return self.line if isinstance(self.line, str | bytes) else json.dumps(self.line)


def user(content: Any = "What is it?", **more: Any) -> dict[str, Any]:
    """A user's turn."""
    return {"role": "user", "content": content, **more}


def assistant(content: Any = "A stone.", **more: Any) -> dict[str, Any]:
    """An assistant's turn."""
    return {"role": "assistant", "content": content, **more}


def system(content: str = "Be brief.") -> dict[str, Any]:
    """A system turn."""
    return {"role": "system", "content": content}


def chat(*turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A row of messages."""
    return {"messages": list(turns), **more}


def shared(*turns: tuple[str, Any], **more: Any) -> dict[str, Any]:
    """A ShareGPT row."""
    return {"conversations": [{"from": who, "value": what} for who, what in turns], **more}


def call(arguments: Any = "{}", name: str = "look_up", number: str = "c1") -> dict[str, Any]:
    """An assistant's turn that calls a tool."""
    function = {"name": name, "arguments": arguments}
    return assistant("", tool_calls=[{"id": number, "type": "function", "function": function}])


def result(content: str = "42", number: str = "c1") -> dict[str, Any]:
    """A tool's turn."""
    return {"role": "tool", "content": content, "tool_call_id": number}


GOOD_CHAT = chat(user(), assistant())
GOOD_SHARED = shared(("human", "What is it?"), ("gpt", "A stone."))
GOOD_ALPACA = {"instruction": "Name it.", "input": "", "output": "A stone."}
GOOD_PAIR = {"prompt": [user()], "completion": [assistant()]}
GOOD_STRINGS = {"prompt": "What is it?", "completion": " A stone."}
GOOD_TEXT = {"text": "A stone is a stone."}

READING = [
    Trap("trl", '{"messages": [', "the line is not JSON"),
    Trap("axolotl", "[1, 2]", "the line is not a JSON object"),
    Trap("llama-factory", b'{"messages": [{"role": "user", "content": "\xff"}]}', "the line is not UTF-8"),
    Trap("openai", '{"messages": [], "score": NaN}', "NaN or Infinity stands in it, which JSON does not have"),
    Trap("trl", '{"messages": [], "messages": []}', "a key stands twice in one object"),
    Trap("trl", {"question": "q", "answer": "a"}, "no field that the trainer reads"),
    Trap("axolotl", GOOD_ALPACA, "another format than the file's"),
    Trap("trl", GOOD_CHAT | GOOD_TEXT, "two formats stand on one line", "warned"),
    Trap("trl", GOOD_CHAT | {"nll": 1.5}, "fields that are no part of the format", "warned"),
    Trap("axolotl", GOOD_CHAT | {"tools": "[]"}, "other fields than the first line has", "warned"),
]
TRL = [
    Trap("trl", chat(), "there are no turns"),
    Trap("trl", {"messages": "user: hi"}, "the turns are not a list"),
    Trap("trl", chat({"from": "human", "value": "hi"}), "a turn has no role"),
    Trap("trl", chat(user(), assistant(None)), "the chat template fails"),
    Trap("trl", chat(user([{"type": "text", "text": "hi"}]), assistant()), "the chat template fails"),
    Trap("trl", chat(user(), user(), assistant()), "the chat template fails", template=STRICT),
    Trap("trl", chat(system(), user(), assistant()), "the chat template fails", template=STRICT),
    Trap("trl", chat(user(), assistant()), "the chat template makes an empty text of it", template=SILENT),
    Trap(
        "trl",
        chat(system(), user(), assistant()),
        "the chat template leaves a system turn out",
        "warned",
        template=FORGETFUL,
    ),
    Trap("trl", chat(user(), call(), result(), assistant()), "the chat template leaves a tool call out", "warned"),
    Trap(
        "trl",
        chat(user(), call(), result(), assistant()),
        "the chat template leaves a tool turn out",
        "warned",
        template=FORGETFUL,
    ),
    Trap("trl", GOOD_CHAT | {"tools": [TOOL]}, "the chat template leaves the list of tools out", "warned"),
    Trap("trl", GOOD_CHAT | {"tools": "look_up"}, "the tools are not a JSON list"),
    Trap("trl", chat(user(), assistant(), user()), "the last turn is not the assistant's", "warned"),
    Trap("trl", chat(user(), user(), assistant()), "two turns of one role follow each other", "warned"),
    Trap("trl", chat(user(), system(), assistant()), "a system turn is not the first", "warned"),
    Trap("trl", chat(user()), "no assistant turn", "warned"),
    Trap("trl", chat(user(), assistant("  \n")), "the response is empty", "warned"),
    Trap("trl", chat(user(" "), assistant()), "the prompt is empty", "warned"),
    Trap(
        "trl",
        chat(user(), assistant(reasoning_content="Hm.")),
        "the chat template leaves a turn's reasoning out",
        "warned",
    ),
    Trap("trl", chat(user(), assistant(train=False)), UNREAD_WEIGHT, "warned"),
    Trap("trl", chat(user(LONG), assistant()), "longer than the greatest length: its end is cut", "warned"),
    Trap(
        "trl",
        {"prompt": [user(LONG)], "completion": [assistant()]},
        "no supervised token is left within the greatest length",
        good=GOOD_PAIR,
    ),
    Trap("trl", {"prompt": [], "completion": [assistant()]}, "there are no turns", good=GOOD_PAIR),
    Trap(
        "trl",
        {"prompt": "hi", "completion": [assistant()]},
        "prompt and completion are not both texts or both lists of turns",
        good=GOOD_PAIR,
    ),
    Trap(
        "trl",
        GOOD_PAIR,
        "the chat template writes the prompt otherwise when the response follows",
        "warned",
        template=THINKING,
        good=GOOD_PAIR,
    ),
    Trap(
        "trl",
        {"prompt": "The sto", "completion": "ne is grey."},
        "the end of the prompt is tokenised together with the response",
        "warned",
        good=GOOD_STRINGS,
    ),
    Trap("trl", GOOD_SHARED, "a role that the trainer does not know", "warned", good=GOOD_SHARED),
    Trap(
        "trl", GOOD_SHARED | {"system": "Be brief."}, "TRL does not read the field `system`", "warned", good=GOOD_SHARED
    ),
    Trap("trl", {"text": " "}, "the text is empty", "warned", good=GOOD_TEXT),
]
AXOLOTL = [
    Trap("axolotl", chat(), "there are no turns"),
    Trap("axolotl", chat(user(), assistant(7)), "a turn's content is not text"),
    Trap("axolotl", chat(user(LONG), assistant()), "longer than the greatest length: Axolotl drops the row"),
    Trap("axolotl", chat(user()), "no supervised token"),
    Trap("axolotl", chat(user(), assistant(weight=0)), "no supervised token"),
    Trap("axolotl", chat(user(), assistant(loss_weight=0.5)), UNREAD_WEIGHT, "warned"),
    Trap("axolotl", chat(user(), assistant(), user()), "the last turn is not the assistant's", "warned"),
    Trap(
        "axolotl",
        chat(user(), call("{not json"), result(), assistant()),
        "a call's arguments are not JSON",
        template=CALLING,
    ),
    Trap("axolotl", chat(user(), user(), assistant()), "the chat template fails", template=STRICT),
    Trap(
        "axolotl",
        shared(("human", "hi"), ("narrator", "so"), ("gpt", "yes")),
        "a role that the trainer does not know",
        "warned",
        good=GOOD_SHARED,
    ),
    Trap(
        "axolotl",
        GOOD_SHARED | {"system": ""},
        "an empty field `system` becomes an empty system turn",
        "warned",
        good=GOOD_SHARED,
    ),
    Trap("axolotl", GOOD_ALPACA | {"output": ""}, "no supervised token", good=GOOD_ALPACA),
    Trap("axolotl", GOOD_ALPACA | {"output": 7}, "`output` is not text", good=GOOD_ALPACA),
    Trap(
        "axolotl",
        GOOD_ALPACA | {"history": [["a", "b"]]},
        "Axolotl does not read the field `history`",
        "warned",
        good=GOOD_ALPACA,
    ),
    Trap("axolotl", GOOD_PAIR, "Axolotl has no type for a prompt and a completion of turns", good=GOOD_PAIR),
]
LLAMA_FACTORY = [
    Trap("llama-factory", chat(user(), assistant(weight=0)), UNREAD_WEIGHT, "warned"),
    Trap("llama-factory", chat(user(), assistant(reasoning_content="Hm.")), UNREAD_REASONING, "warned"),
    Trap(
        "llama-factory",
        shared(("human", "a"), ("human", "b"), ("gpt", "c"), ("gpt", "d")),
        "the turns do not alternate",
        good=GOOD_SHARED,
    ),
    Trap("llama-factory", shared(("gpt", "a"), ("human", "b")), "the turns do not alternate", good=GOOD_SHARED),
    Trap(
        "llama-factory",
        shared(("human", "a"), ("gpt", "b"), ("human", "c")),
        "the number of turns is odd",
        good=GOOD_SHARED,
    ),
    Trap(
        "llama-factory",
        shared(("user", "a"), ("assistant", "b")),
        "a role that the trainer does not know",
        good=GOOD_SHARED,
    ),
    Trap(
        "llama-factory", chat({"role": "human", "content": "a"}, assistant()), "a role that the trainer does not know"
    ),
    Trap("llama-factory", shared(("human", "a"), ("gpt", None)), "a turn's content is not text", good=GOOD_SHARED),
    Trap(
        "llama-factory", shared(("human", "a"), ("function_call", "look it up")), "a call is not JSON", good=GOOD_SHARED
    ),
    Trap(
        "llama-factory",
        shared(("human", "a"), ("function_call", '{"name": "f"}')),
        "a call has no name or no arguments",
        good=GOOD_SHARED,
    ),
    Trap("llama-factory", GOOD_SHARED | {"tools": [TOOL]}, "the tools are not JSON text", good=GOOD_SHARED),
    Trap("llama-factory", GOOD_SHARED | {"tools": "look_up"}, "the tools are not a JSON list", good=GOOD_SHARED),
    Trap(
        "llama-factory",
        chat(user(), call('{"a": 1}'), result(), assistant()),
        "a call's arguments, being text, are written in quotation marks",
        "warned",
    ),
    Trap(
        "llama-factory", chat(user(LONG), assistant(LONG)), "longer than the greatest length: its end is cut", "warned"
    ),
    Trap(
        "llama-factory",
        GOOD_ALPACA | {"output": ["a"]},
        "LLaMA-Factory has no format for a prompt and a completion of turns",
        good=GOOD_ALPACA,
    ),
    Trap("llama-factory", GOOD_ALPACA | {"instruction": ""}, "the prompt is empty", "warned", good=GOOD_ALPACA),
    Trap("llama-factory", GOOD_ALPACA | {"output": ""}, "the response is empty", "warned", good=GOOD_ALPACA),
    Trap(
        "llama-factory",
        GOOD_ALPACA | {"history": [["a", "b"]]},
        "LLaMA-Factory reads the field `history` only where its entry names it",
        "warned",
        good=GOOD_ALPACA,
    ),
]
OPENAI = [
    Trap("openai", chat(), "there are no turns"),
    Trap("openai", chat(user(), {"role": "bot", "content": "x"}), "a role that the trainer does not know"),
    Trap("openai", chat(user(), assistant(id=3)), "a turn has a key that OpenAI does not know"),
    Trap("openai", chat(user(), assistant("")), "a turn has no content"),
    Trap("openai", chat(user(), assistant(3)), "a turn's content is not text"),
    Trap("openai", chat(system(), user()), "no assistant turn"),
    Trap("openai", chat(user(), assistant(), user()), "the last turn is not the assistant's"),
    Trap("openai", chat(user(), assistant(weight=0.5)), "a weight is neither 0 nor 1"),
    Trap("openai", chat(user(), assistant(weight=0)), "every assistant turn has weight 0"),
    Trap("openai", chat(user(weight=1), assistant()), "a weight on another turn than the assistant's"),
    Trap(
        "openai", chat(user(name="Ann Lee"), assistant()), "a name has other characters than letters, digits, _ and -"
    ),
    Trap("openai", GOOD_CHAT | {"tools": "[]"}, "the tools are not a JSON list"),
    Trap("openai", GOOD_CHAT | {"tools": []}, "an empty list of tools, which OpenAI's API refuses", "warned"),
    Trap("openai", GOOD_CHAT | {"tools": [{"type": "function"}]}, "a tool without a function's name"),
    Trap("openai", chat(user(), call(), result(), assistant()), "a call of a tool that the row does not list"),
    Trap(
        "openai", chat(user(), call({"a": 1}), result(), assistant(), tools=[TOOL]), "a call's arguments are not JSON"
    ),
    Trap("openai", chat(user(), call(), assistant(), tools=[TOOL]), "a tool call without its result"),
    Trap("openai", chat(user(), result(), assistant(), tools=[TOOL]), "a tool's turn answers no call before it"),
    Trap(
        "openai",
        chat(user(), call(), {"role": "tool", "content": "4"}, assistant(), tools=[TOOL]),
        "a tool's turn has no tool_call_id",
    ),
    Trap("openai", chat(user(LONG), assistant()), "no supervised token is left within the greatest length"),
]
TRAPS = [*READING, *TRL, *AXOLOTL, *LLAMA_FACTORY, *OPENAI]
