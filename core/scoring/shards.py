"""How does a finished block of rows stay finished?

A shard is one safetensors file that holds all that one pass computed for a block of rows. Its
name is the hash of the rows and of the run, and it is renamed into place when complete: to
resume is to list what exists (architecture.md, exactly once).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from core.files import replacing

SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A block of rows and the file that will hold its results."""

    path: Path
    rows: range


@dataclass(frozen=True, slots=True)
class Shard:
    """One pass's results for a block of n rows. An unscorable row has NaN and a reason.

    The base pass alone has features: `mean_feature` [n, d]; `factors` [Σ r_i, d] with
    `factor_offsets` [n + 1]; `factor_kept` [n], the share of `feature_trace` [n] = Σ_t ‖x_t‖²
    that the factor keeps.
    """

    rows: np.ndarray
    prompt_tokens: np.ndarray
    response_tokens: np.ndarray
    nll: np.ndarray
    entropy: np.ndarray
    gini: np.ndarray
    truncated: np.ndarray
    reasons: list[str | None]
    mean_feature: np.ndarray | None = None
    factors: np.ndarray | None = None
    factor_offsets: np.ndarray | None = None
    factor_kept: np.ndarray | None = None
    feature_trace: np.ndarray | None = None


def plan_shards(folder: Path, run: str, example_ids: Sequence[str], shard_rows: int) -> list[ShardPlan]:
    """Cut rows 0..N−1 into blocks of `shard_rows`, each with its file name."""
    plans = []
    for start in range(0, len(example_ids), shard_rows):
        rows = range(start, min(start + shard_rows, len(example_ids)))
        content = "\n".join([run, folder.name, str(start), *(example_ids[row] for row in rows)])
        name = hashlib.sha256(content.encode()).hexdigest()[:16]
        plans.append(ShardPlan(folder / f"{start:09d}-{name}{SUFFIX}", rows))
    return plans


def list_shards(folder: Path) -> Iterator[Path]:
    """The complete shards of a pass, in row order."""
    return iter(sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")))


def write_shard(path: Path, shard: Shard) -> None:
    """Write under a temporary name, sync, rename: the file is complete or absent."""
    arrays = {
        name: np.ascontiguousarray(getattr(shard, name))
        for name in shard.__dataclass_fields__
        if name != "reasons" and getattr(shard, name) is not None
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        save_file(arrays, partial, metadata={"reasons": json.dumps(shard.reasons)})


def read_shard(path: Path, *, with_features: bool = True) -> Shard:
    """Read a shard, or only its columns of numbers per row."""
    heavy = {"mean_feature", "factors", "factor_offsets"}
    with safe_open(path, framework="numpy") as stored:
        reasons = json.loads((stored.metadata() or {})["reasons"])
        names = [name for name in stored.keys() if with_features or name not in heavy]  # noqa: SIM118
        return Shard(reasons=reasons, **{name: stored.get_tensor(name) for name in names})
