"""Small random pools, and short ways to select from them."""

import itertools
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from core.selection.choose import order, pick, prepare
from core.selection.pool import Grouping, Pool
from core.selection.registry import find_criterion
from core.settings import Budget, Quota


def make_pool(generator: np.random.Generator, n: int, d: int, scale: float = 1.0, **changes) -> Pool:
    """n examples of 0 to 3 random factor rows; `changes` replace what a Pool has."""
    ranks = generator.integers(0, 4, n)
    offsets = np.concatenate([[0], np.cumsum(ranks)])
    pool = Pool(
        response_tokens=generator.integers(1, 30, n),
        prompt_tokens=generator.integers(1, 30, n),
        nll=generator.random(n),
        entropy=generator.random(n),
        delta_nll=generator.standard_normal(n),
        delta_entropy=generator.standard_normal(n),
        ifd_loss_ratio=generator.uniform(0.2, 1.2, n),
        ifd_perplexity_ratio=generator.uniform(0.2, 1.2, n),
        factors=(scale * generator.standard_normal((offsets[-1], d))).astype(np.float32),
        offsets=offsets,
        mean_features=(scale * generator.standard_normal((n, d))).astype(np.float32),
    )
    return replace(pool, **changes)


def of_factors(factors: list[np.ndarray], **changes) -> Pool:
    """A pool of these factors."""
    offsets = np.concatenate([[0], np.cumsum([len(F) for F in factors])])
    pool = make_pool(np.random.default_rng(0), len(factors), factors[0].shape[1])
    return replace(pool, factors=np.concatenate(factors).astype(np.float32), offsets=offsets, **changes)


def factors_of(pool: Pool) -> list[np.ndarray]:
    return [pool.factors[a:b] for a, b in itertools.pairwise(pool.offsets)]


def select(pool: Pool, criterion: str, budget: str, seed: int = 0, **options) -> list[int]:
    """The selected rows, pins first."""
    rule = find_criterion(criterion)
    settings = rule.settings(**options)
    task = prepare(pool, rule, Budget.parse(budget), settings, seed)
    return [*pool.pinned, *pick(task, order(task)).rows.tolist()]


def with_quotas(pool: Pool, codes: np.ndarray, *quotas: str) -> Pool:
    """The pool with a column `topic` of values t0, t1, … by code, and quotas on it."""
    names = tuple(f"t{code}" for code in range(int(codes.max()) + 1))
    rules = tuple(Quota.parse(text) for text in quotas)
    return replace(pool, groups=Grouping("topic", codes, names), quotas=rules)


pools = st.builds(
    lambda seed, n, d, scale: make_pool(np.random.default_rng(seed), n, d, scale),
    st.integers(0, 10_000),
    st.integers(2, 12),
    st.integers(1, 6),
    st.sampled_from([1e-3, 1.0, 30.0]),
)
