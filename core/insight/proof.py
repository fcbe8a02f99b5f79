"""Does a selection help? What held-out examples say of models that were fine-tuned on it and on other subsets.

With `n_{a,s,h}` the NLL per token of held-out example h (of `T_h` tokens) by the model tuned on subset a with training
seed s, a subset's loss is `L_a = Σ_h T_h mean_s n_{a,s,h} / Σ_h T_h`, and a selection's advantage over R random
subsets is `D = mean_r L_r − L_selection`. Two things make D uncertain: which examples were held out, and which subsets
were drawn. The first is the variance `v` of D over paired bootstrap samples of held-out examples (Efron and
Tibshirani, 1993, chapter 8; Koehn, EMNLP 2004, for paired use); the second is `s² (1 + 1/R)`, with s² the variance of
L between random subsets: a selection must be told from one more random subset, not from the mean of those that were
drawn. The interval is `D ± t √(v + s² (1 + 1/R))` with Satterthwaite's degrees of freedom. The bootstrap alone would
call most random subsets better or worse than others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS, LEVEL = 4000, 0.95


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the losses of alike subsets are apart: their `variance`, known from so many degrees of `freedom`."""

    variance: float
    freedom: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """`advantage` of one subset over others in nats a token, positive where its loss is lower; `low` and `high` bound
    it with 95 %. `paired_low` and `paired_high` do so over held-out examples alone, the subsets taken as they are."""

    advantage: float
    low: float
    high: float
    paired_low: float
    paired_high: float

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `no difference`: what the interval supports."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no difference"


def mean_loss(nll: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Losses [...] in nats a token of held-out NLLs [..., H], the examples weighted by their tokens [H]."""
    return nll @ tokens / tokens.sum()


def spread_of(families: Sequence[np.ndarray], tokens: np.ndarray) -> Spread:
    """The variance of subsets' losses inside families of alike subsets, each of NLLs [R, S, H], pooled."""
    losses = [mean_loss(family.mean(axis=1), tokens) for family in families]
    freedom = sum(len(of) - 1 for of in losses)
    squares = sum(float(((of - of.mean()) ** 2).sum()) for of in losses)
    return Spread(squares / freedom if freedom else 0.0, freedom)


def contrast(
    ours: np.ndarray, theirs: np.ndarray, tokens: np.ndarray, spread: Spread, seed: int = 0, draws: int = DRAWS
) -> Contrast:
    """The advantage of a subset with held-out NLLs [S, H] over R others, [R, S, H].

    `tokens` [H] are those of the held-out examples; `spread` that of subsets like the others.
    """
    from scipy.stats import t

    gained = theirs.mean(axis=(0, 1)) - ours.mean(axis=0)
    sampled = _resample(gained, tokens, seed, draws)
    advantage, held_out = float(mean_loss(gained, tokens)), float(sampled.var(ddof=1))
    subsets = spread.variance * (1 + 1 / len(theirs))
    total = held_out + subsets
    parts = held_out**2 / max(len(tokens) - 1, 1) + (subsets**2 / spread.freedom if spread.freedom else 0.0)
    freedom = total**2 / parts if parts > 0 else np.inf
    reach = float(t.ppf((1 + LEVEL) / 2, freedom)) * float(np.sqrt(total))
    paired = np.quantile(sampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Contrast(advantage, advantage - reach, advantage + reach, float(paired[0]), float(paired[1]))


def paired_interval(
    differences: np.ndarray, tokens: np.ndarray, seed: int = 0, draws: int = DRAWS
) -> tuple[float, float, float]:
    """A mean difference of NLLs [H] and its bounds over bootstrap samples of the held-out examples."""
    low, high = np.quantile(_resample(differences, tokens, seed, draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(mean_loss(differences, tokens)), float(low), float(high)


def say(found: Contrast, against: str, seeds: int) -> str:
    """The sentence that a contrast of losses supports. It is typeset: a minus is one."""
    places = _places(found)
    if found.verdict == "no difference":
        bounds = f"95 % interval {found.low:+.{places}f} to {found.high:+.{places}f}"
        told = f"{found.advantage:+.{places}f} nats a token, {bounds}".replace("-", "−")
        return f"No difference from {against} seen: {told}, {say_seeds(seeds)}."
    low, high = sorted((abs(found.low), abs(found.high)))
    than = f"{found.verdict.capitalize()} than {against} by {abs(found.advantage):.{places}f} nats a token"
    return f"{than}, 95 % interval {low:.{places}f} to {high:.{places}f}, {say_seeds(seeds)}."


def say_share(found: Contrast, share: float, questions: int, seeds: int) -> str:
    """The sentence that a contrast of shares of right answers supports, the selection's `share` among them."""
    than = {"better": "more than", "worse": "fewer than", "no difference": "no difference seen from"}[found.verdict]
    gained = f"{100 * found.advantage:+.1f} points, 95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    told = f"{than} models tuned on random subsets: {gained}, {questions:,} questions, {say_seeds(seeds)}"
    return f"Right final answers: {100 * share:.1f} %, {told}.".replace("-", "−")


def say_seeds(seeds: int) -> str:
    """A number of training seeds."""
    return f"{seeds} {'training seed' if seeds == 1 else 'training seeds'}"


def _places(found: Contrast) -> int:
    """Decimals that show the bound which a verdict rests on with two digits; without one, the larger with three."""
    sizes = sorted((abs(found.low), abs(found.high)))
    size, digits = (sizes[1], 3) if found.verdict == "no difference" else (sizes[0], 2)
    return min(6, max(3, digits - 1 - math.floor(math.log10(size)))) if size > 0 else 3


def _resample(values: np.ndarray, tokens: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """Token-weighted means of bootstrap samples of the held-out examples, [draws]."""
    generator, count = np.random.default_rng(seed), len(tokens)
    weighted = np.stack([values * tokens, tokens])
    sums = np.empty((2, draws))
    for draw in range(draws):
        sums[:, draw] = weighted @ np.bincount(generator.integers(count, size=count), minlength=count)
    return sums[0] / sums[1]
