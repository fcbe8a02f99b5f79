"""A small fine-tune whose optimiser steps hold about equal response tokens, whatever the lengths of the examples.

With a fixed number of examples in a batch a subset of short examples gets more steps, and wins for that alone
(papers.md, fact 6). Here two subsets of equal tokens get the same number of steps.
"""

import copy
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.records import Rendered
from core.scoring.batches import pad_right
from core.scoring.device import DTYPES, choose_device
from core.scoring.models import SAFE_WEIGHTS, LoadedModel, load_tokenizer, model_source
from core.scoring.training import ReportStep, lora_config, on_each_step, training, training_arguments
from core.settings import ProofSettings, ScoringSettings

IGNORED = -100
NOTHING: dict[str, Any] = {"input_ids": [[0, 0]], "response_mask": [[0, 0]]}
POSITIONS_AT_ONCE = {"cpu": 512, "cuda": 8192}
"""Positions, padding included, that are backpropagated together: few where padding costs more than another pass."""
Measure = Callable[[int, LoadedModel], None]


def split_by_tokens(tokens: np.ndarray, parts: int) -> list[np.ndarray]:
    """Positions 0…n − 1 in consecutive parts of about equal sums of `tokens` [n], none of them empty; parts ≤ n."""
    middles = np.cumsum(tokens) - tokens / 2
    wished = np.minimum((middles * parts / max(int(tokens.sum()), 1)).astype(np.int64), parts - 1)
    part, placed = 0, np.zeros(len(tokens), dtype=np.int64)
    for position in range(1, len(tokens)):
        still_needed = parts - len(tokens) + position
        part = min(max(int(wished[position]), still_needed, part), part + 1)
        placed[position] = part
    return [np.flatnonzero(placed == number) for number in range(parts)]


def plan_steps(tokens: np.ndarray, steps_an_epoch: int, epochs: int, seed: int) -> list[np.ndarray]:
    """The examples, by position in `tokens` [n], of each optimiser step: every epoch in an order of its own."""
    generator = np.random.default_rng(seed)
    steps = list[np.ndarray]()
    for _ in range(epochs):
        order = generator.permutation(len(tokens))
        steps += [order[part] for part in split_by_tokens(tokens[order], steps_an_epoch)]
    return steps


def fine_tune(
    steps: Sequence[Sequence[Rendered]],
    scoring: ScoringSettings,
    settings: ProofSettings,
    seed: int,
    models_folder: Path,
    measure: Measure,
    report: ReportStep,
) -> list[float]:
    """Fine-tune the model that `scoring` names, a step on each batch of rendered examples in turn.

    `measure(step, model)` is called at the points of the learning curve, the last of them after the last step;
    `report(step, steps)` after each step, and may raise to cancel. Returns the loss of each step, in nats a token.
    """
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTTrainer

    device, dtype = choose_device(scoring.device), DTYPES[settings.dtype]
    set_seed(seed)
    model = _load(scoring, settings, models_folder)
    points = curve_points(len(steps), settings.points)

    def follow(step: int, count: int) -> None:
        if step in points:
            measure(step, _as_it_is(model, device, dtype))
            model.train()
        report(step, count)

    rows, parts = _in_parts(steps, POSITIONS_AT_ONCE.get(device.type, POSITIONS_AT_ONCE["cuda"]))
    with tempfile.TemporaryDirectory() as folder, training():
        trainer = SFTTrainer(
            model=model,
            args=_arguments(Path(folder), device, seed, len(steps), parts, settings),
            train_dataset=Dataset.from_list(rows),
            data_collator=_collate,
            processing_class=load_tokenizer(scoring, models_folder),
            peft_config=lora_config(settings.method),
            callbacks=[on_each_step(follow)],
        )
        trainer.train()
    return [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]


def _load(scoring: ScoringSettings, settings: ProofSettings, models_folder: Path) -> Any:
    """The model to tune; where all its weights are tuned they are kept in float32."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        model_source(scoring.model, models_folder),
        revision=scoring.revision,
        dtype=DTYPES[settings.dtype] if settings.method == "lora" else torch.float32,
        **SAFE_WEIGHTS,
    )


def _arguments(folder: Path, device: torch.device, seed: int, steps: int, parts: int, settings: ProofSettings) -> Any:
    return training_arguments(
        folder,
        device,
        seed,
        max_steps=steps,
        learning_rate=settings.rate,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=parts,
        warmup_steps=int(0.05 * steps),
        bf16=settings.dtype == "bfloat16",
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
    )


def curve_points(steps: int, points: int) -> list[int]:
    """After which steps the learning curve is measured: evenly, the last step among them."""
    return sorted({max(1, round(steps * number / points)) for number in range(1, points + 1)})


def _as_it_is(model: Any, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    """The model as it is now, in the precision that it is measured in."""
    is_measured_as_is = next(model.parameters()).dtype == dtype
    now = model if is_measured_as_is else copy.deepcopy(model).to(dtype)
    if not is_measured_as_is:
        vars(now).pop("forward", None)  # the trainer's own, which is bound to the model that is trained
    return LoadedModel.of(now.eval(), device)


def split_to_fit(batch: Sequence[Rendered], positions: int) -> list[list[Rendered]]:
    """The examples of a step in parts that are backpropagated one after the other: of like lengths, and of so many
    `positions` at most, padding included, where an example alone does not have more. The gradient is the step's."""
    parts = list[list[Rendered]]()
    for example in sorted(batch, key=lambda each: len(each.input_ids)):
        if parts and (len(parts[-1]) + 1) * len(example.input_ids) <= positions:
            parts[-1].append(example)
        else:
            parts.append([example])
    return parts


def _in_parts(steps: Sequence[Sequence[Rendered]], positions: int) -> tuple[list[dict[str, Any]], int]:
    """The rows of the trainer's dataset, a part of a step each, and how many make a step: as many for each, so that a
    step of fewer parts has some that nothing is learnt from."""
    split = [split_to_fit(batch, positions) for batch in steps]
    most = max(map(len, split))
    rows = [row for parts in split for row in [*map(_as_row, parts), *[NOTHING] * (most - len(parts))]]
    return rows, most


def _as_row(part: Sequence[Rendered]) -> dict[str, Any]:
    return {"input_ids": [e.input_ids for e in part], "response_mask": [e.response_mask for e in part]}


def _collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A row as what the model reads."""
    (row,) = rows
    ids, scored = pad_right(row["input_ids"], row["response_mask"])
    attention = torch.zeros_like(ids)
    for i, sequence in enumerate(row["input_ids"]):
        attention[i, : len(sequence)] = 1
    return {"input_ids": ids, "attention_mask": attention, "labels": ids.masked_fill(~scored, IGNORED)}
