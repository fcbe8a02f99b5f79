"""What are the neighbourhoods of a map about? Cells of its positions, each named by its texts' terms.

A term speaks for a cell by class-based TF-IDF (Grootendorst, arXiv 2203.05794, equation 1): with tf(t, c) the share of
cell c's terms that are t, f(t) how often t occurs in all cells and A the mean number of terms of a cell,

    W(t, c) = tf(t, c) · log(1 + A / f(t)).

A name has to be earned. Only terms that a tenth of the cell's texts have are taken, and three times as many of them as
of the others', also where each wording of those counts once, so that a text copied a hundred times does not make rare
what all other texts share. What a language's commonest words are thus names nothing, and a cell without terms of its
own has no name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from core.insight.terms import drop_overlapping, terms_of

MOST_PLACES, FEWEST_EXAMPLES = 24, 24
FITTED, TEXTS_A_CELL = 50_000, 500
"""So many positions decide where the cells are, and so many texts of a cell decide what it is about."""
TERMS, LEAST_SHARE, LEAST_RATIO, FEWEST_TEXTS = 3, 0.1, 3.0, 3
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Place:
    """A neighbourhood of `count` examples around (x, y), by the terms that its texts share."""

    terms: tuple[str, ...]
    x: float
    y: float
    count: int


def name_places(positions: np.ndarray, read_texts: Callable[[np.ndarray], Sequence[str]], seed: int = 0) -> list[Place]:
    """The places of a map with `positions` [n, 2], the largest first.

    `read_texts` gives the texts at some of the n indices, ascending; it is called once. The same seed gives the same
    places. Of fewer than 24 examples there are none.
    """
    if len(positions) < FEWEST_EXAMPLES:
        return []
    cells = find_cells(positions, seed)
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(cells == cell) for cell in range(cells.max() + 1)]
    sampled = np.sort(np.concatenate([_draw(of, TEXTS_A_CELL, generator) for of in members if len(of)]))
    texts = read_texts(sampled)
    counts, vocabulary = count_terms(texts)
    named = name_cells(counts, cells[sampled], vocabulary, find_copies(texts))
    places = [Place(named[cell], *_middle(positions, of), len(of)) for cell, of in enumerate(members) if cell in named]
    return sorted(places, key=lambda place: -place.count)


def find_cells(positions: np.ndarray, seed: int) -> np.ndarray:
    """The cell of each position, [n], by k-means; as many cells as half the root of n, from 2 to 24."""
    from sklearn.cluster import KMeans

    cells = int(np.clip(round(np.sqrt(len(positions)) / 2), 2, MOST_PLACES))
    fitted = _draw(np.arange(len(positions)), FITTED, np.random.default_rng(seed))
    found: np.ndarray = KMeans(cells, n_init=4, random_state=seed).fit(positions[fitted]).predict(positions)
    return found


def count_terms(texts: Sequence[str]) -> tuple[csr_matrix, np.ndarray]:
    """How often each text has each term, [n, v], and the v terms; those that too few texts have are left out."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=terms_of, min_df=min(FEWEST_TEXTS, len(texts)), dtype=np.int32)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no term is common enough
        return csr_matrix((len(texts), 0), dtype=np.int32), np.array([], dtype=object)
    return counts, vectorizer.get_feature_names_out()


def class_weights(counts: csr_matrix, cells: np.ndarray) -> np.ndarray:
    """W [c, v], class-based TF-IDF of `counts` [n, v] by `cells` [n] from 0 to c − 1."""
    sums = _by_cell(counts, cells)
    frequency = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
    mean_terms = sums.sum() / max(np.count_nonzero(sums.sum(axis=1)), 1)
    weights: np.ndarray = frequency * np.log1p(mean_terms / np.maximum(sums.sum(axis=0), 1))
    return weights


def find_copies(texts: Sequence[str]) -> np.ndarray:
    """Whether each text came before, [n] bool."""
    first = {text: place for place, text in reversed(list(enumerate(texts)))}
    return np.array([first[text] != place for place, text in enumerate(texts)], dtype=bool)


def name_cells(
    counts: csr_matrix, cells: np.ndarray, vocabulary: np.ndarray, is_copy: np.ndarray
) -> dict[int, tuple[str, ...]]:
    """Up to three terms for each cell that its texts have more than the others' do."""
    weights, has_term = class_weights(counts, cells), (counts > 0).astype(np.int32)
    having, texts = _by_cell(has_term, cells), np.bincount(cells)[:, None]  # [c, v], [c, 1]
    first = ~is_copy
    wordings = _by_cell(has_term[first], cells[first], len(texts))
    number = np.bincount(cells[first], minlength=len(texts))[:, None]
    inside = having / np.maximum(texts, 1)
    outside = np.maximum(_share_elsewhere(having, texts), _share_elsewhere(wordings, number))
    is_earned = (inside >= LEAST_SHARE) & (inside >= LEAST_RATIO * outside) & (having >= FEWEST_TEXTS)
    named = {}
    for cell, weight in enumerate(np.where(is_earned, weights, 0.0)):
        best = np.argsort(-weight, kind="stable")[: 10 * TERMS]
        terms = drop_overlapping([str(vocabulary[t]) for t in best if weight[t] > 0], TERMS)
        if terms:
            named[cell] = _short_enough(terms)
    return named


def _by_cell(counts: csr_matrix, cells: np.ndarray, number: int | None = None) -> np.ndarray:
    """Sums of the rows of each cell, [c, v] float64."""
    shape = (number or int(cells.max()) + 1, len(cells))
    membership = csr_matrix((np.ones(len(cells)), (cells, np.arange(len(cells)))), shape=shape)
    sums: np.ndarray = (membership @ counts).toarray().astype(np.float64)
    return sums


def _share_elsewhere(having: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Of all texts outside each cell, the share that has each term, [c, v]; `texts` [c, 1] counts each cell's."""
    shares: np.ndarray = (having.sum(axis=0) - having) / np.maximum(texts.sum() - texts, 1)
    return shares


def _short_enough(terms: list[str]) -> tuple[str, ...]:
    while len(terms) > 1 and sum(map(len, terms)) > LONGEST_NAME:
        terms = terms[:-1]
    return tuple(terms)


def _draw(members: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    return members if len(members) <= most else generator.choice(members, most, replace=False)


def _middle(positions: np.ndarray, members: np.ndarray) -> tuple[float, float]:
    """The member nearest to the median of its cell, so that a name never stands where nothing lies."""
    of = positions[members].astype(np.float64)
    x, y = of[((of - np.median(of, axis=0)) ** 2).sum(axis=1).argmin()]
    return float(x), float(y)
