"""Prove: does a selection help? Fine-tunes on it and on other subsets, as a job."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict

from core.errors import BadInput
from core.jobs.folder import JobFolder
from core.people import Role
from core.records import JobProgress
from core.reports import ProofPlan
from core.tasks.tunes import Tunes
from core.workbench.base import UNREADABLE
from core.workbench.planning import Planning
from core.workbench.rights import needs
from core.workspace import ProofFolder, read_plan, write_plan

TASK = "core.tasks:prove"


class Proving(Planning):
    """Proofs by fine-tuning."""

    @needs(Role.CURATOR, "start a proof")
    def start_proof(self, plan: ProofPlan) -> str:
        """Start a proof, or go on with it, and return its name at once. The same plan is the same proof."""
        text = json.dumps(asdict(plan), sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        files = ProofFolder(self.folder.proofs / name)
        files.path.mkdir(parents=True, exist_ok=True)
        if self._read_plan(files) != plan:
            write_plan(files.plan, plan)
        self._go_on(files, plan)
        return name

    @needs(Role.CURATOR, "start a proof")
    def prove(self, plan: ProofPlan, follow: Callable[[JobProgress], None] = lambda _: None) -> str:
        """Prove and wait; returns the proof's name. Raises JobFailed when the job ends without its result."""
        name = self.start_proof(plan)
        self.wait_for(JobFolder(self.folder.proofs / name), follow, "Proving")
        return name

    @needs(Role.CURATOR, "start a proof")
    def resume_proof(self, proof: str) -> None:
        """Go on behind the fine-tunes that are done."""
        files, plan = self.planned(proof)
        self._go_on(files, plan)

    def planned(self, proof: str) -> tuple[ProofFolder, ProofPlan]:
        """A proof's files and plan. Raises BadInput for one that is not there, or whose plan is damaged."""
        known = {path.parent.name for path in self.folder.proofs.glob("*/plan.json")}
        if proof not in known:
            raise BadInput(f"There is no proof {proof!r}; `prove` prints the name of each it makes.")
        files = ProofFolder(self.folder.proofs / proof)
        plan = self._read_plan(files)
        if plan is None:
            raise BadInput(f"The plan of proof {proof!r} is damaged; start the proof anew: what was tuned is kept.")
        return files, plan

    def proof_progress(self, proof: str) -> JobProgress:
        """Where a proof's job stands."""
        return self.queue.progress(JobFolder(self.folder.proofs / proof))

    def proof_dataset(self, proof: str) -> str:
        """Whose proof it is; "" where its plan cannot be read."""
        plan = self._read_plan(ProofFolder(self.folder.proofs / proof))
        return "" if plan is None else plan.dataset

    def tuned(self, proof: str) -> int:
        """How many of a proof's fine-tunes are done."""
        _, plan = self.planned(proof)
        tunes = Tunes(self.folder, plan)
        return sum(tunes.of(arm, seed).exists() for arm in plan.arms for seed in range(plan.settings["seeds"]))

    def _go_on(self, files: ProofFolder, plan: ProofPlan) -> None:
        """Start the job; anew where it ended but what it made is gone."""
        job, tunes = JobFolder(files.path), Tunes(self.folder, plan)
        wanted = [tunes.base, *(tunes.of(arm, seed) for arm in plan.arms for seed in range(plan.settings["seeds"]))]
        if job.progress().state == "done" and not all(path.exists() for path in wanted):
            job.create_anew(TASK, {})
        job.create(TASK, {})
        self.queue.start(job)

    def _read_plan(self, files: ProofFolder) -> ProofPlan | None:
        try:
            return read_plan(files.plan)
        except UNREADABLE:
            return None
