"""How does a file appear? Complete, under its name, or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import BadInput

LONGEST_PART = 255


def user_path(text: str | Path) -> Path:
    """A path as a user wrote it, with `~` put in. Raises BadInput for what can be none."""
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise BadInput(f"{str(text)!r} is no path: {error}") from None
    if "\0" in str(path) or any(len(part.encode()) > LONGEST_PART for part in path.parts):
        raise BadInput(f"{str(text)[:60]!r}… is no path: a name in it is too long or has a NUL.")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; at the end of the block it is synced and renamed.

    If the block raises, `path` stays as it was and nothing is left beside it.
    """
    partial = _beside(path)
    try:
        yield partial
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder; one that is there already, made by another process meanwhile, stays."""
    partial = _beside(path)
    partial.mkdir(parents=True)
    try:
        yield partial
        if not path.exists():
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_partials(folder: Path, name: str = "") -> None:
    """Remove what a killed process left half-written in a folder that is this process's alone."""
    for path in folder.glob(f".{name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
