"""Which of a row's fields is the prompt, and which the response?

A shape declares the fields it reads and turns them into a conversation. Which column is which
field is guessed from the usual names, or said by the user's mapping.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from core.data.conversations import RowError
from core.data.converters import (
    Conversation,
    Mapping,
    convert_alpaca,
    convert_instances,
    convert_messages,
    convert_prompt_completion,
    convert_text,
)
from core.errors import BadInput
from core.settings import IngestFormat

__all__ = ["SHAPES", "Conversation", "Mapping", "Recognised", "Shape", "convert_leniently", "recognise"]
TURN_COLUMNS = ("messages", "conversations", "conversation", "dialog", "dialogue", "traj", "chat", "turns")
SYSTEM = ("system", "system_prompt", "system_message", "system_instruction")
TOOLS = ("tools", "functions")
GUESSED = 0.5
"""What a guess by the mere position of columns is worth."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A way in which rows are laid out. An optional field that is not mapped is read by its own name.

    `names` has the usual column names of each field, likeliest first; `required` fields must be
    there; `convert(row, mapping)` makes the conversation or raises RowError with the reason.
    `turn_key`: of shapes that differ by how a turn says who speaks, this one's key.
    """

    name: IngestFormat
    names: dict[str, Sequence[str]]
    required: tuple[str, ...]
    convert: Callable[..., Conversation]
    turn_key: str | None = None

    def map_fields(self, columns: Sequence[str], said: Mapping) -> Mapping | None:
        """Field → column: what was said, if that is enough, or with the usual names for the rest.

        None when a required field has no column.
        """
        if said and all(field in said for field in self.required):
            return said
        by_name = {column.strip().lower(): column for column in reversed(columns)}
        guessed = {
            field: by_name[found]
            for field, names in self.names.items()
            if (found := next((name for name in names if name in by_name), None))
        }
        mapping = guessed | said
        return mapping if all(field in mapping for field in self.required) else None

    def fits(self, row: dict[str, Any], mapping: Mapping) -> bool:
        """Whether a row is laid out like this."""
        try:
            self.convert(row, mapping)
        except RowError:
            return False
        return self.turn_key is None or _turn_key(row.get(mapping[self.required[0]])) == self.turn_key


def _turn_key(turns: Any) -> str:
    """How the first turn says who speaks; turns without a word for it count as messages."""
    turns = orjson.loads(turns) if isinstance(turns, str) else turns
    return "from" if isinstance(turns[0], dict) and "from" in turns[0] and "role" not in turns[0] else "role"


SHAPES = (
    Shape(
        "messages",
        {"messages": TURN_COLUMNS, "system": SYSTEM, "tools": TOOLS},
        ("messages",),
        convert_messages,
        turn_key="role",
    ),
    Shape(
        "sharegpt",
        {"conversations": ("conversations", *TURN_COLUMNS), "system": SYSTEM, "tools": TOOLS},
        ("conversations",),
        convert_messages,
        turn_key="from",
    ),
    Shape(
        "alpaca",
        {
            "instruction": ("instruction",),
            "input": ("input", "context", "inputs"),
            "output": ("output", "response", "completion", "answer", "target", "outputs", "targets", "reply"),
            "system": SYSTEM,
            "history": ("history",),
            "tools": TOOLS,
        },
        ("instruction", "output"),
        convert_alpaca,
    ),
    Shape(
        "alpaca",
        {"instruction": ("instruction",), "instances": ("instances",), "system": SYSTEM, "tools": TOOLS},
        ("instruction", "instances"),
        convert_instances,
    ),
    Shape(
        "prompt-completion",
        {
            "prompt": (
                *("prompt", "question", "query", "problem", "input", "instruction", "user", "human", "request"),
                *("source", "inputs", "user_prompt", "user_message", "user_input", "q"),
            ),
            "completion": (
                *("completion", "response", "answer", "solution", "output", "chosen", "assistant", "bot", "gpt"),
                *("target", "outputs", "targets", "reply", "assistant_response", "model_output", "generation", "a"),
            ),
            "system": SYSTEM,
            "tools": TOOLS,
        },
        ("prompt", "completion"),
        convert_prompt_completion,
    ),
    Shape("text", {"text": ("text", "content", "passage", "document")}, ("text",), convert_text),
)
USUAL_NAMES = {name for shape in SHAPES for names in shape.names.values() for name in names if len(name) > 1}
BY_POSITION: dict[int, tuple[str, ...]] = {
    1: ("text",),
    2: ("prompt", "completion"),
    3: ("instruction", "input", "output"),
}
"""What the columns of a table without a header are taken for."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The shape found, its mapping, and the share of the sample that fits.

    Where columns have no names and were taken by their position, the confidence is half that share.
    """

    shape: Shape
    mapping: Mapping
    confidence: float


def recognise(source: str, sample: Sequence[dict[str, Any]], wanted: IngestFormat, said: Mapping) -> Recognised:
    """Find the shape that most of the sample fits; `wanted` and `said` narrow the choice.

    Raises BadInput that names the columns there are when nothing fits.
    """
    columns = list(dict.fromkeys(column for row in sample for column in row))
    shown = ", ".join(columns[:20]) or "none"
    for column in said.values():
        if column not in columns:
            raise BadInput(f"There is no column {column!r} in {source!r}; its columns are: {shown}.")
    candidates = []
    for shape in SHAPES:
        if wanted not in ("auto", shape.name) or not set(said) <= set(shape.names):
            continue
        mapping = shape.map_fields(columns, said)
        if mapping is not None:
            candidates.append(Recognised(shape, mapping, _share_that_fits(shape, mapping, sample)))
    if not candidates and not said:
        candidates = _guess_by_position(columns, sample, wanted)
    best = max(candidates, key=lambda found: found.confidence, default=None)
    if best is None:
        raise _unrecognised(source, shown, wanted, said)
    return best


def convert_leniently(found: Recognised, fields: dict[str, Any]) -> Conversation:
    """The conversation of a row whose prompts, outputs or turns may be empty.

    For a curator who decides to keep such rows. Raises RowError when none can be made at all.
    """
    return found.shape.convert(fields, found.mapping, lenient=True)


def _guess_by_position(columns: Sequence[str], sample: Sequence[dict[str, Any]], wanted: str) -> list[Recognised]:
    fields = BY_POSITION.get(len(columns), ())
    if not fields or list(columns) != [f"column_{n}" for n in range(1, len(columns) + 1)]:
        return []
    mapping = dict(zip(fields, columns, strict=True))
    shapes = [shape for shape in SHAPES if set(fields) <= set(shape.names) and wanted in ("auto", shape.name)]
    return [Recognised(shape, mapping, GUESSED * _share_that_fits(shape, mapping, sample)) for shape in shapes]


def _unrecognised(source: str, shown: str, wanted: str, said: Mapping) -> BadInput:
    known = {field for shape in SHAPES for field in shape.names}
    unknown = next((field for field in said if field not in known), None)
    if unknown:
        return BadInput(f"A mapping cannot name {unknown!r}; the fields are: {', '.join(sorted(known))}.")
    shape = "a known shape" if wanted == "auto" else f"the shape {wanted}"
    return BadInput(
        f"{source!r} is not of {shape}; its columns are: {shown}. Say which column is what, "
        "such as prompt=question and completion=answer; a table without a header line needs one."
    )


def _share_that_fits(shape: Shape, mapping: Mapping, sample: Sequence[dict[str, Any]]) -> float:
    return sum(shape.fits(row, mapping) for row in sample) / max(len(sample), 1)
