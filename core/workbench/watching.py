"""Watch: which jobs work or wait in this workspace, whoever started them, and what do they say?"""

from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput
from core.jobs.folder import JobFolder
from core.people import Role
from core.records import JobProgress
from core.workbench.foretelling import Foretelling
from core.workbench.loading import Loading
from core.workbench.mapping import Mapping
from core.workbench.proven import Proven
from core.workbench.rights import needs


@dataclass(frozen=True, slots=True)
class WorkingJob:
    """`kind` is load, scoring, map, trial, proof or check; `of` the load, run, trial, proof or dry run that it is;
    `dataset` whose it is, or the file that is checked."""

    kind: str
    of: str
    dataset: str
    progress: JobProgress


class Watching(Loading, Mapping, Proven, Foretelling):
    """Jobs of the whole workspace."""

    def working_jobs(self) -> list[WorkingJob]:
        """Every job that works or waits now, loads first."""
        found = [WorkingJob("load", load.load, load.dataset, progress) for load, progress in self.loads_under_way()]
        for dataset in self.datasets.all():
            for run in self.runs.of_dataset(dataset.name):
                found.append(WorkingJob("scoring", run.run, dataset.name, self.run_progress(run.run)))
                found.append(WorkingJob("map", run.run, dataset.name, self.map_progress(run.run)))
        for path in self.folder.trials.glob("*/job.json"):
            trial = path.parent.name
            progress = self.trial_progress(trial)
            if progress.is_working:
                found.append(WorkingJob("trial", trial, self.trial_dataset(trial), progress))
        for path in self.folder.proofs.glob("*/job.json"):
            proof = path.parent.name
            progress = self.proof_progress(proof)
            if progress.is_working:
                found.append(WorkingJob("proof", proof, self.proof_dataset(proof), progress))
        for path in self.folder.checks.glob("*/job.json"):
            job = JobFolder(path.parent)
            if file := self.checked_file(path.parent.name):  # else half of it is gone: no job of anybody's
                found.append(WorkingJob("check", path.parent.name, file, self.queue.progress(job)))
        return [job for job in found if job.progress.is_working]

    def checked_file(self, check: str) -> str:
        """The name of the file that a dry run is of; "" where its request cannot be read."""
        try:
            return Path(JobFolder(self.folder.checks / check).request()[1]["file"]).name
        except (OSError, KeyError, BadInput):
            return ""

    def job_log(self, kind: str, of: str, lines: int = 20) -> str:
        """The last lines that a job's worker printed; "" where there are none."""
        return self._job(kind, of).log_tail(lines)

    @needs(Role.CURATOR, "cancel a job")
    def stop_job(self, job: WorkingJob) -> None:
        """Stop a job, at once or within two seconds; what is finished is kept."""
        self.queue.stop(self._job(job.kind, job.of))

    def _job(self, kind: str, of: str) -> JobFolder:
        run = self.folder.run(of)
        if kind in ("scoring", "map"):
            return JobFolder(run.path if kind == "scoring" else run.map)
        if kind == "load":
            return JobFolder(self.folder.loads / of)
        return JobFolder(self._apart()[kind] / of)

    def _apart(self) -> dict[str, Path]:
        """Where the jobs lie that have a folder of their own, by kind."""
        return {"trial": self.folder.trials, "proof": self.folder.proofs, "check": self.folder.checks}
