"""Plain results: what one room of the house hands to the next.

`row` is an example's position in its dataset, 0-based and dense over the loaded examples:
it is the index into every array of a scoring run. `line` is where the row stood in its
file, 1-based.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

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
class IngestReport:
    """`rows_read = rows_loaded + rows_quarantined`, always."""

    dataset: str
    format: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """A finished scoring run. `tokens` counts the response tokens scored by one pass."""

    run: str
    scored: int
    unscorable: int
    tokens: int
    seconds: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Pick:
    """One line of the ledger. Gains are information in nats; `objective_gain` is the gain in the criterion's
    own objective, `None` where it has none."""

    rank: int
    row: int
    gain: float | None
    gain_alone: float | None
    cumulative: float | None
    response_tokens: int
    reason: str
    objective_gain: float | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """A pick, by row, and the share of an example's information that it and those named before it cover."""

    row: int
    share: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A scored example outside a selection: what it would add to it, and what alone, in nats of information."""

    row: int
    gain: float
    gain_alone: float

    @property
    def covered(self) -> float:
        """The share of its information that the selection already holds."""
        return max(0.0, 1 - self.gain / self.gain_alone) if self.gain_alone > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why an example is not in a selection: the first gate that kept it out, `detail` of it, the row of the
    example that stands for a repeat, and the budget, in the selection's unit, at which it would enter."""

    row: int
    gate: str
    detail: str = ""
    other: int | None = None
    enters: int | None = None


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A criterion's order as the database keeps it: of each ranking the rows [n], best first, and their gains
    [n], NaN where there are none; why rows were refused; and what the search computed."""

    order: str
    run: str
    criterion: str
    is_complete: bool
    rankings: list[tuple[np.ndarray, np.ndarray]]
    refused: dict[int, str]
    evaluations: int
    naive_evaluations: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about an example: `kind` is pin, ban, note or undo, which `undoes` an earlier one."""

    decision: int
    dataset: str
    row: int
    kind: str
    why: str
    who: str
    undoes: int | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """The decisions in force on a dataset: pinned and banned rows, ascending."""

    pinned: tuple[int, ...] = ()
    banned: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What an order would give for another budget or other decisions: its rows in order, pins first, what they
    cost and hold (in nats; `is_exact` unless read off the curve), and who comes and goes against the selection."""

    rows: list[int]
    tokens: int
    information: float
    is_exact: bool
    entered: list[int]
    displaced: list[int]


@dataclass(frozen=True, slots=True)
class SelectionReport:
    """`log_det` is `log det V_S − log det λI` in nats; `random_log_det` the lowest and highest of the random
    subsets of as many tokens; `upper_bound` what any selection within the budget reaches at most, in nats.
    `variance` are I-optimality's own figures; `at_least` is the share of the best possible, of its own
    objective, that the selection is sure to reach; `is_distinguishable` whether it can be told from random
    subsets by any of its measures. `evaluations` are the gains that the search computed
    and those that naive search computes; `note` says what to know."""

    selection: str
    examples: int
    tokens: int
    log_det: float
    random_log_det: tuple[float, float]
    upper_bound: float | None = None
    at_least: float | None = None
    variance: dict[str, float] | None = None
    evaluations: dict[str, int] | None = None
    is_distinguishable: bool | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A written file and the manifest beside it."""

    file: str
    manifest: str
    examples: int
    sha256: str


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

    `seconds` is how long its workers have worked, earlier attempts included. `state` is new,
    starting, running, done, failed, cancelled or interrupted.
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

    @property
    def is_working(self) -> bool:
        """Whether a worker is at it, or about to be."""
        return self.state in {"starting", "running"}

    @property
    def has_ended(self) -> bool:
        """Whether it stopped, in whatever way."""
        return self.state in {"done", "failed", "cancelled", "interrupted"}


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """What was loaded under one name."""

    name: str
    source: str
    format: str
    mapping: dict[str, str]
    content_hash: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    created_at: datetime

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
class ExamplePage:
    """One page of a table and how many rows there are in all."""

    rows: list[ExampleRow]
    total: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """One dataset scored by one model with one set of settings."""

    run: str
    dataset: str
    settings: dict[str, Any]
    model_identity: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SelectionRow:
    """Criterion + budget + decisions → an ordered list. `envelope` is `selection.envelope.Envelope.bands()`,
    `curve` the information along its order, `comparison` its measures beside those of random subsets."""

    selection: str
    run: str
    dataset: str
    criterion: str
    budget: str
    seed: int
    settings: dict[str, Any]
    examples: int
    tokens: int
    log_det: float
    envelope: dict[str, list[float]]
    created_at: datetime | None = None
    upper_bound: float | None = None
    variance: dict[str, float] | None = None
    evaluations: dict[str, int] | None = None
    order_name: str | None = None
    curve: dict[str, Any] | None = None
    comparison: dict[str, Any] | None = None

    @property
    def unit(self) -> str:
        """What its budget, and the budgets at which examples would enter, are counted in."""
        if self.budget.endswith("tok") or (self.settings.get("rule") == "code" and self.budget.endswith("%")):
            return "tokens"
        return "examples"

    @property
    def at_least(self) -> float | None:
        """The share of the best possible within the budget that it is sure to reach: of the fall of variance
        where that is what its criterion maximises, else of information."""
        if self.variance is not None:
            best = self.variance["upper_bound"]
            return min(1.0, self.variance["explained"] / best) if best > 0 else 1.0
        if self.upper_bound is None:
            return None
        return min(1.0, self.log_det / self.upper_bound) if self.upper_bound > 0 else 1.0
