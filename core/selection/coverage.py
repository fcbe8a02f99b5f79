"""How much of each group's information does a set of examples hold, and which groups does it leave out?

Alone an example tells Δ(i|∅); beside a set S what is new of it is Δ(i|S), nothing for the examples of S. Of a group g

    share(g|S) = 1 − Σ_{i∈g∖S} Δ(i|S) / Σ_{i∈g} Δ(i|∅)

is held: 1 where S already tells whatever its examples tell, 0 where S tells nothing of it. f is submodular, so the
share never falls as S grows. Gains of a whole pool take long; for other sets than a stored selection a sample M of
g∖S stands for it, with the known Δ(i|∅) as the weight (a ratio estimate, Cochran, Sampling Techniques, chapter 6):

    Σ_{i∈g∖S} Δ(i|S) ≈ Σ_{i∈g∖S} Δ(i|∅) · Σ_{i∈M} Δ(i|S) / Σ_{i∈M} Δ(i|∅).
"""

from dataclasses import dataclass

import numpy as np

from core.selection.design import Design

SAMPLE_SEED = 0


@dataclass(frozen=True, slots=True)
class Members:
    """The scored examples: their `rows` [n], ascending, what each tells `alone` [n] in nats, and the group of each as
    `codes` [n], below `groups`."""

    rows: np.ndarray
    alone: np.ndarray
    codes: np.ndarray
    groups: int

    def inside(self, chosen: np.ndarray) -> np.ndarray:
        """True for those among the `chosen` rows, [n]."""
        return np.isin(self.rows, chosen)


@dataclass(frozen=True, slots=True)
class Shares:
    """The share that is held of each group's information [g], NaN where a group tells nothing, and of all examples'."""

    of_groups: np.ndarray
    of_all: float


def share_held(members: Members, inside: np.ndarray, measured: np.ndarray, gains: np.ndarray) -> Shares:
    """The shares that the set `inside` [n] holds, by the `gains` [m], in nats, that the `measured` examples [m], places
    among the members outside it, would bring. Exact where these are all."""
    everything, left = _sum(members, members.alone), _sum(members, np.where(inside, 0.0, members.alone))
    new, weight = (np.bincount(members.codes[measured], of, members.groups) for of in (gains, members.alone[measured]))
    left *= np.divide(new, weight, out=np.zeros(members.groups), where=weight > 0)
    shares = 1 - np.divide(left, everything, out=np.full_like(left, np.nan), where=everything > 0)
    total = float(everything.sum())
    return Shares(np.clip(shares, 0.0, 1.0), float(np.clip(1 - left.sum() / total, 0, 1)) if total > 0 else np.nan)


def measure_shares(members: Members, chosen: np.ndarray, empty: Design, most: int) -> Shares:
    """The shares that the `chosen` rows hold, by the gains of at most so many examples of each group; `empty` is the
    log-det design, which holds the chosen rows afterwards."""
    inside = members.inside(chosen)
    measured = sample_outside(members, inside, most)
    empty.add_all(chosen)
    return share_held(members, inside, measured, empty.gains(members.rows[measured]))


def sample_outside(members: Members, inside: np.ndarray, most: int) -> np.ndarray:
    """Places of at most so many random members of each group outside a set, ascending; as far as they are outside, the
    same whatever the set."""
    shuffled = np.random.default_rng(SAMPLE_SEED).permutation(len(members.rows))
    outside = shuffled[~inside[shuffled]]
    outside = outside[np.argsort(members.codes[outside], kind="stable")]
    codes = members.codes[outside]
    place_in_group = np.arange(len(codes)) - np.searchsorted(codes, codes)
    return np.sort(outside[place_in_group < most])


def _sum(members: Members, values: np.ndarray) -> np.ndarray:
    sums: np.ndarray = np.bincount(members.codes, values, members.groups)
    return sums
