"""What a criterion may look at, put together from the database and a run's arrays."""

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from core.errors import BadInput
from core.records import HELD_OUT_REASON, RunRow
from core.scoring.arrays import RunArrays
from core.selection.criterion import Need
from core.selection.pool import Grouping, Pool, Repeats, Target
from core.selection.repeats import EXACT, FACTORS, NEAR, exact_repeats, factor_repeats, near_repeats
from core.settings import Quota, RepeatSettings, ScoringSettings
from core.workbench.base import check_text, keep_last
from core.workbench.scoring import Scoring

SAME_SPACE = ("prompt_features", "projection", "projection_seed", "uncertainty_weight", "template")


MOST_GROUPS, MOST_VALUES = 60, 1_000
MOST_POOLS, MOST_GROUPINGS = 3, 8
LONGEST_COLUMN = 1_000
HOW = {"exact": EXACT, "near": NEAR, "factor": FACTORS}


class Pools(Scoring):
    """Pools of finished runs."""

    _group_columns: dict[str, list[str]]
    _groups: dict[tuple[str, str], Grouping]
    _pools: dict[str, Pool]

    def pool(self, run: RunRow) -> Pool:
        """A run's numbers, as the criteria read them; those of the finished runs last asked about are kept."""
        if self.run_progress(run.run).state != "done":
            return self._read_pool(run)
        return keep_last(self._pools, run.run, MOST_POOLS, lambda: self._read_pool(run))

    def _read_pool(self, run: RunRow) -> Pool:
        scores, arrays = self.runs.scores(run.run), self.arrays(run.run)
        if scores.num_rows != len(arrays.offsets) - 1:
            raise BadInput(
                f"Scoring run {run.run!r} has {len(arrays.offsets) - 1:,} rows on disk but {scores.num_rows:,} in the "
                "database; a shard of it cannot be read. Score again under another setting."
            )

        def column(name: str) -> np.ndarray:
            return scores[name].to_numpy().astype(np.float64)

        return Pool(
            response_tokens=scores["response_tokens"].to_numpy().astype(np.int64),
            prompt_tokens=scores["prompt_tokens"].to_numpy().astype(np.int64),
            nll=column("nll"),
            entropy=column("entropy"),
            delta_nll=column("delta_nll"),
            delta_entropy=column("delta_entropy"),
            ifd_loss_ratio=column("ifd_loss_ratio"),
            ifd_perplexity_ratio=column("ifd_perplexity_ratio"),
            factors=arrays.factors,
            offsets=arrays.offsets,
            mean_features=arrays.mean_features,
            held_out=frozenset(pc.indices_nonzero(pc.equal(scores["unscorable_reason"], HELD_OUT_REASON)).to_pylist()),
            read_texts=lambda: self.datasets.full_texts(run.dataset),
        )

    def has(self, run: RunRow, need: Need) -> bool:
        """Whether a run made the pass that a criterion needs."""
        if need == "calibration":
            return bool(run.settings["calibration"] or run.settings["calibrated_model"])
        return need != "ifd" or bool(run.settings["scoring"]["ifd"])

    def grouping(self, dataset: str, quotas: Sequence[Quota]) -> Grouping:
        """The values of the one column that the quotas are about. Raises BadInput for two, or for none such."""
        columns = sorted({quota.column for quota in quotas})
        if len(columns) > 1:
            raise BadInput(f"Quotas are about one column at a time; these are about {' and '.join(columns)}.")
        return self.groups(dataset, columns[0])

    def groups(self, dataset: str, column: str) -> Grouping:
        """The values of any column of the rows as they came, ascending.

        Raises BadInput for a column that no row has, and for one with more than 1,000 values.
        """
        check_text(column, "name of a column", LONGEST_COLUMN)

        def read() -> Grouping:
            return Grouping(column, *self.datasets.grouped(dataset, column, MOST_VALUES))

        return keep_last(self._groups, (dataset, column), MOST_GROUPINGS, read)

    def group_columns(self, dataset: str) -> list[str]:
        """The columns with few enough values to be groups, in the order of the first row; not those that hold
        the conversation itself."""

        def find() -> list[str]:
            texts = set(self.datasets.get(dataset).mapping.values())
            return [name for name in self.datasets.group_columns(dataset, MOST_GROUPS) if name and name not in texts]

        return keep_last(self._group_columns, dataset, MOST_GROUPINGS, find)

    def repeats(self, run: RunRow, pool: Pool, settings: RepeatSettings) -> Repeats | None:
        """Which examples of a run's dataset say the same, found once and kept."""
        if settings.repeats == "keep":
            return None
        of = run.run if settings.repeats == "factor" else self.datasets.get(run.dataset).content_hash
        name = f"{of} {settings.repeats} {settings.threshold:g}"
        codes = self.orders.find_repeats(name)
        if codes is not None:
            return Repeats(codes, HOW[settings.repeats])
        texts = [] if settings.repeats == "factor" else self.datasets.full_texts(run.dataset)
        if settings.repeats == "exact":
            found = exact_repeats(texts)
        elif settings.repeats == "near":
            found = near_repeats(texts, settings.threshold)
        else:
            found = factor_repeats(pool.design_factors, pool.mean_features, pool.scored, 1.0, settings.threshold)
        self.orders.put_repeats(name, found.codes)
        return Repeats(found.codes, HOW[settings.repeats])

    def target_of_rows(self, run: RunRow, pool: Pool, rows: Sequence[int]) -> Target:
        """These rows of the pool itself as a target. Raises BadInput when none of them was scored."""
        return _target(self.arrays(run.run), pool.response_tokens, np.intersect1d(rows, pool.scored), run)

    def possible_targets(self, run: RunRow) -> list[RunRow]:
        """Finished runs of other datasets that `target_of_run` takes for this run, the newest of each dataset."""
        others = [dataset.name for dataset in self.datasets.all() if dataset.name != run.dataset]
        fitting = (
            next((other for other in self.runs.of_dataset(name) if self._is_finished_like(run, other)), None)
            for name in others
        )
        return [other for other in fitting if other is not None]

    def _is_finished_like(self, run: RunRow, other: RunRow) -> bool:
        return unlike(run, other) is None and self.run_progress(other.run).state == "done"

    def target_of_run(self, run: RunRow, target_run: str) -> Target:
        """All examples of another dataset's run. Raises BadInput unless the same model scored it in the same way."""
        other = self.runs.get(target_run)
        self._check_finished(other.run)
        if (difference := unlike(run, other)) is not None:
            raise BadInput(f"Scoring run {target_run!r} cannot be a target of {run.run!r}: {difference}.")
        pool, ours, theirs = self.pool(other), self.arrays(run.run), self.arrays(other.run)
        self._check_serves_nothing_held_out(run, other, pool.scored)
        return _target(theirs, pool.response_tokens, pool.scored, other, theirs.rms_norm / ours.rms_norm)

    def _check_serves_nothing_held_out(self, run: RunRow, other: RunRow, rows: np.ndarray) -> None:
        """A target that holds what this run sets aside would aim the selection at the very examples of its proof."""
        aside = self.held_out(run.run)[0]
        if not len(aside):
            return
        ours, theirs = (self.datasets.full_texts(of.dataset) for of in (run, other))
        codes = exact_repeats([*(ours[row] for row in aside), *(theirs[row] for row in rows)]).codes
        shared = np.isin(codes[len(aside) :], codes[: len(aside)]).sum()
        if shared:
            raise BadInput(
                f"Scoring run {other.run!r} cannot be a target of {run.run!r}: {shared:,} of its examples are held out "
                "for a proof there."
            )


def unlike(run: RunRow, other: RunRow) -> str | None:
    """Why the features of two runs cannot be compared, if they cannot."""
    if other.model_identity != run.model_identity:
        return "it is by another model; score both with one"
    for option in SAME_SPACE:
        declared = ScoringSettings.model_fields[option].default
        theirs, ours = (each.settings["scoring"].get(option, declared) for each in (other, run))
        if theirs != ours:
            return f"it has {option} = {theirs!r} instead of {ours!r}; score both with the same"
    return None


def _target(
    arrays: RunArrays, response_tokens: np.ndarray, rows: np.ndarray, run: RunRow, scale: float = 1.0
) -> Target:
    if not len(rows):
        raise BadInput(f"The target is empty: none of its examples was scored in run {run.run!r}.")
    return Target(arrays.factors, arrays.offsets, rows, int(response_tokens[rows].sum()), scale)
