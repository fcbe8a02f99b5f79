"""How do rows lie between the reader of a file and the database? In blocks, each complete or absent.

A block holds the outcome of so many consecutive rows of a source: an Arrow file with one line a row, loaded or
quarantined, and a summary that is written after it and says that it is complete. Whoever takes a block into the
database may drop its Arrow file; the summary stays until the load is finished, so that reading goes on behind it.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.files import hash_file, replacing
from core.records import Example, Message, Quarantined

BLOCK_SCHEMA = pa.schema(
    [
        ("entry", pa.int64()),
        ("row_number", pa.int64()),
        ("example_id", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("byte_offset", pa.int64()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("messages", pa.string()),
        ("tools", pa.string()),
        ("original", pa.string()),
        ("reason", pa.string()),
    ]
)

PACKED = ("digests", "raw_digests")


@dataclass(frozen=True, slots=True)
class BlockSummary:
    """What a block holds: rows read = rows loaded + the counted reasons. `digests` are 32 bytes a loaded row,
    `raw_digests` 32 bytes a row read, of its text as it came, `sha256` the hash of the Arrow file as it was written."""

    number: int
    rows_read: int
    rows_loaded: int
    reasons: dict[str, int]
    digests: bytes
    raw_digests: bytes
    sha256: str = ""


class Blocks:
    """The blocks of one load, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, rows: Sequence[dict[str, Any]], summary: BlockSummary) -> None:
        """Write a block: its rows, as `loaded_columns` and `quarantined_columns` give them, then its summary."""
        self.folder.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(list(rows), BLOCK_SCHEMA)
        with replacing(self._rows(summary.number)) as partial, pa.ipc.new_file(str(partial), BLOCK_SCHEMA) as writer:
            writer.write_table(table)
        hashed = {"sha256": hash_file(self._rows(summary.number))}
        packed = {name: base64.b64encode(getattr(summary, name)).decode() for name in PACKED}
        described = asdict(summary) | packed | hashed
        with replacing(self._summary(summary.number)) as partial:
            partial.write_text(json.dumps(described), encoding="utf-8")

    def read(self, number: int) -> pa.Table:
        """The rows of a block. Raises ValueError where they are not what was written."""
        kept = json.loads(self._summary(number).read_text(encoding="utf-8")).get("sha256")
        if kept and kept != hash_file(self._rows(number)):
            raise ValueError(f"block {number} is not what was written")
        with pa.OSFile(str(self._rows(number)), "rb") as stream:
            return pa.ipc.open_file(stream).read_all()

    def drop_rows(self, number: int) -> None:
        """Let go of a block's rows once they are in the database."""
        self._rows(number).unlink(missing_ok=True)

    def count(self) -> int:
        """How many blocks are complete, without a gap from the first on."""
        return next(number for number in range(10**9) if not self._summary(number).exists())

    def summaries(self) -> Iterator[BlockSummary]:
        """The summaries of the complete blocks, in order."""
        for number in range(self.count()):
            stored = json.loads(self._summary(number).read_text(encoding="utf-8"))
            yield BlockSummary(**(stored | {name: base64.b64decode(stored[name]) for name in PACKED}))

    def _rows(self, number: int) -> Path:
        return self.folder / f"{number:09d}.arrow"

    def _summary(self, number: int) -> Path:
        return self.folder / f"{number:09d}.json"


def loaded_columns(entry: int | None, example: Example) -> dict[str, Any]:
    """An example as the database keeps it. One question and its answer need no `messages`: they are both there."""
    turns = [f"{m.get('content') or ''}" for m in example.messages]
    last = max((i for i, m in enumerate(example.messages) if m["role"] == "assistant"), default=len(turns))
    prompt, response = "\n\n".join(turns[:last]), "\n\n".join(turns[last:])
    is_plain = example.messages == plain_messages(prompt, response)
    return {
        "entry": entry,
        "row_number": example.row,
        "example_id": example.example_id,
        "file": example.file,
        "line": example.line,
        "prompt": prompt,
        "response": response,
        "messages": None if is_plain else json.dumps(example.messages, ensure_ascii=False),
        "tools": None if example.tools is None else json.dumps(example.tools, ensure_ascii=False),
        "original": example.original,
    }


def quarantined_columns(entry: int, row: Quarantined) -> dict[str, Any]:
    """A row that could not be loaded, as a block keeps it."""
    return {
        "entry": entry,
        "file": row.file,
        "line": row.line,
        "byte_offset": row.byte_offset,
        "original": row.raw,
        "reason": row.reason,
    }


def plain_messages(prompt: str, response: str) -> list[Message]:
    """One question and its answer."""
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
