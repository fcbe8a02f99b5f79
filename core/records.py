"""Plain results: what one room of the house hands to the next.

`row` is an example's position in its dataset, 0-based and dense over the loaded examples:
it is the index into every array of a scoring run. `line` is where the row stood in its
file, 1-based.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Message = dict[str, Any]
"""One turn in OpenAI's shape: `role`, `content`, and where they came `name`, `tool_calls`."""


@dataclass(frozen=True, slots=True)
class Example:
    """One loaded row: a conversation and the row it came from.

    `example_id` is a hash of the row's content, with a counter for exact repeats.
    `original` is the row as JSON text, keys and order as they came.
    """

    example_id: str
    row: int
    file: str
    line: int
    messages: list[Message]
    original: str
    tools: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One row that could not be loaded, kept whole with the reason."""

    file: str
    line: int
    byte_offset: int | None
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that could not be loaded, and what was done about it: `state` is open, ignored, kept or fixed.

    `entry` is its place among all rows of the source, from 0; `text` is the row as somebody mended it;
    `admitted_row` is its row in the dataset once it was admitted.
    """

    entry: int
    file: str
    line: int
    byte_offset: int | None
    reason: str
    raw: str
    admitted_row: int | None = None
    state: str = "open"
    text: str | None = None
    who: str | None = None


@dataclass(frozen=True, slots=True)
class EntryGroup:
    """So many rows outside the dataset have one reason and one state."""

    reason: str
    state: str
    rows: int


@dataclass(frozen=True, slots=True)
class IngestReport:
    """`rows_read = rows_loaded + rows_quarantined`, always."""

    dataset: str
    format: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int


HELD_OUT_REASON = "it is held out for a proof"
"""Why a row that a run holds out has no score."""


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """A finished scoring run. `tokens` counts the response tokens scored by one pass."""

    run: str
    scored: int
    unscorable: int
    held_out: int
    tokens: int
    seconds: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the model is shown for one example. `response_mask[t]` is 1 where token t is scored."""

    text: str
    input_ids: list[int]
    response_mask: list[int]
    truncated: bool
    unscorable_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A rendered example as a reader sees it: its text in parts, each with what the model does with
    it: `prompt` (read), `response` (scored) or `cut` (beyond max_length). `tokens` has each token's
    own text, one for each of `rendered.input_ids`."""

    rendered: Rendered
    parts: list[tuple[str, str]]
    tokens: list[str]


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """A turn that is scored: `pieces` are the parts of its text that its scored tokens stand for, in order ("" for a
    further token of the same character), and `cut` what of it lies beyond max_length."""

    pieces: list[str]
    cut: str


@dataclass(frozen=True, slots=True)
class TokenScores:
    """One example's response tokens, in order: NLL and entropy in nats, and 1 − Σp², as the base model
    finds them; `calibrated` has the same lists by the calibrated model, where there is one."""

    nll: list[float]
    entropy: list[float]
    gini: list[float]
    calibrated: dict[str, list[float]] | None = None


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Where a job stands, as its worker last wrote it. Times in seconds since the epoch.

    `seconds` is how long its workers have worked, earlier attempts included. `state` is new, queued,
    starting, running, done, failed, cancelled or interrupted. `place` is its number among those that are queued.
    `ticked` is when this was written by the machine's monotonic clock, which nobody sets; `memory_mb` is the most
    memory that the worker had by then.
    """

    state: str
    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float = 0.0
    seconds_left: float | None = None
    started: float = 0.0
    updated: float = 0.0
    seconds: float = 0.0
    error: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    place: int = 0
    ticked: float | None = None
    memory_mb: float = 0.0

    @property
    def is_working(self) -> bool:
        """Whether a worker is at it, or will be."""
        return self.state in {"queued", "starting", "running"}

    @property
    def silent_seconds(self) -> float:
        """How long nothing was heard of a job that runs."""
        return max(time.monotonic() - self.ticked, 0.0) if self.state == "running" and self.ticked is not None else 0.0

    @property
    def has_ended(self) -> bool:
        """Whether it stopped, in whatever way."""
        return self.state in {"done", "failed", "cancelled", "interrupted"}


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """What was loaded under one name. `title` is what the user called it; a changed source under the same title is
    its next version, with a name of its own. `settings` says how the sources were read; `content_hash` is of the
    examples, `read_hash` of every row of the sources as it came."""

    name: str
    source: str
    format: str
    mapping: dict[str, str]
    content_hash: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    created_at: datetime | None = None
    title: str = ""
    version: int = 1
    previous: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    read_hash: str = ""

    @property
    def report(self) -> IngestReport:
        """The counts, as `ingest` reports them."""
        return IngestReport(self.name, self.format, self.rows_read, self.rows_loaded, self.rows_quarantined)


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """One example as a table shows it: its first turns and its last response, as text."""

    row: int
    example_id: str
    line: int
    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One dataset scored by one model with one set of settings."""

    run: str
    dataset: str
    settings: dict[str, Any]
    model_identity: str
    created_at: datetime
