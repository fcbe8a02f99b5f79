"""On softmax worlds whose truth is known, does information gain find the last layer better than random?

    nice -n 5 python benchmarks/fisher_synthetic.py

A world is a pool of examples. Each has one of K topics, skewed as 1/k^1.5, and 5 to 40 tokens; a token's
features x in R^d lie around its topic's direction, and its label is drawn from softmax(Θ*ᵀ x) over V classes.

- independent: x is the topic's direction plus noise, given before any label.
- autoregressive: the same plus a fixed embedding of the label before it. Whole responses with unusual
  features then also have unusual labels, and whoever selects the one selects the other.
- markov: no topics and no noise, the embeddings of the two labels before alone.

Every method takes whole examples, going on while one still fits into the budget of tokens. A multinomial
logistic regression without intercept, penalty (0.1/2) ‖Θ‖², is fitted to the tokens taken. A token's error is
`‖(Θ̂ − Θ*)ᵀ x‖₂` with both Θ centred over the classes, which softmax cannot tell from any other constant: the
prediction error that FisherSFT bounds (arXiv 2505.14826). Its maximum and mean are over all tokens of the
pool, chosen or not; the paper's sum over a sentence would only measure length where lengths differ.

- fisher: what the product takes for a budget of tokens, the better of greedy by gain and by gain per token.
- uncertainty: features times √(1 − Σ p²), p of a model fitted to a random warm-up of 200 tokens. It stands for
  the base model: neither the budget nor the fit counts these tokens.
- ioptimal: for the pool's second moment, with the product's λ and with a far stronger prior's, 300.
- one vector: an example's mean feature in place of its tokens.
- density: without replacement, in proportion to 1/density of the mean feature by Gaussian kernels.
- clustered: uniform over k-means clusters of the mean features, as many as there are topics, then within one.

Differences are paired over seeds, method minus random; intervals are Student's, 95 %. The last line is one
JSON object.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from scipy.special import softmax
from scipy.stats import ttest_1samp
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.selection.choose import order, pick, prepare
from core.selection.criteria.designs import DesignSettings, FisherSettings, IOptimalSettings, make_objective
from core.selection.greedy import Plan, search_greedy
from core.selection.pool import Pool
from core.selection.registry import find_criterion
from core.selection.room import Room
from core.settings import Budget

WORLDS = ("independent", "autoregressive", "markov")
BUDGETS = (400, 800, 1600, 3200)
DIMENSION, CLASSES, TOPICS, SKEW, NOISE = 12, 12, 20, 1.5, 0.5
SHORTEST, LONGEST, LOGIT_SPREAD = 5, 40, 2.0
PENALTY, WARM_UP_TOKENS = 0.1, 200

Select = Callable[[int], np.ndarray]
"""From a budget of tokens to the rows taken."""
Errors = dict[str, dict[int, tuple[float, float]]]
"""By method and budget, the maximum and the mean error."""


@dataclass(frozen=True)
class World:
    """N examples of `lengths` [N] tokens each: `features` [T, d] and `labels` [T] in turn; `truth` [d, V] is Θ*."""

    features: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray
    truth: np.ndarray

    def tokens(self, rows: np.ndarray) -> np.ndarray:
        """Which tokens are these examples', [T] bool."""
        return np.repeat(np.isin(np.arange(len(self.lengths)), rows), self.lengths)


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Worlds to draw of each kind.")] = 20,
    examples: Annotated[int, typer.Option(min=200, help="Examples in a world's pool.")] = 1000,
    processes: Annotated[int, typer.Option(min=1, help="Worlds measured at a time.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="3 seeds, 400 examples.")] = False,
) -> None:
    """Draw the worlds, select, fit, and compare with random."""
    started = time.perf_counter()
    seeds, examples = (3, 400) if quick else (seeds, examples)
    jobs = list(product(WORLDS, range(seeds)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as executor:
        measured = list(executor.map(partial(measure_world, examples=examples), *zip(*jobs, strict=True)))
    figures: dict[str, Any] = {"seeds": seeds}
    for start, kind in enumerate(WORLDS):
        figures[kind] = compare_with_random(measured[start * seeds : (start + 1) * seeds])
        Console(width=132).print(draw_table(kind, figures[kind]))
    highest = [figure["high"] for figure in figures["independent"]["fisher"].values()]
    figures["fisher_below_random_everywhere"] = all(high < 0 for high in highest)
    figures["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(figures))


def measure_world(kind: str, seed: int, examples: int) -> Errors:
    """The errors of every method at every budget in one world."""
    with threadpool_limits(1):
        world = draw_world(kind, seed, examples)
        methods = prepare_methods(world, seed)
        return {
            name: {budget: measure_error(world, select(budget)) for budget in BUDGETS}
            for name, select in methods.items()
        }


def draw_world(kind: str, seed: int, examples: int) -> World:
    """A pool of the kind; features have mean square norm 1, logits a standard deviation of about 2."""
    generator = np.random.default_rng([seed, 10 + WORLDS.index(kind)])
    has_topics, labels_back = kind != "markov", {"independent": 0, "autoregressive": 1, "markov": 2}[kind]
    truth = LOGIT_SPREAD * generator.standard_normal((DIMENSION, CLASSES))
    directions, embeddings = (draw_directions(generator, count) for count in (TOPICS, CLASSES))
    shares = 1 / np.arange(1, TOPICS + 1) ** SKEW
    topics = generator.choice(TOPICS, examples, p=shares / shares.sum())
    lengths = generator.integers(SHORTEST, LONGEST + 1, examples)
    noise = NOISE / DIMENSION**0.5 * generator.standard_normal((examples, LONGEST, DIMENSION))
    X = has_topics * (directions[topics][:, None] + noise)  # [N, T, d]
    Y = np.zeros((examples, LONGEST), dtype=np.int64)
    before = [generator.integers(0, CLASSES, examples) for _ in range(max(1, labels_back))]
    embedded = [embeddings, *(draw_directions(generator, CLASSES) for _ in range(labels_back - 1))][:labels_back]
    scale = (has_topics * (1 + NOISE**2) + labels_back) ** 0.5
    for t in range(LONGEST):
        X[:, t] = (X[:, t] + sum(E[labels] for E, labels in zip(embedded, before, strict=False))) / scale
        logits = X[:, t] @ truth
        Y[:, t] = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
        before = [Y[:, t], *before[:-1]]
    real = np.arange(LONGEST) < lengths[:, None]
    return World(X[real], Y[real], lengths, truth)


def draw_directions(generator: np.random.Generator, count: int) -> np.ndarray:
    """Uniform on the sphere, [count, d]."""
    vectors = generator.standard_normal((count, DIMENSION))
    directions: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return directions


def prepare_methods(world: World, seed: int) -> dict[str, Select]:
    """Every method by name, as it selects from this world."""
    pool, weighted = make_pool(world, world.features), make_pool(world, weight_by_uncertainty(world, seed))
    fisher = FisherSettings()
    ordered = {
        "random": draw_order(pool, seed),
        "density": order_by_density(pool, seed),
        "clustered": order_by_cluster(pool, seed),
    }
    designs: dict[str, tuple[Pool, DesignSettings]] = {
        "one vector": (pool, FisherSettings(features="mean")),
        "fisher": (pool, fisher),
        "fisher + uncertainty": (weighted, fisher),
        "ioptimal": (pool, IOptimalSettings()),
        "ioptimal, λ = 300": (pool, IOptimalSettings(ridge=300)),
    }
    methods: dict[str, Select] = {name: partial(take_first, pool, order) for name, order in ordered.items()}
    methods |= {name: partial(take_design, *design, seed) for name, design in designs.items()}
    methods["fisher by gain"] = partial(take_greedy, pool, fisher, by_cost=False)
    methods["fisher by gain per token"] = partial(take_greedy, pool, fisher, by_cost=True)
    return methods


def make_pool(world: World, features: np.ndarray) -> Pool:
    """The world as criteria see it: an example's factor is its tokens' features [T, d], of mean square norm 1."""
    scaled = features / np.sqrt((features**2).sum(axis=1).mean())
    offsets = np.concatenate([[0], np.cumsum(world.lengths)])
    means = np.add.reduceat(scaled, offsets[:-1]) / world.lengths[:, None]
    known, unknown = np.zeros(len(world.lengths)), np.full(len(world.lengths), np.nan)
    return Pool(
        response_tokens=world.lengths,
        prompt_tokens=world.lengths,
        nll=known,
        entropy=known,
        delta_nll=unknown,
        delta_entropy=unknown,
        ifd_loss_ratio=unknown,
        ifd_perplexity_ratio=unknown,
        factors=scaled.astype(np.float32),
        offsets=offsets,
        mean_features=means,
    )


def weight_by_uncertainty(world: World, seed: int) -> np.ndarray:
    """Features [T, d] times √(1 − Σ p²), p of a model fitted to the warm-up."""
    generator = np.random.default_rng([seed, 1])
    order = generator.permutation(len(world.lengths))
    warm_up = order[: int(np.searchsorted(np.cumsum(world.lengths[order]), WARM_UP_TOKENS)) + 1]
    p = softmax(world.features @ fit_softmax(world, warm_up), axis=1)
    weighted: np.ndarray = world.features * np.sqrt(1 - (p**2).sum(axis=1, keepdims=True))
    return weighted


def order_by_density(pool: Pool, seed: int) -> np.ndarray:
    """Rows drawn without replacement in proportion to 1/density: the largest of −log density + Gumbel noise first."""
    means = StandardScaler().fit_transform(pool.mean_features)
    log_density = KernelDensity(bandwidth="scott").fit(means).score_samples(means)
    order: np.ndarray = np.argsort(log_density - np.random.default_rng([seed, 2]).gumbel(size=len(means)))
    return order


def order_by_cluster(pool: Pool, seed: int) -> np.ndarray:
    """Rows in rounds, each of one random row from every cluster that has some left, in random order."""
    clusters = KMeans(TOPICS, n_init=3, random_state=seed).fit_predict(pool.mean_features)
    order = draw_order(pool, seed + 1_000_003)
    rounds = np.zeros(len(order), dtype=np.int64)
    for cluster in range(TOPICS):
        members = np.flatnonzero(clusters[order] == cluster)
        rounds[members] = np.arange(len(members))
    shuffled: np.ndarray = order[np.argsort(rounds, kind="stable")]
    return shuffled


def draw_order(pool: Pool, seed: int) -> np.ndarray:
    """All rows in a uniform random order."""
    return np.random.default_rng(seed).permutation(len(pool.nll))


def take_first(pool: Pool, order: np.ndarray, budget: int) -> np.ndarray:
    """The longest prefix of an order that the budget pays for."""
    return order[: int(np.searchsorted(np.cumsum(pool.response_tokens[order]), budget, side="right"))]


def take_design(pool: Pool, settings: DesignSettings, seed: int, budget: int) -> np.ndarray:
    """What the product selects with these settings."""
    rule = find_criterion("ioptimal" if isinstance(settings, IOptimalSettings) else "fisher")
    task = prepare(pool, rule, Budget(kind="tokens", amount=budget), settings, seed)
    return pick(task, order(task)).rows


def take_greedy(pool: Pool, settings: DesignSettings, budget: int, *, by_cost: bool) -> np.ndarray:
    """One of the two searches of which the product takes the better."""
    everything = Room(pool.response_tokens, int(pool.response_tokens.sum()))
    weights, spent, taken = pool.response_tokens if by_cost else None, 0, []
    for step in search_greedy(make_objective(pool, settings), pool.candidates, everything, Plan(), weights):
        spent += int(pool.response_tokens[step.row])
        if spent > budget:
            break
        taken.append(step.row)
    return np.array(taken)


def measure_error(world: World, rows: np.ndarray) -> tuple[float, float]:
    """Maximum and mean over the pool's tokens of ‖(Θ̂ − Θ*)ᵀ x‖₂, Θ̂ fitted to these examples."""
    difference = fit_softmax(world, rows) - world.truth
    difference -= difference.mean(axis=1, keepdims=True)
    errors = np.linalg.norm(world.features @ difference, axis=1)
    return float(errors.max()), float(errors.mean())


def fit_softmax(world: World, rows: np.ndarray) -> np.ndarray:
    """Θ̂ [d, V] of these examples' tokens.

    A token x = 0 of every class is added: it tells nothing, and classes that were not taken are known.
    """
    taken = world.tokens(rows)
    X = np.concatenate([world.features[taken], np.zeros((CLASSES, DIMENSION))])
    y = np.concatenate([world.labels[taken], np.arange(CLASSES)])
    model = LogisticRegression(C=1 / PENALTY, fit_intercept=False, solver="newton-cholesky", tol=1e-8)
    fitted: np.ndarray = model.fit(X, y).coef_.T
    return fitted


def compare_with_random(worlds: list[Errors]) -> dict[str, dict[str, dict[str, float]]]:
    """By method and budget: maximum and mean error over the worlds, and their differences to random's, paired."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for name, budget in product(worlds[0], BUDGETS):
        errors, random = (np.array([world[which][budget] for world in worlds]) for which in (name, "random"))
        row = {"max_error": errors[:, 0].mean(), "mean_error": errors[:, 1].mean()}
        for column, prefix in enumerate(("", "mean_")):
            difference = errors[:, column] - random[:, column]
            low, high = ttest_1samp(difference, 0.0).confidence_interval(0.95) if name != "random" else (0.0, 0.0)
            row |= {f"{prefix}difference": difference.mean(), f"{prefix}low": low, f"{prefix}high": high}
        figures.setdefault(name, {})[str(budget)] = {key: round(float(value), 4) for key, value in row.items()}
    return figures


def draw_table(kind: str, methods: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Methods by budgets: maximum and mean error, each with its difference to random and the interval of that."""
    title = f"{kind}: maximum error, and under it the mean error"
    table = Table("method", *(f"{budget:,} tokens" for budget in BUDGETS), title=title)
    for name, row in methods.items():
        cells = (
            "\n".join(
                f"{cell[error]:.2f}  {cell[prefix + 'difference']:+.2f} "
                f"[{cell[prefix + 'low']:+.2f}, {cell[prefix + 'high']:+.2f}]"
                for error, prefix in (("max_error", ""), ("mean_error", "mean_"))
            )
            for cell in row.values()
        )
        table.add_row(name, *cells, end_section=True)
    return table


if __name__ == "__main__":
    typer.run(main)
