"""A factor keeps the share of the trace that it claims, and all of it when asked."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.factors import factor_features


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.5, 0.9, 0.99]), st.integers(0, 99))
def test_a_factor_keeps_its_share_with_the_fewest_rows(tokens: int, d: int, energy: float, seed: int) -> None:
    X = torch.from_numpy(np.random.default_rng(seed).standard_normal((tokens, d)))
    F, kept = factor_features(X, energy)
    singular = np.linalg.svd(X.numpy(), compute_uv=False) ** 2
    shares = np.cumsum(singular) / singular.sum()
    assert len(F) == int(np.searchsorted(shares, energy - 1e-12)) + 1
    assert kept == pytest.approx(shares[len(F) - 1])
    assert float((F**2).sum() / (X**2).sum()) == pytest.approx(kept)
    residual = X.T @ X - F.T @ F
    assert float(torch.linalg.eigvalsh(residual).min()) > -1e-9


def test_energy_one_keeps_every_token() -> None:
    X = torch.randn(5, 3)
    F, kept = factor_features(X, 1.0)
    assert torch.equal(F, X)
    assert kept == 1.0


@pytest.mark.parametrize("tokens", [0, 4])
def test_features_of_nothing_make_a_factor_of_nothing(tokens: int) -> None:
    F, kept = factor_features(torch.zeros(tokens, 3), 0.99)
    assert float((F**2).sum()) == 0.0
    assert kept == 1.0
