"""Where the claims' fine-tunes go on after a machine is gone: what each pool's proofs compare, and what each fine-tune
made of the held-out examples, in `benchmarks/claims/<pool>-<rows>/`. Numbers alone; no text of any dataset."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from core.files import replacing
from core.insight.verdict import Verdict
from core.reports import Arm, ProofPlan
from core.settings import ProofSettings
from core.tasks.tunes import Tunes, is_whole, read_tune
from core.workbench import Workbench
from core.workspace import write_input

BLOCK_ROWS = 1_000


@dataclass(frozen=True)
class Chosen:
    """A pool's `plans` by rival; its `rows`, those `scored`, and the response `tokens` that each subset has."""

    rows: int
    tokens: int
    scored: list[int]
    plans: dict[str, ProofPlan]


@dataclass(frozen=True)
class Kept:
    """What is kept of one pool."""

    folder: Path

    def read(self) -> Chosen | None:
        """What was chosen, if it was."""
        path = self.folder / "chosen.json"
        if not path.exists():
            return None
        stored = json.loads(path.read_text(encoding="utf-8"))
        plans = {
            rival: ProofPlan(**plan | {"arms": [Arm(**arm) for arm in plan["arms"]]})
            for rival, plan in stored.pop("plans").items()
        }
        return Chosen(**stored, plans=plans)

    def write(self, chosen: Chosen) -> None:
        """Keep what was chosen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / "chosen.json") as partial:
            partial.write_text(json.dumps(asdict(chosen), separators=(",", ":")) + "\n", encoding="utf-8")

    def give(self, bench: Workbench) -> None:
        """Put the fine-tunes that are kept into a workspace."""
        bench.folder.tunes.mkdir(exist_ok=True)
        for path in self.folder.glob("*.npz"):
            if is_whole(path) and not is_whole(bench.folder.tunes / path.name):
                with replacing(bench.folder.tunes / path.name) as partial:
                    shutil.copy(path, partial)

    def take(self, bench: Workbench, plan: ProofPlan) -> None:
        """Keep those of a plan that are done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in files_of(bench, plan):
            if is_whole(path) and not is_whole(self.folder / path.name):
                with replacing(self.folder / path.name) as partial:
                    shutil.copy(path, partial)


def files_of(bench: Workbench, plan: ProofPlan) -> Iterable[Path]:
    """The files of a plan's fine-tunes, and that of the model before tuning."""
    tunes, seeds = Tunes(bench.folder, plan), ProofSettings.checked(**plan.settings).seeds
    return [tunes.base, *(tunes.of(arm, seed) for arm in plan.arms for seed in range(seeds))]


def judge(bench: Workbench, plan: ProofPlan) -> Verdict:
    """What the fine-tunes of a plan, all of them done, say."""
    tunes, seeds = Tunes(bench.folder, plan), ProofSettings.checked(**plan.settings).seeds
    results = [{seed: read_tune(tunes.of(arm, seed)) for seed in range(seeds)} for arm in plan.arms]
    return Verdict(plan.arms, plan.groups, read_tune(tunes.base), results, [])


def write_rows(bench: Workbench, dataset: str) -> str:
    """The dataset's rows where a proof reads them: the name of a run that was not scored."""
    files = bench.folder.run(f"rows-of-{dataset}")
    if not files.input.exists():
        files.path.mkdir(parents=True, exist_ok=True)
        write_input(files.input, bench.datasets.blocks(dataset, BLOCK_ROWS))
    return files.path.name
