"""Who does the pieces of a choice? Several processes of this machine, or a cluster's nodes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from core.errors import JobFailed
from core.jobs.cluster import Cluster
from core.jobs.crew import Crew, Hand, HandDied
from core.jobs.processes import ProcessHand
from core.selection.following import tell
from core.selection.sharing import Errand, Spread
from core.settings import CrewSettings
from core.tasks.crew import Workers, visible_gpus

Piece = TypeVar("Piece")
Done = TypeVar("Done")
Makers = list[Callable[[], Hand[tuple[int, Piece], Done]]]


@dataclass(frozen=True)
class Numbered(Generic[Piece, Done]):
    """The errand, for pieces that come with their numbers."""

    errand: Errand[Piece, Done]

    def __call__(self) -> Callable[[tuple[int, Piece]], Done]:
        """What does a piece that comes with its number."""
        do = self.errand()
        return lambda numbered: do(numbered[1])


def spread_over(asked: CrewSettings, device: str) -> Spread | None:
    """Who does the pieces on this device where these were asked for; None where this process does."""
    workers = Workers(asked, visible_gpus() if device == "cuda" else [])
    return None if workers.is_alone else _Sharing(workers)


@dataclass(frozen=True)
class _Sharing:
    workers: Workers

    def __call__(self, errand: Errand[Piece, Done], pieces: Sequence[Piece]) -> list[Done]:
        """What was done of each piece. Meanwhile whoever follows is told how many are done, and may end it all by
        raising.

        Raises JobFailed for a piece that could not be done, BadInput for a cluster that cannot be reached or does not
        see the factors.
        """
        found: dict[int, Done] = {}

        def given_up(numbered: tuple[int, Piece], why: str) -> None:
            raise JobFailed(
                f"{errand.doing}: worker processes died of piece {numbered[0] + 1:,} of {len(pieces):,}: {why}. "
                "Take more parts, so that each is smaller, or fewer --workers."
            )

        def done(numbered: tuple[int, Piece], result: Done) -> None:
            found[numbered[0]] = result

        def check() -> None:
            tell(errand.doing, len(found), len(pieces))

        gather = _on_cluster if self.workers.asked.runner == "ray" else _on_this_machine
        with gather(errand, self.workers, len(pieces)) as makers:
            try:
                Crew[tuple[int, Piece], Done](makers, done, given_up, check).work(list(enumerate(pieces)))
            except HandDied as death:
                raise JobFailed(f"The worker processes died: {death}. Select again with fewer --workers.") from None
        check()
        return [found[number] for number in range(len(pieces))]


@contextmanager
def _on_this_machine(errand: Errand[Piece, Done], workers: Workers, pieces: int) -> Iterator[Makers[Piece, Done]]:
    shared = Numbered(errand.shared_by(min(workers.count, pieces)))
    yield [partial(ProcessHand, shared, workers.environment(number)) for number in range(workers.count)]


@contextmanager
def _on_cluster(errand: Errand[Piece, Done], workers: Workers, pieces: int) -> Iterator[Makers[Piece, Done]]:
    cluster = Cluster(workers.asked.address)
    try:
        needs_gpu = errand.device.startswith("cuda")
        count, cores, gpus = workers.places(cluster, needs_gpu=needs_gpu, threads=errand.threads)
        numbered = Numbered(replace(errand, device="cuda" if needs_gpu else errand.device))
        yield [lambda: cluster.hand(numbered, cores, gpus)] * min(count, pieces)
    finally:
        cluster.leave()
