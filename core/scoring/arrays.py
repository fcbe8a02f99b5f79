"""What does the selection read? The base pass's shards, joined in row order and memory-mapped.

Features are divided by their root-mean-square norm over the pool's tokens that the factors are
made of, so that a ridge of 1 means the same for every model.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.files import replacing_folder, write_hashes
from core.scoring.shards import read_columns, read_features


@dataclass(frozen=True, slots=True)
class RunArrays:
    """Memory-mapped results of a base pass over N rows.

    `factors` [Σ r_i, p] float32, rows `offsets[i]:offsets[i + 1]` being example i's factor in
    units of `rms_norm`; `offsets` [N + 1] int64; `kept` [N] float32, the share of the trace that the
    factor keeps; `mean_features` [N, d] float32. NaN where unscorable.
    """

    factors: np.ndarray
    offsets: np.ndarray
    kept: np.ndarray
    mean_features: np.ndarray
    rms_norm: float


def join_shards(scores: Sequence[Path], features: Sequence[Path], folder: Path) -> None:
    """Write `factors.npy`, `factor_offsets.npy`, `factor_kept.npy`, `mean_features.npy` and `rms_norm.npy`, and their
    hashes.

    One shard is in memory at a time. The folder appears complete or not at all.
    """
    if folder.exists():
        return
    with replacing_folder(folder) as partial:
        _join(scores, features, partial)
        write_hashes(partial)


def _join(scores: Sequence[Path], features: Sequence[Path], folder: Path) -> None:
    counts, kept, trace, tokens = [], [], 0.0, 0
    shape = (0, 0)
    for scores_path, features_path in zip(scores, features, strict=True):
        shard, of = read_columns(scores_path, ("nll",)), read_features(features_path)
        scored = ~np.isnan(shard["nll"])
        counts.append(np.diff(of.offsets))
        kept.append(of.kept)
        trace += float(of.trace[scored].sum())
        tokens += int(of.tokens[scored].sum())
        shape = max(shape, (of.means.shape[1], of.factors.shape[1]))  # a block that was given up knows no width
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    rms_norm = math.sqrt(trace / tokens) if trace > 0 else 1.0
    d, p = shape
    factors = (read_features(path).factors / np.float32(rms_norm) for path in features)
    _write_blocks(folder / "factors.npy", (int(offsets[-1]), p), factors)
    _write_blocks(
        folder / "mean_features.npy", (len(offsets) - 1, d), (_wide(read_features(path).means, d) for path in features)
    )
    np.save(folder / "factor_offsets.npy", offsets)
    np.save(folder / "factor_kept.npy", np.concatenate(kept).astype(np.float32))
    np.save(folder / "rms_norm.npy", np.array(rms_norm))


def _wide(means: np.ndarray, d: int) -> np.ndarray:
    return means if means.shape[1] == d else np.full((len(means), d), np.nan, dtype=np.float32)


def _write_blocks(path: Path, shape: tuple[int, int], blocks: Iterable[np.ndarray]) -> None:
    """One .npy file of float32 blocks; written as a stream, since a memory map keeps its pages in the process."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks:
            stream.write(np.ascontiguousarray(block, dtype="<f4").tobytes())


def open_arrays(folder: Path) -> RunArrays:
    """Open a finished run's arrays. Raises BadInput when the run has not got that far."""
    if not folder.is_dir():
        raise BadInput("This scoring run has no factors yet; let it finish, or resume it.")
    try:
        return RunArrays(
            factors=np.load(folder / "factors.npy", mmap_mode="r", allow_pickle=False),
            offsets=np.load(folder / "factor_offsets.npy", allow_pickle=False),
            kept=np.load(folder / "factor_kept.npy", allow_pickle=False),
            mean_features=np.load(folder / "mean_features.npy", mmap_mode="r", allow_pickle=False),
            rms_norm=float(np.load(folder / "rms_norm.npy", allow_pickle=False)),
        )
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise BadInput(f"This scoring run has no {missing}; score again, which makes a new run.") from None
