"""Plain results about whole datasets and files: what is in one, what a trainer would do with one, what was written."""

from dataclasses import dataclass


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
