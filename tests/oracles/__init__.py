"""Every formula a second way: slow, plain, in float64, sharing no code with what it checks."""

import itertools
import math
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.stats import mannwhitneyu
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KernelDensity

from core.choices import Decision, Standing


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


def greedi(factors: Sequence[np.ndarray], parts: Sequence[Sequence[int]], count: int, each: int, ridge: float) -> float:
    """What GreeDi reaches with these parts, by Mirzasoleiman's algorithm 2: the better of greedy over what the parts'
    own greedy searches picked, and of the best of these where they picked as many."""

    def greedy_among(rows: Sequence[int], most: int) -> list[int]:
        chosen = naive_greedy([factors[row] for row in rows], min(most, len(rows)), ridge)
        return [rows[place] for place in chosen]

    found = [greedy_among(sorted(part), each) for part in parts]
    union = sorted(row for rows in found for row in rows)
    rivals = [greedy_among(union, count), *(rows for rows in found if each == count)]
    return max(log_det_information(factors, rows, ridge) for rows in rivals)


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


def farthest_first(features: np.ndarray, candidates: Sequence[int], taken: Sequence[int], count: int) -> list[int]:
    """Each time the candidate whose nearest taken is farthest, by `math.dist`; first the one nearest to the mean."""
    points = [[float(value) for value in row] for row in features]
    centre = [math.fsum(points[i][j] for i in candidates) / len(candidates) for j in range(features.shape[1])]
    there, chosen = list(taken), list[int]()
    for _ in range(count):
        rest = [i for i in candidates if i not in there]
        if there:
            values = [min(math.dist(points[i], points[j]) for j in there) for i in rest]
        else:
            values = [-math.dist(points[i], centre) for i in rest]
        best = max(values)
        chosen.append(next(i for i, value in zip(rest, values, strict=True) if value >= best - 1e-10 * abs(best)))
        there.append(chosen[-1])
    return chosen


def facility_value(features: np.ndarray, rows: Sequence[int], chosen: Sequence[int]) -> float:
    """Σ_i max_s max(0, cos(i, s)) over `rows` by scikit-learn's whole matrix of cosines."""
    if not len(chosen):
        return 0.0
    cosines = cosine_similarity(features[list(rows)].astype(np.float64), features[list(chosen)].astype(np.float64))
    return math.fsum(max(0.0, float(best)) for best in cosines.max(axis=1))


def facility_greedy(
    features: np.ndarray, rows: Sequence[int], candidates: Sequence[int], taken: Sequence[int], count: int
) -> list[int]:
    """Greedy by the whole value of every set at every step; ties to the lowest row."""
    chosen: list[int] = []
    for _ in range(count):
        rest = [i for i in candidates if i not in chosen]
        values = [facility_value(features, rows, [*taken, *chosen, i]) for i in rest]
        best = max(values)
        chosen.append(next(i for i, value in zip(rest, values, strict=True) if value >= best - 1e-10))
    return chosen


def kernel_density(features: np.ndarray, factor: float) -> np.ndarray:
    """Mean Gaussian kernel of width factor × median distance at each row, by scikit-learn's trees."""
    X = features.astype(np.float64)
    distances = pairwise_distances(X)[np.triu_indices(len(X), 1)]
    width = factor * float(np.median(distances))
    log_density = KernelDensity(bandwidth=width, algorithm="kd_tree", rtol=1e-12).fit(X).score_samples(X)
    density: np.ndarray = np.exp(log_density + X.shape[1] * math.log(width * math.sqrt(2 * math.pi)))
    return density


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes of the joined texts divided by those of `zlib.compress`."""
    raw = "\n".join(texts).encode()
    return len(raw) / len(zlib.compress(raw))


def zip_order(texts: Sequence[str], taken: Sequence[int], sizes: tuple[int, int, int], count: int) -> list[int]:
    """ZIP's algorithm 1, compressing every set from its beginning; `sizes` are K1, K2 and K3."""
    k1, k2, k3 = sizes
    state = {i: compression_ratio([text]) for i, text in enumerate(texts) if i not in taken}
    selected, order = [texts[i] for i in taken], list[int]()
    while state and len(order) < count:
        tried = sorted(state, key=lambda i: (state[i], i))[:k1]
        state |= {i: compression_ratio([*selected, texts[i]]) for i in tried}
        few, local = sorted(tried, key=lambda i: (state[i], i))[:k2], list[int]()
        while few and len(local) < k3:
            ratios = {i: compression_ratio([*(texts[j] for j in local), texts[i]]) for i in few}
            local.append(min(few, key=lambda i: (ratios[i], i)))
            few.remove(local[-1])
        for i in local:
            del state[i]
        order += local
        selected += [texts[i] for i in local]
    return order[:count]


def groups(count: int, alike: Callable[[int, int], bool]) -> list[int]:
    """Connected components over all pairs, by flooding: each row's group is its lowest row."""
    labels = [-1] * count
    for seed in range(count):
        flood = [seed] if labels[seed] < 0 else []
        while flood:
            i = flood.pop()
            labels[i] = seed
            flood += [j for j in range(count) if labels[j] < 0 and j not in flood and alike(i, j)]
    return labels


def shingle_similarity(one: Sequence, other: Sequence, width: int) -> float:
    """Jaccard similarity of the sets of runs of `width` items, counted one by one."""
    a, b = ({tuple(items[k : k + width]) for k in range(len(items) - width + 1)} for items in (one, other))
    common = sum(run in b for run in a)
    return common / (len(a) + len(b) - common)


def copy_share(factors: Sequence[np.ndarray], i: int, j: int, ridge: float) -> float:
    """The smaller of c(i|j) / c(i|i) and c(j|i) / c(j|j), by whole determinants; 0 where either tells nothing."""
    alone = {k: log_det_information(factors, [k], ridge) for k in (i, j)}
    if min(alone.values()) <= 0:
        return 0.0

    def covered(of: int, by: int) -> float:
        both = log_det_information(factors, [by, of], ridge)
        return 1 - (both - alone[by]) / alone[of]

    return min(covered(i, j) / covered(i, i), covered(j, i) / covered(j, j))


def mean_nearest_cosine(features: np.ndarray, chosen: Sequence[int]) -> float:
    """The mean over all rows of the cosine to the nearest chosen row, one pair at a time."""
    X = features.astype(np.float64)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    return float(np.mean([max(float(x @ X[j]) for j in chosen) for x in X]))


def instructdiff_both_rules(
    rule: str,
    nll: Sequence[float],
    tuned_nll: Sequence[float],
    entropy: Sequence[float],
    tuned_entropy: Sequence[float],
    tokens: Sequence[int],
    gamma: float,
    share: float,
) -> list[int]:
    """Both rules from the raw scores by plain lists, as papers.md's table states them; ties by row.

    The code's ΔNLL has the other sign; what is not finite takes no part.
    """
    rows = []
    for i in range(len(nll)):
        base_minus_inst, delta_entropy = nll[i] - tuned_nll[i], entropy[i] - tuned_entropy[i]
        if math.isfinite(nll[i]) and math.isfinite(base_minus_inst) and math.isfinite(delta_entropy):
            rows.append((i, base_minus_inst, delta_entropy))
    scored = [i for i in range(len(nll)) if math.isfinite(nll[i])]
    if rule == "paper":
        values = [-change for _, change, _ in rows]
        count = max(1, round(share * len(scored)))
        kept = instructdiff_paper_rule(values, [of for _, _, of in rows], gamma, count)
        return [rows[i][0] for i in kept]
    rows.sort(key=lambda row: (row[1], row[0]))
    drop = int(len(rows) * gamma)
    middle = sorted(rows[drop : len(rows) - drop], key=lambda row: (row[2], row[0]))
    wanted, taken, chosen = int(share * sum(tokens[i] for i in scored)), 0, list[int]()
    for i, _, _ in middle:
        if taken >= wanted:
            break
        chosen.append(i)
        taken += tokens[i]
    return chosen


def cliffs_delta(inside: Sequence[float], outside: Sequence[float]) -> float:
    """Pairs won minus pairs lost, over all pairs; 0 without any."""
    pairs = [np.sign(a - b) for a, b in itertools.product(inside, outside)]
    return float(np.mean(pairs)) if pairs else 0.0


def u_test(inside: Sequence[float], outside: Sequence[float]) -> float:
    """The two-sided p-value of Mann and Whitney's U by SciPy, 1 where nothing differs."""
    if len(inside) == 0 or len(outside) == 0 or len({*inside, *outside}) == 1:
        return 1.0
    return float(mannwhitneyu(inside, outside, method="asymptotic", use_continuity=False).pvalue)


def hypergeometric_tail(at_least: int, everyone: int, having: int, size: int) -> float:
    """The chance that of `size` drawn from `everyone` at least so many are among those `having` it, by counting."""
    ways = (math.comb(having, k) * math.comb(everyone - having, size - k) for k in range(at_least, size + 1))
    return sum(ways) / math.comb(everyone, size)


def possible_places(levels: Sequence[float], i: int) -> list[int]:
    """The places that an item may get when equal levels are put in any order; none where its level is NaN."""
    placed = [level for level in levels if not math.isnan(level)]
    before, same = sum(level < levels[i] for level in placed), sum(level == levels[i] for level in placed)
    return list(range(before + 1, before + same + 1))


def sure_rank_distance(a: Sequence[float], b: Sequence[float], i: int) -> float:
    """The smallest difference of an item's shares over every pair of places that it may have; NaN without one."""
    n, m = (sum(not math.isnan(level) for level in levels) for levels in (a, b))
    gaps = [
        abs((2 * p - 1) / (2 * n) - (2 * q - 1) / (2 * m)) for p in possible_places(a, i) for q in possible_places(b, i)
    ]
    return min(gaps, default=math.nan)


def nominal_alpha(judged: Sequence[dict[int, str]]) -> float:
    """Krippendorff's α as 1 − observed ÷ expected disagreement, over lists of values and no table of coincidences."""
    units = [[of[row] for of in judged if row in of] for row in sorted({row for of in judged for row in of})]
    units = [values for values in units if len(values) > 1]
    everything = [value for values in units for value in values]
    observed = sum(sum(v != w for v, w in itertools.permutations(values, 2)) / (len(values) - 1) for values in units)
    expected = sum(v != w for v, w in itertools.permutations(everything, 2)) / (len(everything) - 1)
    return 1 - observed / expected


def class_tfidf(classes: Sequence[Sequence[Sequence[str]]]) -> list[dict[str, float]]:
    """tf(t, c) · log(1 + A / f(t)) of every term in every class, classes being lists of lists of terms."""
    flat = [[term for text in texts for term in text] for texts in classes]
    everything = [term for terms in flat for term in terms]
    mean = len(everything) / len(flat)
    return [
        {t: terms.count(t) / len(terms) * math.log(1 + mean / everything.count(t)) for t in set(everything)}
        for terms in flat
    ]


def held_shares(
    factors: Sequence[np.ndarray], groups: Sequence[int], chosen: Sequence[int], ridge: float
) -> tuple[list[float], float]:
    """What a set holds of each group's information and of everybody's, by whole determinants of every enlarged set."""
    held = log_det_information(factors, chosen, ridge)
    alone = [log_det_information(factors, [i], ridge) for i in range(len(factors))]
    new = [
        0.0 if i in chosen else log_det_information(factors, [*chosen, i], ridge) - held for i in range(len(factors))
    ]

    def share(members: list[int]) -> float:
        whole = math.fsum(alone[i] for i in members)
        return 1 - math.fsum(new[i] for i in members) / whole if whole > 0 else math.nan

    named = range(max(groups) + 1)
    return [share([i for i, g in enumerate(groups) if g == name]) for name in named], share(list(range(len(factors))))


def leverages(factors: Sequence[np.ndarray], chosen: Sequence[int], ridge: float, X: np.ndarray) -> list[float]:
    """xᵀ V⁻¹ x of each row of X, by the explicit inverse of V = λI + Σ FᵀF."""
    V = ridge * np.eye(X.shape[1])
    for i in chosen:
        V = V + factors[i].astype(np.float64).T @ factors[i].astype(np.float64)
    inverse = np.linalg.inv(V)
    return [float(x @ inverse @ x) for x in X.astype(np.float64)]


def nearest_by_cosine(features: np.ndarray, row: int, among: Sequence[int], count: int) -> list[tuple[int, float]]:
    """The rows most like one by scikit-learn's cosine, whole and sorted; ties to the lowest row."""
    others = [i for i in among if i != row and np.isfinite(features[i]).all()]
    if not others:
        return []
    cosines = cosine_similarity(features[[row]].astype(np.float64), features[others].astype(np.float64))[0]
    return sorted(zip(others, cosines.tolist(), strict=True), key=lambda of: (-round(of[1], 6), of[0]))[:count]


def standing(decisions: Sequence[Decision]) -> Standing:
    """The pins and bans in force, by asking of each decision in turn whether an undo that itself stands names it."""

    def stands(number: int) -> bool:
        return not any(made.undoes == number and stands(made.decision) for made in decisions)

    kinds: dict[int, set[int]] = {"pin": set(), "ban": set()}
    for made in decisions:
        if made.kind in kinds and stands(made.decision):
            for rows in kinds.values():
                rows -= {made.row}
            kinds[made.kind].add(made.row)
    return Standing(tuple(sorted(kinds["pin"])), tuple(sorted(kinds["ban"])))
