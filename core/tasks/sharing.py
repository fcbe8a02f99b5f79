"""Who searches the parts of a pool? Several processes of this machine, or a cluster's nodes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from core.errors import JobFailed
from core.jobs.cluster import Cluster
from core.jobs.crew import Crew, Hand, HandDied
from core.jobs.processes import ProcessHand
from core.selection.following import tell
from core.selection.parts import SEARCHING, Part, PartSearch, Spread
from core.selection.ranking import Ordered
from core.settings import CrewSettings
from core.tasks.crew import Workers, visible_gpus

Piece = tuple[int, Part]
Hands = list[Callable[[], Hand[Piece, Ordered]]]


@dataclass(frozen=True)
class NumberedSearch:
    """The order, for parts that come with their numbers."""

    search: PartSearch

    def __call__(self) -> Callable[[Piece], Ordered]:
        """What searches a part that comes with its number."""
        search = self.search()
        return lambda piece: search(piece[1])


def spread_over(asked: CrewSettings, device: str) -> Spread | None:
    """Who searches parts on this device where these were asked for; None where this process does."""
    workers = Workers(asked, visible_gpus() if device == "cuda" else [])
    return None if workers.is_alone else partial(_share_out, workers)


def _share_out(workers: Workers, search: PartSearch, parts: Sequence[Part]) -> list[Ordered]:
    """What each part picked. Meanwhile whoever follows is told how many are searched, and may end it all by raising.

    Raises JobFailed for a part that could not be searched, BadInput for a cluster that cannot
    be reached or does not see the factors."""
    found: dict[int, Ordered] = {}

    def given_up(piece: Piece, why: str) -> None:
        raise JobFailed(
            f"Two worker processes died while they searched part {piece[0] + 1:,} of {len(parts):,}: {why}. Take more "
            "parts, so that each is smaller, or fewer --workers."
        )

    def done(piece: Piece, picked: Ordered) -> None:
        found[piece[0]] = picked

    def check() -> None:
        tell(SEARCHING, len(found), len(parts))

    gather = _on_cluster if workers.asked.runner == "ray" else _on_this_machine
    with gather(search, workers, len(parts)) as makers:
        try:
            Crew[Piece, Ordered](makers, done, given_up, check).work(list(enumerate(parts)))
        except HandDied as death:
            raise JobFailed(f"No worker process could begin: {death}. Select again with fewer --workers.") from None
    check()
    return [found[number] for number in range(len(parts))]


@contextmanager
def _on_this_machine(search: PartSearch, workers: Workers, parts: int) -> Iterator[Hands]:
    order = NumberedSearch(search.shared_by(min(workers.count, parts)))
    yield [partial(ProcessHand, order, workers.environment(number)) for number in range(workers.count)]


@contextmanager
def _on_cluster(search: PartSearch, workers: Workers, parts: int) -> Iterator[Hands]:
    cluster = Cluster(workers.asked.address)
    try:
        count, cores, gpus = workers.places(cluster, needs_gpu=search.device == "cuda", threads=search.threads)
        order = NumberedSearch(search)
        yield [lambda: cluster.hand(order, cores, gpus)] * min(count, parts)
    finally:
        cluster.leave()
