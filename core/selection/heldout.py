"""Which examples are set aside for a proof?

Examples that say the same go together, so that no selectable example repeats a held-out one. Of each stratum the share
of its distinct examples is drawn that has the smallest hashes of seed and example id: the draw depends on nothing but
the dataset's content and the settings, and is the same on every machine.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from core.settings import HeldOutSettings


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`rows` are never selectable, ascending; `measured` is one of each group of repeats among them, in the order of
    the draw, so that its first n are a random n."""

    rows: np.ndarray
    measured: np.ndarray


def draw_held_out(
    example_ids: Sequence[str], repeats: np.ndarray, strata: np.ndarray, settings: HeldOutSettings
) -> HeldOut:
    """Draw the held-out examples of a dataset with these ids [N]; rows with the same of `repeats` [N] say the same,
    and each of `strata` [N] gives its share, to within one.

    Raises BadInput where the share is not one example, or leaves none.
    """
    _, first, groups = np.unique(repeats, return_index=True, return_inverse=True)
    wanted = round(settings.share * len(first))
    if not 0 < wanted < len(first):
        raise BadInput(
            f"Holding out {settings.share:.15g} of {len(first):,} distinct examples would leave one part empty; "
            "give another share."
        )
    drawn = _draw(np.array([_place(settings.seed, example_ids[row]) for row in first]), strata[first], wanted)
    return HeldOut(np.flatnonzero(np.isin(groups, drawn)), first[drawn])


def _draw(places: np.ndarray, strata: np.ndarray, wanted: int) -> np.ndarray:
    """So many of the groups, by their places [G] in the draw; the strata's parts differ by largest remainders."""
    _, codes, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    exact = wanted * sizes / len(codes)
    parts = np.floor(exact).astype(np.int64)
    parts[np.argsort(parts - exact, kind="stable")[: wanted - int(parts.sum())]] += 1
    order = np.argsort(places, kind="stable")
    chosen = [order[codes[order] == code][:part] for code, part in enumerate(parts)]
    drawn = np.concatenate(chosen)
    return drawn[np.argsort(places[drawn], kind="stable")]


def _place(seed: int, example_id: str) -> str:
    return hashlib.sha256(f"{seed} {example_id}".encode()).hexdigest()
