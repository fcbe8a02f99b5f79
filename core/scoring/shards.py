"""How does a finished block of rows stay finished?

A shard is one safetensors file with the scores that one pass computed for a block of rows. Its
name is the hash of the rows and of the run, and it is renamed into place when complete: to
resume is to list what exists (architecture.md, exactly once). The features of the base pass lie
in a file of the same name in another folder, until they are joined; they are written first.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from torch import Tensor

from core.files import replacing
from core.records import Rendered

SUFFIX = ".safetensors"
LARGEST_HALF = float(np.finfo(np.float16).max)
NOT_FINITE = "the model's output is not a finite number"


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A block of rows, the file that will hold its scores, and that of its features."""

    path: Path
    features: Path
    rows: range


@dataclass(frozen=True, slots=True)
class ExampleScores:
    """One example's means in nats, its response tokens [T] in float16, or the reason why it has none."""

    nll: float
    entropy: float
    gini: float
    token_nll: np.ndarray
    token_entropy: np.ndarray
    token_gini: np.ndarray
    reason: str | None = None

    @classmethod
    def of_tokens(cls, nll: Tensor, entropy: Tensor, gini: Tensor) -> "ExampleScores":
        """Means over the tokens, summed in float64 and divided once."""
        means = [float(values.double().mean()) for values in (nll, entropy, gini)]
        tokens = [np.minimum(values.numpy(), LARGEST_HALF).astype(np.float16) for values in (nll, entropy, gini)]
        if not np.isfinite(means).all():
            return cls.failed(NOT_FINITE)
        return cls(means[0], means[1], means[2], tokens[0], tokens[1], tokens[2])

    @classmethod
    def failed(cls, reason: str | None) -> "ExampleScores":
        """No scores, and why."""
        none = np.empty(0, dtype=np.float16)
        return cls(np.nan, np.nan, np.nan, none, none, none, reason)


@dataclass(frozen=True, slots=True)
class ExampleFeatures:
    """One example's mean feature [d], factor [r, p], and the share it keeps of the trace Σ_t ‖x_t‖².

    `tokens` counts the t: the response's tokens, or with `prompt_features` all that are predicted.
    """

    mean: np.ndarray
    factor: np.ndarray
    kept: float
    trace: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One pass's scores of n rows. An unscorable row has NaN and a reason, and no tokens.

    `token_nll`, `token_entropy` and `token_gini` are [Σ T_i] float16; row i's are at
    `token_offsets[i]:token_offsets[i + 1]`, [n + 1].
    """

    rows: np.ndarray
    prompt_tokens: np.ndarray
    response_tokens: np.ndarray
    nll: np.ndarray
    entropy: np.ndarray
    gini: np.ndarray
    truncated: np.ndarray
    token_offsets: np.ndarray
    token_nll: np.ndarray
    token_entropy: np.ndarray
    token_gini: np.ndarray
    reasons: list[str | None]


@dataclass(frozen=True, slots=True)
class FeatureShard:
    """The features of n rows: `means` [n, d]; `factors` [Σ r_i, p] with `offsets` [n + 1]; `kept`,
    `trace` and `tokens` [n]. An unscorable row has NaN, no tokens and no rows in `factors`."""

    means: np.ndarray
    factors: np.ndarray
    offsets: np.ndarray
    kept: np.ndarray
    trace: np.ndarray
    tokens: np.ndarray


def plan_shards(folder: Path, features: Path, run: str, example_ids: Sequence[str], shard_rows: int) -> list[ShardPlan]:
    """Cut rows 0..N−1 into blocks of `shard_rows`, each with its file names."""
    plans = []
    for start in range(0, len(example_ids), shard_rows):
        rows = range(start, min(start + shard_rows, len(example_ids)))
        content = "\n".join([run, folder.name, str(start), *(example_ids[row] for row in rows)])
        name = f"{start:09d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}{SUFFIX}"
        plans.append(ShardPlan(folder / name, features / name, rows))
    return plans


def list_shards(folder: Path) -> Iterator[Path]:
    """The complete shards of a pass, in row order."""
    return iter(sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")))


def write_scores(path: Path, rows: range, rendered: Sequence[Rendered], scores: Sequence[ExampleScores]) -> None:
    """Write one pass's scores of a block of rows: the file is complete or absent."""
    arrays: dict[str, np.ndarray] = {
        "rows": np.array(rows, dtype=np.int64),
        "prompt_tokens": np.array([len(r.response_mask) - sum(r.response_mask) for r in rendered], dtype=np.int32),
        "response_tokens": np.array([sum(r.response_mask) for r in rendered], dtype=np.int32),
        "truncated": np.array([r.truncated for r in rendered], dtype=np.uint8),
        "token_offsets": _offsets([len(s.token_nll) for s in scores]),
    }
    for name in ("nll", "entropy", "gini"):
        arrays[name] = np.array([getattr(s, name) for s in scores])
        arrays[f"token_{name}"] = np.concatenate([getattr(s, f"token_{name}") for s in scores])
    _write(path, arrays, {"reasons": json.dumps([s.reason for s in scores])})


def read_scores(path: Path) -> Shard:
    """Read a shard's scores. Raises ValueError for a file that is none of this version's."""
    names = [name for name in Shard.__dataclass_fields__ if name != "reasons"]
    with safe_open(path, framework="numpy") as stored:
        if not set(names) <= set(stored.keys()):
            raise _of_another_version(path)
        reasons = json.loads((stored.metadata() or {})["reasons"])
        return Shard(reasons=reasons, **{name: stored.get_tensor(name) for name in names})


def read_columns(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Only these arrays of a shard's scores."""
    with safe_open(path, framework="numpy") as stored:
        return {name: stored.get_tensor(name) for name in names}


def read_reasons(path: Path) -> list[str | None]:
    """Only a shard's reasons, one a row."""
    with safe_open(path, framework="numpy") as stored:
        reasons: list[str | None] = json.loads((stored.metadata() or {})["reasons"])
        return reasons


def write_features(path: Path, features: Sequence[ExampleFeatures | None], width: tuple[int, int]) -> None:
    """Write the features of a block of rows, `width` being (d, p); None is an unscorable row."""
    d, p = width
    nothing = ExampleFeatures(np.full(d, np.nan, np.float32), np.empty((0, p), np.float32), float("nan"), 0.0, 0)
    rows = [of or nothing for of in features]
    arrays = {
        "means": np.stack([of.mean for of in rows]),
        "factors": np.concatenate([of.factor for of in rows]),
        "offsets": _offsets([len(of.factor) for of in rows]),
        "kept": np.array([of.kept for of in rows]),
        "trace": np.array([of.trace for of in rows]),
        "tokens": np.array([of.tokens for of in rows], dtype=np.int64),
    }
    _write(path, arrays, None)


def read_features(path: Path) -> FeatureShard:
    """Read a shard's features. Raises ValueError for a file that is none of this version's."""
    stored = load_file(path)
    if set(stored) != set(FeatureShard.__dataclass_fields__):
        raise _of_another_version(path)
    return FeatureShard(**stored)


def _of_another_version(path: Path) -> ValueError:
    return ValueError(f"{path.name} was written by another version; score again, which makes a new run")


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.cumsum([0, *lengths], dtype=np.int64)


def _write(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial, metadata=metadata)
