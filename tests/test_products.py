"""Whatever way a product takes, it is exact to float32, and the way is taken back afterwards."""

import pytest
import torch

from core import products


def error(dtype: torch.dtype) -> float:
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn(300, 700, generator=generator).to(dtype) for _ in range(2))
    with products.exact_products(dtype):
        product = a.float() @ b.float().T
    return float((product.double() - a.double() @ b.double().T).abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_product_is_exact_to_float32(dtype: torch.dtype) -> None:
    assert error(dtype) < 1e-3  # rounded to bfloat16 it would be off by 0.1


def test_where_bfloat16_is_used_float32_numbers_do_not_take_that_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_stays_float32", lambda: False)
    before = torch.backends.mkldnn.matmul.fp32_precision
    with products.exact_products(torch.float32):
        assert torch.backends.mkldnn.matmul.fp32_precision == before
    with products.exact_products(torch.bfloat16):
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_an_error_inside_takes_the_permission_back() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision
    with pytest.raises(ZeroDivisionError), products.exact_products(torch.bfloat16):
        raise ZeroDivisionError
    assert torch.backends.mkldnn.matmul.fp32_precision == before
