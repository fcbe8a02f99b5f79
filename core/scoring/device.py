"""Where does the work run, in which precision, and in how large pieces?

`auto` is settled here once, when a run is made, and recorded with it: a run that began on one
kind of device is never finished on another in silence.
"""

import gc
from dataclasses import dataclass

import torch

from core.errors import BadInput
from core.settings import ScoringSettings

COMPUTE_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Features of a processor, each of which is enough; the last is ARM's."""
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True, slots=True)
class Limits:
    """Padded tokens in a batch, bytes of logits alive at a time, rows in a shard."""

    batch_tokens: int
    logits_bytes: int
    shard_rows: int


def choose_device(name: str) -> torch.device:
    """`auto` is the first GPU if there is one. Raises BadInput for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(f"Device {name!r} is not there: this torch ({torch.__version__}) sees no GPU; use device cpu.")
    if name == "mps" and not torch.backends.mps.is_available():
        raise BadInput("Device 'mps' is not there: it is Apple's GPU; use device cpu or auto.")
    try:
        return torch.device(name)
    except RuntimeError:
        raise BadInput(f"There is no device {name!r}; give auto, cpu, cuda or cuda:0.") from None


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on a GPU. On a CPU it is float32: there bfloat16 moves a single
    example's NLL by up to 1.5 %, which a fine ΔH would not survive."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    return DTYPES[name]


def settle_training_dtype(name: str, device: str) -> str:
    """`auto` is bfloat16 on a GPU or a processor that computes in it; elsewhere it would take three times as long as
    float32."""
    if name != "auto":
        return name
    if choose_device(device).type == "cuda":
        is_quick = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = torch.cpu.get_capabilities()
        is_quick = device != "mps" and any(features.get(feature) for feature in COMPUTE_BFLOAT16)
    return "bfloat16" if is_quick else "float32"


def choose_limits(settings: ScoringSettings, device: torch.device) -> Limits:
    """What the settings say, and where they say nothing what suits the device."""
    on_cpu = device.type == "cpu"
    megabytes = settings.logits_megabytes or (32 if on_cpu else 1024)
    return Limits(
        batch_tokens=settings.batch_tokens or (4096 if on_cpu else 65_536),
        logits_bytes=megabytes << 20,
        shard_rows=settings.shard_rows or (64 if on_cpu else 1024),
    )


def release_memory() -> None:
    """Give back what this process holds of a GPU's memory and no longer needs."""
    gc.collect()
    torch.cuda.empty_cache()  # nothing without a GPU


def settle(settings: ScoringSettings) -> ScoringSettings:
    """The same settings with nothing left to the device: what a run records and is named by."""
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    limits = choose_limits(settings, device)
    settled = {
        "device": settings.device if settings.device != "auto" else device.type,
        "dtype": next(name for name, kind in DTYPES.items() if kind is dtype),
        "batch_tokens": limits.batch_tokens,
        "logits_megabytes": limits.logits_bytes >> 20,
        "shard_rows": limits.shard_rows,
    }
    return settings.model_copy(update=settled)
