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
from core.scoring.scorer import Scored
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
    """A block, and where they have to be sent its rows, with what an earlier run found of them."""

    plan: ShardPlan
    rendered: list[Rendered] | None = None
    known: list[Scored | None] | None = None


@dataclass(frozen=True)
class NodeOrder:
    """For a node of a cluster. Where it finds the file `mark` and in it this `word`, it works as any process here;
    elsewhere it asks to be sent the rows, by answering with nothing, and sends their scores back.

    Its models must be those of this `identity`; of one that the run itself tuned the files are sent, by their names.
    """

    order: PassOrder
    mark: Path
    word: str
    identity: str
    tuned: dict[str, bytes]

    @classmethod
    def of(cls, of: Pass, mark: Path, word: str) -> Self:
        """The order for a pass."""
        files, model = of.rows.files, Path(of.settings.model)
        is_tuned = model.is_absolute() and model.is_relative_to(files.path)
        parts = sorted(path for path in model.rglob("*") if path.is_file()) if is_tuned else []
        return cls(
            order=PassOrder.of(of),
            mark=mark,
            word=word,
            identity=recorded_identity(files),
            tuned={str(path.relative_to(model)): path.read_bytes() for path in parts},
        )

    def __call__(self) -> Callable[[Block], str | Sent | None]:
        """Load the model; what then writes a block's shard, and says "" or why nothing could be compiled, or sends its
        scores, or asks for its rows. Raises BadInput where the model is another."""
        order = self.order
        pin_model(order.settings, self.identity, "run was made")
        if self.mark.is_file() and self.mark.read_text() == self.word:
            write = order()
            return lambda block: write(block.plan) or ""
        elsewhere = WorkspaceFolder(Path.home() / ELSEWHERE)
        torch.set_num_threads(order.threads)
        with self._scoring() as scoring:
            scorer = Models(order.settings.scoring, elsewhere.models).prepare(
                scoring, with_features=order.with_features, tokens=order.tokens, kernels=elsewhere.kernels
            )

        def score(block: Block) -> Sent | None:
            if block.rendered is None:
                return None
            scored = scorer.score(block.rendered, known=block.known or ())
            return Sent(scored, scorer.width if order.with_features else None, scorer.forward.not_compiled)

        return score

    @contextmanager
    def _scoring(self) -> Iterator[ScoringSettings]:
        """The settings of the pass; a model that was sent lies in a folder of its own until it is loaded."""
        if not self.tuned:
            yield self.order.scoring
            return
        with tempfile.TemporaryDirectory(dir=place_for_models()) as folder:
            for name, content in self.tuned.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            yield self.order.scoring.model_copy(update={"model": folder})


def place_for_models() -> Path:
    """Where models that were sent lie while they are loaded; those of actors that were killed then are removed."""
    place = Path.home() / ELSEWHERE / "sent"
    place.mkdir(parents=True, exist_ok=True)
    for path in place.iterdir():
        if time.time() - path.stat().st_mtime > LOADED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    return place
