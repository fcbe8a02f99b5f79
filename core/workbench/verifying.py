"""Verify: is the workspace what was written, and does all of it fit together?"""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pyarrow as pa

from core.blocks import Blocks
from core.files import find_partials
from core.people import Role
from core.records import DatasetRow, RunRow
from core.settings import HeldOutSettings, RunSettings
from core.store.keeping import Keeping
from core.store.loads import LoadRow
from core.tasks.tunes import DAMAGED, read_tune
from core.workbench.flaws import RESTORE, Flaw, Verification
from core.workbench.rights import needs
from core.workbench.run_files import RunFiles
from core.workbench.watching import Watching
from core.workspace import write_input

NAMED_PARTS = 3
FOUND_IN = "what is kept of it in the database does not fit together; put a backup of the workspace in its place"


class Verifying(Watching):
    """Looking over the whole workspace."""

    @needs(Role.CURATOR, "look over the workspace")
    def look_over(self, *, repair: bool = False) -> Verification:
        """Look at every file and count. With `repair`, what can be made again is taken out or made."""
        found = Verification()
        self.take_in()
        for flaw in self._flaws(found):
            found.enter(flaw, repair=repair)
        self.take_in()
        return found

    def _flaws(self, found: Verification) -> Iterator[Flaw]:
        keeping = Keeping(self.database, self.folder.database)
        found.count("database")
        if parts := keeping.damaged_parts():
            yield damaged_database(self.folder.database, parts)
        yield from self._partials()
        for load in self.loads.all():
            found.count("loads")
            yield from self._load_flaws(load)
        datasets = {dataset.name: dataset for dataset in self.datasets.all()}
        found.count("datasets", len(datasets))
        for folder in sorted(self.folder.runs.glob("*/")):
            if folder.name not in keeping.all_runs() and not folder.name.startswith("."):
                yield self._orphan(folder, datasets)
        yield from (Flaw(where, what, FOUND_IN) for where, what in keeping.wrong_counts())
        for run, dataset in keeping.all_runs().items():
            found.count("runs")
            found.count("shards", len(keeping.shards(run)))
            if dataset in datasets:
                yield from self._run_files(keeping, self.runs.get(run), datasets[dataset]).flaws()
        yield from self._tune_flaws(found)

    def _run_files(self, keeping: Keeping, run: RunRow, dataset: DatasetRow) -> RunFiles:
        files = self.folder.run(run.run)

        def write() -> None:
            scoring = RunSettings(**run.settings).scoring
            write_input(files.input, self._blocks(dataset, self._load_renderer(scoring), scoring.shard_rows or 64))

        def draw() -> None:
            self.set_aside(dataset.name, HeldOutSettings.checked(**run.settings["held_out"]), files)

        return RunFiles(files, run, dataset, keeping, write, draw)

    def _tune_flaws(self, found: Verification) -> Iterator[Flaw]:
        for path in sorted(self.folder.tunes.glob("*.npz")):
            found.count("fine-tunes")
            try:
                read_tune(path)
            except DAMAGED:
                then = "it is taken out; resume the proofs that need it"
                yield Flaw(f"tunes/{path.name}", "it is not what was written", then, path.unlink)

    def _partials(self) -> Iterator[Flaw]:
        for path, process in find_partials(self.folder.path):
            if not psutil.pid_exists(process):
                name = str(path.relative_to(self.folder.path))
                yield Flaw(name, "a killed process left it half-written", "it is removed", partial(_remove, path))

    @needs(Role.CURATOR, "discard a load")
    def discard_broken_loads(self) -> list[str]:
        """Let go of loads under way of which a block is missing, and name them."""
        broken = [(load, flaw) for load in self.loads.all() for flaw in self._load_flaws(load)]
        for load, _ in broken:
            self.discard_load(load.load)
        return [f"The load of {load.title!r} was under way and is not in it." for load, _ in broken]

    def _load_flaws(self, load: LoadRow) -> Iterator[Flaw]:
        blocks, taken = Blocks(self.folder.loads / load.load / "blocks"), self.loads.taken(load.load)
        for number in range(blocks.count()):
            if number not in taken and load.is_new:
                try:
                    blocks.read(number)
                except (OSError, ValueError, pa.ArrowException):
                    what = f"block {number} of the load of {load.title!r} is missing or not what was written"
                    then = "the load is discarded; load it again"
                    yield Flaw(f"loads/{load.load}", what, then, lambda: self.discard_load(load.load))
                    return

    def _orphan(self, folder: Path, datasets: dict[str, DatasetRow]) -> Flaw:
        where, what = f"runs/{folder.name}", "the database has no record of this run"
        try:
            stored = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
            dataset, settings, identity = stored["dataset"], json.dumps(stored["settings"]), stored["model_identity"]
            is_known = datasets[dataset].content_hash == stored["content_hash"]
        except (OSError, ValueError, KeyError, TypeError):
            is_known = False
        if not is_known:
            return Flaw(where, what, "its dataset is not here either: remove the folder if nobody misses it")
        return Flaw(where, what, "it is entered", lambda: self.runs.add(folder.name, dataset, settings, identity))


def damaged_database(file: Path, parts: list[str]) -> Flaw:
    """The flaw of a database whose file has damaged parts."""
    named = ", ".join(parts[:NAMED_PARTS]) + (f" and {len(parts) - NAMED_PARTS:,} more" if parts[NAMED_PARTS:] else "")
    return Flaw(file.name, f"{named}: not what was written", f"{RESTORE}, with the rest of the workspace")


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
