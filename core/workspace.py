"""Where does everything lie? The workspace's folders, and the input file that a run scores.

curation.duckdb        datasets, scores, selections, decisions
owner.json             which process has it open
runs/<run>/            settings.json, input.parquet, shards, arrays, the calibrated model
models/                models unpacked or made here
kernels/               compiled kernels, made again when missing
exports/               files for trainers
checks/<check>/        dry runs of trainers over exported files
trials/<trial>/        what a sample of a pool took
proofs/<proof>/        what a proof fine-tunes
tunes/                 what each fine-tune of a proof made of the held-out examples; proofs share them
loads/<load>/          blocks of a dataset that is being loaded
sources/               uploads, downloads, and the demo as a file
requests/              what other processes ask of the one that has the workspace open
logs/                  what happened, one JSON object a line
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.files import remove_partials, replacing
from core.records import Example
from core.reports import Arm, ProofPlan

INPUT_SCHEMA = pa.schema(
    [("row", pa.int64()), ("example_id", pa.string()), ("messages", pa.string()), ("tools", pa.string())]
)


@dataclass(frozen=True, slots=True)
class WorkspaceFolder:
    """The folders of a workspace."""

    path: Path

    @property
    def database(self) -> Path:
        """The DuckDB file, owned by one process."""
        return self.path / "curation.duckdb"

    @property
    def models(self) -> Path:
        """Models unpacked here."""
        return self.path / "models"

    @property
    def kernels(self) -> Path:
        """What torch.compile made, so that the next run need not wait for it."""
        return self.path / "kernels"

    @property
    def exports(self) -> Path:
        """Files for trainers."""
        return self.path / "exports"

    @property
    def loads(self) -> Path:
        """One folder a load: its job, and its blocks until they are in the database."""
        return self.path / "loads"

    @property
    def checks(self) -> Path:
        """One folder a trainer's dry run over a file."""
        return self.path / "checks"

    @property
    def trials(self) -> Path:
        """One folder a trial of a pool's sample."""
        return self.path / "trials"

    @property
    def proofs(self) -> Path:
        """One folder a proof by fine-tuning."""
        return self.path / "proofs"

    @property
    def tunes(self) -> Path:
        """One file a fine-tune of a proof."""
        return self.path / "tunes"

    @property
    def sources(self) -> Path:
        """Files that were uploaded or downloaded, and the demo."""
        return self.path / "sources"

    @property
    def requests(self) -> Path:
        """What other processes ask of the one that has the workspace open."""
        return self.path / "requests"

    @property
    def log(self) -> Path:
        """What happened here, one JSON object a line."""
        return self.path / "logs" / "gleaner.log"

    @property
    def runs(self) -> Path:
        """One folder a scoring run."""
        return self.path / "runs"

    def run(self, run: str) -> "RunFolder":
        """The folder of one scoring run."""
        return RunFolder(self.runs / run)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a scoring run; its job's own files lie beside them."""

    path: Path

    @property
    def settings(self) -> Path:
        """Settings, dataset and model identity, as JSON."""
        return self.path / "settings.json"

    @property
    def input(self) -> Path:
        """The examples to score, as they were when the run was made."""
        return self.path / "input.parquet"

    @property
    def crew(self) -> Path:
        """Who does the work, as JSON; it may change while a run goes on."""
        return self.path / "crew.json"

    @property
    def base(self) -> Path:
        """Shards of the base pass."""
        return self.path / "base"

    @property
    def features(self) -> Path:
        """Features of the base pass, until they are joined."""
        return self.path / "features"

    @property
    def alone(self) -> Path:
        """Shards of the pass over the responses alone."""
        return self.path / "alone"

    @property
    def calibrated(self) -> Path:
        """Shards of the calibrated pass."""
        return self.path / "calibrated"

    @property
    def calibrated_model(self) -> Path:
        """The model that calibration made."""
        return self.path / "calibrated-model"

    @property
    def arrays(self) -> Path:
        """The base pass's shards, joined."""
        return self.path / "arrays"

    @property
    def reuse(self) -> Path:
        """The run of the dataset's previous version whose scores hold here, and for which rows."""
        return self.path / "reuse.npz"

    @property
    def held_out(self) -> Path:
        """The rows that are set aside for a proof: `rows` and `measured`, as `selection.heldout.HeldOut` has them."""
        return self.path / "held_out.npz"

    @property
    def map(self) -> Path:
        """The job that draws the map."""
        return self.path / "map"

    def round(self, number: int, rounds: int) -> "RoundFolder":
        """The files of one round of calibration; the last one's are the run's own."""
        rows = self.path / "rounds" / f"{number}.json"
        if number == rounds:
            return RoundFolder(self.calibrated_model, self.calibrated, rows)
        return RoundFolder(self.path / "rounds" / f"{number}-model", self.path / "rounds" / str(number), rows)

    def clear_partials(self) -> None:
        """Remove what a killed worker left half-written; the run must be the caller's alone."""
        for folder, name in (
            (self.path, "calibrated-model"),
            (self.path, "arrays"),
            *((folder, "") for folder in (self.base, self.features, self.alone, self.calibrated)),
            *((folder, "") for folder in (self.path / "rounds", *self.path.glob("rounds/*/"))),
        ):
            remove_partials(folder, name)


@dataclass(frozen=True, slots=True)
class ProofFolder:
    """The files of a proof; its job's own lie beside them."""

    path: Path

    @property
    def plan(self) -> Path:
        """What is fine-tuned, as JSON."""
        return self.path / "plan.json"


@dataclass(frozen=True, slots=True)
class RoundFolder:
    """One round of calibration: the rows it tunes on, the model that comes of it, and that model's shards."""

    model: Path
    shards: Path
    rows: Path


def write_plan(path: Path, plan: ProofPlan) -> None:
    """Write what a proof does, complete or not at all."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(asdict(plan)), encoding="utf-8")


def read_plan(path: Path) -> ProofPlan:
    """What a proof does."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return ProofPlan(**stored | {"arms": [Arm(**arm) for arm in stored["arms"]]})


def read_held_out(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The rows that a run sets aside, ascending, and those of them that are measured, in the order of the draw."""
    with np.load(path, allow_pickle=False) as stored:
        return stored["rows"], stored["measured"]


def write_input(path: Path, blocks: Iterable[Sequence[Example]]) -> None:
    """Write the examples of a run, one row group a block, under a temporary name until complete."""
    with replacing(path) as partial, pq.ParquetWriter(partial, INPUT_SCHEMA, compression="zstd") as writer:
        for block in blocks:
            columns = [
                {
                    "row": example.row,
                    "example_id": example.example_id,
                    "messages": json.dumps(example.messages, ensure_ascii=False),
                    "tools": None if example.tools is None else json.dumps(example.tools, ensure_ascii=False),
                }
                for example in block
            ]
            writer.write_table(pa.Table.from_pylist(columns, INPUT_SCHEMA))


def read_input(file: pq.ParquetFile, row_group: int) -> list[Example]:
    """The examples of one row group, in row order."""
    table = file.read_row_group(row_group)
    return [
        Example(
            example_id=columns["example_id"],
            row=columns["row"],
            file="",
            line=0,
            messages=json.loads(columns["messages"]),
            original="",
            tools=None if columns["tools"] is None else json.loads(columns["tools"]),
        )
        for columns in table.to_pylist()
    ]
