"""A pass over a run's rows as an order for another process: what it needs to prepare one and then does, block by block.

Sums depend on how many threads make them, so each takes as many as this process does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from core.records import Rendered
from core.scoring.scorer import Scored
from core.scoring.shards import ShardPlan
from core.settings import RunSettings, ScoringSettings
from core.tasks.passes import Models, Pass, RunRows
from core.workspace import RunFolder, WorkspaceFolder

ELSEWHERE = Path.home() / ".cache" / "gleaner"
"""What a node keeps that does not see the workspace: its user's own folder, where nobody else can put a model."""


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
    elsewhere it asks to be sent the rows, by answering with nothing, and sends their scores back."""

    order: PassOrder
    mark: Path
    word: str

    def __call__(self) -> Callable[[Block], str | Sent | None]:
        """Load the model; what then writes a block's shard, and says "" or why nothing could be compiled, or sends its
        scores, or asks for its rows."""
        if self.mark.is_file() and self.mark.read_text() == self.word:
            write = self.order()
            return lambda block: write(block.plan) or ""
        order, models = self.order, WorkspaceFolder(ELSEWHERE)
        torch.set_num_threads(order.threads)
        scorer = Models(order.settings.scoring, models.models).prepare(
            order.scoring, with_features=order.with_features, tokens=order.tokens, kernels=models.kernels
        )

        def score(block: Block) -> Sent | None:
            if block.rendered is None:
                return None
            scored = scorer.score(block.rendered, known=block.known or ())
            return Sent(scored, scorer.width if order.with_features else None, scorer.forward.not_compiled)

        return score
