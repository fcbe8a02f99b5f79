"""Which row differs? A few bytes a row, short enough to be kept for all rows, tell the first one.

A digest is the beginning of a sha256. Two rows that differ have the same 8 bytes once in 10¹⁹ times; whether
anything differs at all is decided by whole hashes, these bytes only say where.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import BadInput
from core.records import Example

ROW_BYTES, VALUE_BYTES = 8, 4


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two lists of digests part: its number, and what happened there."""

    row: int
    what: Literal["changed", "missing", "added", "moved"]


def digest_example(example: Example) -> bytes:
    """32 bytes over what an example is to a model and to an export: the id of its content, its turns and its tools."""
    content = example.example_id.partition("-")[0]
    return hashlib.sha256(
        orjson.dumps([content, example.messages, example.tools], option=orjson.OPT_SORT_KEYS)
    ).digest()


def digest_lines(lines: Iterable[bytes]) -> bytes:
    """A few bytes of each line or row of a file."""
    return b"".join(hashlib.sha256(line).digest()[:VALUE_BYTES] for line in lines)


def digest_table(table: pa.Table) -> tuple[str, bytes]:
    """The sha256 of a table's values, bit by bit, in hex; and a few bytes of each of its rows.

    Every missing number is the same one, whatever its bits.
    """
    names = [name for name in table.column_names if _is_number(table.schema.field(name).type)]
    numbers = np.column_stack([_numbers(table[name]) for name in names]).astype("<f8")
    numbers[np.isnan(numbers)] = np.nan
    texts = [table[name].to_pylist() for name in table.column_names if name not in names]
    whole, parts = hashlib.sha256(orjson.dumps(table.column_names)), []
    for i in range(table.num_rows):
        line = numbers[i].tobytes() + orjson.dumps([column[i] for column in texts])
        whole.update(line)
        parts.append(hashlib.sha256(line).digest()[:VALUE_BYTES])
    return whole.hexdigest(), b"".join(parts)


def pack(digests: bytes) -> str:
    """As text."""
    return base64.b64encode(digests).decode("ascii")


def unpack(text: str, each: int, count: int) -> list[bytes]:
    """`count` digests of `each` bytes. Raises BadInput for a text that holds no such."""
    try:
        digests = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digests = b""
    if len(digests) != each * count:
        raise BadInput(f"The lock's digests are not {count:,} of {each} bytes each; it was changed or cut.")
    return split(digests, each)


def split(digests: bytes, each: int) -> list[bytes]:
    """One by one."""
    return [digests[i : i + each] for i in range(0, len(digests), each)]


def first_difference(locked: list[bytes], here: list[bytes]) -> Difference | None:
    """Where two lists part first, if they do: a row that is `changed`, `missing` here, `added` here, or `moved`."""
    shorter = min(len(locked), len(here))
    row = next((i for i in range(shorter) if locked[i] != here[i]), shorter)
    if row == len(locked) == len(here):
        return None
    is_gone = row < len(locked) and locked[row] not in set(here[row:])
    is_new = row < len(here) and here[row] not in set(locked[row:])
    if is_gone:
        return Difference(row, "changed" if is_new else "missing")
    return Difference(row, "added" if is_new else "moved")


def digest_file(path: Path) -> bytes:
    """A few bytes of each line of a JSONL file, or of each row of a Parquet file."""
    if path.suffix.lower() == ".parquet":
        batches = pq.ParquetFile(path).iter_batches(batch_size=1_000)
        return digest_lines(orjson.dumps(row) for batch in batches for row in batch.to_pylist())
    with path.open("rb") as stream:
        return digest_lines(stream)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    values: np.ndarray = column.cast(pa.float64()).to_numpy()
    return values
