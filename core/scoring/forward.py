"""One forward pass: what does the model make of every response token?

For response token y_t with feature x_t and p_t = softmax(head(x_t)):

    NLL_t = −log p_t(y_t)      H_t = −Σ_v p log p      G_t = 1 − Σ_v p²

in nats, over the response positions alone (papers: FisherSFT section 3, InstructDiff section 3).
The padding stands right of every example, where a causal model cannot see it, so no mask is needed.
"""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from core.products import exact_products
from core.records import Rendered
from core.scoring.batches import pad_right
from core.scoring.device import Limits
from core.scoring.models import LoadedModel
from core.scoring.reduction import VocabularyReduction
from core.settings import ScoringSettings

TOKENS_THAT_PAY = {"cpu": 300_000, "cuda": 5_000_000}
WARM_UP_SHAPES = ((4, 64), (1, 64))
"""Always the same, since what is compiled depends on the first shapes seen: a resumed run computes the same bits."""


@dataclass(frozen=True, slots=True)
class ResponseTokens:
    """One example's response tokens: features [T, d] in the model's dtype; nll, entropy, gini [T] float32.

    The features are on the model's device, the scores on the CPU. `all_features` [L − 1, d], where they were
    asked for, are those at every position of the example's L tokens that predicts one, the prompt's too.
    """

    features: Tensor
    nll: Tensor
    entropy: Tensor
    gini: Tensor
    all_features: Tensor | None = None

    @property
    def design_features(self) -> Tensor:
        """The features that the factor is made of."""
        return self.features if self.all_features is None else self.all_features


class Forward:
    """A model with its reduction: scores batches of rendered examples; with `prompt_features`, keeps all features."""

    def __init__(self, model: LoadedModel, limits: Limits, *, prompt_features: bool = False) -> None:
        self.model = model
        self.prompt_features = prompt_features
        self.reduction = VocabularyReduction(model.head, limits.logits_bytes)
        self.not_compiled: str | None = None

    @torch.inference_mode()
    def score_batch(self, examples: Sequence[Rendered]) -> list[ResponseTokens]:
        """Score a batch, each example with at least one response token. Prompt positions never reach the head.

        Raises torch.OutOfMemoryError or a RuntimeError when the batch does not fit into memory.
        """
        try:
            return self._score_batch(examples)
        except TorchDynamoException as error:  # a shape seen for the first time, that cannot be compiled
            self._use_eager(error)
            return self._score_batch(examples)

    def _score_batch(self, examples: Sequence[Rendered]) -> list[ResponseTokens]:
        ids, scored = pad_right([e.input_ids for e in examples], [e.response_mask for e in examples])
        device = self.model.device
        ids, scored = ids.to(device), scored.to(device)
        hidden = self._decode(ids)  # [B, T, d]
        features = hidden[:, :-1][scored[:, 1:]]  # [n, d]: position t − 1 predicts token t
        every = _without_padding(hidden, examples) if self.prompt_features else [None] * len(examples)
        del hidden
        nll, entropy, gini = self.reduction(features, ids[scored])
        counts = [sum(example.response_mask) for example in examples]
        parts = [values.split(counts) for values in (features, nll.cpu(), entropy.cpu(), gini.cpu())]
        return [ResponseTokens(*values) for values in zip(*parts, every, strict=True)]

    @torch.inference_mode()
    def compile(self) -> None:
        """Compile one decoder block, for all blocks alike, and the reduction.

        Where that cannot be done, `not_compiled` says why, and everything runs as plain operations.
        """
        torch._inductor.config.compile_threads = 1  # no helper processes that outlive a killed worker
        try:
            for block in self._blocks():
                block.compile(dynamic=True)
            self._warm_up()
            self.reduction.compile()
        except Exception as error:  # a compiler may be missing, too old or too strict, each in its own words
            self._use_eager(error)

    def _use_eager(self, error: Exception) -> None:
        for block in self._blocks():
            block._compiled_call_impl = None
        self.reduction.use_eager()
        self.not_compiled = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        logging.getLogger("gleaner").warning("not compiled: %s", self.not_compiled)

    def _decode(self, ids: Tensor) -> Tensor:
        is_float32 = self.model.dtype == torch.float32
        with exact_products(torch.float32) if is_float32 else nullcontext():
            hidden: Tensor = self.model.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return hidden.to(self.model.device)

    def _warm_up(self) -> None:
        for shape in WARM_UP_SHAPES:
            self._decode(torch.zeros(shape, dtype=torch.long, device=self.model.device))

    def _blocks(self) -> list[nn.Module]:
        """The decoder's repeated blocks, as transformers names what must stay on one device."""
        names = set(getattr(self.model.model, "_no_split_modules", None) or ())
        return [module for module in self.model.decoder.modules() if type(module).__name__ in names]


def _without_padding(hidden: Tensor, examples: Sequence[Rendered]) -> list[Tensor | None]:
    """The states that predict a token, as views: a copy would cost as much again."""
    return [states[: len(example.input_ids) - 1] for states, example in zip(hidden, examples, strict=True)]


def compiling_pays(settings: ScoringSettings, device: torch.device, tokens: int) -> bool:
    """Whether a pass over about `tokens` tokens saves more time compiled than compiling takes.

    Decided from the whole job, not from what a resumed one has left, so that its bits stay the same.
    """
    if settings.compile == "auto":
        return tokens >= TOKENS_THAT_PAY.get(device.type, TOKENS_THAT_PAY["cuda"])
    return settings.compile == "always"
