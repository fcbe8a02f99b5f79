"""One forward pass: what does the model make of every response token?

For response token y_t with feature x_t and p_t = softmax(head(x_t)):

    NLL_t = −log p_t(y_t)      H_t = −Σ_v p log p      G_t = 1 − Σ_v p²

all in float32, nats, over the response positions alone; an example's value is the mean over
its tokens, summed in float64 and divided once (papers.md, notation).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.records import Rendered
from core.scoring.batches import pad_right
from core.scoring.models import Head, LoadedModel


@dataclass(frozen=True, slots=True)
class ResponseTokens:
    """One example's response tokens: features [T, d] float32; nll, entropy, gini [T] float32."""

    features: Tensor
    nll: Tensor
    entropy: Tensor
    gini: Tensor

    @property
    def count(self) -> int:
        """Scored response tokens, T."""
        return int(self.nll.shape[0])


@torch.inference_mode()
def score_batch(model: LoadedModel, examples: Sequence[Rendered], logits_bytes: int) -> list[ResponseTokens]:
    """Score a batch of rendered examples, each with at least one response token.

    Positions of the prompt never reach the head. At most `logits_bytes` of logits are alive.
    """
    ids, mask = pad_right([example.input_ids for example in examples], model.device)
    hidden = model.decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state  # [B, T, d]
    scored = torch.zeros_like(mask, dtype=torch.bool)
    for i, example in enumerate(examples):
        scored[i, : len(example.response_mask)] = torch.tensor(example.response_mask, dtype=torch.bool)
    targets = ids[scored]  # [n]
    features = hidden[:, :-1][scored[:, 1:]]  # [n, d]: position t − 1 predicts token t
    nll, entropy, gini = reduce_vocabulary(model.head, features, targets, logits_bytes)
    counts = [sum(example.response_mask) for example in examples]
    parts = [values.split(counts) for values in (features.float().cpu(), nll.cpu(), entropy.cpu(), gini.cpu())]
    return [ResponseTokens(*values) for values in zip(*parts, strict=True)]


def reduce_vocabulary(head: Head, x: Tensor, targets: Tensor, logits_bytes: int) -> tuple[Tensor, Tensor, Tensor]:
    """NLL, entropy and Gini impurity [n] of features x [n, d], in blocks of logits.

    With z = logits − max and s = Σ eᶻ: log p = z − log s, H = log s − Σ eᶻz / s, Σp² = Σ e²ᶻ / s².
    """
    block = max(1, logits_bytes // (4 * head.weight.shape[0]))
    outputs = []
    for start in range(0, x.shape[0], block):
        z = head.logits(x[start : start + block])
        z -= z.amax(dim=-1, keepdim=True)
        target = z.gather(1, targets[start : start + block, None])[:, 0]
        e = z.exp()
        s = e.sum(dim=-1)
        z.clamp_(min=torch.finfo(torch.float32).min)  # a masked word has z = −∞, and 0 · −∞ is not a number
        entropy = s.log() - torch.linalg.vecdot(e, z) / s
        gini = 1 - torch.linalg.vecdot(e, e) / (s * s)
        outputs.append((s.log() - target, entropy.clamp_(min=0), gini.clamp_(min=0)))
    nll, entropy, gini = (torch.cat(values) for values in zip(*outputs, strict=True))
    return nll, entropy, gini
