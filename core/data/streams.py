"""How are bytes read so that no file, however large or broken, breaks the reading?

Plain, gzip and zstd files open alike, as a buffered stream that takes constant memory. What can no
longer be read ends the stream instead of raising; `reason_of_break` tells the reader, which makes it
a row. So does a file that unpacks to more than GLEANER_UNPACKED_GB, or to more than
GLEANER_UNPACKED_RATIO times its size.
"""

import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from core.data.rows import one_line
from core.errors import BadInput

CHUNK = 1 << 18
INPUT_CHUNK = 1 << 16
ZSTD_CHUNK = 1 << 13
"""Small, because what was decompressed in the call that meets the damage is lost."""

USUAL_GIGABYTES, USUAL_RATIO = 100, 200
JUDGED_EVERY, UNJUDGED_BYTES = 1 << 20, 1 << 26
"""So little may come out of a file of any size: a table of zeros is no attack."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
COMPRESSED_SUFFIXES = {".gz", ".gzip", ".zst", ".zstd"}


class Meter:
    """How many bytes of its files the latest reading of a source has taken in."""

    def __init__(self) -> None:
        self._done, self._now = 0, _nothing

    def restart(self) -> None:
        """Count from the beginning."""
        self._done, self._now = 0, _nothing

    def follow(self, now: Callable[[], int]) -> None:
        """Ask this for the progress within the file that begins."""
        self._now = now

    def finish(self, size: int) -> None:
        """A file of this size has been read."""
        self._done, self._now = self._done + size, _nothing

    def position(self) -> int:
        """Bytes so far."""
        try:
            return self._done + self._now()
        except ValueError:  # the file was closed meanwhile
            return self._done


def _nothing() -> int:
    return 0


class _Guarded(io.RawIOBase):
    """Chunks as a stream; the first error ends it and is remembered."""

    def __init__(self, file: io.FileIO, chunks: Iterator[bytes]) -> None:
        self._file, self._chunks, self._left = file, chunks, memoryview(b"")
        self.broken: str | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            while not self._left and self.broken is None and (chunk := next(self._chunks, None)) is not None:
                self._left = memoryview(chunk)
        except (OSError, EOFError, ValueError, MemoryError, zlib.error) as error:
            self.broken = f"the file cannot be read on from here: {one_line(error)}"
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_stream(path: Path, meter: Meter | None = None) -> io.BufferedReader:
    """A file's bytes, decompressed. Raises BadInput when it cannot be opened."""
    try:
        file = io.FileIO(path)
        magic = file.read(4)
        file.seek(0)
    except OSError as error:
        raise BadInput(f"File {str(path)!r} cannot be read: {error.strerror}.") from None
    if meter:
        meter.follow(file.tell)
    if magic.startswith(GZIP):
        chunks = _within_bounds(_gunzip(file), file)
    elif magic == ZSTD:
        chunks = _within_bounds(_unzstd(file), file)
    else:
        chunks = _plain(file)
    return io.BufferedReader(_Guarded(file, chunks), CHUNK)


def reason_of_break(stream: io.BufferedReader) -> str | None:
    """Why a stream ended early, or None if it did not (yet)."""
    raw = stream.raw
    return raw.broken if isinstance(raw, _Guarded | UnixLines) else None


def is_compressed(path: Path) -> bool:
    """Whether a file is gzip or zstd, by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(4).startswith((GZIP, ZSTD))


class UnixLines(io.RawIOBase):
    """A text whose lines end in a lone carriage return, as on old Macs, with line feeds instead."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    @property
    def broken(self) -> str | None:
        """As of the stream below."""
        return reason_of_break(self._stream)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _plain(file: io.FileIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def why_too_much(unpacked: int, size: int, unjudged: int | None = None) -> str | None:
    """Why no file of this size is unpacked to so much, if it is not; so little as `unjudged` always is."""
    gigabytes, ratio = _bound("GLEANER_UNPACKED_GB", USUAL_GIGABYTES), _bound("GLEANER_UNPACKED_RATIO", USUAL_RATIO)
    if unpacked > gigabytes * 1e9:
        return f"it unpacks to more than {gigabytes:g} GB; GLEANER_UNPACKED_GB sets this bound"
    if unpacked > max(unjudged or UNJUDGED_BYTES, size * ratio):
        return f"it unpacks to more than {ratio:g} times its size; GLEANER_UNPACKED_RATIO sets this bound"
    return None


def _within_bounds(chunks: Iterator[bytes], file: io.FileIO) -> Iterator[bytes]:
    """Chunks as long as they are not too many for the compressed bytes that they came of."""
    unpacked, judged, size = 0, 0, os.fstat(file.fileno()).st_size
    for chunk in chunks:
        unpacked += len(chunk)
        if unpacked - judged > JUDGED_EVERY:
            judged = unpacked
            if reason := why_too_much(unpacked, size):
                raise ValueError(reason)
        yield chunk


def _bound(name: str, usual: float) -> float:
    """A bound as the environment sets it. Raises BadInput for what is no positive number."""
    text = os.environ.get(name) or str(usual)
    try:
        bound = float(text)
    except ValueError:
        bound = 0.0
    if not bound > 0:
        raise BadInput(f"{name} is {text!r}; set it to a number above 0, or unset it for {usual:g}.")
    return bound


def _gunzip(file: io.FileIO) -> Iterator[bytes]:
    """All members, one after the other."""
    data = file.read(INPUT_CHUNK)
    while data:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            before = member.copy()
            try:
                yield member.decompress(data, CHUNK)
            except zlib.error:
                yield from _in_small_steps(before, data)
            data = member.unconsumed_tail or (b"" if member.eof else file.read(INPUT_CHUNK))
            if not data and not member.eof:
                yield member.flush()
                raise EOFError("the compressed file is cut off")
        data = member.unused_data.lstrip(b"\0") or file.read(INPUT_CHUNK).lstrip(b"\0")


def _in_small_steps(member: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    """What can be had before the damage, which a whole step loses; then zlib's error."""
    while True:
        yield member.decompress(data, 64)
        data = member.unconsumed_tail


def _unzstd(file: io.FileIO) -> Iterator[bytes]:
    """All frames, one after the other."""
    with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as stream:
        while chunk := stream.read(ZSTD_CHUNK):
            yield chunk
