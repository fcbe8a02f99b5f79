"""Are the files of one scoring run what was written? What is not is taken out, and resuming the run makes it again."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from core.files import HASHES, differing_files, hash_file, write_hashes
from core.jobs.folder import JobFolder
from core.records import DatasetRow, JobProgress, RunRow
from core.scoring.arrays import join_shards, open_arrays
from core.scoring.shards import list_shards, read_features, read_scores
from core.store.keeping import Keeping, ShardRow
from core.tasks.rows import InputRows
from core.workbench.base import UNREADABLE
from core.workbench.flaws import RESTORE, Flaw
from core.workspace import RunFolder

AGAIN = "resume the run"


class RunFiles:
    """The files of a run that has a record. `write_input` makes its input anew, `set_aside` its held-out split."""

    def __init__(
        self,
        files: RunFolder,
        run: RunRow,
        dataset: DatasetRow,
        keeping: Keeping,
        write_input: Callable[[], None],
        set_aside: Callable[[], None],
    ) -> None:
        self.files, self.run, self.dataset = files, run, dataset
        self._keeping, self._write_input, self._set_aside = keeping, write_input, set_aside
        self._job = JobFolder(files.path)

    def flaws(self) -> Iterator[Flaw]:
        """Everything wrong with them, what is mended first coming first."""
        if not self.files.path.is_dir():
            what = f"the folder of run {self.run.run} of {self.run.dataset!r} is missing"
            yield Flaw("runs", what, f"{RESTORE}, or score with the same settings again")
            return
        if self._job.is_alive():
            yield Flaw(self._name(), "its job is running", "look again when it has ended", is_note=True)
            return
        yield from self._job_flaws()
        yield from self._input_flaws()
        yield from self._held_out_flaws()
        shards = self._keeping.shards(self.run.run)
        yield from [flaw for shard in shards for flaw in self._shard_flaws(shard)]  # judged before any is mended
        yield from self._unfinished_flaws()
        yield from self._array_flaws()
        yield from self._model_flaws()
        yield from self._map_flaws()
        yield from self._count_flaws()

    def _name(self, path: Path | None = None) -> str:
        return f"runs/{self.run.run}" if path is None else f"runs/{path.relative_to(self.files.path.parent)}"

    def _job_flaws(self) -> Iterator[Flaw]:
        for name in ("job.json", "progress.json"):
            path = self.files.path / name
            if path.exists() and _cannot(partial(_read_json, path)):
                yield Flaw(self._name(path), "it cannot be read", f"it is taken out; {AGAIN}", path.unlink)
        try:
            stored = json.loads(self.files.settings.read_text(encoding="utf-8"))
            kept = (stored["dataset"], stored["settings"], stored["model_identity"])
        except UNREADABLE:
            kept = None
        if kept != (self.run.dataset, self.run.settings, self.run.model_identity):
            yield Flaw(self._name(self.files.settings), "it is not what was written", RESTORE)

    def _input_flaws(self) -> Iterator[Flaw]:
        def read() -> None:
            rows = InputRows(self.files.input)
            if len(rows.example_ids) != self.dataset.rows_loaded:
                raise ValueError
            rows.read(range(len(rows.example_ids)))

        if _cannot(read):
            what = "it is missing or not what was written"
            yield Flaw(self._name(self.files.input), what, "it is written again", self._write_input)

    def _held_out_flaws(self) -> Iterator[Flaw]:
        path = self.files.held_out

        def read() -> None:
            with np.load(path, allow_pickle=False) as stored:
                rows, measured = (set(stored[name].tolist()) for name in ("rows", "measured"))
            if not measured <= rows <= set(range(self.dataset.rows_loaded)):
                raise ValueError

        if self.run.settings.get("held_out") and _cannot(read):
            what = "it is missing or not what was written"
            yield Flaw(self._name(path), what, "the same examples are drawn again", self._draw_again)

    def _draw_again(self) -> None:
        self.files.held_out.unlink(missing_ok=True)
        self._set_aside()

    def _shard_flaws(self, shard: ShardRow) -> Iterator[Flaw]:
        path = self.files.path / shard.scoring_pass / shard.name
        if not path.exists():
            yield self._lost(path, "it is missing")
            return
        sha256 = hash_file(path)
        if shard.sha256 is not None and sha256 != shard.sha256:
            yield self._lost(path, "it is not what was written")
        elif shard.sha256 is None:
            if self._holds_its_scores(shard, path):
                what = "it has no hash, taken in by an older Gleaner; its scores are those of the database"
                then = "its hash is kept from now on"
                yield Flaw(self._name(path), what, then, lambda: self._keeping.set_hash(shard, sha256), is_note=True)
            else:
                yield self._lost(path, "it has no hash, and its scores are not those of the database")

    def _lost(self, path: Path, what: str) -> Flaw:
        then = f"it is taken out, and {AGAIN}: its rows are scored again"
        return Flaw(self._name(path), what, then, lambda: self._take_out(path.parent.name, [path]))

    def _holds_its_scores(self, shard: ShardRow, path: Path) -> bool:
        try:
            found = read_scores(path)
        except UNREADABLE:
            return False
        kept = self._keeping.scores_of(shard, int(found.rows[0]), int(found.rows[-1]))
        columns = np.array(kept, dtype=np.float64).reshape(-1, 2).T
        return all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip((found.nll, found.entropy), columns, strict=True)
        )

    def _unfinished_flaws(self) -> Iterator[Flaw]:
        """Shards that the database does not have: of rounds, of features not joined yet, and what it could not take."""
        taken = {(shard.scoring_pass, shard.name) for shard in self._keeping.shards(self.run.run)}
        passes = (self.files.base, self.files.alone, self.files.calibrated)
        for folder in (*passes, self.files.features, *sorted(self.files.path.glob("rounds/*/"))):
            read = read_features if folder == self.files.features else read_scores
            for path in list_shards(folder):
                if (folder.name, path.name) not in taken and _cannot(partial(read, path)):
                    then = f"it is taken out; {AGAIN}"
                    yield Flaw(self._name(path), "it cannot be read", then, path.unlink)

    def _array_flaws(self) -> Iterator[Flaw]:
        if not self.files.arrays.is_dir() and not self._is_done():
            return
        differing = differing_files(self.files.arrays)
        if differing in (None, [HASHES]) and not _cannot(lambda: open_arrays(self.files.arrays)):
            yield self._unhashed(self.files.arrays, differing)
        elif differing is None or differing:
            what = f"{', '.join(differing or ['what is there'])}: not what was written, or missing"
            if _names(self.files.features) == _names(self.files.base):
                yield Flaw(self._name(self.files.arrays), what, "made again from the features", self._join_again)
            else:
                then = f"the base pass is taken out, for its features are gone; {AGAIN} to score it again"
                yield Flaw(self._name(self.files.arrays), what, then, self._take_out_base)

    def _join_again(self) -> None:
        shutil.rmtree(self.files.arrays, ignore_errors=True)
        join_shards(list(list_shards(self.files.base)), list(list_shards(self.files.features)), self.files.arrays)

    def _take_out_base(self) -> None:
        shutil.rmtree(self.files.arrays, ignore_errors=True)
        self._take_out("base", list(list_shards(self.files.base)))

    def _model_flaws(self) -> Iterator[Flaw]:
        model = self.files.calibrated_model
        if not model.is_dir():
            return
        differing = differing_files(model)
        if differing in (None, [HASHES]):
            yield self._unhashed(model, differing)
        elif differing and self.files.reuse.exists():
            yield Flaw(self._name(model), f"{', '.join(differing)}: not what was written", RESTORE)
        elif differing:
            then = f"it is taken out with what it scored; {AGAIN} to calibrate again"
            yield Flaw(
                self._name(model), f"{', '.join(differing)}: not what was written", then, self._take_out_calibrated
            )

    def _take_out_calibrated(self) -> None:
        shutil.rmtree(self.files.calibrated_model)
        self._take_out("calibrated", list(list_shards(self.files.calibrated)))

    def _unhashed(self, folder: Path, damaged: list[str] | None) -> Flaw:
        what = "its hashes are not what was written" if damaged else "it has no hashes, written by an older Gleaner"
        then = "those of what lies there are kept from now on"
        return Flaw(self._name(folder), what, then, lambda: write_hashes(folder), is_note=not damaged)

    def _map_flaws(self) -> Iterator[Flaw]:
        for path in sorted(self.files.map.glob("points*.npz")):
            if _cannot(partial(_read_archive, path)):
                then = "it is taken out; draw the map again for the names of its places"
                yield Flaw(self._name(path), "it cannot be read", then, path.unlink)

    def _count_flaws(self) -> Iterator[Flaw]:
        """A finished run has scores of every row, by every pass that it was asked for."""
        if not self._is_done():
            return
        settings, counts = self.run.settings, self._keeping.pass_counts(self.run.run)
        asked = {
            "base": True,
            "alone": settings["scoring"]["ifd"],
            "calibrated": settings["calibration"] or settings["calibrated_model"],
        }
        for scoring_pass in (name for name, is_asked in asked.items() if is_asked):
            if (found := counts.get(scoring_pass, 0)) != self.dataset.rows_loaded:
                what = f"the {scoring_pass} pass has {found:,} scores, of {self.dataset.rows_loaded:,} examples"
                then = f"its shards are taken in again; {AGAIN} for what is missing"
                yield Flaw(self._name(), what, then, partial(self._take_out, scoring_pass, []))

    def _is_done(self) -> bool:
        return self._job.progress().state == "done"

    def _take_out(self, scoring_pass: str, shards: list[Path]) -> None:
        """Remove shards of a pass and what the database has of it; what is whole is taken in again. The job is no
        longer done, so that resuming it scores what is missing."""
        progress = self._job.progress()
        if progress.state == "done":
            told = "Its files were damaged and are taken out; resume it to score what is missing."
            self._job.write(JobProgress("interrupted", seconds=progress.seconds, error=told))
        for path in shards:
            path.unlink(missing_ok=True)
        self._keeping.forget_pass(self.run.run, scoring_pass)


def _cannot(read: Callable[[], object]) -> bool:
    try:
        read()
    except UNREADABLE:
        return True
    return False


def _read_json(path: Path) -> None:
    json.loads(path.read_text(encoding="utf-8"))


def _names(folder: Path) -> list[str]:
    return [path.name for path in list_shards(folder)]


def _read_archive(path: Path) -> None:
    with np.load(path, allow_pickle=False) as stored:
        for name in stored.files:
            stored[name]
