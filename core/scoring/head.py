"""What does a model's last layer compute from a feature?

The LM head is kept apart from the decoder: the decoder yields the features that the head
reads, and the head is applied to response positions only. Whatever a family does to its logits
after the matrix product is kept, and checked once against the model's own forward pass.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import BadInput
from core.products import exact_products

CHECKED_TOKENS = 8


@dataclass(frozen=True)
class Head:
    """The last layer: `logits = cap · tanh(scale · (x Wᵀ + b) / cap)`, always in float32.

    `weight` is [V, d]. `scale` is Cohere's and Granite's, `cap` Gemma's; None leaves the tanh out.
    """

    weight: Tensor
    bias: Tensor | None
    scale: float = 1.0
    cap: float | None = None

    @property
    def vocabulary(self) -> int:
        """Words, V."""
        return int(self.weight.shape[0])

    @property
    def is_plain(self) -> bool:
        """Whether its products are its logits."""
        return self.bias is None and self.scale == 1.0 and self.cap is None

    def products(self, x: Tensor, out: Tensor) -> Tensor:
        """`x Wᵀ` in float32 into `out` [n, V], for features x [n, d] in the model's dtype."""
        if x.is_cuda and x.dtype != torch.float32:
            return torch.mm(x, self.weight.T, out_dtype=torch.float32, out=out)
        with exact_products(x.dtype):
            return torch.mm(x.float(), self.weight.T, out=out)

    def finish(self, products: Tensor) -> Tensor:
        """The logits of those products, in place."""
        if self.bias is not None:
            products += self.bias
        if self.scale != 1.0:
            products *= self.scale
        if self.cap is not None:
            products = products.div_(self.cap).tanh_().mul_(self.cap)
        return products

    def logits(self, x: Tensor) -> Tensor:
        """Float32 logits [n, V] of features x [n, d]."""
        empty = torch.empty(x.shape[0], self.vocabulary, dtype=torch.float32, device=x.device)
        return self.finish(self.products(x, empty))


def read_head(model: Any, device: torch.device) -> Head:
    """The model's output layer. Off a GPU its weight is kept in float32, since there a bfloat16
    product would round the logits themselves."""
    layer, config = model.get_output_embeddings(), model.config.get_text_config()
    weight, bias = layer.weight.detach(), getattr(layer, "bias", None)
    scale = float(getattr(config, "logit_scale", None) or getattr(config, "lm_head_multiplier", None) or 1.0)
    divisor = getattr(config, "logits_scaling", None)
    return Head(
        weight=weight if device.type == "cuda" else weight.float(),
        bias=None if bias is None else bias.detach().float(),
        scale=scale / float(divisor) if divisor else scale,
        cap=getattr(config, "final_logit_softcapping", None),
    )


@torch.inference_mode()
def check_head(model: Any, decoder: nn.Module, head: Head, name: str) -> None:
    """Compare decoder and head with the model's own forward pass on a few tokens.

    The features are also made eight times as large on their way into the model's own head, so that a
    soft-cap shows itself. Raises BadInput when the two differ by more than rounding: the family then does
    something to its logits that is not known here, and every score would be wrong.
    """
    ids = torch.arange(CHECKED_TOKENS, device=head.weight.device)[None] % head.vocabulary
    hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state.to(head.weight.device)
    for factor in (1.0, 8.0):
        seen: list[Tensor] = []

        def enlarge(_: nn.Module, inputs: tuple[Tensor, ...], by: float = factor, kept: list[Tensor] = seen) -> Any:
            kept.append(inputs[0])
            return (inputs[0] * by,)

        hook = model.get_output_embeddings().register_forward_pre_hook(enlarge)
        try:
            own = model(input_ids=ids, use_cache=False).logits[0].float().to(head.weight.device)
        finally:
            hook.remove()
        if not seen or not _agree(seen[0].float().to(hidden.device), hidden.float()):
            raise _not_understood(model, name, "feeds its LM head something else than its decoder's output")
        if not _agree(own, head.logits(hidden[0] * factor)):
            raise _not_understood(model, name, "does something to its logits that is not known here")


def _agree(own: Tensor, ours: Tensor) -> bool:
    """Up to the rounding of bfloat16, which is off by 0.4 % at most."""
    return torch.allclose(own, ours, rtol=0.01, atol=0.004 * float(own.abs().max()))


def _not_understood(model: Any, name: str, what: str) -> BadInput:
    return BadInput(f"Model {name!r} ({type(model).__name__}) {what}; choose a model of another family.")
