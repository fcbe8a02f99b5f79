"""What has every fine-tune here in common?

TRL's trainer, cosine decay, AdamW with weight decay 0.01, the gradient norm clipped at 1, the loss on the response
tokens that are scored, and nothing that the trainer itself would save or send anywhere.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from core.products import exact_products

ReportStep = Callable[[int, int], None]


def training_arguments(folder: Path, device: torch.device, seed: int, **more: Any) -> Any:
    """The trainer's arguments, with those of the caller."""
    from trl import SFTConfig

    return SFTConfig(
        output_dir=str(folder),
        lr_scheduler_type="cosine",
        weight_decay=0.01,
        max_grad_norm=1.0,
        use_cpu=device.type == "cpu",
        activation_checkpointing=device.type != "cpu",
        max_length=None,
        completion_only_loss=True,
        packing=False,
        seed=seed,
        data_seed=seed,
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device.type != "cpu",
        **more,
    )


def lora_config(method: str) -> Any:
    """LoRA on all linear layers, where that is the method."""
    if method != "lora":
        return None
    from peft import LoraConfig

    return LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


def on_each_step(report: ReportStep) -> Any:
    """A trainer's callback that calls `report(step, steps)` after each optimiser step."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            report(state.global_step, state.max_steps)

    return Reporter()


@contextlib.contextmanager
def training() -> Iterator[None]:
    """While a trainer works: float32 products as they are, and its words on stderr."""
    with contextlib.redirect_stdout(sys.stderr), exact_products(torch.float32), head_on_responses():
        yield


@contextlib.contextmanager
def head_on_responses() -> Iterator[None]:
    """TRL's head at the positions alone that the loss counts, as it is on a GPU. Elsewhere it also computes those of
    prompts and padding and drops them, for devices that compile for each shape, which a CPU does not do: the same loss
    to rounding, a fifth faster (`trl.trainer.utils.add_fused_lm_head`, which has no switch for it)."""
    from trl.trainer import utils

    own = utils._use_triton
    utils._use_triton = lambda device: device.type == "cpu" or own(device)
    try:
        yield
    finally:
        utils._use_triton = own
