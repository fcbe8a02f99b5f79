"""What has to be known to make an exported file again, byte for byte? The lock beside it says it.

A lock is JSON: what the dataset, the model and the settings were, by hash; what was chosen, by example id; and every
file that was written, with its sha256. Two locks of the same export differ in `created_at` alone.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from core.data.digests import ROW_BYTES, VALUE_BYTES, unpack
from core.errors import BadInput
from core.files import replacing
from core.settings import ExportFormat, IngestSettings, RunSettings, Settings, Trainer

LOCK_VERSION = 1
SUFFIX = ".lock.json"
LARGEST_BYTES = 1 << 30
FileRole = Literal["data", "scores", "card", "trainer"]


class LockedRepair(Settings):
    """A row of the source that could not be loaded, and was admitted by hand: kept as it is, or as `text`."""

    entry: int
    raw: str
    text: str | None
    is_kept: bool
    who: str


class LockedDataset(Settings):
    """What was loaded. `row_digests` are `digests.digest_example` of every row, as base64; `repairs` are rows that
    were admitted by hand."""

    name: str
    source: str
    sources: list[str] = Field(default_factory=list)
    ingest: IngestSettings
    format: str
    content_hash: str
    rows_read: int
    rows_loaded: int = Field(ge=0)
    rows_quarantined: int
    row_digests: str = Field(repr=False)
    repairs: list[LockedRepair] = Field(default_factory=list)

    def digests(self) -> list[bytes]:
        """One of each row. Raises BadInput where they are not that many."""
        return unpack(self.row_digests, ROW_BYTES, self.rows_loaded)


class LockedRun(Settings):
    """How the dataset was scored, by which model, and the hash of what came of it. `earlier` is the run of an earlier
    version of the dataset that scores and the calibrated model were taken over from. `held_out` are the
    examples, by id, that were set aside for a proof and could not be selected."""

    run: str
    model_identity: str
    template: str
    tokenizer: str | None
    settings: RunSettings
    scoring_version: int
    versions: dict[str, str]
    scores_sha256: str
    score_digests: str = Field(repr=False)
    earlier: "LockedTarget | None" = None
    held_out: list[str] = Field(default_factory=list)

    def digests(self, rows: int) -> list[bytes]:
        """One of each row's scores. Raises BadInput where they are not that many."""
        return unpack(self.score_digests, VALUE_BYTES, rows)


class LockedTarget(Settings):
    """Another dataset and its scores: what a selection serves, or what scores were taken over from."""

    dataset: LockedDataset
    scoring: LockedRun


class LockedDecision(Settings):
    """A pin or ban that the selection kept to: who made it, when and why."""

    kind: Literal["pin", "ban"]
    example_id: str
    row: int
    who: str
    when: str
    why: str


class LockedSelection(Settings):
    """What was asked for. `given_pinned` and `given_banned` are those of `pinned` and `banned` that came with the
    request itself; `settings` are the criterion's own."""

    selection: str
    criterion: str
    budget: str
    seed: int = Field(ge=0, lt=2**63)
    settings: dict[str, Any]
    pinned: list[str]
    banned: list[str]
    given_pinned: list[str]
    given_banned: list[str]
    quotas: list[str]
    repeats: str = Field(pattern=r"^(keep|exact|(near|factor) \d{1,3}(\.\d+)?(e-\d{1,3})?)$")
    target: list[str]
    decisions: list[LockedDecision]
    decisions_since: int
    examples: int
    tokens: int
    log_det_nats: float
    upper_bound_nats: float | None
    random_log_det_nats: list[float]


class LockedPicks(Settings):
    """What was chosen, in order."""

    example_ids: list[str]
    rows: list[int]


class LockedFile(Settings):
    """One file of the export, which lies beside its lock."""

    name: str
    role: FileRole
    sha256: str
    bytes: int

    @field_validator("name")
    @classmethod
    def _is_beside(cls, name: str) -> str:
        # a lock may come from anybody, and its names are opened
        if not name or name.startswith(".") or any(mark in name for mark in "/\\\0"):
            raise ValueError("it is no name of a file beside the lock")
        return name


class LockedExport(Settings):
    """The files that were written. `line_digests` are a few bytes of each line, or row, of the first."""

    format: ExportFormat
    fields: dict[str, Any]
    trainers: list[Trainer]
    examples: int = Field(ge=0)
    line_digests: str = Field(repr=False)
    files: list[LockedFile] = Field(min_length=1)

    @property
    def data(self) -> LockedFile:
        """The file that a trainer reads."""
        return self.files[0]

    def digests(self) -> list[bytes]:
        """One of each line. Raises BadInput where they are not that many."""
        return unpack(self.line_digests, VALUE_BYTES, self.examples)


class Lock(Settings):
    """Everything that it takes."""

    lock_version: Literal[1] = 1
    created_at: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    dataset: LockedDataset
    scoring: LockedRun
    target: LockedTarget | None
    selection: LockedSelection
    picks: LockedPicks
    export: LockedExport
    versions: dict[str, str]


def lock_path(data: Path) -> Path:
    """Where the lock of a file lies."""
    return data.with_name(data.stem + SUFFIX)


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock, complete or not at all."""
    text = json.dumps(lock.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_lock(path: Path) -> Lock:
    """Read a lock. Raises BadInput for what is none, and for one of a later version."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise BadInput(f"{str(path)!r} is too large to be a lock.")
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"Lock {str(path)!r} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "lock_version" not in found:
        raise BadInput(f"{str(path)!r} is not a lock; `export` writes one beside each file, named …{SUFFIX}.")
    if found["lock_version"] != LOCK_VERSION:
        version = str(found["lock_version"])[:20]
        raise BadInput(f"{str(path)!r} is a lock of version {version}; this Gleaner reads {LOCK_VERSION}.")
    try:
        return Lock.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"Lock {str(path)!r} is damaged at {where}: {first['msg'].lower()}.") from None


def hash_file(path: Path) -> str:
    """Sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify_lock(path: Path) -> list[str]:
    """What is wrong with the files beside a lock, one sentence each; nothing where all are as they were written."""
    problems = []
    for file in read_lock(path).export.files:
        beside = path.with_name(file.name)
        if not beside.is_file():
            problems.append(f"{file.name} is not there.")
        elif beside.stat().st_size != file.bytes or hash_file(beside) != file.sha256:
            problems.append(f"{file.name} is not what was written: its sha256 differs from the lock's.")
    return problems
