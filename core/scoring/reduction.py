"""What does the vocabulary say of each token, without ever holding all its logits?

With z = logits − max and s = Σ eᶻ over the vocabulary:

    NLL = log s − z_y      H = log s − Σ eᶻz / s      1 − Σp² = 1 − Σ e²ᶻ / s²

One sweep over a block of logits, all in float32, nats. A block is as large as the memory that
was granted for logits, and no two blocks are alive at a time. Compiled, the sweep stays in
registers; eager, or where something stands between product and logits (a bias, a scale, a soft-cap),
it needs a second array of the block's size, so its blocks are half as large.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from core.scoring.head import Head

Reduced = tuple[Tensor, Tensor, Tensor]


class VocabularyReduction:
    """Reduces features to NLL, entropy and Gini impurity, `logits_bytes` of logits at a time."""

    def __init__(self, head: Head, logits_bytes: int) -> None:
        self.head = head
        self._logits_bytes = logits_bytes
        self._sweep: Callable[[Tensor, Tensor], Reduced] = self._sweep_eagerly
        self._arrays_alive = 2
        self._is_compiled = False

    @property
    def block(self) -> int:
        """Positions whose logits are alive at a time."""
        return max(1, self._logits_bytes // (4 * self.head.vocabulary * self._arrays_alive))

    def compile(self) -> None:
        """Fuse the sweep from now on. Raises whatever the compiler does; `use_eager` undoes it."""
        self._sweep, self._arrays_alive = torch.compile(self._sweep_fused), 1 if self.head.is_plain else 2
        self._is_compiled = True
        width = self.head.weight.shape[1]
        x = torch.ones(4, width, dtype=self.head.weight.dtype, device=self.head.weight.device)
        self(x, torch.zeros(4, dtype=torch.long, device=x.device))

    def use_eager(self) -> None:
        """Go back to plain operations."""
        self._sweep, self._arrays_alive, self._is_compiled = self._sweep_eagerly, 2, False

    def __call__(self, x: Tensor, targets: Tensor) -> Reduced:
        """NLL, entropy and Gini impurity, each [n] float32, of features x [n, d] and token ids [n]."""
        n = x.shape[0]
        buffer = torch.empty(min(self.block, max(n, 2)), self.head.vocabulary, device=x.device)
        nll, entropy, gini = (torch.empty(n, device=x.device) for _ in range(3))
        for start in range(0, n, len(buffer)):
            part = slice(start, min(start + len(buffer), n))
            products = self.head.products(x[part], buffer[: part.stop - part.start])
            nll[part], entropy[part], gini[part] = self._reduce(products, targets[part])
        return nll, entropy.clamp_(min=0), gini.clamp_(min=0)

    def _reduce(self, products: Tensor, targets: Tensor) -> Reduced:
        """The sweep over one block; a compiled one is for any number of rows but 1, which would be compiled anew."""
        if not self._is_compiled or len(products) == 1 == self.block:
            return self._sweep_eagerly(products, targets)
        if len(products) == 1:
            products, targets = products.expand(2, -1).contiguous(), targets.expand(2).contiguous()
            nll, entropy, gini = self._reduce(products, targets)
            return nll[:1], entropy[:1], gini[:1]
        torch._dynamo.mark_dynamic(products, 0)
        torch._dynamo.mark_dynamic(targets, 0)
        return self._sweep(products, targets)

    def _sweep_eagerly(self, products: Tensor, targets: Tensor) -> Reduced:
        z = self.head.finish(products)
        z -= z.amax(dim=-1, keepdim=True)
        target = z.gather(1, targets[:, None])[:, 0]
        e = z.exp()
        s = e.sum(dim=-1)
        z.clamp_(min=torch.finfo(torch.float32).min)  # a masked word has z = −∞, and 0 · −∞ is not a number
        entropy = s.log() - z.mul_(e).sum(dim=-1) / s
        return s.log() - target, entropy, 1 - (torch.linalg.vector_norm(e, dim=-1) / s) ** 2

    def _sweep_fused(self, products: Tensor, targets: Tensor) -> Reduced:
        head = self.head
        logits = products if head.bias is None else products + head.bias
        logits = logits if head.scale == 1.0 else logits * head.scale
        if head.cap is not None:
            logits = torch.tanh(logits / head.cap) * head.cap
        z = logits - logits.amax(dim=-1, keepdim=True)
        target = z.gather(1, targets[:, None])[:, 0]
        e = z.exp()
        s = e.sum(dim=-1)
        entropy = s.log() - (e * z.clamp(min=torch.finfo(torch.float32).min)).sum(dim=-1) / s
        return s.log() - target, entropy, 1 - (e * e).sum(dim=-1) / (s * s)
