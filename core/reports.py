"""Plain results about whole datasets and files: what is in one, what a trainer would do with one, what was written."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Conversations:
    """How the examples of a dataset are built: how many have more than one user turn, a system message, or
    tools (declared, called or answering), and the turns of the longest."""

    examples: int
    several_turns: int
    with_system: int
    with_tools: int
    most_turns: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long prompts or responses are, in characters; `low` and `high` are the 5th and 95th percentile.

    `counts[i]` have from `edges[i]` to below `edges[i + 1]` characters; empty texts are in none of them.
    """

    total: int
    low: int
    median: int
    high: int
    longest: int
    edges: list[int]
    counts: list[int]


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column of the rows as they came. `missing`, `null`, `empty` ("", [] or {}) and `filled` add up to the rows
    read, among which there are `distinct` values; `values` has the most frequent first, where few of them recur."""

    name: str
    filled: int
    missing: int
    null: int
    empty: int
    types: list[str]
    distinct: int
    values: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Examples that say again what another says. `exact` repeat a whole row, in `groups` of which the largest has
    `largest` members; `conversations` repeat an earlier conversation, whatever their other columns hold. Of prompts
    with more than one response, and of responses to more than one prompt: how many, and their examples."""

    exact: int
    groups: int
    largest: int
    conversations: int
    prompts: int
    prompt_examples: int
    responses: int
    response_examples: int


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of all prompts and responses, and whose tokens; counted, or (not `is_exact`) estimated from a sample."""

    prompt: int
    response: int
    counted_by: str
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Glance:
    """A dataset at a glance. Columns and scripts are read from `sampled` examples, drawn evenly; `column_count` may
    be more than are described. A response is short below three characters, unless it calls a tool."""

    dataset: str
    quarantined: int
    conversations: Conversations
    prompts: Lengths
    responses: Lengths
    empty_prompts: int
    short_responses: int
    duplicates: Duplicates
    sampled: int
    scripts: list[tuple[str, int]]
    columns: list[ColumnFacts]
    column_count: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trainer does with one line of a file: `refused` (it does not train) or `warned` (it trains otherwise than
    it reads). Line 0 is the file. `stops` says that the trainer ends at it, and no other line trains either."""

    line: int
    severity: str
    reason: str
    detail: str = ""
    stops: bool = False


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a trainer would do with a file. `will_train` rows train of the file as it is: none where `stops` of the
    refused, the whole file's faults included, end the trainer's run; `would_train` do once the refused are out of
    it. `tokens` of those are supervised, `tokens_cut` beyond the greatest length; `notes` are about the file."""

    trainer: str
    format: str
    rows: int
    will_train: int
    refused: int
    warned: int
    stops: int
    findings: list[Finding]
    notes: list[str]
    tokens: int
    tokens_cut: int
    would_train: int = 0


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A written file, and what lies beside it: the lock, the scores, the card, and what trainers need."""

    file: str
    lock: str
    sidecar: str
    card: str
    beside: list[str]
    examples: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A file made again from its lock. `stages` are name and outcome of each, in order; `notes` what else differs."""

    file: str
    sha256: str
    is_equal: bool
    stages: list[tuple[str, str]]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Arm:
    """A subset that models are fine-tuned on, by the `rows` of the dataset: `kind` is selection, other (another
    selection), random, matched (random with the selection's own lengths), smaller (the selection with a smaller
    `budget`) or everything. `steps` are the optimiser's in each pass over it."""

    name: str
    kind: str
    rows: list[int]
    steps: int
    selection: str | None = None
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class ProofPlan:
    """What a proof fine-tunes and on what it measures: `held_out` rows, whose `groups` are named, "" for none; those
    that are `left_out` of them do not count. `scoring` and `settings` are those of the model and of the fine-tunes, as
    their settings classes write them."""

    dataset: str
    content_hash: str
    run: str
    selection: str
    model_identity: str
    scoring: dict[str, Any]
    settings: dict[str, Any]
    arms: list[Arm]
    held_out: list[int]
    groups: list[str]
    left_out: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProofCost:
    """What a proof will take: `seconds` by the rate that `by` names, None where no rate is known yet. The selection is
    tuned on in so many `steps`; the `tokens` are prompts' too."""

    fine_tunes: int
    tokens: int
    held_out: int
    seconds: float | None
    by: str
    steps: int


@dataclass(frozen=True, slots=True)
class ArmResult:
    """A subset's models: `loss` in nats a token, `curve` as (step, loss) of each point, and the `seeds` that are done.

    `beside` is its advantage over the mean of the random subsets, with 95 % bounds over held-out examples, None
    until one of those is done; `accuracy` the share of held-out questions answered right, where it was asked for.
    `is_part`: it is of the first part of a selection; `budget` cuts the selection to that, where one is known to."""

    name: str
    kind: str
    selection: str | None
    examples: int
    tokens: int
    steps: int
    seeds: int
    loss: float
    curve: list[tuple[int, float]]
    beside: tuple[float, float, float] | None = None
    accuracy: float | None = None
    budget: str | None = None
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """The selection's advantage over `against`, in nats a token, with 95 % bounds; `paired_low` and `paired_high` are
    those over held-out examples alone. `group` is "" for all of them; `sentence` is what it supports. Where `of` names
    a subset, it is that one's advantage instead."""

    against: str
    advantage: float
    low: float
    high: float
    paired_low: float
    paired_high: float
    verdict: str
    sentence: str
    group: str = ""
    examples: int = 0
    of: str = ""


@dataclass(frozen=True, slots=True)
class ProofReport:
    """What a proof found so far: `done` of `planned` fine-tunes. `base` is the loss before tuning, `compared` has the
    selection against each kind of subset, `smaller` what smaller budgets choose against random subsets of the whole
    one, `groups` the selection against random in each group of the held-out examples; `answers` says how the shares of
    right final answers compare, "" where none were asked for."""

    proof: str
    dataset: str
    run: str
    selection: str
    model: str
    done: int
    planned: int
    held_out: int
    base: float | None = None
    base_accuracy: float | None = None
    arms: list[ArmResult] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    smaller: list[Compared] = field(default_factory=list)
    groups: list[Compared] = field(default_factory=list)
    answers: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a sample of so many `rows` took on a device; they have `mean_tokens` each, prompts too, those of them that
    are not `scorable` none.

    One pass took `pass_seconds`, that over the responses alone `alone_seconds`; tuning on `tuned_tokens` took
    `tuning_seconds`; one look at every factor `look_seconds`, and choosing so many `picks` `search_seconds`. The
    device, or without a GPU the process, held `memory_mb` at most; the files had so many bytes."""

    rows: int
    scorable: int
    device: str
    mean_tokens: float
    sd_tokens: float
    loading_seconds: float
    pass_seconds: float
    alone_seconds: float
    tuned_tokens: int
    tuning_seconds: float
    look_seconds: float
    search_seconds: float
    picks: int
    memory_mb: float
    input_bytes: int
    shard_bytes: int
    feature_bytes: int
    array_bytes: int


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a pool takes on so many `gpus`, of which calibrating and choosing use one; `cost` in the unit of the
    price, None without one."""

    gpus: int
    scoring_seconds: float
    calibrating_seconds: float
    choosing_seconds: float
    hours: float
    gpu_hours: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a whole pool will take. Its `tokens` may be off by the share `tokens_off` (95 %); each GPU needs
    `memory_mb`, the run's own files `disk_bytes`, models and database aside."""

    rows: int
    tokens: int
    tokens_off: float
    memory_mb: float
    disk_bytes: int
    waits: list[Wait]
