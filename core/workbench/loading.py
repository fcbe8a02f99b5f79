"""Load: sources become a dataset, every row loaded or quarantined."""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.blocks import Blocks
from core.data.demo import write_demo
from core.data.digests import digest_example
from core.data.ingest import Ingest, Preview, preview, read_examples
from core.data.rows import one_line
from core.data.sources import find_local
from core.errors import BadInput, Fault, JobFailed, explain_fault
from core.files import user_path
from core.jobs.folder import JobFolder, write_atomically
from core.jobs.worker import run_here
from core.people import Role
from core.records import DatasetRow, IngestReport, JobProgress
from core.settings import IngestSettings
from core.store.loads import LoadRow
from core.tasks.loading import BLOCK_ROWS, fingerprint_files, local_files
from core.workbench.base import Bench
from core.workbench.rights import needs

DEMO = "demo"
NAME = re.compile(r"[\w][\w .@+-]{0,79}")
VERSION = re.compile(r"@\d+$")
SHORT_BYTES = 32_000_000
BLOCKS_AT_ONCE = 6
Sources = Path | str | Sequence[Path | str]


class Loading(Bench):
    """Datasets: loading them, as jobs whose blocks are taken into the database as they come."""

    @needs(Role.CURATOR, "load data")
    def demo(self) -> IngestReport:
        """Load the demo: real English question-and-answer chats. Loading it again changes nothing."""
        known = next((dataset for dataset in self.datasets.all() if dataset.name == DEMO), None)
        if known:
            return known.report
        self.folder.sources.mkdir(parents=True, exist_ok=True)
        return self.ingest(write_demo(self.folder.sources / "chatterbot-corpus.jsonl"), DEMO)

    @needs(Role.CURATOR, "look into a source")
    def preview(self, source: Sources, settings: IngestSettings | None = None, *, guarded: bool = False) -> Preview:
        """The shape found and the first rows, before anything is loaded. `guarded` lets only files under
        `allowed_roots` be read. Raises BadInput."""
        return preview(self._open(_as_list(source), settings or IngestSettings(), guarded))

    @needs(Role.CURATOR, "look into a source")
    def fingerprint(self, source: Sources, *, guarded: bool = False) -> str:
        """What tells that the files of a source were changed. Raises BadInput for one that may not be read."""
        sources = _as_list(source)
        for each in sources:
            find_local(each, self.allowed_roots(guarded))
        return json.dumps(fingerprint_files(sources))

    @needs(Role.CURATOR, "load data")
    def start_loading(
        self, source: Sources, name: str, settings: IngestSettings | None = None, *, guarded: bool = False
    ) -> str:
        """Start to load under a name, or go on with it, and return the load's name at once.

        Raises BadInput for an unusable source or name. Other content than a dataset of that name has becomes its next
        version; the same content changes nothing.
        """
        load = self._begin(_as_list(source), name, settings or IngestSettings(), guarded)
        self.launcher.start(JobFolder(self.folder.loads / load))
        return load

    @needs(Role.CURATOR, "load data")
    def ingest(
        self,
        source: Sources,
        name: str,
        settings: IngestSettings | None = None,
        follow: Callable[[JobProgress], None] = lambda _: None,
        *,
        guarded: bool = False,
    ) -> IngestReport:
        """Load and wait. `follow` is called with the progress. Raises BadInput like `start_loading`."""
        sources = _as_list(source)
        load = self._begin(sources, name, settings or IngestSettings(), guarded)
        job = JobFolder(self.folder.loads / load)
        if self.is_short(sources):
            run_here(job.path)
        else:
            self.launcher.start(job)
        while not (progress := job.progress()).has_ended:
            follow(progress)
            self.take_loads()
            time.sleep(0.1)
        self.take_loads()
        if progress.state == "failed":
            raise BadInput(str(progress.error))
        if progress.state != "done":
            why = f" {progress.error}" if progress.error else ""
            raise JobFailed(f"Loading was {progress.state}; the same command goes on from where it stopped.{why}")
        return self._report_of(load, progress)

    @needs(Role.CURATOR, "look into a source")
    def is_short(self, source: Sources) -> bool:
        """Whether these are files so small that loading them takes no longer than starting a job for it."""
        files = local_files(_as_list(source))
        return bool(files) and sum(file.stat().st_size for file in files) <= SHORT_BYTES

    def load_report(self, load: str) -> IngestReport:
        """The counts of a finished load, under the name that its content has."""
        return self._report_of(load, self.load_progress(load))

    def _report_of(self, load: str, progress: JobProgress) -> IngestReport:
        title = json.loads((self.folder.loads / load / "title.json").read_text(encoding="utf-8"))
        found = self._same_as(progress.result, self._versions(title)) if progress.state == "done" else None
        if found is None:
            raise JobFailed(f"Dataset {title!r} is not loaded to its end; load it again.")
        return found.report

    def load_progress(self, load: str) -> JobProgress:
        """Where a load stands."""
        return JobFolder(self.folder.loads / load).progress()

    def loads_under_way(self) -> list[tuple[LoadRow, JobProgress]]:
        """Every load that is not finished, with where it stands."""
        return [(load, self.load_progress(load.load)) for load in self.loads.all()]

    @needs(Role.CURATOR, "cancel a job")
    def cancel_load(self, load: str) -> None:
        """Stop a load, at once or within two seconds. It can be resumed or discarded."""
        self.launcher.stop(JobFolder(self.folder.loads / load))

    @needs(Role.CURATOR, "load data")
    def resume_load(self, load: str) -> None:
        """Go on behind the last complete block."""
        self.launcher.start(JobFolder(self.folder.loads / load))

    @needs(Role.CURATOR, "discard a load")
    def discard_load(self, load: str) -> None:
        """Forget a load and remove what it staged. Raises BadInput while it runs."""
        with self.taking:
            if JobFolder(self.folder.loads / load).is_alive():
                raise BadInput("This load is still running; cancel it first.")
            if found := next((row for row in self.loads.all() if row.load == load), None):
                self.loads.discard(found)
            shutil.rmtree(self.folder.loads / load, ignore_errors=True)

    def take_loads(self) -> None:
        """Take finished blocks into the database, and enter the datasets that are complete, each exactly once.

        Raises Fault, after the others were taken, where the machine does not let one in: its blocks wait.
        """
        waiting = list[str]()
        with self.taking:
            for load in self.loads.all():
                try:
                    self._take_load(load, self.load_progress(load.load))
                except (OSError, ValueError, pa.ArrowException, BadInput) as error:
                    if told := explain_fault(error):
                        waiting.append(told)
                        continue
                    reason = f"What was read of {load.title!r} cannot be taken in ({one_line(error)}); load it again."
                    JobFolder(self.folder.loads / load.load).write(JobProgress("failed", error=reason))
        self.launcher.reap()
        if waiting:
            raise Fault(waiting[0])

    def sweep_loads(self) -> None:
        """Remove blocks that a crash left behind after their load was finished."""
        under_way = {load.load for load in self.loads.all()}
        for folder in self.folder.loads.glob("*/blocks"):
            if folder.parent.name not in under_way:
                shutil.rmtree(folder, ignore_errors=True)

    def _take_load(self, load: LoadRow, progress: JobProgress) -> None:
        if progress.state == "failed":
            self._let_go(load)
        elif load.is_new:
            self._take_blocks(load)
        if progress.state == "done":
            self._finish(load, progress.result)

    def _begin(self, sources: list[str], name: str, settings: IngestSettings, guarded: bool) -> str:
        if not NAME.fullmatch(name):
            raise BadInput(f"{name!r} cannot be a dataset's name; use up to 80 letters, digits, spaces and . _ @ + -")
        ingest = self._open(sources, settings, guarded)
        title = next((dataset.title for dataset in self.datasets.all() if dataset.name == name), name)
        if title == name and VERSION.search(name):
            raise BadInput(f"{name!r} ends like the version of a dataset; choose a name that does not.")
        absolute, roots = [_absolute(source) for source in sources], self.allowed_roots(guarded)
        arguments = {
            "sources": absolute,
            "settings": settings.model_dump(mode="json"),
            "downloads": str(self._downloads),
            "roots": None if roots is None else [str(root) for root in roots],
            "fingerprint": fingerprint_files(absolute),
        }
        described = json.dumps([title, arguments, ingest.format, ingest.mapping], sort_keys=True)
        load = hashlib.sha256(described.encode()).hexdigest()[:12]
        with self.taking:
            self._clear_ended(load, title)
            self.loads.begin(LoadRow(load, title, self._free_name(title), is_new=not self._versions(title)))
            job = JobFolder(self.folder.loads / load)
            job.create("core.tasks:load", arguments)
            write_atomically(job.path / "title.json", json.dumps(title))
        return load

    def _clear_ended(self, load: str, title: str) -> None:
        """An interrupted load of the same title but of other content gives way; a finished one of this name too."""
        for other in self.loads.all():
            if other.title == title and other.load != load and not self.load_progress(other.load).is_working:
                self.discard_load(other.load)
        if not any(other.load == load for other in self.loads.all()):
            shutil.rmtree(self.folder.loads / load, ignore_errors=True)

    def _open(self, sources: list[str], settings: IngestSettings, guarded: bool) -> Ingest:
        return read_examples(sources, settings, self._downloads, self.allowed_roots(guarded))

    @property
    def _downloads(self) -> Path:
        return self.folder.sources / "downloads"

    def _versions(self, title: str) -> list[DatasetRow]:
        """The versions of a title, the newest first."""
        versions = [dataset for dataset in self.datasets.all() if dataset.title == title]
        return sorted(versions, key=lambda dataset: dataset.version, reverse=True)

    def _free_name(self, title: str) -> str:
        used = {dataset.name for dataset in self.datasets.all()} | {load.dataset for load in self.loads.all()}
        names = (title if number == 1 else f"{title}@{number}" for number in range(1, len(used) + 2))
        return next(name for name in names if name not in used)

    def _take_blocks(self, load: LoadRow) -> None:
        blocks, taken = Blocks(self.folder.loads / load.load / "blocks"), self.loads.taken(load.load)
        fresh = [number for number in range(blocks.count()) if number not in taken]
        for start in range(0, len(fresh), BLOCKS_AT_ONCE):
            numbers = fresh[start : start + BLOCKS_AT_ONCE]
            self.loads.take(load, [(number, blocks.read(number)) for number in numbers])
            for number in numbers:
                blocks.drop_rows(number)

    def _finish(self, load: LoadRow, loaded: dict[str, Any]) -> None:
        versions = self._versions(load.title)
        if self._same_as(loaded, versions) is None:
            self._take_blocks(load)
            _, arguments = JobFolder(self.folder.loads / load.load).request()
            newest = versions[0] if versions else None
            entered = DatasetRow(
                name=load.dataset,
                **loaded,
                title=load.title,
                version=newest.version + 1 if newest else 1,
                previous=newest.name if newest else None,
                settings=arguments["settings"],
                sources=tuple(arguments["sources"]),
            )
            self.loads.finish(load, entered)
        self._let_go(load)

    def _same_as(self, loaded: dict[str, Any], versions: Sequence[DatasetRow]) -> DatasetRow | None:
        """The newest version that was read from the same rows by the same columns, whatever was admitted since."""
        how = (loaded["read_hash"], loaded["format"], loaded["mapping"])
        for version in versions:
            if how == (version.read_hash, version.format, version.mapping):
                return version
            if not version.read_hash and self.start_hash(version.name).hexdigest() == loaded["content_hash"]:
                return version  # entered by an older Gleaner, which kept no hash of what it read
        return None

    def start_hash(self, dataset: str) -> "hashlib._Hash":
        """The hash of a dataset's examples, as a load computes it, open for more."""
        digest = hashlib.sha256()
        for block in self.datasets.blocks(dataset, BLOCK_ROWS):
            for example in block:
                digest.update(digest_example(example))
        return digest

    def _let_go(self, load: LoadRow) -> None:
        """Drop what a load staged and its blocks; its folder keeps its last word."""
        self.loads.discard(load)
        shutil.rmtree(self.folder.loads / load.load / "blocks", ignore_errors=True)
        if not self.loads.all():
            shutil.rmtree(self._downloads, ignore_errors=True)


def _as_list(source: Sources) -> list[str]:
    sources = [source] if isinstance(source, str | Path) else list(source)
    if not sources:
        raise BadInput("No source was named to load from.")
    return [str(each) for each in sources]


def _absolute(source: str) -> str:
    """The job runs in another folder, where a relative path would lead elsewhere."""
    path = user_path(source)
    return str(path.resolve()) if path.exists() else source
