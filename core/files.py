"""How does a file appear? Complete, under its name, or not at all."""

import glob
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import BadInput

LONGEST_PART = 255
HASHES = "sha256.json"
PARTIAL = re.compile(r"\..+-(\d+)-[0-9a-f]{8}")


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
    partial = beside(path)
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
    partial = beside(path)
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


def remove_abandoned(path: Path) -> None:
    """Remove what killed processes left half-written of one path."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}-*"):
        found = PARTIAL.fullmatch(partial.name)
        if found and not _is_running(int(found[1])):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def find_partials(folder: Path) -> Iterator[tuple[Path, int]]:
    """What is half-written below a folder, each with the id of the process that writes or wrote it."""
    for parent, folders, files in os.walk(folder):
        found = [(name, match) for name in (*folders, *files) if (match := PARTIAL.fullmatch(name))]
        folders[:] = sorted(set(folders) - {name for name, _ in found})
        yield from ((Path(parent) / name, int(match[1])) for name, match in found)


def hash_file(path: Path) -> str:
    """Sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_stamp(folder: Path) -> tuple[tuple[str, int, int], ...] | None:
    """Which files a folder holds, how large they are and when they were written; None for what is no folder."""
    if not folder.is_dir():
        return None
    files = ((path.relative_to(folder), path.stat()) for path in sorted(folder.rglob("*")) if path.is_file())
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in files)


def write_hashes(folder: Path) -> None:
    """Keep the sha256 of every file in a folder beside them, and of these hashes themselves."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name != HASHES]
    hashes = {path.name: hash_file(path) for path in paths}
    hashes[HASHES] = _hash_of(hashes)
    with replacing(folder / HASHES) as partial:
        partial.write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def differing_files(folder: Path) -> list[str] | None:
    """The files in a folder that are missing or not what they were when their hashes were written; None where no
    hashes were, and only HASHES where it is the hashes that are damaged."""
    try:
        hashes = json.loads((folder / HASHES).read_text(encoding="utf-8"))
        own = hashes.pop(HASHES, None)
        if own is not None and own != _hash_of(hashes):
            return [HASHES]
        return [name for name, sha256 in hashes.items() if not _has_hash(folder / name, sha256)]
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError):
        return [HASHES]


def _hash_of(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _has_hash(path: Path, sha256: str) -> bool:
    return path.is_file() and hash_file(path) == sha256


def beside(path: Path) -> Path:
    """A temporary name beside a path, as `find_partials` finds it."""
    return path.with_name(f".{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
