"""A forecast is the sample's figures times what is larger, shared out where work is."""

from dataclasses import replace

import pytest

from core.insight.forecast import foretell
from core.reports import Trial
from core.settings import CalibrationSettings, RunSettings, ScoringSettings

TRIAL = Trial(
    rows=200,
    scorable=100,
    device="cpu",
    mean_tokens=25.0,
    sd_tokens=20.0,
    loading_seconds=10.0,
    pass_seconds=40.0,
    alone_seconds=0.0,
    tuned_tokens=1_000,
    tuning_seconds=5.0,
    look_seconds=2.0,
    search_seconds=3.0,
    picks=20,
    memory_mb=1_500.0,
    input_bytes=1_000,
    shard_bytes=2_000,
    feature_bytes=4_000,
    array_bytes=3_000,
)


def test_one_pass_over_a_larger_pool() -> None:
    found = foretell(TRIAL, 20_000, RunSettings(calibration=None))
    assert (found.rows, found.tokens) == (20_000, 20_000 * 25)
    assert found.tokens_off == pytest.approx(1.96 * 20 / 200**0.5 / 25)
    assert found.memory_mb == 1_500
    assert found.disk_bytes == 100 * (1_000 + 2_000 + 4_000 + 3_000)
    assert [wait.gpus for wait in found.waits] == [1, 8, 64]
    for wait in found.waits:
        assert wait.scoring_seconds == pytest.approx(100 * 40 / wait.gpus + 10)
        assert wait.calibrating_seconds == 0
        assert wait.choosing_seconds == pytest.approx(100 * (3 + 3 * 2))
        assert wait.hours == pytest.approx((wait.scoring_seconds + 900) / 3600)
        assert wait.gpu_hours == pytest.approx(wait.gpus * wait.hours)
        assert wait.cost is None


def test_calibration_is_a_second_pass_and_trains_on_its_share_of_the_tokens() -> None:
    settings = RunSettings(calibration=CalibrationSettings(share=0.2, epochs=3.0))
    one, eight, _ = foretell(TRIAL, 200, settings, price=2.5).waits
    assert one.scoring_seconds == pytest.approx(2 * 40 + 2 * 10)
    assert eight.scoring_seconds == pytest.approx(2 * 40 / 8 + 2 * 10)
    for wait in (one, eight):
        assert wait.calibrating_seconds == pytest.approx(0.2 * 5_000 * 3 * 5 / 1_000)
        assert wait.cost == pytest.approx(2.5 * wait.gpus * wait.hours)


def test_each_later_round_trains_on_what_a_round_keeps_and_is_a_pass_more() -> None:
    settings = RunSettings(calibration=CalibrationSettings(share=0.2, epochs=1.0, iterations=3, keep=0.05))
    wait = foretell(TRIAL, 200, settings).waits[0]
    assert wait.scoring_seconds == pytest.approx(4 * 40 + 4 * 10)
    assert wait.calibrating_seconds == pytest.approx((0.2 + 2 * 0.05) * 5_000 * 5 / 1_000)


def test_a_model_that_was_tuned_elsewhere_is_a_second_pass_and_no_training() -> None:
    settings = RunSettings(calibration=None, calibrated_model="tuned", scoring=ScoringSettings(ifd=True))
    found = foretell(replace(TRIAL, alone_seconds=7.0), 400, settings)
    wait = found.waits[0]
    assert found.disk_bytes == 2 * (1_000 + 3 * 2_000 + 4_000 + 3_000)
    assert wait.scoring_seconds == pytest.approx(2 * (2 * 40 + 7) + 2 * 10)
    assert wait.calibrating_seconds == 0
