"""What does light instruction tuning change? The warm-up fine-tune that makes the calibrated model.

InstructDiff (arXiv 2601.23006, section 4.1): fine-tune the base model on a uniform random α·N
of the pool with AdamW, cosine decay, 5 % warm-up, weight decay 0.01 and gradient norm clipped
at 1. The training loop is TRL's; the loss is on the same response tokens that are scored.
All-parameter training keeps float32 weights with bfloat16 autocast: plain bfloat16 would round
most updates away. A LoRA adapter is float32 itself, on weights of the scoring precision, and is
kept apart, so that the base weights serve both passes.
"""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from core.files import replacing_folder, write_hashes
from core.records import Rendered
from core.scoring.device import choose_device, choose_dtype
from core.scoring.models import NO_CODE, SAFE_WEIGHTS, model_source, placing
from core.scoring.training import ReportStep, lora_config, on_each_step, training, training_arguments
from core.settings import CalibrationSettings, ScoringSettings

CURVE = "learning_curve.json"
TOKENS_AT_ONCE = {"cpu": 1024, "cuda": 16_384}
"""The trainer holds several copies of the logits of all tokens that it backpropagates together."""


def draw_share(rows: Sequence[int], settings: CalibrationSettings) -> list[int]:
    """The warm-up rows: ⌈share · N⌉ of the scorable rows, uniform without replacement, in row order."""
    count = max(1, math.ceil(round(settings.share * len(rows), 9)))
    return sorted(random.Random(settings.seed).sample(list(rows), count))  # noqa: S311


def calibrate(
    examples: Sequence[Rendered],
    scoring: ScoringSettings,
    settings: CalibrationSettings,
    models_folder: Path,
    target: Path,
    report: ReportStep,
) -> None:
    """Fine-tune the scoring model on rendered examples and save it to `target`, complete or not at all.

    `target` becomes a model folder, or with LoRA an adapter's, with the learning curve in it.
    `report(step, steps)` is called after each optimiser step and may raise to cancel.
    """
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTTrainer

    settings = settings.for_domain()
    source = model_source(scoring.model, models_folder)
    tokenizer = AutoTokenizer.from_pretrained(source, revision=scoring.revision, **NO_CODE)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    steps = math.ceil(math.ceil(len(examples) / settings.batch_examples) * settings.epochs)
    device = choose_device(scoring.device)
    dtype = choose_dtype(scoring.dtype, device)
    weights = dtype if settings.method == "lora" else torch.float32
    with replacing_folder(target) as partial, training():
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(
                source, revision=scoring.revision, dtype=weights, **SAFE_WEIGHTS, **placing(scoring, device, dtype)
            ),
            args=_training_arguments(scoring, settings, partial, steps, max(len(e.input_ids) for e in examples)),
            train_dataset=Dataset.from_list(
                [{"input_ids": e.input_ids, "completion_mask": e.response_mask} for e in examples]
            ),
            processing_class=tokenizer,
            peft_config=lora_config(settings.method),
            callbacks=[on_each_step(report)],
        )
        trainer.train()
        model = trainer.model if settings.method == "lora" else trainer.model.to(dtype)
        model.save_pretrained(partial)
        _sort_adapter_config(partial)
        tokenizer.save_pretrained(partial)
        (partial / CURVE).write_text(json.dumps(_curve(trainer.state.log_history)))
        write_hashes(partial)


def read_curve(model: Path) -> list[dict[str, float]]:
    """The learning curve of a model made here: `step`, `loss` in nats a token, `learning_rate`."""
    path = model / CURVE
    return json.loads(path.read_text()) if path.is_file() else []


def _sort_adapter_config(folder: Path) -> None:
    """PEFT writes sets, whose order changes from process to process; a run's bytes must not."""
    path = folder / "adapter_config.json"
    if not path.is_file():
        return
    config = json.loads(path.read_text())
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=1, sort_keys=True))


def _curve(history: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    names = ("step", "loss", "learning_rate")
    return [{name: entry[name] for name in names} for entry in history if "loss" in entry]


def examples_at_once(batch_examples: int, longest: int, device: torch.device) -> int:
    """How many examples of a batch are backpropagated together: a divisor of it, as memory allows. The
    gradient is that of the whole batch either way, its loss a mean over all its response tokens."""
    allowed = TOKENS_AT_ONCE.get(device.type, TOKENS_AT_ONCE["cuda"]) // max(longest, 1)
    return max(n for n in range(1, batch_examples + 1) if batch_examples % n == 0 and n <= max(1, allowed))


def _training_arguments(
    scoring: ScoringSettings, settings: CalibrationSettings, folder: Path, steps: int, longest: int
) -> Any:
    device = choose_device(scoring.device)
    together = examples_at_once(settings.batch_examples, longest, device)
    return training_arguments(
        folder,
        device,
        settings.seed,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=together,
        gradient_accumulation_steps=settings.batch_examples // together,
        warmup_steps=int(0.05 * steps),  # rounded up, a short run would spend its only step at rate 0
        bf16=scoring.dtype != "float32",
    )
