"""What `auto` comes to on a device."""

from collections.abc import Callable

import pytest
import torch

from core.errors import BadInput
from core.scoring import device
from core.scoring.device import settle_training_dtype


@pytest.mark.parametrize(
    ("features", "dtype"),
    [({"avx512_f": True}, "float32"), ({"avx512_bf16": True}, "bfloat16"), ({"bf16": True}, "bfloat16")],
)
def test_a_fine_tune_computes_in_what_the_processor_computes_in(
    features: dict[str, bool], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert settle_training_dtype("auto", "cpu") == dtype


@pytest.mark.parametrize(("is_native", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_that_only_emulates_bfloat16_computes_in_float32(
    is_native: bool, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supports(including_emulation: bool = True) -> bool:
        return including_emulation or is_native

    chosen: Callable[[str], torch.device] = torch.device
    monkeypatch.setattr(device, "choose_device", chosen)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supports)
    assert settle_training_dtype("auto", "cuda:0") == dtype


def test_what_is_asked_for_needs_no_device() -> None:
    assert settle_training_dtype("bfloat16", "cuda:7") == "bfloat16"
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="sees no GPU"):
            settle_training_dtype("auto", "cuda")
