"""What does light instruction tuning change? The warm-up fine-tune that makes the calibrated model.

InstructDiff (arXiv 2601.23006, section 4.1): fine-tune the base model on a uniform random α·N
of the pool with AdamW, cosine decay, 5 % warm-up, weight decay 0.01 and gradient norm clipped
at 1. The training loop is TRL's; the loss is on the same response tokens that are scored.
Weights are float32 with bfloat16 autocast: plain bfloat16 would round most updates away.
"""

import contextlib
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from core.files import replacing_folder
from core.records import Rendered
from core.scoring.models import choose_device, model_source
from core.settings import CalibrationSettings, ScoringSettings

ReportStep = Callable[[int, int], None]


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

    `report(step, steps)` is called after each optimiser step and may raise to cancel.
    """
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTTrainer

    source = model_source(scoring.model, models_folder)
    tokenizer = AutoTokenizer.from_pretrained(source, revision=scoring.revision)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    steps = math.ceil(math.ceil(len(examples) / settings.batch_examples) * settings.epochs)
    with replacing_folder(target) as partial, contextlib.redirect_stdout(sys.stderr):
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(source, revision=scoring.revision, dtype=torch.float32),
            args=_training_arguments(scoring, settings, partial, steps),
            train_dataset=Dataset.from_list(
                [{"input_ids": e.input_ids, "completion_mask": e.response_mask} for e in examples]
            ),
            processing_class=tokenizer,
            peft_config=_lora(settings),
            callbacks=[_step_callback(report)],
        )
        trainer.train()
        model = trainer.model.merge_and_unload() if settings.method == "lora" else trainer.model
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)


def _training_arguments(scoring: ScoringSettings, settings: CalibrationSettings, folder: Path, steps: int) -> Any:
    from trl import SFTConfig

    device = choose_device(scoring.device)
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_examples,
        lr_scheduler_type="cosine",
        warmup_steps=int(0.05 * steps),  # rounded up, a short run would spend its only step at rate 0
        weight_decay=0.01,
        max_grad_norm=1.0,
        bf16=scoring.dtype != "float32",
        use_cpu=device.type == "cpu",
        activation_checkpointing=device.type != "cpu",
        max_length=None,
        completion_only_loss=True,
        packing=False,
        seed=settings.seed,
        data_seed=settings.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device.type != "cpu",
    )


def _lora(settings: CalibrationSettings) -> Any:
    if settings.method != "lora":
        return None
    from peft import LoraConfig

    return LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


def _step_callback(report: ReportStep) -> Any:
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            report(state.global_step, state.max_steps)

    return Reporter()
