"""Which examples share a batch? Those of like length, as many as the token budget holds."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def batches_by_length(lengths: Sequence[int], batch_tokens: int, boundary: int | None = None) -> Iterator[list[int]]:
    """Positions into `lengths`, longest first, so that `len(batch) · longest ≤ batch_tokens`.

    An example longer than the budget has a batch of its own. No batch has examples on both sides of
    `boundary`, the length from which a model treats a whole batch otherwise. Ties keep their order, so the
    same lengths always make the same batches.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        longest = lengths[batch[0]] if batch else lengths[position]
        crosses = boundary is not None and lengths[position] <= boundary < longest
        if batch and (crosses or (len(batch) + 1) * longest > batch_tokens):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def pad_right(sequences: Sequence[Sequence[int]], masks: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids [B, T] and which of them are scored, bool [B, T]. The pad id is 0, and never looked at."""
    longest = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    scored = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for i, (sequence, mask) in enumerate(zip(sequences, masks, strict=True)):
        ids[i, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        scored[i, : len(mask)] = torch.tensor(mask, dtype=torch.bool)
    return ids, scored


def halves(batch: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """A batch that did not fit into memory, as two."""
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
