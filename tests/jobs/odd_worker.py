"""A worker whose tasks misbehave: `python -m tests.jobs.odd_worker FOLDER`, in place of `core.jobs.worker`."""

import ctypes
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import core.tasks
from core.jobs.progress import Progress
from core.jobs.worker import main


def sleep_in_c(folder: Path, progress: Progress, *, seconds: int) -> None:
    """One long step in C that holds Python's lock, after one short step."""
    progress.begin("Sleeping", 2, "steps")
    progress.advance(1)
    time.sleep(0.6)
    progress.begin("Sleeping", 2, "steps")
    (folder / "asleep").touch()
    ctypes.PyDLL(None).sleep(seconds)


def multiply(folder: Path, progress: Progress) -> None:
    """One product of large matrices, which no flag can interrupt."""
    import torch

    progress.begin("Multiplying", 1, "products")
    one = torch.ones(24_000, 24_000, dtype=torch.bfloat16)
    (folder / "asleep").touch()
    progress.total(int((one @ one).sum() > 0))


def with_child(folder: Path, progress: Progress) -> None:
    """Another process that the worker started."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    (folder / "child").write_text(str(child.pid))
    (folder / "asleep").touch()
    time.sleep(300)


def fail_by(folder: Path, progress: Progress, *, what: str) -> None:
    """Fail as a machine does."""
    progress.begin("Failing", 0, "")
    if what == "memory":
        raise MemoryError
    if what == "torch":
        import torch

        torch.empty(1 << 50)
    if what == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "shard"))
    if what == "disk, told by a library":
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder / "shard"))


def fill_disk(folder: Path, progress: Progress, *, room: str) -> None:
    """Write until the disk is full, and leave it so; where `room` is there again, there is room."""
    progress.begin("Filling", 1, "disks")
    if Path(room).exists():
        return
    with (folder / "fill").open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)


for task in (sleep_in_c, multiply, with_child, fail_by, fill_disk):
    setattr(core.tasks, task.__name__, task)

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
