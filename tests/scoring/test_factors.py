"""A factor keeps the share of the trace that it claims, and all of it when asked."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.factors import _factor_together, draw_projection, factor_features


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.5, 0.9, 0.99]), st.integers(0, 99))
def test_a_factor_keeps_its_share_with_the_fewest_rows(tokens: int, d: int, energy: float, seed: int) -> None:
    X = torch.from_numpy(np.random.default_rng(seed).standard_normal((tokens, d)))
    ((F, kept),) = factor_features([X], energy)
    singular = np.linalg.svd(X.numpy(), compute_uv=False) ** 2
    shares = np.cumsum(singular) / singular.sum()
    assert len(F) == int(np.searchsorted(shares, energy - 1e-12)) + 1
    assert kept == pytest.approx(shares[len(F) - 1])
    assert float((F**2).sum() / (X**2).sum()) == pytest.approx(kept)
    residual = X.T @ X - F.double().T @ F.double()
    assert float(torch.linalg.eigvalsh(residual).min()) > -1e-6 * float((X**2).sum())


def test_energy_one_keeps_every_token() -> None:
    X = torch.randn(5, 3)
    F, kept = factor_features([X], 1.0)[0]
    assert torch.equal(F, X)
    assert kept == 1.0


@pytest.mark.parametrize("tokens", [1, 4])
def test_features_of_nothing_make_a_factor_of_nothing(tokens: int) -> None:
    F, kept = factor_features([torch.zeros(tokens, 3)], 0.99)[0]
    assert float((F**2).sum()) == 0.0
    assert kept == 1.0


def test_examples_decomposed_together_keep_what_each_keeps_alone() -> None:
    generator = torch.Generator().manual_seed(3)
    batch = [torch.randn(tokens, 16, generator=generator) * scale for tokens, scale in [(30, 1), (9, 100), (1, 0.01)]]
    batch.append(torch.zeros(4, 16))
    for (F, kept), (alone, kept_alone) in zip(_factor_together(batch, 0.95), factor_features(batch, 0.95), strict=True):
        assert len(F) == len(alone)
        assert kept == pytest.approx(kept_alone, abs=1e-5)
        torch.testing.assert_close(F.T @ F, alone.T @ alone, rtol=1e-3, atol=1e-3 * float((alone**2).sum() + 1e-9))


def test_a_projection_keeps_inner_products_on_average_and_is_the_same_for_a_seed() -> None:
    x = torch.randn(200, 64, generator=torch.Generator().manual_seed(4))
    P = draw_projection(64, 512, 7, x.device)
    assert torch.equal(P, draw_projection(64, 512, 7, x.device))
    assert not torch.equal(P, draw_projection(64, 512, 8, x.device))
    ratio = ((x @ P) ** 2).sum(1) / (x**2).sum(1)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.03)
    assert float(ratio.std()) < 0.2
