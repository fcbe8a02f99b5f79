"""What will a whole pool take, by what a sample of it took?

Scoring goes by tokens and is shared out to every GPU; calibrating and choosing keep one of them busy, and the others
are paid for meanwhile. What is read of the sample's mean length has the error of a mean. Choosing is taken to grow with
the rows, its picks being a share of them.
"""

import math

from core.reports import Forecast, Trial, Wait
from core.settings import RunSettings

GPUS = (1, 8, 64)
LOOKS = 3
"""At every factor once something was chosen: what each tells alone, what it tells beside the picks, and the bound."""


def foretell(trial: Trial, rows: int, settings: RunSettings, price: float | None = None) -> Forecast:
    """What a pool of so many rows takes with these settings, on each number of GPUs; `price` is a GPU's for an hour."""
    times = rows / trial.rows
    tokens = trial.mean_tokens * rows
    error = 1.96 * trial.sd_tokens / math.sqrt(trial.rows) / trial.mean_tokens
    passing = times * (trial.pass_seconds * _passes(settings) + trial.alone_seconds)
    calibrating, choosing = _calibrating_seconds(trial, tokens, settings), _choosing_seconds(trial, times)

    def wait(gpus: int) -> Wait:
        scoring = passing / gpus + trial.loading_seconds * _passes(settings)
        hours = (scoring + calibrating + choosing) / 3600
        cost = None if price is None else hours * gpus * price
        return Wait(gpus, scoring, calibrating, choosing, hours, hours * gpus, cost)

    return Forecast(
        rows=rows,
        tokens=round(tokens),
        tokens_off=error,
        memory_mb=trial.memory_mb,
        disk_bytes=round(times * _bytes(trial, settings)),
        waits=[wait(gpus) for gpus in GPUS],
    )


def _passes(settings: RunSettings) -> int:
    """Passes over all tokens: the base model's, and one by each round's calibrated model."""
    if settings.calibration:
        return 1 + settings.calibration.iterations
    return 2 if settings.calibrated_model else 1


def _bytes(trial: Trial, settings: RunSettings) -> int:
    """On the disk when a run's features are joined, and both what is joined and what comes of it lies there."""
    shards = trial.shard_bytes * (_passes(settings) + settings.scoring.ifd)
    return trial.input_bytes + shards + trial.feature_bytes + trial.array_bytes


def _calibrating_seconds(trial: Trial, tokens: float, settings: RunSettings) -> float:
    """On one GPU: a share of the tokens in the first round, what a round keeps in each later one."""
    asked = settings.calibration and settings.calibration.for_domain()
    if not asked:
        return 0.0
    assert asked.keep is not None
    share = asked.share + asked.keep * (asked.iterations - 1)
    return share * tokens * asked.epochs * trial.tuning_seconds / trial.tuned_tokens


def _choosing_seconds(trial: Trial, times: float) -> float:
    """A tenth, by lazy search on one GPU, and what is measured of it."""
    return times * (trial.search_seconds + LOOKS * trial.look_seconds)
