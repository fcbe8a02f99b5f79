"""Who scores the blocks of a pass? This process, or several with the model on a device of their own, or a cluster."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import torch

from core.errors import BadInput, JobFailed
from core.jobs.cluster import ActorHand, Cluster
from core.jobs.crew import Crew, Hand, HandDied
from core.jobs.processes import ProcessHand
from core.jobs.progress import Progress
from core.scoring.scorer import write_shard
from core.scoring.shards import ShardPlan
from core.settings import CrewSettings, ScoringSettings
from core.tasks.orders import Block, NodeOrder, PassOrder, Sent, packed
from core.tasks.passes import Pass
from core.workspace import RunFolder

GIVEN_UP = "worker processes died while they scored its block of rows: {why}"
MARK = "seen_by_nodes"
Makers = list[Callable[[], Hand[ShardPlan, str | None]]]


@dataclass(frozen=True)
class Workers:
    """Who was asked for, and which `gpus` this machine has, by what CUDA_VISIBLE_DEVICES calls them."""

    asked: CrewSettings = field(default_factory=CrewSettings)
    gpus: Sequence[str] = ()

    @property
    def is_alone(self) -> bool:
        """Whether this process does the work."""
        return self.asked.runner == "local" and self.count == 1

    @property
    def count(self) -> int:
        """Processes on this machine that score at once."""
        return self.asked.workers or max(len(self.gpus), 1)

    def environment(self, number: int) -> dict[str, str]:
        """What makes a process see its own GPU alone."""
        return {"CUDA_VISIBLE_DEVICES": self.gpus[number % len(self.gpus)]} if self.gpus else {}

    def places(self, cluster: Cluster, *, needs_gpu: bool, threads: int) -> tuple[int, int, int]:
        """How many actors, with so many cores and GPUs each: one for each GPU of the cluster, or on a CPU for each of
        its nodes, if not told otherwise. Raises BadInput for GPUs that it has not."""
        if needs_gpu and not cluster.gpus:
            raise BadInput("The cluster has no GPU; score with --device cpu, or add nodes that have one.")
        count = self.asked.workers or (cluster.gpus if needs_gpu else cluster.nodes)
        return max(count, 1), 1 if needs_gpu else cluster.cores(threads), int(needs_gpu)


def check_crew(asked: CrewSettings, scoring: ScoringSettings) -> None:
    """Raises BadInput for several processes where one needs all GPUs."""
    if scoring.spread and (asked.workers or 1, asked.runner) != (1, "local"):
        raise BadInput("A model that is laid over all GPUs is scored by one process; leave --workers and --runner out.")


def gather_workers(files: RunFolder, scoring: ScoringSettings) -> Workers:
    """Whom a run asks for. A device with a number is one GPU; asked before this process claims one for itself."""
    asked = CrewSettings()
    if files.crew.exists():
        asked = CrewSettings.model_validate_json(files.crew.read_text(encoding="utf-8"))
    check_crew(asked, scoring)
    return Workers(asked, visible_gpus() if scoring.device == "cuda" and not scoring.spread else [])


def share_out(
    of: Pass, plans: Sequence[ShardPlan], workers: Workers, progress: Progress, note: Callable[[str | None], None]
) -> None:
    """Score these blocks by several processes. A block that two of them died of is left unscored, with that as the
    reason; `note` is told why nothing could be compiled.

    Raises JobFailed when no process is left, BadInput for a cluster that cannot be reached, and Cancelled.
    """

    def done(plan: ShardPlan, not_compiled: str | None) -> None:
        note(not_compiled)
        progress.advance(len(plan.rows))

    def given_up(plan: ShardPlan, why: str) -> None:
        of.give_up(plan, GIVEN_UP.format(why=why))
        progress.advance(len(plan.rows))

    gather = _on_cluster if workers.asked.runner == "ray" else _on_this_machine
    with gather(of, workers) as makers:
        try:
            Crew[ShardPlan, str | None](makers, done, given_up, progress.check).work(plans)
        except HandDied as death:
            raise JobFailed(
                f"The worker processes died: {death}. What is scored is kept; score again with fewer --workers."
            ) from None


@contextmanager
def _on_this_machine(of: Pass, workers: Workers) -> Iterator[Makers]:
    order = PassOrder.of(of)
    yield [partial(ProcessHand, order, workers.environment(number)) for number in range(workers.count)]


@contextmanager
def _on_cluster(of: Pass, workers: Workers) -> Iterator[Makers]:
    """Actors, who find by a mark whether they see the run's folder."""
    mark, word = of.rows.files.path / MARK, uuid.uuid4().hex
    cluster = Cluster(workers.asked.address)
    try:
        mark.write_text(word)
        needs_gpu = of.rows.settings.scoring.device == "cuda"
        count, cores, gpus = workers.places(cluster, needs_gpu=needs_gpu, threads=torch.get_num_threads())
        order, reading = NodeOrder.of(of, mark, word), Lock()
        tuned = Path(of.settings.model) if order.is_tuned else None
        yield [lambda: NodeHand(of, cluster.hand(order, cores, gpus), reading, tuned)] * count
    finally:
        mark.unlink(missing_ok=True)
        cluster.leave()


class NodeHand:
    """An actor's hand, which is sent the rows of a block where it asks for them, and with the first of these the
    `tuned` model; then its shard is written here."""

    def __init__(self, of: Pass, hand: ActorHand[Block, str | Sent | None], reading: Lock, tuned: Path | None) -> None:
        self._of, self._hand, self._reading, self._tuned = of, hand, reading, tuned

    def begin(self) -> None:
        """Wait until it is ready. Raises what the hand does."""
        self._hand.begin()

    def do(self, plan: ShardPlan) -> str | None:
        """See that a block's shard is written. Raises what the hand does."""
        answer = self._hand.do(Block(plan))
        if isinstance(answer, str):
            return answer or None
        with self._reading:  # a pass reads for one at a time
            rendered, known = self._of.rendered(plan), self._of.known(plan)
            tuned = packed(self._tuned) if self._tuned else None
        sent = self._hand.do(Block(plan, rendered, known, tuned))
        self._tuned = None  # the actor has it now
        assert isinstance(sent, Sent)
        write_shard(plan, rendered, sent.scored, sent.width)
        return sent.not_compiled

    def leave(self) -> None:
        """End the actor."""
        self._hand.leave()


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls this machine's GPUs, or those of them that it names."""
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named or [str(number) for number in range(torch.cuda.device_count())]
