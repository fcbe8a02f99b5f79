"""From a source to examples: every row is loaded, or quarantined with its reason.

`rows_read = rows_loaded + rows_quarantined`, always.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from core.data.conversations import RowError
from core.data.shapes import Mapping, Recognised, recognise
from core.data.sources import Source, SourceRow, open_source
from core.errors import BadInput
from core.records import Example, Quarantined
from core.settings import IngestSettings

SAMPLE_ROWS = 200
SCANNED_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class IngestBlock:
    """Some of a source's rows, in its order."""

    examples: list[Example]
    quarantined: list[Quarantined]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a source looks like before it is loaded.

    `rows` are the first ones: an Example as it would be loaded, or a Quarantined.
    """

    format: str
    confidence: float
    columns: list[str]
    mapping: Mapping
    rows: list[Example | Quarantined]


@dataclass
class Ingest:
    """A recognised source; iterating it reads it from the beginning, a block at a time.

    Raises BadInput after the last block when no row could be loaded.
    """

    source: Source
    found: Recognised
    limit: int | None
    block_rows: int
    rows_read: int = 0
    _seen: Counter[str] = field(default_factory=Counter)

    @property
    def format(self) -> str:
        """The shape's name."""
        return self.found.shape.name

    @property
    def mapping(self) -> Mapping:
        """Field of the shape → column of the source."""
        return self.found.mapping

    def __iter__(self) -> Iterator[IngestBlock]:
        self.rows_read, loaded = 0, 0
        self._seen.clear()
        reasons: Counter[str] = Counter()
        rows = islice(self.source.rows(), self.limit)
        while block := list(islice(rows, self.block_rows)):
            examples: list[Example] = []
            quarantined: list[Quarantined] = []
            for row in block:
                outcome = self.load_row(row, loaded + len(examples))
                if isinstance(outcome, Example):
                    examples.append(outcome)
                else:
                    quarantined.append(outcome)
            self.rows_read += len(block)
            loaded += len(examples)
            reasons.update(row.reason for row in quarantined)
            yield IngestBlock(examples, quarantined)
        if not loaded:
            _refuse(self.source.name, self.rows_read, reasons)

    def load_row(self, row: SourceRow, number: int) -> Example | Quarantined:
        """The example that a row becomes as the dataset's row `number`, or why it does not."""
        problem = row.problem
        if row.fields is not None:
            try:
                conversation = self.found.shape.convert(row.fields, self.found.mapping)
            except RowError as error:
                problem = str(error)
            else:
                id_ = self._identify(row.fields)
                return Example(id_, number, row.file, row.line, conversation.messages, row.raw, conversation.tools)
        return Quarantined(row.file, row.line, row.byte_offset, problem or "unreadable", row.raw)

    def _identify(self, fields: dict[str, object]) -> str:
        """A hash of the content; the k-th exact repeat is told apart by its count."""
        canonical = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(canonical).hexdigest()[:16]
        self._seen[digest] += 1
        return digest if self._seen[digest] == 1 else f"{digest}-{self._seen[digest]}"


class ContentHasher:
    """A dataset's content, as the hash of its examples in order: ids, conversations and tools."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, examples: Iterable[Example]) -> None:
        """Add examples."""
        for example in examples:
            self._digest.update(orjson.dumps([example.example_id, example.messages, example.tools]) + b"\n")

    def hexdigest(self) -> str:
        """The hash so far."""
        return self._digest.hexdigest()


def read_examples(source: str, settings: IngestSettings, block_rows: int = 2000) -> Ingest:
    """Open a source and recognise its shape from a sample.

    Raises BadInput for a source that cannot be used, a shape that it has not, and a mapping
    to columns that are not there.
    """
    opened = open_source(source, settings)
    sample: list[dict[str, Any]] = []
    reasons, count = Counter[str](), 0
    for row in islice(opened.rows(), min(SCANNED_ROWS, settings.limit or SCANNED_ROWS)):
        if len(sample) == SAMPLE_ROWS:
            break
        count += 1
        if row.fields is None:
            reasons[row.problem or "unreadable"] += 1
        else:
            sample.append(row.fields)
    if not sample:
        _refuse(source, count, reasons)
    found = recognise(source, sample, settings.format, settings.mapping)
    return Ingest(opened, found, settings.limit, block_rows)


def preview(source: str, settings: IngestSettings, rows: int = 5) -> Preview:
    """The shape found and the first rows as they would be loaded. Raises BadInput like `read_examples`."""
    ingest = read_examples(source, settings)
    first = list(islice(ingest.source.rows(), rows))
    columns = list(dict.fromkeys(column for row in first for column in row.fields or {}))
    outcomes = [ingest.load_row(row, number) for number, row in enumerate(first)]
    return Preview(ingest.format, ingest.found.confidence, columns, ingest.mapping, outcomes)


def _refuse(source: str, count: int, reasons: Counter[str]) -> None:
    if not count:
        raise BadInput(f"{source!r} has no rows.")
    listed = "; ".join(f"{reason} ({number:,})" for reason, number in reasons.most_common(3))
    raise BadInput(f"None of the {count:,} rows read from {source!r} can be loaded: {listed}.")
