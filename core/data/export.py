"""How do chosen examples become the file that a trainer reads?

Scores and reasons never stand in it: one file has one schema. It appears complete or not at all,
and the same rows make the same bytes.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.formats import (
    REASONING,
    UNTRAINED,
    WEIGHTED,
    ExportRow,
    FileSchema,
    NotExpressible,
    convert,
    find_schema,
    is_for_openai,
)
from core.errors import BadInput
from core.files import replacing
from core.settings import ExportFormat, Trainer

__all__ = ["ExportRow", "Written", "check_together", "export_examples"]

Rows = Callable[[], Iterable[ExportRow]]
BLOCK = 1000
NAMED = 3
FORMAT_NAMES = {"prompt-completion": "prompt-completion", "alpaca": "Alpaca", "sharegpt": "ShareGPT"}
INSTEAD = {"alpaca": "messages or sharegpt"}
IN_MESSAGES_ALONE = {UNTRAINED, WEIGHTED, REASONING}
TEXT = pa.string()


@dataclass(frozen=True, slots=True)
class Written:
    """A written file, its examples, its hash, and the optional fields that its lines have."""

    file: str
    examples: int
    sha256: str
    schema: FileSchema


def export_examples(rows: Rows, format: ExportFormat, path: Path, trainer: Trainer | None = None) -> Written:
    """Write rows as JSONL or Parquet, by the path's suffix; a file for OpenAI has `tools` as OpenAI wants them.

    `rows` gives them from the beginning each time: they are read once to find the file's schema
    and what cannot be said in it, and once to be written. `original` is each row's own bytes.
    Raises BadInput with the count and the first rows when a format cannot say some, when there is
    nothing to write, and when there is nowhere to.
    """
    is_parquet = path.suffix.lower() == ".parquet"
    if is_parquet and format == "original":
        raise BadInput("The rows as they came are written byte for byte, as JSONL; name a .jsonl file.")
    if is_parquet and trainer == "openai":
        raise BadInput("OpenAI takes JSON lines alone; name a .jsonl file.")
    schema, count = _survey(rows, format, trainer)
    try:
        with replacing(path) as partial:
            if is_parquet:
                _write_parquet(partial, rows(), format, schema)
            else:
                _write_lines(partial, rows(), format, schema)
            return Written(str(path), count, _sha256(partial), schema)
    except OSError as error:
        raise BadInput(f"{str(path)!r} cannot be written: {error.strerror}.") from None


def check_together(trainers: Sequence[Trainer], schema: FileSchema) -> None:
    """Raises BadInput where a file written for OpenAI has `tools`, and other trainers are to read it too: OpenAI wants
    them as a list on the lines that have any, the others as JSON text on every line."""
    others = [trainer for trainer in dict.fromkeys(trainers) if trainer != "openai"]
    if others and schema.for_openai and schema.with_tools:
        raise BadInput(
            f"The examples have tools, which OpenAI reads as a list and {' and '.join(others)} as JSON text: one file "
            "cannot be for both. Export for openai by itself, and for the others into another file."
        )


def _survey(rows: Rows, format: ExportFormat, trainer: Trainer | None) -> tuple[FileSchema, int]:
    """The file's schema and the number of examples. Raises BadInput for rows that the format cannot say."""
    refused: dict[str, list[int]] = {}
    count, plain = 0, FileSchema(for_openai=is_for_openai(format, trainer))

    def checked() -> Iterator[ExportRow]:
        nonlocal count
        for row in rows():
            count += 1
            try:
                if format != "original":
                    convert(row, format, plain)
            except NotExpressible as error:
                refused.setdefault(error.reason, []).append(row.row)
            else:
                yield row

    schema = find_schema(checked(), format, trainer)
    if not count:
        raise BadInput("There is nothing to export: the selection is empty.")
    if refused:
        raise BadInput(_refusal(refused, "OpenAI" if plain.for_openai else format, count))
    return schema, count


def _refusal(refused: dict[str, list[int]], format: str, count: int) -> str:
    name = FORMAT_NAMES.get(format, format)
    instead = "messages" if IN_MESSAGES_ALONE & refused.keys() else INSTEAD.get(format, "messages")
    told = []
    for reason, rows in refused.items():
        named = ", ".join(str(row) for row in rows[:NAMED]) + (" …" if len(rows) > NAMED else "")
        have, which = ("has", "row") if len(rows) == 1 else ("have", "rows")
        told.append(
            f"{len(rows):,} of {count:,} examples {have} {reason}, which the {name} format cannot say ({which} {named})"
        )
    return f"{'; '.join(told)}; {'' if format in ('messages', 'OpenAI') else f'choose {instead}, or '}ban them."


def _write_lines(path: Path, rows: Iterable[ExportRow], format: ExportFormat, schema: FileSchema) -> None:
    with path.open("wb") as stream:
        for number, row in enumerate(rows):
            if format == "original":
                stream.write(row.original.encode() + b"\n")
                continue
            fields = convert(row, format, schema)
            if format == "prompt-completion" and schema.has_uneven_turns and not number:
                _mark(fields)
            stream.write(orjson.dumps(fields) + b"\n")


def _mark(fields: dict[str, Any]) -> None:
    """Give the first line's turns a key that the others have not.

    `datasets` takes a list of turns for plain JSON only if the first 10 MB show turns of unequal
    keys; else it refuses the file at a later turn that has more. No trainer reads the key here.
    """
    for turns in (fields["prompt"], fields["completion"]):
        turns[0]["weight"] = 1


def _write_parquet(path: Path, rows: Iterable[ExportRow], format: ExportFormat, schema: FileSchema) -> None:
    columns, remaining = _columns(format, schema), iter(rows)
    with pq.ParquetWriter(path, columns, compression="zstd") as writer:
        while block := [convert(row, format, schema) for row in islice(remaining, BLOCK)]:
            writer.write_table(pa.Table.from_pylist(block, columns))


def _columns(format: ExportFormat, schema: FileSchema) -> pa.Schema:
    turns = pa.list_(pa.struct(_turn_fields(schema)))
    shared = pa.list_(pa.struct([("from", TEXT), ("value", TEXT)]))
    columns = {
        "messages": [("messages", turns)],
        "prompt-completion": [("prompt", turns), ("completion", turns)],
        "alpaca": [("instruction", TEXT), ("input", TEXT), ("output", TEXT)],
        "sharegpt": [("conversations", shared)],
    }[format]
    columns += [("system", TEXT)] if schema.with_system else []
    return pa.schema(columns + ([("tools", TEXT)] if schema.with_tools else []))


def _turn_fields(schema: FileSchema) -> list[tuple[str, pa.DataType]]:
    fields = [("role", TEXT), ("content", TEXT)]
    if schema.with_calls:
        function = pa.struct([("name", TEXT), ("arguments", TEXT)])
        calls = pa.list_(pa.struct([("id", TEXT), ("type", TEXT), ("function", function)]))
        fields += [("name", TEXT), ("tool_calls", calls), ("tool_call_id", TEXT)]
    fields += [("reasoning_content", TEXT)] if schema.with_reasoning else []
    fields += [("weight", pa.int64())] if schema.with_weights else []
    return fields + ([("loss_weight", pa.float64())] if schema.with_loss_weights else [])


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
