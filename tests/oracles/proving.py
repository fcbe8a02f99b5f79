"""A proof's interval and its fine-tune a second way."""

import math
from typing import Any

import numpy as np
import torch
from scipy import stats


def proof_interval(ours: np.ndarray, theirs: np.ndarray, spread: float, freedom: int) -> tuple[float, float]:
    """The interval of a selection's advantage for held-out examples of equal tokens, in closed form: the bootstrap's
    variance of a mean of n values is their variance (÷ n) over n. NLLs [S, H] and [R, S, H]."""
    gained = theirs.reshape(-1, theirs.shape[-1]).mean(axis=0) - ours.mean(axis=0)
    count = len(gained)
    held_out, subsets = gained.var() / count, spread * (1 + 1 / len(theirs))
    total = held_out + subsets
    nu = total**2 / (held_out**2 / (count - 1) + subsets**2 / freedom)
    reach = stats.t.interval(0.95, nu)[1] * total**0.5
    return gained.mean() - reach, gained.mean() + reach


def tune_by_hand(model: Any, batches: list[list[tuple[list[int], list[int]]]], rate: float) -> list[float]:
    """The losses of a plain loop over batches of (token ids, response mask), one sequence at a time: AdamW with weight
    decay 0.01 but for biases and norms, cosine decay, gradient norm clipped at 1."""
    decayed = [p for name, p in model.named_parameters() if "norm" not in name and "bias" not in name]
    others = [p for name, p in model.named_parameters() if "norm" in name or "bias" in name]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer, losses = torch.optim.AdamW(groups, lr=rate), []
    model.train()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / len(batches)))
        nll, tokens = torch.zeros(()), 0
        for ids, mask in batch:
            logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            for t in range(1, len(ids)):
                if mask[t]:
                    nll, tokens = nll - logits[t - 1, ids[t]], tokens + 1
        loss = nll / tokens
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
