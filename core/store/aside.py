"""How is the database's file copied or checked while this process has it open? By another process.

DuckDB's lock on the file is the kernel's, and a process loses it when it closes any handle on that file, even one that
only read. So this file is run as a program: `python aside.py copy FILE TARGET` or `python aside.py check FILE`.

DuckDB's file is three headers of 4,096 bytes and then blocks of 262,144, each with its checksum in its first 8 bytes:
5381 ⊕ ⊕_i (w_i · K mod 2⁶⁴) over the other 8-byte words w_i. Asking the tables would miss what no question reads, such
as an index.
"""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

HEADERS, HEADER_BYTES, BLOCK_BYTES = 3, 4096, 262_144
K, START = np.uint64(0xBF58476D1CE4E5B9), np.uint64(5381)


def copy_aside(file: Path, target: Path, follow: Callable[[], None] = lambda: None) -> None:
    """Copy a file in another process, until it is on the disk; `follow` is called meanwhile. Raises OSError."""
    _run(["copy", str(file), str(target)], follow)


def check_aside(file: Path, follow: Callable[[], None] = lambda: None) -> list[str]:
    """The headers and blocks of a DuckDB file that are not what was written. Raises OSError."""
    return _run(["check", str(file)], follow).splitlines()


def damaged_parts(file: Path) -> list[str]:
    """The same in this process, for a file that it has not open."""
    found = []
    with file.open("rb") as stream:
        for number in range(HEADERS):
            if not _is_whole(stream.read(HEADER_BYTES), HEADER_BYTES):
                found.append(f"header {number}")
        number = 0
        while block := stream.read(BLOCK_BYTES):
            if not _is_whole(block, BLOCK_BYTES):
                found.append(f"block {number}")
            number += 1
    return found


def _is_whole(part: bytes, size: int) -> bool:
    if len(part) != size:
        return False
    words = np.frombuffer(part, dtype="<u8")
    with np.errstate(over="ignore"):
        return bool(np.bitwise_xor.reduce(words[1:] * K) ^ START == words[0])


def _run(arguments: list[str], follow: Callable[[], None]) -> str:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", __file__, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        while (told := _hear(process)) is None:
            follow()
    finally:
        process.kill()
    if process.returncode > 0:
        number = int(told) if told.strip().isdecimal() else errno.EIO
        raise OSError(number, os.strerror(number), arguments[-1])
    if process.returncode:
        raise OSError(0, f"its copying was ended by signal {-process.returncode}", arguments[-1])
    return told


def _hear(process: subprocess.Popen[str]) -> str | None:
    """All that a process said, if it has ended; what it says meanwhile is read, so that it need not wait."""
    try:
        return process.communicate(timeout=0.05)[0]
    except subprocess.TimeoutExpired:
        return None


def _main(what: str, file: Path, *target: str) -> int:
    try:
        if what == "check":
            sys.stdout.writelines(f"{part}\n" for part in damaged_parts(file))
        else:
            shutil.copyfile(file, target[0])
            with Path(target[0]).open("rb") as stream:
                os.fsync(stream.fileno())
    except OSError as error:
        print(error.errno)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
