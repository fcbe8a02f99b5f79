"""Check: what would a trainer do with a file, before it is given one?"""

import hashlib
import json
from pathlib import Path

import pyarrow as pa

from core.data.trainers import check_file, find_trainer
from core.errors import BadInput
from core.files import user_path
from core.jobs.folder import JobFolder
from core.people import Role
from core.records import JobProgress
from core.reports import DryRun, Finding
from core.scoring.models import load_tokenizer
from core.settings import EMBEDDED_MODEL, CheckSettings, ScoringSettings
from core.workbench.base import check_target
from core.workbench.rendering import Rendering
from core.workbench.rights import needs
from core.workbench.tables import write_table

FINDINGS = pa.schema(
    [
        ("line", pa.int64()),
        ("severity", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("stops", pa.bool_()),
    ]
)


class Checking(Rendering):
    """The dry run."""

    @needs(Role.CURATOR, "start a dry run")
    def check(
        self, file: Path | str, trainer: str, model: str = EMBEDDED_MODEL, settings: CheckSettings | None = None
    ) -> DryRun:
        """What a trainer would do with each line of a file, by the tokenizer of `model`.

        Raises BadInput for a file in none of the trainers' formats, an unknown trainer and an unknown model.
        """
        known, path = find_trainer(trainer), user_path(file)
        tokenizer = load_tokenizer(ScoringSettings.checked(model=model), self.folder.models)
        return check_file(path, known, tokenizer, settings or CheckSettings())

    @needs(Role.CURATOR, "start a dry run")
    def start_check(
        self, file: Path | str, trainer: str, model: str = EMBEDDED_MODEL, settings: CheckSettings | None = None
    ) -> str:
        """Start the same as a job, or find the one of this file, and return its name at once.

        Raises BadInput for a file that is not there and an unknown trainer.
        """
        path, chosen = user_path(file).resolve(), settings or CheckSettings()
        if not path.is_file():
            raise BadInput(f"There is no file {str(file)!r} to check.")
        arguments = {
            "file": str(path),
            "trainer": find_trainer(trainer),
            "model": model,
            "settings": chosen.model_dump(mode="json"),
        }
        described = json.dumps([arguments, path.stat().st_size, path.stat().st_mtime_ns], sort_keys=True)
        name = hashlib.sha256(described.encode()).hexdigest()[:12]
        job = JobFolder(self.folder.checks / name)
        job.create("core.tasks:check", arguments)
        self.queue.start(job)
        return name

    def check_progress(self, name: str) -> JobProgress:
        """Where a started check stands."""
        return self.queue.progress(JobFolder(self.folder.checks / name))

    def check_result(self, name: str) -> DryRun | None:
        """What a started check found, once it has ended."""
        path = self.folder.checks / name / "dry_run.json"
        if not path.exists():
            return None
        stored = json.loads(path.read_text(encoding="utf-8"))
        return DryRun(**(stored | {"findings": [Finding(**finding) for finding in stored["findings"]]}))

    @needs(Role.CURATOR, "write a file")
    def write_findings(self, dry_run: DryRun, path: Path | str) -> Path:
        """One line per finding, Parquet or JSONL by suffix; line 0 is the file."""
        target = check_target(path, ".parquet", ".jsonl")
        columns = {name: [getattr(finding, name) for finding in dry_run.findings] for name in FINDINGS.names}
        return write_table(pa.table(columns, schema=FINDINGS), target)
