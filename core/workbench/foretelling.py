"""Foretell: what would scoring a whole pool take? By a trial on a sample of it, as a job."""

import hashlib
import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import replace

from core.errors import BadInput
from core.insight.forecast import foretell
from core.jobs.folder import JobFolder, write_atomically
from core.people import Role
from core.records import JobProgress
from core.reports import Forecast, Trial
from core.scoring.identity import run_identity
from core.settings import RunSettings, TrialSettings
from core.tasks.trial import clear_work
from core.workbench.base import UNREADABLE
from core.workbench.rights import needs
from core.workbench.scoring import Scoring, settled, with_absolute_paths
from core.workspace import RunFolder, write_input

TASK = "core.tasks:try_out"
NAME = re.compile(r"[0-9a-f]{12}")
FEWEST = 2
"""Rows that have a spread."""
MOST_ROWS = 10**12


def check_pool(rows: int | None, price: float | None) -> None:
    """Raises BadInput for a pool that cannot be, and for a device's price that cannot."""
    if rows is not None and not 1 <= rows <= MOST_ROWS:
        raise BadInput(f"A pool of {rows:,} rows cannot be foretold; give 1 to {MOST_ROWS:,}.")
    if price is not None and not 0 <= price < math.inf:
        raise BadInput(f"A device's price for an hour cannot be {price:g}; give 0 or more.")


class Foretelling(Scoring):
    """Trials on samples, and what they foretell."""

    @needs(Role.CURATOR, "try a sample")
    def start_trial(
        self,
        dataset: str,
        settings: RunSettings | None = None,
        sample: TrialSettings | None = None,
        *,
        anew: bool = True,
    ) -> str:
        """Start timing the work on a sample, one that was done before only `anew`, and return the trial's name at once.

        Raises BadInput for an unknown dataset or model.
        """
        content, sample = self.datasets.get(dataset), sample or TrialSettings()
        chosen = settled(settings or RunSettings()).model_copy(update={"held_out": None})
        self._check_models(chosen.scoring.model, chosen.calibrated_model)
        renderer = self._load_renderer(chosen.scoring)
        asked = {
            "dataset": dataset,
            "content_hash": content.content_hash,
            "model_identity": run_identity(chosen),
            "settings": chosen.model_dump(mode="json"),
            "sample": sample.model_dump(mode="json"),
        }
        name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
        files = RunFolder(self.folder.trials / name)
        job, count = JobFolder(files.path), min(sample.rows, content.rows_loaded)
        if not anew and self.queue.progress(job).state == "done":
            return name
        if count < FEWEST:
            raise BadInput(f"Dataset {dataset!r} has {count} rows, too few to foretell anything by; score it.")
        rows = sorted(random.Random(sample.seed).sample(range(content.rows_loaded), count))  # noqa: S311
        examples = self._prepared(content, renderer, self.datasets.examples(dataset, rows))
        arguments = {"settings": with_absolute_paths(chosen).model_dump(mode="json")}
        with self.taking:
            if self.queue.progress(job).is_working:
                return name
            files.path.mkdir(parents=True, exist_ok=True)
            write_input(files.input, [[replace(example, row=row) for row, example in enumerate(examples)]])
            write_atomically(files.settings, json.dumps(asked, indent=1))
            job.create_anew(TASK, arguments | {"times": content.rows_loaded / count})
            self.queue.start(job)
        return name

    @needs(Role.CURATOR, "try a sample")
    def try_out(
        self,
        dataset: str,
        settings: RunSettings | None = None,
        sample: TrialSettings | None = None,
        follow: Callable[[JobProgress], None] = lambda _: None,
        *,
        anew: bool = True,
    ) -> str:
        """Time the work on a sample, and wait; returns the trial's name. One that was done is done again where it is
        asked for `anew`. Raises JobFailed when it ends without its result."""
        name = self.start_trial(dataset, settings, sample, anew=anew)
        self.wait_for(JobFolder(self.folder.trials / name), follow, "The trial")
        return name

    def trial_progress(self, trial: str) -> JobProgress:
        """Where a trial's job stands."""
        return self.queue.progress(JobFolder(self.folder.trials / trial))

    def take_in(self) -> None:
        """Take in what jobs have finished; of trials that were killed, remove what they left behind."""
        super().take_in()
        for path in self.folder.trials.glob("*/input.parquet"):
            with self.taking:  # not between the input of a new trial and its job
                if self.trial_progress(path.parent.name).has_ended:
                    clear_work(RunFolder(path.parent))
                    path.unlink(missing_ok=True)

    def trials(self, dataset: str) -> list[str]:
        """The trials of a dataset as it is now, the newest first."""
        content = self.datasets.get(dataset).content_hash
        found = []
        for path in self.folder.trials.glob("*/settings.json"):
            asked = self._asked(path.parent.name)
            if asked and (asked["dataset"], asked["content_hash"]) == (dataset, content):
                found.append((path.stat().st_mtime, path.parent.name))
        return [name for _, name in sorted(found, reverse=True)]

    def trial_dataset(self, trial: str) -> str:
        """Whose trial it is; "" where its settings cannot be read."""
        asked = self._asked(trial)
        return str(asked["dataset"]) if asked else ""

    def trial_settings(self, trial: str) -> RunSettings:
        """What it tried. Raises BadInput for a trial that is not there."""
        asked = self._asked(trial)
        if asked is None:
            raise BadInput(f"There is no trial {trial!r}; `plan` makes one.")
        return RunSettings.checked(**asked["settings"])

    def trial_rows(self, trial: str) -> int:
        """Rows that it was asked to try."""
        asked = self._asked(trial)
        return int(asked["sample"]["rows"]) if asked else 0

    def foretell(self, trial: str, price: float | None = None, rows: int | None = None) -> tuple[Trial, Forecast]:
        """What a finished trial measured, and what the whole dataset, or a pool like it of so many `rows`, will take.

        `price` is a GPU's for an hour. Raises BadInput for a trial that is not finished, and for a pool or a price
        that cannot be.
        """
        check_pool(rows, price)
        settings, progress = self.trial_settings(trial), self.trial_progress(trial)
        if progress.state != "done":
            raise BadInput(f"Trial {trial!r} is not finished ({progress.state}); start it again.")
        try:
            measured = Trial(**progress.result)
        except TypeError:
            raise BadInput(f"Trial {trial!r} was made by another version; try a sample again.") from None
        pool = rows or self.datasets.get(self.trial_dataset(trial)).rows_loaded
        return measured, foretell(measured, pool, settings, price)

    def _asked(self, trial: str) -> dict | None:
        if not NAME.fullmatch(trial):
            return None
        try:
            asked: dict = json.loads(RunFolder(self.folder.trials / trial).settings.read_text(encoding="utf-8"))
        except UNREADABLE:
            return None
        return asked
