"""A selection becomes the file that a trainer reads, and a manifest that accounts for it.

One file has one schema: scores and reasons never stand in it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.files import replacing
from core.records import ExportReport, Message
from core.settings import ExportFormat


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One example to export."""

    row: int
    example_id: str
    messages: list[Message]
    tools: list[Any] | None
    original: str


def export_examples(
    rows: Iterable[ExportRow], shape: ExportFormat, path: Path, manifest: dict[str, Any], *, with_tools: bool
) -> ExportReport:
    """Write rows as JSONL, and `<file>.manifest.json` beside it; each appears complete or not at all.

    `original` is the row as it came; `messages` is OpenAI's shape, with a `tools` field on
    every line if `with_tools`. Raises BadInput when there is nothing to write or nowhere to.
    """
    digest = hashlib.sha256()
    written: list[dict[str, Any]] = []

    def lines() -> Iterator[bytes]:
        for row in rows:
            line = (_line(row, shape, with_tools) + "\n").encode("utf-8")
            digest.update(line)
            written.append({"row": row.row, "example_id": row.example_id})
            yield line
        if not written:
            raise BadInput("There is nothing to export: the selection is empty.")

    beside = path.with_name(f"{path.name}.manifest.json")
    _write(path, lines())
    described = manifest | {
        "file": {"name": path.name, "format": shape, "examples": len(written), "sha256": digest.hexdigest()},
        "examples": written,
    }
    _write(beside, [json.dumps(described, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"])
    return ExportReport(str(path), str(beside), len(written), digest.hexdigest())


def _line(row: ExportRow, shape: ExportFormat, with_tools: bool) -> str:
    if shape == "original":
        return row.original
    fields: dict[str, Any] = {"messages": row.messages}
    if with_tools:
        fields["tools"] = row.tools or []
    return json.dumps(fields, ensure_ascii=False)


def _write(path: Path, lines: Iterable[bytes]) -> None:
    try:
        with replacing(path) as partial, partial.open("wb") as stream:
            stream.writelines(lines)
    except OSError as error:
        raise BadInput(f"{str(path)!r} cannot be written: {error.strerror}.") from None
