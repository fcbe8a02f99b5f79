"""With which subsets is a selection compared when models are fine-tuned on them?

Random subsets of equal tokens say what any subset brings; random subsets with the selection's own lengths say what its
lengths alone bring (papers.md, I-optimal design: about half of a win was length).
"""

import numpy as np

from core.selection.envelope import random_prefixes
from core.selection.pool import Pool

PROOF_STREAM, MATCHED_STREAM = 2, 3
"""Apart from the streams of `random` and of the envelope, or an arm could be that very selection."""
BIN_ROWS = 20
"""Examples of like length among which a random one stands for a pick."""


def cut_to_tokens(rows: np.ndarray, tokens: np.ndarray, wanted: int) -> np.ndarray:
    """The first of `rows` whose `tokens` [n] come nearest to so many; at least one."""
    distances = np.abs(np.cumsum(tokens) - wanted)
    return rows[: int(np.argmin(distances)) + 1]


def random_arms(pool: Pool, tokens: int, count: int, seed: int) -> list[np.ndarray]:
    """Uniform random subsets of the selectable rows, each of `tokens` response tokens to within an example."""
    return random_prefixes(pool, seed, count, PROOF_STREAM).of_tokens(tokens)


def matched_arms(pool: Pool, chosen: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Random subsets with as many examples of each length as `chosen` has.

    The selectable rows in the order of their lengths are cut into bins of 20; of each bin as many are drawn as were
    chosen of it.
    """
    generator = np.random.default_rng([seed, MATCHED_STREAM])
    return [_draw_alike(np.union1d(pool.rows, chosen), pool.response_tokens, chosen, generator) for _ in range(count)]


def _draw_alike(
    rows: np.ndarray, response_tokens: np.ndarray, chosen: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    mixed = generator.permutation(rows)
    by_length = mixed[np.argsort(response_tokens[mixed], kind="stable")]
    bins = np.arange(len(by_length)) // BIN_ROWS
    wanted = np.bincount(bins, np.isin(by_length, chosen))
    order = np.lexsort((generator.random(len(bins)), bins))
    place_in_bin = np.arange(len(bins)) - bins * BIN_ROWS
    return generator.permutation(by_length[order[place_in_bin < wanted[bins]]])
