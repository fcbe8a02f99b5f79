"""The options of a proof: what is set aside for it before scoring, and how the fine-tunes run."""

from typing import Literal

from pydantic import Field

from core.settings.base import Settings


class HeldOutSettings(Settings):
    """Which examples are set aside before scoring, so that a proof can be measured on them."""

    share: float = Field(
        0.05, gt=0, le=0.5, title="Held-out share", description="Share of the examples that is set aside for a proof."
    )
    column: str | None = Field(
        None, max_length=1000, description="Column whose groups all give their share; none if not given."
    )
    seed: int = Field(0, ge=0, description="Seed of the draw.")


class ProofSettings(Settings):
    """Small fine-tunes on a selection and on random subsets of equal tokens, measured on the held-out examples."""

    model: str | None = Field(
        None, min_length=1, description="A local folder, a hub id, or 'embedded'; the run's own model if not given."
    )
    method: Literal["full", "lora"] = Field("full", description="Train all weights or a LoRA adapter.")
    seeds: int = Field(
        2, ge=1, le=20, title="Training seeds", description="Fine-tunes of each subset, each with a seed of its own."
    )
    random: int = Field(5, ge=3, le=50, title="Random subsets", description="Random subsets of equal tokens.")
    matched: int = Field(
        2,
        ge=2,
        le=50,
        title="Random of like lengths",
        description="Random subsets of equal tokens with the selection's own lengths.",
    )
    seed: int = Field(0, ge=0, description="Seed of the random subsets.")
    everything: bool = Field(
        False, description="Fine-tune on everything selectable too: more tokens and steps, for orientation only."
    )
    halvings: int = Field(
        0,
        ge=0,
        le=4,
        title="Halvings of the budget",
        description="Fine-tune on what half of the budget would choose too, with 2 on a quarter besides, and so on.",
    )
    tokens: int | None = Field(
        None, ge=1, description="Response tokens of each subset; those of the selection if not given."
    )
    epochs: int = Field(2, ge=1, le=100, description="Passes over each subset.")
    batch_tokens: int = Field(500, ge=1, description="Response tokens in one optimiser step, about.")
    learning_rate: float | None = Field(
        None, gt=0, le=1, description="Peak of the cosine schedule; if not given, 5e-5 for full, 2e-4 for lora."
    )
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto",
        description="Precision of the arithmetic; auto is bfloat16 where the device computes in it. Full fine-tunes "
        "keep their weights in float32.",
    )
    held_out: int = Field(200, ge=10, description="Held-out examples that are measured, at most.")
    points: int = Field(4, ge=1, le=50, description="Points of the learning curve after its first.")
    accuracy: bool = Field(
        False, description="Let each model answer the held-out prompts whose answer ends in '#### value', and count."
    )
    column: str | None = Field(None, max_length=1000, description="Column whose groups are told apart in the result.")

    @property
    def rate(self) -> float:
        """The learning rate, or what it is for this method where none was given."""
        return self.learning_rate or {"full": 5e-5, "lora": 2e-4}[self.method]
