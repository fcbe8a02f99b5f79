"""From a source to examples: every row is loaded, or quarantined with its reason.

`rows_read = rows_loaded + rows_quarantined`, always.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from core.data.conversations import RowError
from core.data.shapes import Mapping, Recognised, recognise
from core.data.sources import Source, SourceRow, open_source
from core.errors import BadInput
from core.records import Example, Quarantined
from core.settings import IngestSettings

SAMPLE_ROWS, SAMPLE_LENGTH = 200, 1 << 26
SCANNED_ROWS = 20_000


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


@dataclass(frozen=True, slots=True)
class Ingest:
    """A recognised source, to be read from the beginning any number of times."""

    source: Source
    found: Recognised
    limit: int | None

    @property
    def format(self) -> str:
        """The shape's name."""
        return self.found.shape.name

    @property
    def mapping(self) -> Mapping:
        """Field of the shape → column of the source."""
        return self.found.mapping

    def outcomes(self, start: int = 0, loaded: int = 0) -> Iterator[Example | Quarantined]:
        """What becomes of each row from the `start`-th on, of the rows before which `loaded` were loaded."""
        left = None if self.limit is None else max(0, self.limit - start)
        for row in islice(self.source.rows(start=start), left):
            outcome = self.load_row(row, loaded)
            loaded += isinstance(outcome, Example)
            yield outcome

    def load_row(self, row: SourceRow, number: int) -> Example | Quarantined:
        """The example that a row becomes as the dataset's row `number`, or why it does not.

        Its id is of its content alone; exact repeats are told apart when all rows are there.
        """
        problem = row.problem
        if row.fields is not None:
            try:
                conversation = self.found.shape.convert(row.fields, self.found.mapping)
            except RowError as error:
                problem = str(error)
            else:
                content, messages, tools = content_id(row.fields), conversation.messages, conversation.tools
                return Example(content, number, row.file, row.line, messages, row.raw, tools)
        return Quarantined(row.file, row.line, row.byte_offset, problem or "unreadable", row.raw)


def content_id(fields: dict[str, Any]) -> str:
    """A hash of a row's content, whatever the order of its keys."""
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def read_examples(
    source: str | Sequence[str],
    settings: IngestSettings,
    downloads: Path | None = None,
    roots: Sequence[Path] | None = None,
) -> Ingest:
    """Open a source and recognise its shape from a sample.

    Raises BadInput for a source that cannot be used, a shape that it has not, and a mapping
    to columns that are not there.
    """
    opened = open_source(source, settings, downloads, roots)
    sample: list[dict[str, Any]] = []
    reasons, count, length = Counter[str](), 0, 0
    for row in islice(opened.rows(), min(SCANNED_ROWS, settings.limit or SCANNED_ROWS)):
        if len(sample) == SAMPLE_ROWS or length > SAMPLE_LENGTH:
            break
        count, length = count + 1, length + len(row.raw)
        if row.fields is None:
            reasons[row.problem or "unreadable"] += 1
        else:
            sample.append(row.fields)
    if not sample:
        raise nothing_loaded(opened.name, count, reasons)
    return Ingest(opened, recognise(opened.name, sample, settings.format, settings.mapping), settings.limit)


def preview(ingest: Ingest, rows: int = 5) -> Preview:
    """The shape found and the first rows as they would be loaded."""
    first = list(islice(ingest.source.rows(), rows))
    columns = list(dict.fromkeys(column for row in first for column in row.fields or {}))
    outcomes = [ingest.load_row(row, number) for number, row in enumerate(first)]
    return Preview(ingest.format, ingest.found.confidence, columns, ingest.mapping, outcomes)


def nothing_loaded(name: str, rows_read: int, reasons: Counter[str]) -> BadInput:
    """The error for a source of which no row could be loaded."""
    if not rows_read:
        return BadInput(f"{name!r} has no rows.")
    listed = "; ".join(f"{reason} ({number:,})" for reason, number in reasons.most_common(3))
    return BadInput(f"None of the {rows_read:,} rows read from {name!r} can be loaded: {listed}.")
