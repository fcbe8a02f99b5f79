"""A pass over a run's rows as an order for another process: what it needs to prepare one and then does, block by block.

Sums depend on how many threads make them, so each takes as many as this process does.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from core.records import Rendered
from core.scoring.scorer import Scored, Scorer
from core.scoring.shards import ShardPlan
from core.settings import RunSettings, ScoringSettings
from core.tasks.models import pin_model, recorded_identity
from core.tasks.passes import Models, Pass, RunRows
from core.workspace import RunFolder, WorkspaceFolder

ELSEWHERE = Path(".cache", "gleaner")
"""What a node keeps that does not see the workspace: in its user's own folder, where nobody else can put a model."""
LOADED_SECONDS = 86_400
"""By then any model is loaded."""


@dataclass(frozen=True)
class PassOrder:
    """For a process that sees this one's files: it writes the shard of each block itself."""

    path: Path
    run: str
    settings: RunSettings
    folder: Path
    scoring: ScoringSettings
    threads: int
    with_features: bool
    tokens: int

    @classmethod
    def of(cls, of: Pass) -> Self:
        """The order for a pass."""
        rows = of.rows
        return cls(
            path=rows.files.path,
            run=rows.run,
            settings=rows.settings,
            folder=of.folder,
            scoring=of.settings,
            threads=torch.get_num_threads(),
            with_features=of.with_features,
            tokens=rows.input.about_tokens,
        )

    def __call__(self) -> Callable[[ShardPlan], str | None]:
        """Load the model; what then scores a block, and says why nothing could be compiled."""
        torch.set_num_threads(self.threads)
        rows = RunRows(RunFolder(self.path), self.run, self.settings)
        of = Pass(rows, self.folder, self.scoring)
        scorer = of.prepare(Models(self.settings.scoring, rows.workspace.models))

        def score(plan: ShardPlan) -> str | None:
            of.score(scorer, [plan])
            return scorer.forward.not_compiled

        return score


@dataclass(frozen=True)
class Sent:
    """A block's scores, from a process that could not write them."""

    scored: list[Scored]
    width: tuple[int, int] | None
    not_compiled: str | None


@dataclass(frozen=True)
class Block:
    """A block, and where they have to be sent its rows, with what an earlier run found of them; before the first of
    these the files, by name, of a model that the run itself tuned."""

    plan: ShardPlan
    rendered: list[Rendered] | None = None
    known: list[Scored | None] | None = None
    tuned: dict[str, bytes] | None = None


@dataclass(frozen=True)
class NodeOrder:
    """For a node of a cluster. Where it finds the file `mark` and in it this `word`, it works as any process here;
    elsewhere it asks to be sent the rows, by answering with nothing, and sends their scores back.

    Its models must be those of this `identity`; one that the run itself tuned is sent with the first rows.
    """

    order: PassOrder
    mark: Path
    word: str
    identity: str
    is_tuned: bool

    @classmethod
    def of(cls, of: Pass, mark: Path, word: str) -> Self:
        """The order for a pass."""
        files = of.rows.files
        is_tuned = Path(of.settings.model).is_relative_to(files.path)
        return cls(PassOrder.of(of), mark, word, recorded_identity(files), is_tuned)

    def __call__(self) -> Callable[[Block], str | Sent | None]:
        """Load the model; what then writes a block's shard, and says "" or why nothing could be compiled, or sends its
        scores, or asks for its rows. Raises BadInput where the model is another."""
        order = self.order
        pin_model(order.settings, self.identity, "run was made")
        if self.mark.is_file() and self.mark.read_text() == self.word:
            write = order()
            return lambda block: write(block.plan) or ""
        torch.set_num_threads(order.threads)
        scorer = None if self.is_tuned else self._prepare(order.scoring)

        def score(block: Block) -> Sent | None:
            nonlocal scorer
            if block.rendered is None:
                return None
            if scorer is None:
                with unpacked(block.tuned or {}) as folder:
                    scorer = self._prepare(order.scoring.model_copy(update={"model": folder}))
            scored = scorer.score(block.rendered, known=block.known or ())
            return Sent(scored, scorer.width if order.with_features else None, scorer.forward.not_compiled)

        return score

    def _prepare(self, scoring: ScoringSettings) -> Scorer:
        order, elsewhere = self.order, WorkspaceFolder(Path.home() / ELSEWHERE)
        return Models(order.settings.scoring, elsewhere.models).prepare(
            scoring, with_features=order.with_features, tokens=order.tokens, kernels=elsewhere.kernels
        )


def packed(model: Path) -> dict[str, bytes]:
    """The files of a model's folder, by name."""
    paths = sorted(path for path in model.rglob("*") if path.is_file())
    return {str(path.relative_to(model)): path.read_bytes() for path in paths}


@contextmanager
def unpacked(files: dict[str, bytes]) -> Iterator[str]:
    """A folder with these files, until they are loaded."""
    with tempfile.TemporaryDirectory(dir=place_for_models()) as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield folder


def place_for_models() -> Path:
    """Where models that were sent lie while they are loaded; those of actors that were killed then are removed."""
    place = Path.home() / ELSEWHERE / "sent"
    place.mkdir(parents=True, exist_ok=True)
    for path in place.iterdir():
        if time.time() - path.stat().st_mtime > LOADED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    return place
