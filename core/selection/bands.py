"""Could a random subset look like this? A selection's measures beside those of random subsets of equal tokens.

Each measure has its band, the lowest and highest of the random subsets. Of several measures one is soon outside by
chance, so the verdict is one test over all: of selection and subsets each is compared with the others, `T` being
its largest deviation in any measure, in standard deviations of the others. A selection that is itself random is
as likely as each of 20 subsets to have the largest T, so it passes for special once in 21 times.
"""

from dataclasses import dataclass

import numpy as np
import torch

from core.selection.envelope import Envelope
from core.selection.pool import Pool

REFERENCE = 2_000


@dataclass(frozen=True, slots=True)
class Band:
    """One measure: the selection's value, and the lowest and highest of the random subsets."""

    value: float
    low: float
    high: float

    @property
    def is_inside(self) -> bool:
        """Whether the value lies in the band."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each measure's band by name, and whether the selection can be told from random here."""

    bands: dict[str, Band]
    is_distinguishable: bool


def compare_with_random(pool: Pool, selected: np.ndarray, envelope: Envelope, information: float) -> Comparison:
    """Measure the `selected` rows and the envelope's subsets.

    `information` in nats; `coverage`, the mean cosine of the pool's mean features to the nearest chosen one;
    `length`, mean response tokens; `mix`, how far the groups' shares are from the pool's (total variation,
    0 to 1); mean `nll` and `entropy` in nats. `mix` only where the pool has groups.
    """
    sets = [selected, *envelope.subsets]
    measures = {
        "information": np.array([information, *envelope.values[:, -1]]),
        "coverage": _coverage(pool, sets),
        "length": np.array([pool.response_tokens[rows].mean() for rows in sets]),
        "nll": np.array([pool.nll[rows].mean() for rows in sets]),
        "entropy": np.array([pool.entropy[rows].mean() for rows in sets]),
    }
    if pool.groups.names:
        measures["mix"] = np.array([_distance_of_mix(pool, rows) for rows in sets])
    bands = {name: Band(float(v[0]), float(v[1:].min()), float(v[1:].max())) for name, v in measures.items()}
    deviations = largest_deviations(np.stack(list(measures.values()), axis=1))
    return Comparison(bands, bool(deviations[0] > deviations[1:].max()))


def largest_deviations(measures: np.ndarray) -> np.ndarray:
    """T [k] of k sets' measures [k, m]: the largest |value − mean of the others| / deviation of the others."""
    largest = np.zeros(len(measures))
    for i in range(len(measures)):
        others = np.delete(measures, i, axis=0)
        away, spread = np.abs(measures[i] - others.mean(axis=0)), others.std(axis=0, ddof=1)
        tiny = 1e-9 * np.abs(others).max(axis=0)
        largest[i] = np.where(away > tiny, away / np.maximum(spread, np.finfo(float).tiny), 0.0).max()
    return largest


def _coverage(pool: Pool, sets: list[np.ndarray]) -> np.ndarray:
    rows = pool.rows
    if len(rows) > REFERENCE:
        rows = np.sort(np.random.default_rng(0).choice(rows, REFERENCE, replace=False))
    reference = _directions(pool, rows)
    return np.array([float((reference @ _directions(pool, chosen).T).amax(dim=1).mean()) for chosen in sets])


def _directions(pool: Pool, rows: np.ndarray) -> torch.Tensor:
    """The mean features of these rows, of length 1, [n, d] float32."""
    features = torch.from_numpy(np.asarray(pool.mean_features[rows], dtype=np.float32))
    return torch.nn.functional.normalize(features, dim=1)


def _distance_of_mix(pool: Pool, rows: np.ndarray) -> float:
    counts = (np.bincount(pool.groups.codes[of], minlength=len(pool.groups.names)) for of in (pool.rows, rows))
    everywhere, here = (count / max(1, count.sum()) for count in counts)
    return float(np.abs(everywhere - here).sum() / 2)
