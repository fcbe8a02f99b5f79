"""Load: a source becomes a dataset, every row loaded or quarantined."""

import re
from pathlib import Path

from core.data.demo import write_demo
from core.data.ingest import ContentHasher, Ingest, Preview, preview, read_examples
from core.errors import BadInput
from core.records import DatasetRow, IngestReport
from core.settings import IngestSettings
from core.workbench.base import Bench

DEMO = "demo"
NAME = re.compile(r"[\w][\w .@+-]{0,79}")


class Loading(Bench):
    """Datasets: loading them and looking into them."""

    def demo(self) -> IngestReport:
        """Load the demo: real English question-and-answer chats. Loading it again changes nothing."""
        sources = self.folder.path / "sources"
        sources.mkdir(parents=True, exist_ok=True)
        return self.ingest(write_demo(sources / "chatterbot-corpus.jsonl"), DEMO)

    def preview(self, source: Path | str, settings: IngestSettings | None = None) -> Preview:
        """The shape found and the first rows, before anything is loaded. Raises BadInput."""
        return preview(str(source), settings or IngestSettings())

    def ingest(self, source: Path | str, name: str, settings: IngestSettings | None = None) -> IngestReport:
        """Load a source under a name. The same content again changes nothing.

        Raises BadInput for an unusable source or name, and for a name that holds other content.
        """
        if not NAME.fullmatch(name):
            raise BadInput(f"{name!r} cannot be a dataset's name; use up to 80 letters, digits, spaces and . _ @ + -")
        ingest = read_examples(str(source), settings or IngestSettings())
        known = {dataset.name: dataset for dataset in self.datasets.all()}
        if name in known:
            return _compare(ingest, known[name])
        hasher = ContentHasher()
        with self.datasets.loading(name) as loading:
            loaded = quarantined = 0
            for block in ingest:
                loading.add(block.examples, block.quarantined)
                loaded, quarantined = loaded + len(block.examples), quarantined + len(block.quarantined)
                hasher.update(block.examples)
            report = IngestReport(name, ingest.format, ingest.rows_read, loaded, quarantined)
            loading.finish(str(source), ingest.mapping, hasher.hexdigest(), report)
        return report


def _compare(ingest: Ingest, known: DatasetRow) -> IngestReport:
    hasher = ContentHasher()
    for block in ingest:
        hasher.update(block.examples)
    if hasher.hexdigest() != known.content_hash:
        raise BadInput(f"Dataset {known.name!r} is there already with other rows or columns; choose another name.")
    return known.report
