"""Which examples are unlike each other? Orders by where the mean response features lie.

`kcenter` is farthest-first traversal (Gonzalez 1985; as a core-set: Sener and Savarese 2018, arXiv 1708.00489),
`facility` facility location, `density` inverse-propensity sampling (Sachdeva et al. 2024, arXiv 2402.09668;
FisherSFT's baseline Density), `clustered` k-means and then each cluster in turn.
"""

import heapq
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from core.selection.criterion import Criterion
from core.selection.facility import FacilityLocation
from core.selection.greedy import TIE, Plan, Step, search_greedy
from core.selection.pool import Pool
from core.selection.ranking import Ordered, of_rows, of_steps
from core.selection.room import Room
from core.settings import Settings

SAMPLE = 2_000
BLOCK_ENTRIES = 1 << 22
SAME = 1e-12
"""Squared distances below this share of the squared norms are rounding: the two features are the same."""
WHOLE_KMEANS = 10_000
KCENTER_PART = 20_000
WHOLE_DENSITY, DENSITY_SAMPLE = 50_000, 20_000
STARTS = 3


class KCenterSettings(Settings):
    """Farthest-first traversal has nothing to set."""


class FacilitySettings(Settings):
    """Facility location has nothing to set."""


class DensitySettings(Settings):
    """Sampling by inverse density."""

    bandwidth: float = Field(
        1.0, ge=1e-3, le=1e3, description="Width of the kernel, as a multiple of the median distance of two examples."
    )


class ClusteredSettings(Settings):
    """Each cluster of k-means in turn."""

    clusters: int = Field(50, ge=1, le=10_000, description="Clusters of k-means; no more than there are examples.")


def rank_kcenter(pool: Pool, room: Room, _: KCenterSettings, seed: int) -> Ordered:
    """Farthest-first from the pins, else from the candidate nearest to the mean, until the room is paid."""
    return of_steps(_search_farthest(pool, _within(room), seed), pool.candidates, room)


def rank_facility(pool: Pool, room: Room, _: FacilitySettings, __: int) -> Ordered:
    """Greedy for facility location; pins serve first. In tokens two rankings, by gain and by gain per token."""
    plain = _search_facility(pool, room, np.ones(len(pool.candidates)))
    if bool((room.costs == 1).all()):
        return plain
    by_cost = _search_facility(pool, room, room.costs)
    return Ordered(
        (*plain.rankings, *by_cost.rankings),
        plain.is_complete and by_cost.is_complete,
        evaluations=plain.evaluations + by_cost.evaluations,
        naive_evaluations=plain.naive_evaluations + by_cost.naive_evaluations,
    )


def rank_density(pool: Pool, _: Room, settings: DensitySettings, seed: int) -> Ordered:
    """Drawn without replacement by weight 1 / density: first whose exponential clock of that rate rings first."""
    generator = np.random.default_rng(seed)
    X = _centred(pool, pool.rows)
    density = _estimate_density(X, settings.bandwidth * _typical_distance(X, generator), generator)
    candidates = pool.candidates
    rings = generator.standard_exponential(len(candidates)) * density[np.searchsorted(pool.rows, candidates)]
    return of_rows(candidates[np.argsort(rings, kind="stable")])


def rank_clustered(pool: Pool, _: Room, settings: ClusteredSettings, seed: int) -> Ordered:
    """A random member of each cluster in turn, the largest cluster first; a pin is one turn of its cluster."""
    count = min(settings.clusters, len(pool.candidates))
    if not count:
        return of_rows(pool.candidates)
    labels = _cluster(np.asarray(pool.mean_features[pool.rows], dtype=np.float64), count, seed)
    names, first, codes, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    place = np.empty(len(names), dtype=np.int64)
    place[np.lexsort((first, -sizes))] = np.arange(len(names))
    shuffled = np.random.default_rng(seed).permutation(pool.candidates)
    queue = np.concatenate([np.array(pool.pinned, dtype=np.int64), shuffled])
    owner = codes[np.searchsorted(pool.rows, queue)]
    ordered = queue[np.lexsort((place[owner], _turns(owner)))]
    return of_rows(ordered[~np.isin(ordered, pool.pinned)])


def _within(room: Room) -> Room:
    """Where to search: within quotas, or without any the free order."""
    return room.copy() if room.has_quotas else room.without_limit()


def _search_farthest(pool: Pool, within: Room, seed: int) -> Iterator[Step]:
    """Each pick with its distance to the nearest taken; a first one without pins, with its distance to the mean.

    Above `KCENTER_PART` candidates these are dealt into parts at random, and a pick is compared with its own part
    alone: all parts are followed down to the same distance, so that no row is farther than that from a pick. With
    quotas all are searched at once.
    """
    candidates, taken = pool.candidates, np.array(pool.pinned, dtype=np.int64)
    if len(candidates) <= KCENTER_PART or within.has_quotas:
        yield from _traverse(pool, candidates, taken, within)
        return
    if not len(taken):
        first = next(_traverse(pool, candidates, taken, within))
        yield first
        taken = np.array([first.row])
    shuffled = np.random.default_rng(seed).permutation(np.setdiff1d(candidates, taken))
    parts = [np.sort(part) for part in np.array_split(shuffled, -(-len(shuffled) // KCENTER_PART))]
    searches = [_traverse(pool, part, taken, within.of(np.searchsorted(candidates, part))) for part in parts]
    yield from heapq.merge(*searches, key=lambda step: -step.gain)


def _traverse(pool: Pool, candidates: np.ndarray, taken: np.ndarray, within: Room) -> Iterator[Step]:
    """Farthest-first through the candidates [n], ascending, once `taken` rows are taken."""
    X, pins = _centred(pool, candidates, taken).split([len(candidates), len(taken)])
    squares = (X**2).sum(dim=1)
    gaps = np.full(len(X), np.inf)
    for pin in pins:
        gaps = np.minimum(gaps, _distances(X, squares, pin))
    from_mean, left = squares.sqrt().cpu().numpy(), np.arange(len(X))
    while len(left := left[within.fits(left)]):
        values = gaps[left] if np.isfinite(gaps[left[0]]) else -from_mean[left]
        best = float(values.max())
        winner = int(left[np.argmax(values >= best - TIE * abs(best))])
        within.take(winner)
        yield Step(int(candidates[winner]), abs(best), len(left))
        gaps = np.minimum(gaps, _distances(X, squares, X[winner]))
        left = left[left != winner]


def _distances(X: Tensor, squares: Tensor, x: Tensor) -> np.ndarray:
    """‖X_i − x‖ of X [n, d] with the squared norms `squares` [n], in one product: [n]."""
    both = squares + x @ x
    apart = both - 2 * (X @ x)
    distances: np.ndarray = torch.where(apart > SAME * both, apart, 0.0).sqrt().cpu().numpy()
    return distances


def _search_facility(pool: Pool, room: Room, weights: np.ndarray) -> Ordered:
    objective = FacilityLocation(pool.mean_features[pool.rows], pool.rows, pool.device)
    for pin in pool.pinned:
        objective.add(pin)
    steps = search_greedy(objective, pool.candidates, _within(room), Plan("lazy"), weights)
    return of_steps(steps, pool.candidates, room)


def _centred(pool: Pool, *rows: np.ndarray) -> Tensor:
    """The mean features of these rows about the mean of the first of them, which keeps differences exact, [n, d]."""
    X = torch.from_numpy(np.asarray(pool.mean_features[np.concatenate(rows)], dtype=np.float64)).to(pool.device)
    return X - X[: len(rows[0])].mean(dim=0)


def _typical_distance(X: Tensor, generator: np.random.Generator) -> float:
    """The median distance of two of at most 2,000 rows; their mean where most are the same, and 1 where all are."""
    sample = X if len(X) <= SAMPLE else X[np.sort(generator.choice(len(X), SAMPLE, replace=False))]
    distances = torch.nn.functional.pdist(sample).cpu().numpy()
    return float(np.median(distances) or distances.mean() or 1.0) if len(distances) else 1.0


def _estimate_density(X: Tensor, width: float, generator: np.random.Generator) -> np.ndarray:
    """(1/N) Σ_j exp(−‖x_i − x_j‖² / 2h²) for every row of X [N, d], with h = `width`, [N]: at least 1/N, what a row is
    to itself. Of many rows a random sample stands for all j ≠ i."""
    sample = np.arange(len(X))
    if len(X) > WHOLE_DENSITY:
        sample = np.sort(generator.choice(len(X), DENSITY_SAMPLE, replace=False))
    others, is_own = X[sample], torch.zeros(len(X), dtype=X.dtype, device=X.device)
    is_own[sample] = 1.0
    squares, theirs = (X**2).sum(dim=1), (others**2).sum(dim=1)
    density = torch.empty_like(squares)
    size = max(1, BLOCK_ENTRIES // max(1, len(others)))
    for start in range(0, len(X), size):
        block = slice(start, start + size)
        apart = (squares[block, None] + theirs - 2 * X[block] @ others.T).clamp_(min=0)
        density[block] = apart.mul_(-0.5 / width**2).exp_().sum(dim=1)
    among_others = (density - is_own).clamp_(min=0) / (len(others) - is_own).clamp_(min=1)
    return ((1 + (len(X) - 1) * among_others) / max(1, len(X))).cpu().numpy()


def _cluster(X: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The cluster of each row of X [n, d] by k-means, in batches where there are many rows."""
    # seconds to import, and no other criterion needs it
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    kind = MiniBatchKMeans if len(X) > WHOLE_KMEANS else KMeans
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: some stay empty
        labels: np.ndarray = kind(count, n_init=STARTS, random_state=seed % 2**32).fit_predict(X)
    return labels


def _turns(codes: np.ndarray) -> np.ndarray:
    """How many of the same code stand before each, [n]."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    turns = np.empty(len(codes), dtype=np.int64)
    turns[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return turns


CRITERIA = (
    Criterion(
        name="kcenter",
        goal="Spread over the whole space",
        explanation="Takes, one after the other, the example that is farthest from all taken before, so that none is "
        "left far from a pick. Outliers come first. Unless there are quotas, more than 20,000 are dealt into parts, "
        "and a pick is compared with those of its part, so that it may repeat one of another.",
        source="Gonzalez 1985; core-set, Sener and Savarese 2018, arXiv 1708.00489",
        reason="far from what was taken before",
        settings=KCenterSettings,
        rank=rank_kcenter,
        is_baseline=True,
    ),
    Criterion(
        name="facility",
        goal="A picture of the whole in few examples",
        explanation="Takes, one after the other, the example that most raises how much each example of the pool looks "
        "like the pick nearest to it. Dense regions come first, outliers late.",
        source="facility location; Lin and Bilmes 2011, ACL P11-1052",
        reason="stands best for what no pick stands for yet",
        settings=FacilitySettings,
        rank=rank_facility,
        is_baseline=True,
    ),
    Criterion(
        name="density",
        goal="A random sample that evens out crowds",
        explanation="Draws at random, an example the likelier the fewer lie near it. A small bandwidth minds close "
        "neighbours alone, a large one tends to a uniform sample.",
        source="Density: Sachdeva et al. 2024, arXiv 2402.09668; FisherSFT's baseline",
        reason="drawn by the inverse of its density",
        settings=DensitySettings,
        rank=rank_density,
        is_baseline=True,
    ),
    Criterion(
        name="clustered",
        goal="Some of every kind",
        explanation="Groups the examples by k-means and takes a random one of each group in turn. More clusters tell "
        "finer kinds apart; rare kinds get as many turns as common ones.",
        source="baseline; k-means, Lloyd 1982",
        reason="next of its cluster in turn",
        settings=ClusteredSettings,
        rank=rank_clustered,
        is_baseline=True,
    ),
)
