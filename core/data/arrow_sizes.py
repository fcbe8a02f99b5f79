"""How many bytes does a message of an Arrow file hold, once it is unpacked? Its own header says so.

A header is a flatbuffer (`Message.fbs` of the Arrow format): a table begins with the distance back to its list of
fields, which says where each field lies. A compressed buffer begins with its size unpacked, −1 where it is not.
"""

import struct
from dataclasses import dataclass

import pyarrow as pa

DICTIONARY, RECORDS = 2, 3
HEADER_TYPE, HEADER = 1, 2
DATA_OF_DICTIONARY, BUFFERS, COMPRESSION = 1, 2, 3


@dataclass(frozen=True, slots=True)
class _Table:
    data: bytes
    at: int

    def field(self, number: int) -> int | None:
        """Where a field lies; None where it is not given."""
        fields = self.at - _read(self.data, self.at, "<i")
        place = 4 + 2 * number
        offset = _read(self.data, fields + place, "<H") if place < _read(self.data, fields, "<H") else 0
        return self.at + offset if offset else None

    def pointed(self, number: int) -> int:
        """Where the table or vector begins that a field points to."""
        at = self.field(number)
        if at is None:
            raise ValueError(f"its header has no field {number}")
        return at + _read(self.data, at, "<I")


def unpacked_bytes(message: pa.ipc.Message) -> int | None:
    """The bytes of all buffers of a batch of records or of a dictionary; None for another message. Raises ValueError
    for a header that is not one."""
    data = message.metadata.to_pybytes()
    root = _Table(data, _read(data, 0, "<I"))
    kind = root.field(HEADER_TYPE)
    what = data[kind] if kind is not None and kind < len(data) else 0
    if what not in (DICTIONARY, RECORDS):
        return None
    batch = _Table(data, root.pointed(HEADER))
    if what == DICTIONARY:
        batch = _Table(data, batch.pointed(DATA_OF_DICTIONARY))
    buffers = batch.pointed(BUFFERS)
    first, count, is_packed = buffers + 4, _read(data, buffers, "<I"), batch.field(COMPRESSION) is not None
    if count * 16 > len(data):
        raise ValueError("its header has more buffers than bytes")
    return sum(_unpacked(message.body, data, first + 16 * number, is_packed) for number in range(count))


def is_records(message: pa.ipc.Message) -> bool:
    """Whether a message is a batch of records."""
    return bool(message.type == "record batch")


def _unpacked(body: pa.Buffer, data: bytes, at: int, is_packed: bool) -> int:
    offset, length = _read(data, at, "<q"), _read(data, at + 8, "<q")
    if length < 0 or offset < 0 or offset + length > body.size:
        raise ValueError("its header names a buffer beyond its body")
    if not is_packed or length < 8:
        return length
    size = _read(body.slice(offset, 8).to_pybytes(), 0, "<q")
    return length - 8 if size == -1 else size if size >= 0 else (1 << 62)


def _read(data: bytes, at: int, kind: str) -> int:
    try:
        return int(struct.unpack_from(kind, data, at)[0]) if at >= 0 else _nowhere()
    except struct.error:
        return _nowhere()


def _nowhere() -> int:
    raise ValueError("its header points out of itself")
