"""What does the selection read? The base pass's shards, joined in row order and memory-mapped.

Features are divided by their root-mean-square norm over the pool's response tokens, so that
a ridge of 1 means the same for every model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.files import replacing_folder
from core.scoring.shards import read_shard


@dataclass(frozen=True, slots=True)
class RunArrays:
    """Memory-mapped results of a base pass over N rows.

    `factors` [Σ r_i, d] float32, rows `offsets[i]:offsets[i + 1]` being example i's factor in
    units of `rms_norm`; `offsets` [N + 1] int64; `mean_features` [N, d] float32, NaN where unscorable.
    """

    factors: np.ndarray
    offsets: np.ndarray
    mean_features: np.ndarray
    rms_norm: float


def join_shards(paths: Sequence[Path], folder: Path) -> None:
    """Write `factors.npy`, `factor_offsets.npy`, `mean_features.npy` and `rms_norm.npy` into `folder`.

    One shard is in memory at a time. The folder appears complete or not at all.
    """
    if folder.exists():
        return
    with replacing_folder(folder) as partial:
        _join(paths, partial)


def _join(paths: Sequence[Path], folder: Path) -> None:
    counts, trace, tokens, dimension = [], 0.0, 0, 0
    for path in paths:
        shard = read_shard(path)
        assert shard.factor_offsets is not None and shard.mean_feature is not None and shard.feature_trace is not None
        counts.append(np.diff(shard.factor_offsets))
        scored = ~np.isnan(shard.nll)
        trace += float(shard.feature_trace[scored].sum())
        tokens += int(shard.response_tokens[scored].sum())
        dimension = shard.mean_feature.shape[1]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    rms_norm = math.sqrt(trace / tokens) if trace > 0 else 1.0
    _write_features(paths, folder, offsets, dimension, rms_norm)
    np.save(folder / "factor_offsets.npy", offsets)
    np.save(folder / "rms_norm.npy", np.array(rms_norm))


def _write_features(paths: Sequence[Path], folder: Path, offsets: np.ndarray, dimension: int, rms_norm: float) -> None:
    shape = (int(offsets[-1]), dimension)
    factors = np.lib.format.open_memmap(folder / "factors.npy", "w+", np.float32, shape)
    means = np.lib.format.open_memmap(folder / "mean_features.npy", "w+", np.float32, (len(offsets) - 1, dimension))
    row = 0
    for path in paths:
        shard = read_shard(path)
        assert shard.factors is not None and shard.mean_feature is not None
        after = row + len(shard.rows)
        factors[offsets[row] : offsets[after]] = shard.factors / np.float32(rms_norm)
        means[row:after] = shard.mean_feature
        row = after
    factors.flush()
    means.flush()


def open_arrays(folder: Path) -> RunArrays:
    """Open a finished run's arrays. Raises BadInput when the run has not got that far."""
    if not folder.is_dir():
        raise BadInput("This scoring run has no factors yet; let it finish, or resume it.")

    return RunArrays(
        factors=np.load(folder / "factors.npy", mmap_mode="r", allow_pickle=False),
        offsets=np.load(folder / "factor_offsets.npy", allow_pickle=False),
        mean_features=np.load(folder / "mean_features.npy", mmap_mode="r", allow_pickle=False),
        rms_norm=float(np.load(folder / "rms_norm.npy", allow_pickle=False)),
    )
