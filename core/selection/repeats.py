"""Which examples say the same?

By text: equal after normalisation, or with a Jaccard similarity of their shingle sets of at least a threshold,
found by MinHash and banding (Broder, 1997; Mining of Massive Datasets, chapter 3). By Fisher information: j covers
the share `c(i|j) = 1 − D(i|{j}) / D(i|∅)` of i, with `D(i|S) = log det(I + F_i V_S⁻¹ F_iᵀ)`, `V_S = λI + Σ_S FᵀF`.

`c(i|j) D(i|∅) = I(i, j) = −log det(I − W_i W_jᵀ W_j W_iᵀ)` is symmetric, with the whitened factors
`W_i = L_i⁻¹ F_i`, `L_i L_iᵀ = λI + F_i F_iᵀ`. Even a copy covers only c(i|i) < 1, so i and j say the same where
`c(i|j) ≥ τ c(i|i)` and `c(j|i) ≥ τ c(j|j)`, that is `I(i, j) ≥ τ max(I(i, i), I(j, j))`. As the eigenvalues of
`P_i P_j`, `P = WᵀW`, are log-majorised by the products of theirs, `I(i, j) ≤ ½ (I(i, i) + I(j, j))`, so most
unlike pairs need no determinant.

Groups are connected components: of three in a chain, the ends may be further apart than the threshold.
"""

import hashlib
import itertools
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from core.selection.factors import Factors
from core.selection.pool import Repeats

EXACT, NEAR, FACTORS = "same text", "nearly the same text", "same Fisher information"

FEWEST_WORDS = 8
LONGEST_WORDS = 15
"""Texts of fewer words, or with more characters a word, as in Chinese, are cut into characters instead."""
WORDS, CHARACTERS = 3, 5

SEED = 0
PERMUTATIONS = 128
MISSES_MATTER = (0.1, 0.9)
"""The bands' weights of false and missed candidates: a false one is found out."""
STRICTEST_BANDS = 0.95
LOOKS = 32
"""In a bucket a text is compared to so many before it, the likest by the next bands; most buckets are smaller."""
PAIRS_AT_ONCE = 20_000

NEIGHBOURS = 10
MOST_BY_BRUTE_FORCE = 20_000
"""Twenty seconds, which is what compiling the approximate search takes before it starts."""
SMALL = 1e-4
ROUNDING = 1e-10
"""At most 23 nats of a direction are told, lest rounding decide about the rest."""


def exact_repeats(texts: Sequence[str]) -> Repeats:
    """Texts that are equal but for compatibility forms, case and white space (NFKC, casefold)."""
    return Repeats(_distinct(texts)[1], EXACT)


def near_repeats(texts: Sequence[str], threshold: float) -> Repeats:
    """Texts whose sets of word 3-shingles, or character 5-shingles, have a Jaccard similarity ≥ `threshold`.

    Candidates share a band of their MinHash and are then compared exactly, so a pair may be missed and none is
    invented: at a threshold of 0.8 one in eight is missed of those just at it, one in a thousand of those at 0.9.
    """
    rows, codes = _distinct(texts)
    hashes, shingles = _cut(_normalise(texts[row]) for row in rows.tolist())
    bands = _bands(_signatures(hashes, shingles), threshold)
    return Repeats(_join(shingles, bands, threshold)[codes], NEAR)


def factor_repeats(factors: Factors, features: np.ndarray, rows: np.ndarray, ridge: float, threshold: float) -> Repeats:
    """Examples that cover each other as a copy would, to a share of at least `threshold`.

    `rows` [n] are those scored, ascending; the others, and those without information, repeat nothing. Compared
    are the ten neighbours by cosine of the mean features (`features` [N, d]), and those whose features are equal.
    """
    own = _shared_information(factors, np.column_stack([rows, rows]), ridge)
    pairs = _neighbours(np.asarray(features[rows], dtype=np.float32), own)
    larger, smaller = own[pairs].max(axis=1, initial=0.0), own[pairs].min(axis=1, initial=np.inf)
    can_be_near = (smaller > 0) & (smaller >= (2 * threshold - 1) * larger)
    pairs, larger = rows[pairs[can_be_near]], larger[can_be_near]
    is_near = _shared_information(factors, pairs, ridge) >= threshold * larger
    return Repeats(_components(np.arange(len(features)), *pairs[is_near].T), FACTORS)


def _normalise(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _distinct(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """A row of each distinct normalised text, in an order that the texts alone decide, and each row's code [N]."""
    digests = [_digest(_normalise(text), 16) for text in texts]
    _, rows, codes = np.unique(np.array(digests, dtype="S16"), return_index=True, return_inverse=True)
    return rows, codes.astype(np.int64)


def _digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def _shingles(text: str) -> set[str]:
    """Of a normalised text; one that is shorter than a shingle is its own."""
    words = text.split(" ")
    if len(words) < FEWEST_WORDS or len(text) > LONGEST_WORDS * len(words):
        return {text[start : start + CHARACTERS] for start in range(max(1, len(text) - CHARACTERS + 1))}
    return {" ".join(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1)}


def _cut(texts: Iterable[str]) -> tuple[np.ndarray, csr_array]:
    """The 64-bit hashes [m] of all shingles, and a one for each that a text has, [n, m]."""
    sets = [np.frombuffer(b"".join(_digest(s, 8) for s in _shingles(text)), dtype=np.uint64) for text in texts]
    offsets = np.cumsum([0, *map(len, sets)])
    hashes, columns = np.unique(np.concatenate([*sets, np.zeros(0, np.uint64)]), return_inverse=True)
    table = csr_array((np.ones(len(columns), np.int32), columns, offsets), shape=(len(sets), len(hashes)))
    table.sort_indices()
    return hashes, table


def _signatures(hashes: np.ndarray, shingles: csr_array) -> np.ndarray:
    """MinHash of each row, [n, 128] uint32."""
    from datasketch import MinHash

    short = (hashes & np.uint64(0xFFFFFFFF)).astype(np.int64)
    sets = (short[shingles.indices[a:b]].tolist() for a, b in itertools.pairwise(shingles.indptr))
    sketches = MinHash.generator(sets, num_perm=PERMUTATIONS, seed=SEED, hashfunc=int)
    signatures = np.empty((shingles.shape[0], PERMUTATIONS), dtype=np.uint32)
    for row, sketch in enumerate(sketches):
        signatures[row] = sketch.hashvalues
    return signatures


def _bands(signatures: np.ndarray, threshold: float) -> np.ndarray:
    """The bucket of each text in each band, [n, b], banded for the threshold."""
    from datasketch import MinHashLSH

    plan = MinHashLSH(min(threshold, STRICTEST_BANDS), PERMUTATIONS, weights=MISSES_MATTER)
    cuts = (signatures[:, start : start + plan.r] for start in range(0, plan.b * plan.r, plan.r))
    return np.column_stack([np.unique(cut, axis=0, return_inverse=True)[1] for cut in cuts])


def _join(shingles: csr_array, bands: np.ndarray, threshold: float) -> np.ndarray:
    """Labels [n] of the components. Bands one by one: texts of a bucket lie together, in the order of their next
    bands, and each is compared to the one before it, then to the one before that, if not yet of one component."""
    labels = np.arange(len(bands), dtype=np.int64)
    for band in range(bands.shape[1]):
        order = np.lexsort(np.roll(bands, -band, axis=1).T[::-1])
        buckets = bands[order, band]
        for distance in range(1, LOOKS + 1):
            is_met = buckets[distance:] == buckets[:-distance]
            if not is_met.any():
                break
            pairs = np.column_stack([order[:-distance], order[distance:]])[is_met]
            pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
            labels = _components(labels, *pairs[_jaccard(shingles, pairs) >= threshold].T)
    return labels


def _jaccard(shingles: csr_array, pairs: np.ndarray) -> np.ndarray:
    """|A ∩ B| / |A ∪ B| of each of `pairs` [m, 2]."""
    sizes = np.diff(shingles.indptr)[pairs].sum(axis=1)
    common = np.zeros(len(pairs), dtype=np.int64)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        left, right = pairs[start : start + PAIRS_AT_ONCE].T
        common[start : start + len(left)] = shingles[left].multiply(shingles[right]).sum(axis=1)
    jaccard: np.ndarray = common / (sizes - common)
    return jaccard


def _components(labels: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The labels [n], all below n, once `left` and `right` are joined."""
    if not len(left):
        return labels
    edges = coo_array((np.ones(len(left), bool), (labels[left], labels[right])), shape=(len(labels), len(labels)))
    joined: np.ndarray = connected_components(edges, directed=False)[1][labels].astype(np.int64)
    return joined


def _neighbours(points: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Pairs [m, 2], each once: nearest by cosine; and of equal `points` [n, d] those next in `own` information."""
    count, nearest = len(points), np.zeros((len(points), 0), dtype=np.int64)
    if count > MOST_BY_BRUTE_FORCE:
        from pynndescent import NNDescent

        graph = NNDescent(points, metric="cosine", n_neighbors=NEIGHBOURS + 1, random_state=SEED)
        nearest = graph.neighbor_graph[0]
    elif count > 1:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, count - 1), metric="cosine").fit(points)
        nearest = search.kneighbors(return_distance=False)
    found = np.column_stack([np.repeat(np.arange(count), nearest.shape[1]), nearest.ravel()])
    same = np.unique(points, axis=0, return_inverse=True)[1]
    order = np.lexsort([own, same])
    chain = np.column_stack([order[:-1], order[1:]])[same[order[:-1]] == same[order[1:]]]
    pairs = np.sort(np.concatenate([found, chain]), axis=1)
    pairs = pairs[(pairs[:, 0] >= 0) & (pairs[:, 0] < pairs[:, 1])]
    unique: np.ndarray = np.unique(pairs, axis=0)
    return unique


def _shared_information(factors: Factors, pairs: np.ndarray, ridge: float) -> np.ndarray:
    """I(i, j) in nats of each of `pairs` [m, 2], float64; those with factors of like length are computed together."""
    shared = np.zeros(len(pairs))
    ranks = factors.ranks[pairs].max(axis=1, initial=0)
    order = np.lexsort([pairs[:, 0], ranks])
    longer = pairs[np.arange(len(pairs)), factors.ranks[pairs].argmax(axis=1)]
    for positions in factors.blocks(longer[order]):
        block = order[positions]
        rows, places = np.unique(pairs[block], return_inverse=True)
        W = _whiten(factors.read_padded(rows), ridge)
        left, right = torch.from_numpy(places.reshape(-1, 2)).to(factors.device).T
        M = W[left] @ W[right].mT
        shared[block] = _information(M @ M.mT).cpu().numpy()
    return shared


def _whiten(F: Tensor, ridge: float) -> Tensor:
    """W = L⁻¹F with L Lᵀ = λI + FFᵀ, of F [n, r, p]."""
    gram = F @ F.mT
    gram.diagonal(dim1=1, dim2=2).add_(ridge)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(gram), F, upper=False)


def _information(X: Tensor) -> Tensor:
    """−log det(I − X) of X [n, r, r] with eigenvalues in [0, 1]; where X is small by the first terms of
    `tr X + tr X²/2 + …`, as it would be lost beside I."""
    trace = X.diagonal(dim1=1, dim2=2).sum(dim=1)
    series = trace + X.square().sum(dim=(1, 2)) / 2
    rest = -X
    rest.diagonal(dim1=1, dim2=2).add_(1 + ROUNDING)
    whole = -2 * torch.linalg.cholesky(rest).diagonal(dim1=1, dim2=2).log().sum(dim=1)
    return torch.where(trace < SMALL, series, whole)
