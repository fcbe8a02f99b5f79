"""Is the dataset here the lock's? Found by its hash, or loaded again; where it differs, the first row is named."""

from itertools import chain, count
from pathlib import Path

from core.data.digests import ROW_BYTES, Difference, first_difference, split
from core.data.lock import LockedDataset
from core.errors import BadInput
from core.files import user_path
from core.people import Role
from core.workbench.loading import DEMO, Sources
from core.workbench.locking import Locking
from core.workbench.mending import Mending
from core.workbench.rights import needs
from core.workbench.trail import Trail

LONGEST_NAME = 60


class Reloading(Mending, Locking):
    """The first stage of a replay."""

    @needs(Role.CURATOR, "replay a lock")
    def find_dataset(
        self, locked: LockedDataset, source: Sources | None, beside: Path, trail: Trail, after: str | None = None
    ) -> str:
        """The name of a dataset with the lock's content: one that is here, unless a source is given; else the source
        is loaded, from where the lock says or from `beside` it. It is a version behind `after`, if that is named.

        Raises BadInput where it cannot be loaded, and names the first row that differs.
        """
        known = [
            dataset.name
            for dataset in self.datasets.all()
            if dataset.content_hash == locked.content_hash and (after is None or dataset.previous == after)
        ]
        if known and source is None:
            trail.passed("dataset", f"{known[0]} in this workspace has the lock's {locked.rows_loaded:,} rows.")
            return known[0]
        name = self._load_again(locked, source, beside, trail, after)
        try:
            name = self.repeat_repairs(name, locked.repairs)
        except BadInput as error:
            raise trail.failed("dataset", str(error)) from None
        if self.datasets.get(name).content_hash != locked.content_hash:
            raise trail.failed("dataset", f"{self._tell_row(locked, name)} What was read is loaded as {name!r}.")
        trail.passed("dataset", f"All {locked.rows_loaded:,} rows are the lock's; loaded as {name}.")
        return name

    def _load_again(
        self, locked: LockedDataset, source: Sources | None, beside: Path, trail: Trail, after: str | None
    ) -> str:
        sources = _given(source) or [_nearer(one, beside) for one in locked.sources or [locked.source]]
        name = after or self._free_title(locked.name)
        try:
            if name == DEMO and source is None and not user_path(sources[0]).exists():
                return self.demo().dataset
            return self.ingest(sources, name, locked.ingest).dataset
        except BadInput as error:
            raise trail.failed("dataset", f"{error} Name the source with --source where it lies elsewhere.") from None

    def _free_title(self, name: str) -> str:
        taken = {title for dataset in self.datasets.all() for title in (dataset.name, dataset.title)}
        others = (f"{name[:LONGEST_NAME]} replay {number}" for number in count(1))
        return next(free for free in chain([name], others) if free not in taken)

    def _tell_row(self, locked: LockedDataset, name: str) -> str:
        """The first row that is not the lock's, in words."""
        found = first_difference(locked.digests(), split(self.row_digests(name), ROW_BYTES))
        if found is None:
            return "Every row is the lock's, but not the hash of all: the lock was changed, or by another version."
        if found.what == "missing":
            return f"Row {found.row:,} of the lock is missing: {self._where_it_was(name, found)}."
        (example,) = self.datasets.examples(name, [found.row])
        how = {
            "changed": "differs from the lock's",
            "added": "is not in the lock",
            "moved": "stands elsewhere in the lock",
        }
        where = f"line {example.line:,} of {example.file}, example {example.example_id}"
        return f"Row {found.row:,} ({where}) {how[found.what]}."

    def _where_it_was(self, name: str, found: Difference) -> str:
        """What stands where a missing row stood: a row that is quarantined now, or its neighbours."""
        last = self.datasets.get(name).rows_loaded
        rows = [row for row in (found.row - 1, found.row) if 0 <= row < last]
        near = {example.row: example for example in self.datasets.examples(name, rows)}
        before, after = near.get(found.row - 1), near.get(found.row)
        for row in self.datasets.quarantine(name, 0, 10_000):
            is_behind = before is None or (row.file == before.file and row.line > before.line)
            if is_behind and (after is None or row.line < after.line):
                return f"line {row.line:,} of {row.file} cannot be loaded ({row.reason})"
        if before is None:
            return "it was the first"
        return f"it stood after line {before.line:,} of {before.file}"


def _given(source: Sources | None) -> list[str]:
    if source is None:
        return []
    return [str(one) for one in ([source] if isinstance(source, str | Path) else source)]


def _nearer(source: str, beside: Path) -> str:
    """A source as the lock names it; where it is not there, the file of that name beside the lock, if there is."""
    near = beside / Path(source).name
    return str(near) if near.is_file() and not user_path(source).exists() else source
