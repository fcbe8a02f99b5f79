"""Score: start a run as a job, follow it, take in what it finishes, read what it found."""

import hashlib
import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core import __version__
from core.errors import BadInput, Fault, JobFailed
from core.files import hash_file, replacing
from core.jobs.folder import JobFolder, write_atomically
from core.people import Role
from core.records import JobProgress, RunRow, ScoreReport
from core.scoring.arrays import RunArrays, open_arrays
from core.scoring.device import settle
from core.scoring.identity import absolute_model, run_identity
from core.scoring.shards import list_shards, read_scores
from core.scoring.tokenizers import tokenizer_identity
from core.settings import CrewSettings, RunSettings
from core.tasks.crew import check_crew
from core.workbench.base import UNREADABLE, check_target
from core.workbench.holding import Holding
from core.workbench.rights import needs
from core.workbench.tables import write_table
from core.workspace import write_input

SCORING_VERSION = 4
"""Raised whenever the same settings would score otherwise, so that older runs are not taken for it."""

PACKAGES = ("torch", "transformers", "trl", "datasets", "numpy", "duckdb")
SCORE_COLUMNS = [
    "example_id",
    "row",
    "prompt_tokens",
    "response_tokens",
    "nll",
    "ppl",
    "entropy",
    "nll_calibrated",
    "entropy_calibrated",
    "delta_nll",
    "delta_entropy",
    "unscorable_reason",
    "gini",
    "truncated",
    "nll_alone",
    "ifd_loss_ratio",
    "ifd_perplexity_ratio",
]


def versions() -> dict[str, str]:
    """What this process runs on."""
    return {"gleaner": __version__, "python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _name_run(described: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]


def with_absolute_paths(settings: RunSettings) -> RunSettings:
    """The worker runs in another folder, where a relative path would lead elsewhere."""
    scoring = settings.scoring.model_copy(update={"model": absolute_model(settings.scoring.model)})
    tuned = settings.calibrated_model and absolute_model(settings.calibrated_model)
    return settings.model_copy(update={"scoring": scoring, "calibrated_model": tuned})


def settled(settings: RunSettings) -> RunSettings:
    """With nothing left to the device or to a preset: what the run records."""
    calibration = settings.calibration and settings.calibration.for_domain()
    return settings.model_copy(update={"scoring": settle(settings.scoring), "calibration": calibration})


def _without_device_number(settings: RunSettings) -> RunSettings:
    """Any GPU of a machine makes the same run."""
    device = settings.scoring.device.partition(":")[0]
    return settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"device": device})})


class Scoring(Holding):
    """Scoring runs and their jobs."""

    @needs(Role.CURATOR, "score")
    def start_scoring(self, dataset: str, settings: RunSettings | None = None, crew: CrewSettings | None = None) -> str:
        """Start a scoring run, or resume it, and return its name at once. `crew` says who works on it,
        from its next start on.

        A run with the same identity is reused: its finished shards are not computed again.
        Raises BadInput for an unknown dataset or model.
        """
        content = self.datasets.get(dataset)
        chosen = settled(settings or RunSettings())
        check_crew(crew or CrewSettings(), chosen.scoring)
        self._check_models(chosen.scoring.model, chosen.calibrated_model)
        identity = run_identity(chosen)
        renderer = self._load_renderer(chosen.scoring)
        template = {"template": renderer.template}
        chosen = chosen.model_copy(update={"scoring": chosen.scoring.model_copy(update=template)})
        described = {
            "dataset": dataset,
            "content_hash": content.content_hash,
            "model_identity": identity,
            "template": renderer.identity,
            "settings": _without_device_number(chosen).model_dump(mode="json"),
            "scoring_version": SCORING_VERSION,
        }
        run = _name_run(described)
        earlier = None if self.folder.run(run).settings.exists() else self.earlier_run(content, described)
        if earlier:
            described["scores_taken_from"] = earlier.run
            run = _name_run(described)
        files = self.folder.run(run)
        if chosen.held_out:
            self.set_aside(dataset, chosen.held_out, files)
        files.path.mkdir(parents=True, exist_ok=True)
        if earlier and not files.reuse.exists():
            self.take_over(earlier, content, files)
        if not files.input.exists():
            write_input(files.input, self._blocks(content, renderer, chosen.scoring.shard_rows or 64))
        if not files.settings.exists():
            noted = {"versions": versions(), "tokenizer": tokenizer_identity(renderer.tokenizer)}
            write_atomically(files.settings, json.dumps(described | noted, indent=1))
        if crew:
            write_atomically(files.crew, crew.model_dump_json())
        self._create_job(run, chosen)
        self.runs.add(run, dataset, json.dumps(described["settings"]), identity)
        self.queue.start(JobFolder(files.path))
        return run

    @needs(Role.CURATOR, "score")
    def score(
        self,
        dataset: str,
        settings: RunSettings | None = None,
        follow: Callable[[JobProgress], None] = lambda _: None,
        crew: CrewSettings | None = None,
    ) -> ScoreReport:
        """Score and wait. `follow` is called with the progress every second.

        Raises JobFailed when the job ends without its result; what it finished is kept.
        """
        run = self.start_scoring(dataset, settings, crew)
        self.wait_for(JobFolder(self.folder.run(run).path), follow, "Scoring")
        self.take_in()
        return self.score_report(run)

    def score_report(self, run: str) -> ScoreReport:
        """The figures of a finished run."""
        progress, counts = self.run_progress(run), self.runs.counts(run)
        seconds = float(progress.result.get("seconds", 0.0))
        return ScoreReport(
            run,
            counts["scored"],
            counts["unscorable"],
            counts["held_out"],
            counts["tokens"],
            seconds,
            counts["tokens"] / max(seconds, 1e-9),
        )

    def run_notes(self, run: str) -> list[str]:
        """What a finished run has to say beside its figures, such as that nothing could be compiled."""
        return list(self.run_progress(run).result.get("notes", []))

    def run_progress(self, run: str) -> JobProgress:
        """Where a run's job stands."""
        return self.queue.progress(JobFolder(self.folder.run(run).path))

    def heavy_jobs(self) -> list[JobFolder]:
        """Every job that works alone: scoring runs, trials, proofs, and the dry runs of trainers."""
        folders = (self.folder.runs, self.folder.trials, self.folder.proofs, self.folder.checks)
        return [JobFolder(path.parent) for folder in folders for path in folder.glob("*/job.json")]

    @needs(Role.CURATOR, "cancel a job")
    def cancel_run(self, run: str) -> None:
        """Stop a run's job, at once or within two seconds. It can be resumed."""
        self.queue.stop(JobFolder(self.folder.run(run).path))

    @needs(Role.CURATOR, "score")
    def resume_run(self, run: str) -> None:
        """Go on from the shards that exist."""
        row, job = self.runs.get(run), JobFolder(self.folder.run(run).path)
        settings = RunSettings.checked(**row.settings)
        if settings.held_out:
            self.set_aside(row.dataset, settings.held_out, self.folder.run(run))
        try:
            job.request()
        except (FileNotFoundError, BadInput):
            self._create_job(run, settings)
        self.queue.start(job)

    def finished_run(self, dataset: str, run: str | None = None) -> RunRow:
        """The named run, or the dataset's newest finished one. Raises BadInput when there is none."""
        self.datasets.get(dataset)
        candidates = [self.runs.get(run)] if run else self.runs.of_dataset(dataset)
        if run and candidates[0].dataset != dataset:
            raise BadInput(f"Scoring run {run!r} is of dataset {candidates[0].dataset!r}, not of {dataset!r}.")
        for candidate in candidates:
            if self.run_progress(candidate.run).state == "done":
                self.take_in()
                return candidate
        raise BadInput(f"Dataset {dataset!r} has no finished scoring run; score it first.")

    def take_in(self) -> None:
        """Take every finished shard into the database, each exactly once."""
        for path in sorted(self.folder.runs.glob("*/job.json")):
            try:
                self._take_run(path.parent.name)
            except Fault:
                raise  # of the machine, not of what is read: it waits
            except UNREADABLE as error:
                self._report(f"a result of run {path.parent.name}", error)
        self.launcher.reap()

    def arrays(self, run: str) -> RunArrays:
        """The run's factors and mean features, memory-mapped."""
        return open_arrays(self.folder.run(run).arrays)

    @needs(Role.CURATOR, "write a file")
    def scores(self, run: str, path: Path | str) -> Path:
        """Write one line per example, Parquet or JSONL by suffix."""
        target = check_target(path, ".parquet", ".jsonl")
        self._check_finished(run)
        return write_table(self.runs.scores(run).select(SCORE_COLUMNS), target)

    @needs(Role.CURATOR, "write a file")
    def factors(self, run: str, path: Path | str) -> Path:
        """Write `example_id` [N], `offsets` [N + 1] and `values` [Σ r_i, p] as .npz.

        The values are in units of the pool's root-mean-square feature norm, as `select` uses
        them: V_S = ridge · I + Σ values_iᵀ values_i.
        """
        target = check_target(path, ".npz")
        self._check_finished(run)
        arrays = self.arrays(self.runs.get(run).run)
        ids = np.array(self.datasets.example_ids(self.runs.get(run).dataset))
        with replacing(target) as partial, partial.open("wb") as stream:
            np.savez(stream, example_id=ids, offsets=arrays.offsets, values=arrays.factors)
        return target

    def _take_run(self, run: str) -> None:
        files, taken = self.folder.run(run), self.runs.taken_shards(run)
        for folder in (files.base, files.alone, files.calibrated):
            for shard in list_shards(folder):
                if (folder.name, shard.name) not in taken:
                    self._take_shard(run, folder.name, shard)

    def _create_job(self, run: str, settings: RunSettings) -> None:
        """What its worker is asked; one that was asked already, and that can be read, stays."""
        arguments = {"run": run, "settings": with_absolute_paths(settings).model_dump(mode="json")}
        JobFolder(self.folder.run(run).path).create("core.tasks:score", arguments)

    def _check_finished(self, run: str) -> None:
        state = self.run_progress(self.runs.get(run).run).state
        if state != "done":
            raise BadInput(f"Scoring run {run!r} is not finished ({state}); score again to go on with it.")
        self.take_in()

    def _take_shard(self, run: str, scoring_pass: str, path: Path) -> None:
        shard = read_scores(path)
        columns: dict[str, Any] = {
            name: getattr(shard, name)
            for name in ["rows", "prompt_tokens", "response_tokens", "nll", "entropy", "gini", "truncated", "reasons"]
        }
        self.runs.take_shard(run, scoring_pass, path.name, columns, hash_file(path))

    def wait_for(self, job: JobFolder, follow: Callable[[JobProgress], None], what: str) -> None:
        """Wait until a job has ended, with a word about its progress now and then.

        Raises JobFailed when it ends without its result; what it finished is kept.
        """
        while not (progress := self.queue.progress(job)).has_ended:
            self.queue.start_next()
            follow(progress)
            self.take_in()
            time.sleep(0.5)
        follow(progress)
        if progress.state == "failed":
            raise JobFailed(f"{what} failed: {progress.error}")
        if progress.state != "done":
            why = f" {progress.error}" if progress.error else ""
            raise JobFailed(f"{what} was {progress.state}; the same command goes on from where it stopped.{why}")
