"""What would you get without a method? The order to compare with."""

import numpy as np

from core.selection.criterion import Criterion
from core.selection.pool import Pool
from core.selection.ranking import Ordered, of_rows
from core.selection.room import Room
from core.settings import Settings


class RandomSettings(Settings):
    """A uniform random order; the seed is the selection's own."""


def rank_random(pool: Pool, _: Room, __: RandomSettings, seed: int) -> Ordered:
    """The candidates in a uniform random order."""
    return of_rows(np.random.default_rng(seed).permutation(pool.candidates))


CRITERIA = (
    Criterion(
        name="random",
        goal="A fair random sample to compare with",
        explanation="Draws examples uniformly, without replacement.",
        source="baseline",
        reason="drawn at random",
        settings=RandomSettings,
        rank=rank_random,
    ),
)
