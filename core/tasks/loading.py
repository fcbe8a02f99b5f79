"""Load: a source's rows become blocks in the job's folder, from which the database takes them.

A block is complete or absent, so a load that is killed goes on behind the last complete one.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from core.blocks import Blocks, BlockSummary, loaded_columns, quarantined_columns
from core.data.digests import digest_example
from core.data.ingest import Ingest, nothing_loaded, read_examples
from core.errors import BadInput
from core.files import remove_partials, user_path
from core.jobs.progress import Progress
from core.records import Example, Quarantined
from core.settings import IngestSettings

BLOCK_ROWS = int(os.environ.get("GLEANER_BLOCK_ROWS", "10000"))
BLOCK_LENGTH = 1 << 27


def load(
    folder: Path,
    progress: Progress,
    *,
    sources: list[str],
    settings: dict[str, Any],
    downloads: str,
    roots: list[str] | None,
    fingerprint: list[list[Any]],
) -> dict[str, Any]:
    """Read the sources to their end. Raises BadInput when no row could be loaded, and when a file is not what it was
    when the load began: half of one and half of another would be neither."""
    blocks = Blocks(folder / "blocks")
    remove_partials(blocks.folder)
    if fingerprint_files(sources) != fingerprint:
        raise BadInput("The source was changed since this load began; load it again.")
    allowed = None if roots is None else [Path(root) for root in roots]
    ingest = read_examples(sources, IngestSettings.checked(**settings), Path(downloads), allowed)
    read = loaded = 0
    for summary in blocks.summaries():
        read, loaded = read + summary.rows_read, loaded + summary.rows_loaded
    _read_blocks(ingest, blocks, progress, read, loaded)
    return _sum_up(ingest, blocks)


def local_files(sources: Sequence[str]) -> list[Path]:
    """The files that sources name here, those inside folders too; none for a URL and a hub id."""
    paths = [user_path(source) for source in sources]
    inside = [sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path] for path in paths]
    return [file for files in inside for file in files if file.is_file()]


def fingerprint_files(sources: Sequence[str]) -> list[list[Any]]:
    """What tells that files were changed: name, size and time of each."""
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in local_files(sources)]


def _read_blocks(ingest: Ingest, blocks: Blocks, progress: Progress, read: int, loaded: int) -> None:
    by_bytes = ingest.limit is None and ingest.source.size is not None
    progress.begin("Loading", (ingest.source.size if by_bytes else ingest.limit) or 0, "bytes" if by_bytes else "rows")
    position, number = 0, blocks.count()
    outcomes = ingest.outcomes(read, loaded)
    while rows := _next_block(outcomes):
        blocks.write(*_as_block(rows, number, read))
        number, read = number + 1, read + len(rows)
        now = ingest.source.position() if by_bytes else read
        progress.advance(now - position)
        position = now


def _next_block(outcomes: Iterator[Example | Quarantined]) -> list[Example | Quarantined]:
    """So many rows as one block holds: long ones are fewer."""
    rows: list[Example | Quarantined] = []
    length = 0
    for outcome in islice(outcomes, BLOCK_ROWS):
        rows.append(outcome)
        length += len(outcome.original if isinstance(outcome, Example) else outcome.raw)
        if length > BLOCK_LENGTH:
            break
    return rows


def _as_block(
    outcomes: Sequence[Example | Quarantined], number: int, first: int
) -> tuple[list[dict[str, Any]], BlockSummary]:
    rows, reasons, digests, raw_digests = [], Counter[str](), list[bytes](), list[bytes]()
    for entry, outcome in enumerate(outcomes, first):
        if isinstance(outcome, Example):
            rows.append(loaded_columns(entry, outcome))
            digests.append(digest_example(outcome))
        else:
            rows.append(quarantined_columns(entry, outcome))
            reasons[outcome.reason] += 1
        raw = outcome.original if isinstance(outcome, Example) else outcome.raw
        raw_digests.append(hashlib.sha256(raw.encode()).digest())
    return rows, BlockSummary(number, len(rows), len(digests), dict(reasons), b"".join(digests), b"".join(raw_digests))


def _sum_up(ingest: Ingest, blocks: Blocks) -> dict[str, Any]:
    """Counts, and the hashes of what was loaded and of what was read, over all blocks."""
    digest, raw_digest, read, loaded, reasons = hashlib.sha256(), hashlib.sha256(), 0, 0, Counter[str]()
    for summary in blocks.summaries():
        digest.update(summary.digests)
        raw_digest.update(summary.raw_digests)
        read, loaded = read + summary.rows_read, loaded + summary.rows_loaded
        reasons.update(summary.reasons)
    if not loaded:
        raise nothing_loaded(ingest.source.name, read, reasons)
    return {
        "source": ingest.source.name,
        "format": ingest.format,
        "mapping": ingest.mapping,
        "content_hash": digest.hexdigest(),
        "read_hash": raw_digest.hexdigest(),
        "rows_read": read,
        "rows_loaded": loaded,
        "rows_quarantined": read - loaded,
    }
