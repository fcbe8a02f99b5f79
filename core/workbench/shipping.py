"""Ship: a selection becomes the file that a trainer reads, with all that accounts for it beside it.

chosen.jsonl             what the trainer reads
chosen.scores.parquet    scores, reasons and decisions, row for row
chosen.card.md           how the subset was made, in words
…                        what the trainers named need beside it
chosen.lock.json         written last: everything needed to make the file again
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from core.choices import SelectionRow
from core.data import sidecar
from core.data.card import write_card
from core.data.digests import digest_file, pack
from core.data.export import ExportRow, Written, check_together, export_examples
from core.data.lock import FileRole, Lock, LockedExport, LockedFile, hash_file, lock_path, read_lock, write_lock
from core.data.trainers.beside import check_format, side_files
from core.errors import BadInput
from core.files import beside, remove_abandoned, replacing
from core.people import Role
from core.reports import ExportReport
from core.settings import ExportFormat, Trainer
from core.store.shipping import standing_by_row
from core.workbench.base import check_target, check_text
from core.workbench.locking import Locking, environment
from core.workbench.publishing import Publishing
from core.workbench.requests import Request
from core.workbench.rights import needs

SUFFIXES = (".jsonl", ".parquet")
CARD_SUFFIX = ".card.md"
LONGEST_NAME = 200
EXPORT_BLOCK = 1000
ROLES = get_args(FileRole)


class Shipping(Locking, Publishing):
    """Exports."""

    @needs(Role.CURATOR, "export a selection")
    def export(self, selection: str, format: str, path: Path | str, *, trainers: Sequence[str] = ()) -> ExportReport:
        """Write a selection in its order as JSONL or Parquet, by suffix, and its sidecar, card and lock beside it;
        for each of the `trainers` also the files that it needs.

        Every file is complete or absent, and a lock that is there describes files that are there. Raises BadInput
        for an unknown selection, format or trainer, for scores that are not complete, for rows that the format cannot
        say, and for a path that cannot be written or whose lock would take the place of another file's.
        """
        shape, wanted = _format(format), [_trainer(name) for name in dict.fromkeys(trainers)]
        for trainer in wanted:
            check_format(trainer, shape)
        target, chosen = check_target(path, *SUFFIXES), self.selections.get(selection)
        self._check_finished(chosen.run)
        _check_name(target)
        with working_folder(target) as folder:
            data = folder / target.name
            rows = self._rows(chosen)
            written = export_examples(lambda: self.export_rows(chosen.dataset, rows), shape, data, shaped_by(wanted))
            check_together(wanted, written.schema)
            roles: dict[str, FileRole] = {data.name: "data"}
            roles[self._write_sidecar(chosen, folder, target.stem)] = "scores"
            roles |= dict.fromkeys(_write_beside(data, target, shape, written, wanted), "trainer")
            lock = self._lock(chosen, shape, wanted, data, written)
            lock = self._write_card(chosen, lock, folder, target.stem, roles)
            _put_in_place(folder, target, lock)
        return _report(target, lock)

    def export_rows(self, dataset: str, rows: Sequence[int]) -> Iterator[ExportRow]:
        """The examples at these rows, in this order, as they are exported."""
        for start in range(0, len(rows), EXPORT_BLOCK):
            for example in self.datasets.examples(dataset, rows[start : start + EXPORT_BLOCK]):
                yield ExportRow(example.row, example.example_id, example.messages, example.tools, example.original)

    def _rows(self, chosen: SelectionRow) -> list[int]:
        return [pick.row for pick in self.selections.picks(chosen.selection)]

    def _write_sidecar(self, chosen: SelectionRow, folder: Path, stem: str) -> str:
        picks, name = self.selections.picks(chosen.selection), stem + sidecar.SUFFIX
        rows, origins = [pick.row for pick in picks], list[sidecar.Origin]()
        for start in range(0, len(rows), EXPORT_BLOCK):
            block = self.datasets.examples(chosen.dataset, rows[start : start + EXPORT_BLOCK])
            origins += [sidecar.Origin.of(example) for example in block]
        standing = standing_by_row(self.decisions.of_dataset(chosen.dataset))
        table = sidecar.make_sidecar(picks, origins, self.runs.scores(chosen.run), standing)
        sidecar.write_sidecar(table, folder / name)
        return name

    def _lock(
        self, chosen: SelectionRow, shape: ExportFormat, trainers: list[Trainer], data: Path, written: Written
    ) -> Lock:
        """The lock, as yet of the one file."""
        request, ids = Request.of(chosen), self.datasets.example_ids(chosen.dataset)
        return Lock(
            dataset=self.lock_dataset(chosen.dataset),
            scoring=self.lock_run(self.runs.get(chosen.run)),
            target=self.lock_target(request),
            selection=self.lock_selection(chosen, request, ids),
            picks=self.lock_picks(chosen, ids),
            export=LockedExport(
                format=shape,
                fields=asdict(written.schema),
                trainers=trainers,
                examples=written.examples,
                line_digests=pack(digest_file(data)),
                files=[_describe(data, "data")],
            ),
            versions=environment(),
        )

    def _write_card(
        self, chosen: SelectionRow, lock: Lock, folder: Path, stem: str, roles: dict[str, FileRole]
    ) -> Lock:
        """Write the card; returns the lock of all files."""
        name = stem + CARD_SUFFIX
        write_card(lock, self.card_facts(chosen, Request.of(chosen)), folder / name)
        every = {**roles, name: "card"}
        files = [_describe(folder / name, every[name]) for name in sorted(every, key=lambda of: ROLES.index(every[of]))]
        return lock.model_copy(update={"export": lock.export.model_copy(update={"files": files})})


@contextmanager
def working_folder(target: Path) -> Iterator[Path]:
    """A folder beside a file, to make it in; gone at the end, and so are those of killed processes."""
    folder = beside(target)
    try:
        remove_abandoned(target)
        folder.mkdir()
        yield folder
    except OSError as error:
        raise BadInput(f"{str(target)!r} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _format(name: str) -> ExportFormat:
    formats: dict[str, ExportFormat] = {known: known for known in get_args(ExportFormat)}
    if name not in formats:
        raise BadInput(f"There is no export format {name!r}; the formats are: {', '.join(formats)}.")
    return formats[name]


def _trainer(name: str) -> Trainer:
    trainers: dict[str, Trainer] = {known: known for known in get_args(Trainer)}
    if name not in trainers:
        raise BadInput(f"There is no trainer {name!r}; the trainers are: {', '.join(trainers)}.")
    return trainers[name]


def shaped_by(trainers: Sequence[Trainer]) -> Trainer | None:
    """The trainer whose wants change the file itself: OpenAI's are stricter than what the others read."""
    return "openai" if "openai" in trainers else None


def _check_name(target: Path) -> None:
    """Raises BadInput for a name that is kept for other files, and where another export has its lock."""
    check_text(target.name, "name of a file", LONGEST_NAME)
    if target.name.startswith(".") or "\\" in target.name or target.name.endswith(sidecar.SUFFIX):
        raise BadInput(f"{target.name!r} cannot be the name of an export; choose another.")
    lock = lock_path(target)
    if not lock.exists():
        return
    try:
        other = read_lock(lock).export.data.name
    except BadInput as error:
        raise BadInput(f"{error} It is where this export's lock would be; choose another name.") from None
    if other != target.name:
        raise BadInput(f"{str(lock)!r} is the lock of {other!r}; choose another name than {target.name!r}.")


def _write_beside(
    data: Path, target: Path, shape: ExportFormat, written: Written, trainers: Sequence[Trainer]
) -> list[str]:
    """Write what the trainers need; returns the files' names. Raises BadInput where a file of such a name is there
    that is not this export's."""
    texts = dict[str, str]()
    for trainer in trainers:
        texts |= side_files(data, shape, written.schema, trainer)
    lock = lock_path(target)
    own = {file.name for file in read_lock(lock).export.files} if lock.exists() else set[str]()
    for name, text in texts.items():
        there = target.with_name(name)
        if there.exists() and name not in own and there.read_bytes() != text.encode():
            raise BadInput(f"{str(there)!r} is there already, and not this export's; export into another folder.")
        with replacing(data.with_name(name)) as partial:
            partial.write_text(text, encoding="utf-8")
    return list(texts)


def _describe(path: Path, role: FileRole) -> LockedFile:
    return LockedFile(name=path.name, role=role, sha256=hash_file(path), bytes=path.stat().st_size)


def _put_in_place(folder: Path, target: Path, lock: Lock) -> None:
    """Move the files to where they belong. The lock that was there goes first and the new one comes last, so that
    no lock ever describes files that are not there."""
    lock_path(target).unlink(missing_ok=True)
    for file in lock.export.files:
        (folder / file.name).replace(target.with_name(file.name))
    write_lock(lock, lock_path(target))


def _report(target: Path, lock: Lock) -> ExportReport:
    by_role: dict[str, list[str]] = {}
    for file in lock.export.files:
        by_role.setdefault(file.role, []).append(str(target.with_name(file.name)))
    return ExportReport(
        file=str(target),
        lock=str(lock_path(target)),
        sidecar=by_role["scores"][0],
        card=by_role["card"][0],
        beside=by_role.get("trainer", []),
        examples=lock.export.examples,
        sha256=lock.export.data.sha256,
    )
