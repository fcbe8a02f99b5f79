"""How does a CPU multiply float32 matrices at its full rate, without losing a bit of precision?

torch hands float32 products to MKL, which runs at half rate on processors that are not Intel's. Allowed
to compute in bfloat16, it hands them to oneDNN instead, which on a processor without bfloat16 tiles
(AMX) computes in float32 all the same, at full rate. Whether this machine's results are float32 is
tried out, once; where they are not, the permission is given for bfloat16 numbers alone, of which
the product then loses nothing either.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

LOSSLESS = 1e-5
"""Relative to the factors' norms. Rounding to bfloat16 is off by 1e-3, a float32 sum by 1e-7."""


@contextmanager
def exact_products(dtype: torch.dtype) -> Iterator[None]:
    """Inside, products on the CPU of numbers of this dtype take the fastest way that is exact to float32."""
    if dtype not in (torch.bfloat16, torch.float32) or (dtype == torch.float32 and not _stays_float32()):
        yield
        return
    with _allowed_bfloat16():
        yield


@contextmanager
def _allowed_bfloat16() -> Iterator[None]:
    matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


@cache
def _stays_float32() -> bool:
    """Whether products that may be computed in bfloat16 are computed in float32 on this machine."""
    generator = torch.Generator().manual_seed(0)
    for rows, inner, columns in ((1, 576, 4096), (4, 64, 64), (256, 512, 256), (2048, 576, 1536), (512, 2048, 512)):
        a, b = torch.randn(2, rows, inner, generator=generator), torch.randn(2, columns, inner, generator=generator)
        exact = a.double() @ b.double().mT
        with _allowed_bfloat16():
            products = torch.stack([torch.mm(a[0], b[0].T), torch.mm(a[1], b[1].T)]), torch.bmm(a, b.mT)
        if max(float((product.double() - exact).abs().max()) for product in products) > LOSSLESS * inner:
            return False
    return True
