"""Calibration draws a fair share, trains on the responses, and leaves a model or nothing."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.records import Rendered
from core.scoring import calibration
from core.scoring.calibration import calibrate, draw_share, read_curve
from core.scoring.device import Limits
from core.scoring.forward import Forward
from core.scoring.models import attach_adapter, is_adapter, load_model, load_tokenizer
from core.scoring.rendering import Renderer
from core.settings import CalibrationSettings, ScoringSettings


class Stopped(Exception):
    pass


def rendered(model: Path, count: int = 12) -> list[Rendered]:
    chosen = ScoringSettings(model=str(model), device="cpu")
    renderer = Renderer(load_tokenizer(chosen, model), chosen)
    chats = [
        [{"role": "user", "content": f"Say {i}"}, {"role": "assistant", "content": "yes " * 5}] for i in range(count)
    ]
    return [renderer.render(chat) for chat in chats]


def mean_nll(base: Path, examples: list[Rendered], calibrated: Path | None = None) -> float:
    adapter = calibrated if calibrated and is_adapter(calibrated) else None
    weights = base if adapter else calibrated or base
    loaded = load_model(ScoringSettings(model=str(weights), device="cpu", dtype="float32"), base)
    if adapter:
        before = {name: id(parameter) for name, parameter in loaded.decoder.named_parameters()}
        loaded = attach_adapter(loaded, adapter)
        kept = {name.replace(".base_layer", ""): id(p) for name, p in loaded.decoder.named_parameters()}
        assert before.items() <= kept.items()
    scores = Forward(loaded, Limits(4096, 1 << 20, 64)).score_batch(examples)
    return sum(float(of.nll.mean()) for of in scores) / len(examples)


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
    assert is_adapter(target) == (method == "lora")
    assert mean_nll(tiny_model, examples, target) < mean_nll(tiny_model, examples) - 0.1
    curve = read_curve(target)
    assert [point["step"] for point in curve] == list(range(1, 13))
    assert curve[-1]["loss"] < curve[0]["loss"] - 0.1
    assert max(point["learning_rate"] for point in curve) <= 1e-2
    assert [entry.name for entry in tmp_path.iterdir()] == ["calibrated"]


def test_how_many_examples_are_backpropagated_together_changes_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = rendered(tiny_model, 10)
    weights = []
    for tokens in (1, 10_000):
        monkeypatch.setitem(calibration.TOKENS_AT_ONCE, "cpu", tokens)
        calibrate(
            examples,
            ScoringSettings(model=str(tiny_model), device="cpu", dtype="float32"),
            CalibrationSettings(epochs=2, learning_rate=1e-2, batch_examples=4),
            tmp_path,
            tmp_path / f"calibrated-{tokens}",
            lambda step, total: None,
        )
        weights.append(load_file(tmp_path / f"calibrated-{tokens}" / "model.safetensors"))
    before = load_file(tiny_model / "model.safetensors")
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], atol=2e-4, rtol=1e-3)
    assert max(float((weights[0][name] - before[name]).abs().max()) for name in before) > 1e-2


@pytest.mark.parametrize(("longest", "together"), [(10, 8), (200, 4), (500, 2), (2048, 1), (5000, 1)])
def test_fewer_long_examples_are_backpropagated_together(longest: int, together: int) -> None:
    assert calibration.examples_at_once(8, longest, torch.device("cpu")) == together


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


@pytest.mark.parametrize(
    ("domain", "rate", "keep"),
    [("maths", 5e-5, 0.1), ("general", 2e-5, 0.1), ("medical", 2e-5, 0.1), ("code", 1e-5, 0.2)],
)
def test_a_domain_brings_the_papers_settings_where_none_are_given(domain: str, rate: float, keep: float) -> None:
    preset = CalibrationSettings(domain=domain).for_domain()
    assert (preset.learning_rate, preset.keep, preset.share, preset.epochs) == (rate, keep, 0.1, 3)
    assert CalibrationSettings(domain=domain, learning_rate=0.5, keep=0.7).for_domain().learning_rate == 0.5
