"""Mend: rows that could not be loaded are fixed, kept as they are, or set aside, and admitted to the dataset."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from core.blocks import BLOCK_SCHEMA, loaded_columns
from core.data.conversations import RowError
from core.data.digests import digest_example
from core.data.ingest import content_id
from core.data.lock import LockedRepair
from core.data.rows import parse_object
from core.data.shapes import SHAPES, Recognised, convert_leniently
from core.errors import BadInput
from core.people import Role
from core.records import DatasetRow, Entry, EntryGroup, Example
from core.workbench.loading import Loading
from core.workbench.rights import needs

LONGEST_TEXT = 10_000_000
LINE_ENDS = re.compile(r"[ \t]*[\r\n][ \t\r\n]*")
TAKEN_BACK = ("ignored", "kept", "fixed")


class Mending(Loading):
    """The quarantine of a dataset."""

    def quarantine_groups(self, dataset: str) -> list[EntryGroup]:
        """The rows outside the dataset by reason and state, the most frequent first."""
        self.datasets.get(dataset)
        return self.repairs.groups(dataset)

    @needs(Role.CURATOR, "repair quarantined rows")
    def fix(self, dataset: str, entry: int, text: str, who: str | None = None) -> Example:
        """Mend one row; returns the example that it becomes when it is admitted.

        Raises BadInput, with what is still wrong, for a text that cannot be loaded.
        """
        found = self._entry(dataset, entry)
        if len(text) > LONGEST_TEXT:
            raise BadInput(f"This row has {len(text):,} characters; {LONGEST_TEXT:,} can be mended here.")
        example = self._convert(self.datasets.get(dataset), found, text, 0, is_kept=False)
        self._record(dataset, [entry], "fix", example.original, who)
        return example

    @needs(Role.CURATOR, "repair quarantined rows")
    def keep(self, dataset: str, reason: str, who: str | None = None) -> int:
        """Decide to load all open rows of a kind as they are, such as those whose response is empty.

        Returns how many. Raises BadInput, and records nothing, when one of them is no conversation at all.
        """
        known = self.datasets.get(dataset)
        entries = self._open_entries(dataset, reason)
        for entry in entries:
            self._convert(known, entry, entry.raw, 0, is_kept=True)
        return self._record(dataset, [entry.entry for entry in entries], "keep", None, who)

    def can_keep(self, dataset: str, reason: str) -> bool:
        """Whether the first open row of a kind is a conversation at all."""
        entries = self.repairs.entries(dataset, reason=reason, state="open", limit=1)
        try:
            return bool(
                entries and self._convert(self.datasets.get(dataset), entries[0], entries[0].raw, 0, is_kept=True)
            )
        except BadInput:
            return False

    @needs(Role.CURATOR, "repair quarantined rows")
    def ignore(self, dataset: str, reason: str, who: str | None = None) -> int:
        """Decide to leave all open rows of a kind out. Returns how many."""
        return self._record(
            dataset, [entry.entry for entry in self._open_entries(dataset, reason)], "ignore", None, who
        )

    @needs(Role.CURATOR, "repair quarantined rows")
    def reopen(self, dataset: str, reason: str, state: str = "ignored", who: str | None = None) -> int:
        """Take back what was decided about the rows of a kind that are `ignored`, `kept` or `fixed`, and not admitted.
        Returns how many. Raises BadInput when there is none."""
        self.datasets.get(dataset)
        entries = self.repairs.entries(dataset, reason=reason, state=state) if state in TAKEN_BACK else []
        if not entries:
            raise BadInput(f"Dataset {dataset!r} has no row of the kind {reason!r} that is {state}.")
        return self._record(dataset, [entry.entry for entry in entries], "reopen", None, who)

    @needs(Role.CURATOR, "repair quarantined rows")
    def admit(self, dataset: str) -> DatasetRow:
        """Append the fixed and kept rows to the dataset; where it was scored, to its next version.

        Raises BadInput when there is none.
        """
        with self.taking:
            known = self.datasets.get(dataset)
            waiting = [
                *self.repairs.entries(dataset, state="fixed"),
                *self.repairs.entries(dataset, state="kept"),
            ]
            if not waiting:
                raise BadInput(f"No row of dataset {dataset!r} waits to be admitted; fix or keep some first.")
            return self._admit(known, sorted(waiting, key=lambda entry: entry.entry))

    @needs(Role.CURATOR, "repair quarantined rows")
    def repeat_repairs(self, dataset: str, repairs: Sequence[LockedRepair]) -> str:
        """Admit the rows that a lock has admitted, in its order, but those that are; returns the dataset that has them.

        Raises BadInput where one is not in quarantine.
        """
        known, waiting = self.datasets.get(dataset), list[Entry]()
        free = self.repairs.entries(dataset) if repairs else []
        for repair in repairs:
            alike = sorted(
                (entry for entry in free if entry.raw == repair.raw), key=lambda entry: entry.entry != repair.entry
            )
            if alike and alike[0].admitted_row is not None:
                free.remove(alike[0])
                continue
            if not alike:
                raise BadInput(f"The row admitted by hand as entry {repair.entry:,} is not in quarantine here.")
            free.remove(alike[0])
            kind = "keep" if repair.is_kept else "fix"
            self._record(dataset, [alike[0].entry], kind, repair.text, repair.who)
            waiting.append(self._entry(dataset, alike[0].entry))
        return self._admit(known, waiting).name if waiting else dataset

    def _admit(self, known: DatasetRow, waiting: Sequence[Entry]) -> DatasetRow:
        admitted = list(self._admitted(known, waiting))
        after = self._enlarged(known, [example for _, example in admitted])
        same = next((of for of in self._versions(known.title) if of.content_hash == after.content_hash), None)
        if same:
            return same
        rows = [loaded_columns(entry, example) for entry, example in admitted]
        self.repairs.admit(known, after, pa.Table.from_pylist(rows, BLOCK_SCHEMA))
        return self.datasets.get(after.name)

    def _admitted(self, dataset: DatasetRow, entries: Sequence[Entry]) -> Iterator[tuple[int, Example]]:
        for row, entry in enumerate(entries, dataset.rows_loaded):
            is_kept = entry.state == "kept"
            text = entry.raw if is_kept else str(entry.text)
            yield entry.entry, self._convert(dataset, entry, text, row, is_kept=is_kept)

    def _enlarged(self, dataset: DatasetRow, admitted: Sequence[Example]) -> DatasetRow:
        digest = self.start_hash(dataset.name)
        for example in admitted:
            digest.update(digest_example(example))
        enlarged = replace(
            dataset,
            content_hash=digest.hexdigest(),
            rows_loaded=dataset.rows_loaded + len(admitted),
            rows_quarantined=dataset.rows_quarantined - len(admitted),
        )
        if not self.runs.of_dataset(dataset.name):
            return enlarged
        newest = self._versions(dataset.title)[0]
        return replace(enlarged, name=self._free_name(dataset.title), version=newest.version + 1, previous=dataset.name)

    def _convert(self, dataset: DatasetRow, entry: Entry, text: str, row: int, *, is_kept: bool) -> Example:
        fields, problem = parse_object(text.encode("utf-8", "surrogatepass"))
        text = LINE_ENDS.sub("", text.strip())  # between tokens alone: no JSON string holds one
        if fields is None:
            raise BadInput(f"Row at line {entry.line:,} of {Path(entry.file).name} cannot be loaded: {problem}.")
        found = _found(dataset)
        convert = convert_leniently if is_kept else lambda of, row: of.shape.convert(row, of.mapping)
        try:
            conversation = convert(found, fields)
        except RowError as error:
            raise BadInput(
                f"Row at line {entry.line:,} of {Path(entry.file).name} cannot be loaded: {error}."
            ) from None
        return Example(content_id(fields), row, entry.file, entry.line, conversation.messages, text, conversation.tools)

    def _open_entries(self, dataset: str, reason: str) -> list[Entry]:
        self.datasets.get(dataset)
        entries = self.repairs.entries(dataset, reason=reason, state="open")
        if not entries:
            raise BadInput(f"Dataset {dataset!r} has no open row of the kind {reason!r}.")
        return entries

    def _entry(self, dataset: str, entry: int) -> Entry:
        self.datasets.get(dataset)
        found = self.repairs.entry(dataset, entry)
        if found is None or found.admitted_row is not None:
            raise BadInput(f"Dataset {dataset!r} has no row {entry:,} in quarantine.")
        return found

    def _record(self, dataset: str, entries: Sequence[int], kind: str, text: str | None, who: str | None) -> int:
        if entries:
            self.repairs.add(dataset, entries, kind, text, self.sign(who))
        return len(entries)


def _found(dataset: DatasetRow) -> Recognised:
    """How the dataset's rows were read."""
    fitting = (
        shape
        for shape in SHAPES
        if shape.name == dataset.format and all(field in dataset.mapping for field in shape.required)
    )
    return Recognised(next(fitting), dataset.mapping, 1.0)
