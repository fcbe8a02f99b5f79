"""Which examples share a batch? Those of like length, as many as the token budget holds."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Positions into `lengths`, longest first, so that `len(batch) · longest ≤ batch_tokens`.

    An example longer than the budget has a batch of its own. Ties keep their order, so the
    same lengths always make the same batches.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        longest = lengths[batch[0]] if batch else lengths[position]
        if batch and (len(batch) + 1) * longest > batch_tokens:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def pad_right(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both [B, T]. The pad id is 0: masked, so never read."""
    longest = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, sequence in enumerate(sequences):
        ids[i, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        mask[i, : len(sequence)] = 1
    return ids.to(device), mask.to(device)
