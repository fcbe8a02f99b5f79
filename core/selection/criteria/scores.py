"""What do simple scores choose? The baselines that sort by one number of each example.

InstructDiff's table 1 (arXiv 2601.23006): PPL and entropy at the low end, the middle or the high end; length of
response or instruction; instruction-following difficulty (IFD: Cherry, arXiv 2308.12032, as a ratio of
losses; Superfiltering, arXiv 2402.00530, as a ratio of perplexities), whose papers drop what is above 1.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from core.selection.criterion import Criterion
from core.selection.pool import Pool
from core.selection.ranking import Ordered, of_rows
from core.selection.room import Room
from core.settings import Settings

Take = Literal["min", "mid", "max"]


class PerplexitySettings(Settings):
    """Sorting by perplexity."""

    take: Take = Field("mid", description="min and max: that end first; mid: the middle of the sorted list first.")


class EntropySettings(PerplexitySettings):
    """Sorting by entropy."""


class LengthSettings(Settings):
    """Sorting by length in tokens."""

    of: Literal["response", "prompt", "ratio"] = Field(
        "response", description="Which length: the response's, the prompt's, or response ÷ prompt."
    )
    take: Take = Field("max", description="min and max: that end first; mid: the middle of the sorted list first.")


class DifficultySettings(Settings):
    """Instruction-following difficulty."""

    variant: Literal["loss_ratio", "perplexity_ratio"] = Field(
        "loss_ratio", description="loss_ratio: NLL(A|Q) / NLL(A), Cherry's; perplexity_ratio: PPL(A|Q) / PPL(A)."
    )
    keep_above_one: bool = Field(
        False, description="Keep what is above 1 too, where the prompt makes the response less likely."
    )


def take_sorted(rows: np.ndarray, values: np.ndarray, take: Take) -> np.ndarray:
    """`rows` [n] ascending in the order that `take` asks for, by their `values` [n]; ties by row. The first k of
    `mid` are the k in the middle of the sorted list; of two equally near, the lower value first."""
    if take == "max":
        return rows[np.lexsort((rows, -values))]
    ascending: np.ndarray = rows[np.lexsort((rows, values))]
    if take == "min":
        return ascending
    away = np.abs(2 * np.arange(len(rows)) - (len(rows) - 1))
    return ascending[np.argsort(away, kind="stable")]


def _rank_by(pool: Pool, values: np.ndarray, take: Take, refused: dict[int, str] | None = None) -> Ordered:
    rows = pool.candidates[~np.isin(pool.candidates, list(refused or {}))]
    usable = rows[np.isfinite(values[rows])]
    missing = {int(row): "its score could not be computed" for row in rows[~np.isfinite(values[rows])]}
    return of_rows(take_sorted(usable, values[usable], take), missing | (refused or {}))


def _rank_perplexity(pool: Pool, _: Room, settings: PerplexitySettings, __: int) -> Ordered:
    return _rank_by(pool, pool.nll, settings.take)  # exp(NLL) orders alike, and does not overflow


def _rank_entropy(pool: Pool, _: Room, settings: EntropySettings, __: int) -> Ordered:
    return _rank_by(pool, pool.entropy, settings.take)


def _rank_length(pool: Pool, _: Room, settings: LengthSettings, __: int) -> Ordered:
    response, prompt = pool.response_tokens.astype(np.float64), pool.prompt_tokens.astype(np.float64)
    lengths = {"response": response, "prompt": prompt, "ratio": response / np.maximum(prompt, 1.0)}
    return _rank_by(pool, lengths[settings.of], settings.take)


def _rank_difficulty(pool: Pool, _: Room, settings: DifficultySettings, __: int) -> Ordered:
    values = pool.ifd_loss_ratio if settings.variant == "loss_ratio" else pool.ifd_perplexity_ratio
    above = [] if settings.keep_above_one else pool.candidates[values[pool.candidates] > 1].tolist()
    refused = {row: f"IFD {values[row]:.4g} is above 1: the prompt makes the response less likely" for row in above}
    return _rank_by(pool, values, "max", refused)


CRITERIA = (
    Criterion(
        name="ppl",
        goal="Easy, middling or surprising by perplexity",
        explanation="Sorts by the base model's perplexity: low is what it knows, high what surprises it, noise too.",
        source="baseline; InstructDiff, table 1",
        reason="next by perplexity",
        settings=PerplexitySettings,
        rank=_rank_perplexity,
        is_baseline=True,
    ),
    Criterion(
        name="entropy",
        goal="Sure, middling or undecided by entropy",
        explanation="Sorts by the base model's mean entropy: low is where it is sure, high where it is undecided.",
        source="baseline; InstructDiff, table 1",
        reason="next by entropy",
        settings=EntropySettings,
        rank=_rank_entropy,
        is_baseline=True,
    ),
    Criterion(
        name="length",
        goal="Longest or shortest first",
        explanation="Sorts by length in tokens. Long responses are a strong baseline for chat, and cost most.",
        source="baseline; Zhao et al., arXiv 2402.04833",
        reason="next by length",
        settings=LengthSettings,
        rank=_rank_length,
        is_baseline=True,
    ),
    Criterion(
        name="ifd",
        goal="Hardest to follow",
        explanation="Takes the examples whose response the prompt helps least: the highest IFD of those not above 1.",
        source="IFD: Cherry, arXiv 2308.12032; Superfiltering, arXiv 2402.00530",
        reason="highest instruction-following difficulty left",
        settings=DifficultySettings,
        rank=_rank_difficulty,
        is_baseline=True,
        needs=("ifd",),
    ),
)
