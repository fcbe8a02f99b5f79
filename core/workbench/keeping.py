"""Keep: a backup of a workspace, even while another process has it open, and a look over one that may be damaged."""

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.errors import BadInput, Fault, GleanerError, WorkspaceBusy, explain_fault
from core.files import PARTIAL, beside, remove_abandoned, user_path
from core.jobs.folder import write_atomically
from core.records import JobProgress
from core.store import Database
from core.store.aside import damaged_parts
from core.store.keeping import Keeping
from core.store.owner import NAME as OWNER
from core.workbench import Workbench, default_workspace
from core.workbench.answering import ANSWERED, TICKET
from core.workbench.flaws import Verification
from core.workbench.status import LAST_BACKUP
from core.workbench.verifying import damaged_database
from core.workspace import WorkspaceFolder

ANSWER_SECONDS = 60.0
LOOK_SECONDS = 0.2
NOT_KEPT = {"kernels", "models", "requests", "logs", OWNER, LAST_BACKUP}
NOT_KEPT_OF_A_JOB = {"worker.lock", "cancel"}
PROGRESS = "progress.json"
Follow = Callable[[JobProgress], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete backup: `flaws` are those of the workspace that it is of, `notes` what else is worth knowing."""

    backup: str
    files: int
    bytes: int
    seconds: float
    flaws: list[str]
    notes: list[str]


def verify_workspace(workspace: Path | str | None, *, repair: bool, owner: str) -> Verification:
    """Look over a workspace, one too damaged to be opened too. Raises BadInput where there is none, WorkspaceBusy."""
    folder = _existing(workspace)
    try:
        with Workbench(folder.path, owner=owner) as bench:
            return bench.look_over(repair=repair)
    except WorkspaceBusy:
        raise
    except GleanerError:
        parts = damaged_parts(folder.database)
        if not parts:
            raise
        found = Verification({"database": 1})
        found.enter(damaged_database(folder.database, parts), repair=False)
        return found


def back_up(workspace: Path | str | None, target: Path | str, owner: str, follow: Follow = lambda _: None) -> Backup:
    """Copy a workspace into a new folder, which is a workspace too: the database as it is now, then the files.

    Raises BadInput for a target that is there and not empty, WorkspaceBusy when the process that has the workspace does
    not answer, Fault when the disk does not allow it.
    """
    source, goal, started = _existing(workspace), user_path(target).resolve(), time.monotonic()
    if goal.is_relative_to(source.path):
        raise BadInput(f"{str(target)!r} lies in the workspace itself; name a folder elsewhere.")
    if goal.exists() and (not goal.is_dir() or any(goal.iterdir())):
        raise BadInput(f"{str(target)!r} is there already; name a folder that is not, or an empty one.")
    if not goal.parent.is_dir():
        raise BadInput(f"{str(target)!r}: the folder {str(goal.parent)!r} does not exist; make it first.")
    with _partial_folder(goal) as partial:
        _copy_database(source, partial, owner, follow)
        files, size = _copy_files(source, partial, follow)
        follow(JobProgress("running", "Looking it over"))
        with Workbench(partial, owner=owner) as bench:
            notes = bench.discard_broken_loads()
            found = bench.look_over()
        (partial / OWNER).unlink(missing_ok=True)
    notes += found.notes + _note_backup(source, goal)
    return Backup(str(goal), files, size, time.monotonic() - started, found.left, notes)


def _note_backup(source: WorkspaceFolder, goal: Path) -> list[str]:
    """Tell the status page of it; a workspace that cannot be written is no reason to throw a backup away."""
    made = {"made_at": datetime.now(UTC).isoformat(), "target": str(goal)}
    try:
        write_atomically(source.path / LAST_BACKUP, json.dumps(made))
    except OSError as error:
        return [f"The workspace does not know of this backup: {explain_fault(error) or error.strerror}"]
    return []


def _existing(workspace: Path | str | None) -> WorkspaceFolder:
    folder = WorkspaceFolder(user_path(workspace or default_workspace()).resolve())
    if not folder.database.is_file():
        raise BadInput(f"There is no workspace in {str(folder.path)!r}; name another with --workspace.")
    return folder


@contextmanager
def _partial_folder(goal: Path) -> Iterator[Path]:
    """A folder under a temporary name, which gets its own when all is done and on the disk."""
    partial = beside(goal)
    try:
        remove_abandoned(goal)
        partial.mkdir(mode=0o700)
        yield partial
        os.sync()
        partial.rename(goal)
    except OSError as error:
        told = explain_fault(error) or f"{str(error.filename or goal)!r} cannot be used: {error.strerror or error}."
        raise Fault(f"The backup was not made. {told}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_database(source: WorkspaceFolder, partial: Path, owner: str, follow: Follow) -> None:
    """By ourselves, or by whoever has the workspace open."""
    copy = partial / source.database.name
    tell = _telling("Copying the database", source.database.stat().st_size, follow)
    if os.statvfs(source.path).f_flag & os.ST_RDONLY:
        return _copy_as_it_lies(source.database, copy)
    with suppress(WorkspaceBusy):
        return _copy_by_ourselves(source, copy, owner, lambda: tell(_size(copy)))
    with _request(source, partial) as (request, answer):
        heard, last = time.monotonic(), (0, True)
        while not answer.exists():
            try:
                return _copy_by_ourselves(source, copy, owner, lambda: tell(_size(copy)))
            except WorkspaceBusy as error:
                if time.monotonic() - heard > ANSWER_SECONDS:
                    raise WorkspaceBusy(f"{error} It does not answer, so no backup was made.") from None
            if (now := (_size(copy), request.exists())) != last:
                heard, last = time.monotonic(), now
            tell(_size(copy))
            time.sleep(LOOK_SECONDS)
        if told := json.loads(answer.read_text(encoding="utf-8"))["error"]:
            raise BadInput(f"The process that has the workspace open could not copy its database. {told}")


@contextmanager
def _request(source: WorkspaceFolder, partial: Path) -> Iterator[tuple[Path, Path]]:
    """A request for a copy of the database, and where its answer will lie."""
    ticket = secrets.token_hex(16)
    request = source.requests / f"{ticket}.json"
    answer = request.with_suffix(ANSWERED)
    (partial / TICKET).write_text(ticket, encoding="utf-8")
    source.requests.mkdir(exist_ok=True)
    try:
        write_atomically(request, json.dumps({"target": str(partial), "pid": os.getpid()}))
        yield request, answer
    finally:
        for path in (request, answer, partial / TICKET):
            path.unlink(missing_ok=True)


def _copy_by_ourselves(source: WorkspaceFolder, copy: Path, owner: str, tell: Callable[[], None]) -> None:
    with Workbench(source.path, owner=owner) as bench:
        copy.unlink(missing_ok=True)  # half of one that died in copying, whose child may still write
        Keeping(bench.database, source.database).copy_to(copy, tell)


def _copy_as_it_lies(database: Path, copy: Path) -> None:
    """On a read-only disk nobody can open the database, and nobody writes into it."""
    for suffix in ("", ".wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(database.with_name(database.name + suffix), copy.with_name(copy.name + suffix))


def _copy_files(source: WorkspaceFolder, partial: Path, follow: Follow) -> tuple[int, int]:
    """Everything that the copied database refers to. Files are written once and then only removed, and what every job
    says of itself is copied before anybody looks what there is: so a copied job has made at least what it says."""
    runs = _runs_in(partial / source.database.name)
    linked = dict[tuple[int, int], Path]()
    for path in [path for path in _files_of(source, runs) if path.name == PROGRESS]:
        _copy_file(path, partial / path.relative_to(source.path), linked)
    paths = [path for path in _files_of(source, runs) if path.name != PROGRESS]
    files = [(path, path.stat().st_size) for path in paths if path.exists()]
    total, done = sum(size for _, size in files), 0
    if total > (free := shutil.disk_usage(partial).free):
        raise BadInput(f"The backup needs {total / 1e6:,.0f} MB more, and {free / 1e6:,.0f} MB are free there.")
    tell = _telling("Copying the files", total, follow)
    for path, size in files:
        _copy_file(path, partial / path.relative_to(source.path), linked)
        done += size
        tell(done)
    return len(files) + 1, total + _size(partial / source.database.name)


def _runs_in(file: Path) -> set[str]:
    database = Database(file)
    try:
        return set(Keeping(database, file).all_runs())
    finally:
        database.close()


def _files_of(source: WorkspaceFolder, runs: set[str]) -> Iterator[Path]:
    for top in sorted(source.path.iterdir()):
        if top.name in NOT_KEPT or top.name.startswith((".", source.database.name)):
            continue
        if top.is_file():
            yield top
        for parent, folders, files in os.walk(top):
            is_runs = top == source.runs and Path(parent) == top
            folders[:] = sorted(name for name in folders if not PARTIAL.fullmatch(name))
            folders[:] = [name for name in folders if name in runs] if is_runs else folders
            kept = [name for name in files if name not in NOT_KEPT_OF_A_JOB and not PARTIAL.fullmatch(name)]
            yield from (Path(parent) / name for name in sorted(kept))


def _copy_file(path: Path, target: Path, linked: dict[tuple[int, int], Path]) -> None:
    """A file with two names stays one; one that is gone meanwhile is not missed, or found missing at the end."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if before := linked.get((status.st_dev, status.st_ino)):
        with suppress(OSError):  # a disk that knows no second names holds the file twice
            os.link(before, target)
            return
    try:
        shutil.copy2(path, target)
    except FileNotFoundError:
        return
    if status.st_nlink > 1:
        linked[status.st_dev, status.st_ino] = target


def _telling(phase: str, total: int, follow: Follow) -> Callable[[int], None]:
    """Say how many bytes are done, once a second at most."""
    said = 0.0

    def tell(done: int) -> None:
        nonlocal said
        if time.monotonic() - said >= 1.0:
            said = time.monotonic()
            follow(JobProgress("running", phase, min(done, total), total, "bytes"))

    return tell


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
