"""Calibration draws a fair share, trains on the responses, and leaves a model or nothing."""

from collections import Counter
from pathlib import Path

import pytest

from core.records import Rendered
from core.scoring.calibration import calibrate, draw_share
from core.scoring.forward import score_batch
from core.scoring.models import load_model
from core.scoring.rendering import Renderer
from core.settings import CalibrationSettings, ScoringSettings


class Stopped(Exception):
    pass


def rendered(model: Path, count: int = 12) -> list[Rendered]:
    chosen = ScoringSettings(model=str(model), device="cpu")
    renderer = Renderer(load_model(chosen, model).tokenizer, chosen)
    chats = [
        [{"role": "user", "content": f"Say {i}"}, {"role": "assistant", "content": "yes " * 5}] for i in range(count)
    ]
    return [renderer.render(chat) for chat in chats]


def mean_nll(model: Path, examples: list[Rendered]) -> float:
    loaded = load_model(ScoringSettings(model=str(model), device="cpu", dtype="float32"), model)
    return sum(float(scores.nll.mean()) for scores in score_batch(loaded, examples, 1 << 20)) / len(examples)


def test_the_share_is_drawn_uniformly_without_repeats() -> None:
    drawn = Counter(
        row for seed in range(400) for row in draw_share(range(10, 30), CalibrationSettings(share=0.25, seed=seed))
    )
    assert drawn.total() == 400 * 5
    assert set(drawn) == set(range(10, 30))
    assert max(drawn.values()) < 2 * min(drawn.values())
    assert draw_share([4], CalibrationSettings(share=0.01)) == [4]
    assert draw_share(range(100), CalibrationSettings(seed=1)) == draw_share(range(100), CalibrationSettings(seed=1))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_calibrated_model_finds_the_responses_likelier(method: str, tiny_model: Path, tmp_path: Path) -> None:
    examples, target = rendered(tiny_model), tmp_path / "calibrated"
    steps: list[tuple[int, int]] = []
    calibrate(
        examples,
        ScoringSettings(model=str(tiny_model), device="cpu"),
        CalibrationSettings(method=method, epochs=4, learning_rate=1e-2, batch_examples=4),
        tmp_path,
        target,
        lambda step, total: steps.append((step, total)),
    )
    assert steps == [(step, 12) for step in range(1, 13)]
    assert mean_nll(target, examples) < mean_nll(tiny_model, examples) - 0.1
    assert [entry.name for entry in tmp_path.iterdir()] == ["calibrated"]


def test_a_calibration_that_is_stopped_leaves_no_model(tiny_model: Path, tmp_path: Path) -> None:
    def stop(step: int, total: int) -> None:
        raise Stopped

    target = tmp_path / "calibrated"
    with pytest.raises(Stopped):
        calibrate(
            rendered(tiny_model),
            ScoringSettings(model=str(tiny_model), device="cpu"),
            CalibrationSettings(),
            tmp_path,
            target,
            stop,
        )
    assert list(tmp_path.iterdir()) == []
