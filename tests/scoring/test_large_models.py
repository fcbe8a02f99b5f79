"""Weights in fewer bits, and weights over several devices."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from core.errors import BadInput
from core.records import Rendered
from core.scoring import models
from core.scoring.models import LoadedModel, attach_adapter, load_model, model_source, placing
from core.scoring.scorer import Scorer
from core.scoring.training import lora_config
from core.settings import CalibrationSettings, CrewSettings, RunSettings, ScoringSettings
from core.workbench import Workbench
from tests.conftest import make_tiny_model, write_chats

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of 64 weights, which is what NF4 packs together."""
    return make_tiny_model(tmp_path_factory.mktemp("wide"), hidden_size=64, intermediate_size=128)


@pytest.mark.parametrize("quantization", ["8bit", "4bit"])
def test_a_run_with_packed_weights_orders_the_examples_much_as_a_whole_one(
    tmp_path: Path, wide_model: Path, quantization: str
) -> None:
    pytest.importorskip("bitsandbytes")
    light = CalibrationSettings(method="lora", epochs=1, share=0.2)
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 40), "chats")
        found = []
        for packed in ("none", quantization):
            scoring = ScoringSettings(model=str(wide_model), max_length=128, quantization=packed)
            run = bench.score("chats", RunSettings(scoring=scoring, calibration=light)).run
            table = bench.runs.scores(run)
            found.append(table["nll"].to_numpy())
            assert np.isfinite(table["delta_nll"].to_numpy()).sum() == np.isfinite(found[-1]).sum() > 30
    scored = np.isfinite(found[0])
    assert not np.array_equal(found[0][scored], found[1][scored])
    assert spearmanr(found[0][scored], found[1][scored]).statistic > 0.95


def test_an_adapter_put_on_packed_weights_that_were_used_leaves_them_as_they_are(
    tmp_path: Path, models_folder: Path
) -> None:
    """By the embedded model: bitsandbytes repacks no smaller one on a CPU."""
    pytest.importorskip("bitsandbytes")
    example = Rendered("", list(range(100, 140)), [0] * 20 + [1] * 20, truncated=False)
    scoring = ScoringSettings(quantization="4bit", device="cpu")
    save_idle_adapter(scoring, models_folder, tmp_path)
    model = load_model(scoring, models_folder)
    before, _ = next(iter(Scorer(model, scoring, with_features=False).score([example])))
    under, _ = next(iter(Scorer(attach_adapter(model, tmp_path), scoring, with_features=False).score([example])))
    assert under.nll == pytest.approx(before.nll, abs=1e-4)


def save_idle_adapter(scoring: ScoringSettings, models_folder: Path, folder: Path) -> None:
    """A LoRA adapter as it is before anything is learnt: it changes nothing."""
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model_source(scoring.model, models_folder))
    get_peft_model(base, lora_config("lora")).save_pretrained(folder)


def test_packed_weights_are_packed(wide_model: Path, models_folder: Path) -> None:
    pytest.importorskip("bitsandbytes")
    sizes = {
        packed: load_model(
            ScoringSettings(model=str(wide_model), quantization=packed), models_folder
        ).model.get_memory_footprint()
        for packed in ("none", "8bit", "4bit")
    }
    assert sizes["4bit"] < sizes["8bit"] < sizes["none"]


def test_a_run_is_named_as_before_where_neither_is_asked_for() -> None:
    written = ScoringSettings().model_dump(mode="json")
    assert "quantization" not in written
    assert "spread" not in written
    assert ScoringSettings(quantization="4bit").model_dump()["quantization"] == "4bit"
    assert ScoringSettings(spread=True).model_dump()["spread"] is True


def test_what_cannot_be_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wide_model: Path, models_folder: Path
) -> None:
    with pytest.raises(BadInput, match="calibrate with method=lora"):
        RunSettings.checked(scoring=ScoringSettings(quantization="4bit"), calibration=CalibrationSettings())
    with pytest.raises(BadInput, match="over several GPUs, and the device is cpu"):
        load_model(ScoringSettings(model=str(wide_model), spread=True, device="cpu"), models_folder)
    spread = RunSettings(scoring=ScoringSettings(model=str(wide_model), spread=True), calibration=None)
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 4), "chats")
        with pytest.raises(BadInput, match="scored by one process"):
            bench.start_scoring("chats", spread, CrewSettings(workers=2))
    monkeypatch.setattr(models, "find_spec", lambda _: None)
    with pytest.raises(BadInput, match="Weights in 8bit need bitsandbytes: run"):
        placing(ScoringSettings(quantization="8bit"), CPU, torch.float32)


def test_spread_weights_are_placed_by_accelerate_and_packed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes")
    how = placing(ScoringSettings(spread=True, quantization="4bit"), torch.device("cuda"), torch.bfloat16)
    assert how["device_map"] == "auto"
    assert how["quantization_config"].load_in_4bit
    assert placing(ScoringSettings(quantization="8bit"), CPU, torch.float32)["device_map"] == {"": "cpu"}
    assert placing(ScoringSettings(), CPU, torch.float32) == {}


def test_a_model_whose_layers_accelerate_moves_scores_as_a_whole_one(
    tmp_path: Path, wide_model: Path, models_folder: Path
) -> None:
    """On one device without a GPU: some layers lie on the disk, and come to the CPU by accelerate's hooks."""
    from transformers import AutoModelForCausalLM

    whole = load_model(ScoringSettings(model=str(wide_model)), models_folder)
    places = {"model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk", "model.norm": "cpu"}
    moved = AutoModelForCausalLM.from_pretrained(
        wide_model,
        device_map=places | {"model.rotary_emb": "cpu", "lm_head": "cpu"},
        offload_folder=tmp_path,
        dtype=torch.float32,
    ).eval()
    assert {str(place) for place in moved.hf_device_map.values()} == {"cpu", "disk"}
    settings = ScoringSettings(model=str(wide_model))
    examples = [Rendered("", list(range(4, 4 + n)), [0, 0] + [1] * (n - 2), False) for n in (5, 12, 40)]
    found = [Scorer(of, settings, with_features=True).score(examples) for of in (whole, LoadedModel.of(moved, CPU))]
    ours, theirs = ([(scores.nll, scores.entropy, scores.gini) for scores, _ in of] for of in found)
    assert ours == theirs
    assert all(nll > 0 for nll, _, _ in ours)
