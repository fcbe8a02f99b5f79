"""Every formula a second way: slow, plain, in float64, sharing no code with what it checks."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch


def token_scores(logits: torch.Tensor, target: int) -> tuple[float, float, float]:
    """NLL, entropy and Gini impurity of one position by `torch.distributions`, in nats."""
    distribution = torch.distributions.Categorical(logits=logits.double())
    nll = -float(distribution.log_prob(torch.tensor(target)))
    return nll, float(distribution.entropy()), 1.0 - float((distribution.probs**2).sum())


def score_one(model, input_ids: list[int], response_mask: list[int]) -> dict:
    """One example through the whole model, unpadded: means and features over its response tokens.

    The features are what the LM head was really called with; `all_features` are those at every position but the last.
    """
    seen = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([input_ids]), use_cache=False).logits[0]
    finally:
        hook.remove()
    positions = [t for t in range(1, len(input_ids)) if response_mask[t]]
    scores = [token_scores(logits[t - 1], input_ids[t]) for t in positions]
    nll, entropy, gini = (math.fsum(values) / len(values) for values in zip(*scores, strict=True))
    features = torch.stack([seen[0][0, t - 1] for t in positions])
    return {"nll": nll, "entropy": entropy, "gini": gini, "features": features, "all_features": seen[0][0, :-1]}


def log_det_information(factors: Sequence[np.ndarray], chosen: Sequence[int], ridge: float) -> float:
    """f(S) = log det(λI + Σ FᵀF) − log det λI by `slogdet` of the whole matrix."""
    d = factors[0].shape[1]
    V = ridge * np.eye(d)
    for i in chosen:
        F = factors[i].astype(np.float64)
        V = V + F.T @ F
    return float(np.linalg.slogdet(V)[1] - d * math.log(ridge))


def naive_greedy(factors: Sequence[np.ndarray], count: int, ridge: float) -> list[int]:
    """Greedy by recomputing the whole objective for every candidate at every step; ties to the lowest row."""
    chosen: list[int] = []
    for _ in range(count):
        rest = [i for i in range(len(factors)) if i not in chosen]
        values = [log_det_information(factors, [*chosen, i], ridge) for i in rest]
        best = max(values)
        chosen.append(next(i for i, value in zip(rest, values, strict=True) if value >= best - 1e-10 * abs(best)))
    return chosen


def best_subset(factors: Sequence[np.ndarray], count: int, ridge: float, costs: Sequence[int] | None = None) -> float:
    """The largest f(S) over all subsets of `count`, or over all whose costs are at most `count`."""
    sizes = [count] if costs is None else range(len(factors) + 1)
    return max(
        log_det_information(factors, subset, ridge)
        for size in sizes
        for subset in itertools.combinations(range(len(factors)), size)
        if costs is None or sum(costs[i] for i in subset) <= count
    )


def mean_variance(factors: Sequence[np.ndarray], chosen: Sequence[int], ridge: float, M: np.ndarray) -> float:
    """tr(M V⁻¹) with V = λI + Σ FᵀF, by solving with the whole matrix."""
    V = ridge * np.eye(M.shape[0])
    for i in chosen:
        V = V + factors[i].astype(np.float64).T @ factors[i].astype(np.float64)
    return float(np.trace(np.linalg.solve(V, M)))


def kernel_greedy(vectors: np.ndarray, count: int, ridge: float) -> list[int]:
    """Greedy on the determinant of the N × N kernel I + XXᵀ/λ, sub-matrix by sub-matrix; ties to the lowest row."""
    X = vectors.astype(np.float64)
    K = np.eye(len(X)) + X @ X.T / ridge
    chosen: list[int] = []
    for _ in range(count):
        rest = [i for i in range(len(X)) if i not in chosen]
        values = [np.linalg.slogdet(K[np.ix_([*chosen, i], [*chosen, i])])[1] for i in rest]
        best = max(values)
        chosen.append(next(i for i, value in zip(rest, values, strict=True) if value >= best - 1e-10 * abs(best)))
    return chosen


def best_cover(factors: Sequence[np.ndarray], row: int, others: Sequence[int], ridge: float) -> tuple[int, float]:
    """Which single other example covers most of a row's information, and its share, by whole determinants."""
    alone = log_det_information(factors, [row], ridge)
    shares = {
        other: 1
        - (log_det_information(factors, [other, row], ridge) - log_det_information(factors, [other], ridge)) / alone
        for other in others
    }
    best = max(shares, key=lambda other: shares[other])
    return best, shares[best]


def instructdiff_paper_rule(
    delta_nll: Sequence[float], delta_entropy: Sequence[float], gamma: float, count: int
) -> list[int]:
    """The paper's rule row by row, with quantiles by linear interpolation written out."""
    ordered = sorted(delta_nll)

    def quantile(q: float) -> float:
        position = q * (len(ordered) - 1)
        below = math.floor(position)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (position - below) * (ordered[above] - ordered[below])

    low, high = quantile(gamma), quantile(1 - gamma)
    kept = [i for i, value in enumerate(delta_nll) if low <= value <= high]
    return sorted(kept, key=lambda i: (delta_entropy[i], i))[:count]
