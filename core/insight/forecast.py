"""What will a whole pool take, by what a sample of it took?

Scoring goes by tokens and is shared out to every GPU; calibrating and choosing keep one of them busy, and the others
are paid for meanwhile. What is read of the sample's mean length has the error of a mean.
"""

import math

from core.reports import Forecast, Trial, Wait
from core.settings import RunSettings

GPUS = (1, 8, 64)
TWICE = 2
"""Features lie on the disk twice while the shards of a pass are joined."""


def foretell(trial: Trial, rows: int, settings: RunSettings, price: float | None = None) -> Forecast:
    """What a pool of so many rows takes with these settings, on each number of GPUs; `price` is a GPU's for an hour."""
    times = rows / trial.rows
    tokens = trial.mean_tokens * trial.scorable * times
    error = 1.96 * trial.sd_tokens / math.sqrt(trial.scorable) / trial.mean_tokens
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
        disk_bytes=round(times * (trial.input_bytes + trial.shard_bytes + TWICE * trial.array_bytes)),
        waits=[wait(gpus) for gpus in GPUS],
    )


def _passes(settings: RunSettings) -> int:
    """Passes over all tokens: the base model's, and one by each round's calibrated model."""
    if settings.calibration:
        return 1 + settings.calibration.iterations
    return 2 if settings.calibrated_model else 1


def _calibrating_seconds(trial: Trial, tokens: float, settings: RunSettings) -> float:
    """On one GPU: a share of the tokens in the first round, what a round keeps in each later one."""
    asked = settings.calibration and settings.calibration.for_domain()
    if not asked or not trial.tuned_tokens:
        return 0.0
    assert asked.keep is not None
    share = asked.share + asked.keep * (asked.iterations - 1)
    return share * tokens * asked.epochs * trial.tuning_seconds / trial.tuned_tokens


def _choosing_seconds(trial: Trial, times: float) -> float:
    """A tenth, by lazy search on one GPU: a look at every factor, and what each pick took beside."""
    picking = max(0.0, trial.search_seconds - trial.look_seconds)
    return times * (trial.look_seconds + picking)
