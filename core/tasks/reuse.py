"""What did an earlier run find for the rows that a new version of its dataset still has?

A row's scores depend on its content, the model, the template and the settings alone, so they hold in a run of the next
version with the same of these. Rows that could not be scored are tried again.
"""

from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.scoring.arrays import RunArrays, open_arrays
from core.scoring.scorer import Scored
from core.scoring.shards import ExampleFeatures, ExampleScores, Shard, list_shards, read_scores
from core.workspace import RunFolder


class EarlierRun:
    """A finished run and which of its rows each row of the new run is: `rows` [N], −1 for none."""

    def __init__(self, files: RunFolder, rows: np.ndarray) -> None:
        self._files, self._rows = files, rows

    @classmethod
    def of(cls, files: RunFolder) -> "EarlierRun | None":
        """The run that the run in `files` was told to take scores from, if it was."""
        if not files.reuse.exists():
            return None
        with np.load(files.reuse, allow_pickle=False) as stored:
            return cls(RunFolder(files.path.parent / str(stored["run"])), stored["rows"])

    def known(self, folder: str, *, with_features: bool) -> Callable[[int], Scored | None]:
        """What a pass of the earlier run found for a row of the new one; `folder` is the pass's."""
        shards = _Shards(self._files.path / folder)
        arrays = open_arrays(self._files.arrays) if with_features else None

        def find(row: int) -> Scored | None:
            earlier = int(self._rows[row])
            shard = shards.of(earlier) if earlier >= 0 else None
            if shard is None:
                return None
            scores = _scores(shard, earlier - int(shard.rows[0]))
            if scores is None:
                return None
            return scores, None if arrays is None else _features(arrays, earlier, len(scores.token_nll))

        return find


class _Shards:
    """A pass's shards, the last one read kept: rows are asked for in order."""

    def __init__(self, folder: Path) -> None:
        self._paths = list(list_shards(folder))
        self._starts = [int(path.name.partition("-")[0]) for path in self._paths]
        self._last: tuple[int, Shard] | None = None

    def of(self, row: int) -> Shard | None:
        place = bisect_right(self._starts, row) - 1
        if place < 0:
            return None
        last = self._last
        if last is None or last[0] != place:
            last = self._last = place, read_scores(self._paths[place])
        shard = last[1]
        return shard if row <= int(shard.rows[-1]) else None


def _scores(shard: Shard, i: int) -> ExampleScores | None:
    if np.isnan(shard.nll[i]):
        return None
    part = slice(shard.token_offsets[i], shard.token_offsets[i + 1])
    means = [float(getattr(shard, name)[i]) for name in ("nll", "entropy", "gini")]
    tokens = [getattr(shard, f"token_{name}")[part] for name in ("nll", "entropy", "gini")]
    return ExampleScores(means[0], means[1], means[2], tokens[0], tokens[1], tokens[2])


def _features(arrays: RunArrays, row: int, tokens: int) -> ExampleFeatures:
    """In the features' own unit again: the pool's norm is another in the new run."""
    factor = arrays.factors[arrays.offsets[row] : arrays.offsets[row + 1]] * np.float32(arrays.rms_norm)
    kept = float(arrays.kept[row])
    trace = float((factor.astype(np.float64) ** 2).sum()) / max(kept, 1e-12)
    return ExampleFeatures(np.asarray(arrays.mean_features[row]), factor, kept, trace, tokens)
