"""The options of a selection that no criterion has alone: its budget, its quotas, and what counts as a repeat."""

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from core.errors import BadInput
from core.settings.base import Settings


class RepeatSettings(Settings):
    """What counts as the same example; of each group one is kept."""

    repeats: Literal["keep", "exact", "near", "factor"] = Field(
        "keep",
        description="keep: all stay; exact: the same text but for case and spaces; near: like texts (MinHash); factor: "
        "the model's features of one hold what those of the other do.",
    )
    repeat_threshold: float | None = Field(
        None,
        gt=0,
        le=1,
        description="near: least Jaccard similarity, 0.8 if not given; factor: least share of what a copy would cover, "
        "0.9 if not given.",
    )

    @field_validator("repeat_threshold")
    @classmethod
    def _goes_with_what_is_alike(cls, threshold: float | None, others: ValidationInfo) -> float | None:
        if threshold is not None and others.data.get("repeats") not in ("near", "factor"):
            raise PydanticCustomError("not_together", "it goes with repeats near and factor alone")
        return threshold

    @property
    def threshold(self) -> float:
        """The threshold, or what it is where none was given."""
        return self.repeat_threshold or {"near": 0.8, "factor": 0.9}.get(self.repeats, 1.0)


class Budget(Settings):
    """How much to select: a number of examples, a percentage of them, or response tokens."""

    kind: Literal["examples", "percent", "tokens"]
    amount: float = Field(gt=0)

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Read `500`, `10%` or `20000tok`. Raises BadInput for anything else and for 0."""
        match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(%|tok|tokens)?\s*", text)
        if not match:
            raise BadInput(f"Budget {text!r} is not one of 500, 10% or 20000tok.")
        unit: dict[str | None, Literal["examples", "percent", "tokens"]]
        unit = {None: "examples", "%": "percent", "tok": "tokens", "tokens": "tokens"}
        kind, amount = unit[match[2]], float(match[1])
        if amount == 0:
            raise BadInput(f"Budget {text!r} selects nothing; give at least 1 example, token or a share above 0%.")
        if kind == "percent" and amount > 100:
            raise BadInput(f"Budget {text!r} is more than there is; 100% is everything.")
        if kind != "percent" and amount != int(amount):
            raise BadInput(f"Budget {text!r} is not a whole number of {kind}.")
        return cls(kind=kind, amount=amount)

    def __str__(self) -> str:
        suffix = {"examples": "", "percent": "%", "tokens": "tok"}[self.kind]
        return f"{self.amount:.15g}{suffix}" if self.kind == "percent" else f"{int(self.amount)}{suffix}"


class Quota(Settings):
    """What a group has to get, in the budget's unit: at most or at least so much, or its share of the pool.

    The group is the examples whose `column` has this `value`; without a value, every group in proportion.
    """

    column: str = Field(min_length=1)
    value: str | None = None
    relation: Literal["<=", ">="] = "<="
    amount: float = Field(0, ge=0)
    is_percent: bool = False

    @classmethod
    def parse(cls, text: str) -> "Quota":
        """Read `topic=food<=200`, `topic=food>=5%` or, in proportion, `topic`. Raises BadInput otherwise."""
        if not re.search("[=<>]", text) and text.strip():
            return cls(column=text.strip())
        match = re.fullmatch(r"([^=<>]+)=(.*)(<=|>=)\s*(\d{1,15}(?:\.\d{1,15})?)\s*(%?)\s*", text, re.DOTALL)
        if not match:
            raise BadInput(f"Quota {text!r} is not one of topic=food<=200, topic=food>=5% or, in proportion, topic.")
        column, value, relation, amount, percent = match.groups()
        if percent and float(amount) > 100:
            raise BadInput(f"Quota {text!r} is more than there is; 100% is the whole budget.")
        return cls.checked(
            column=column.strip(), value=value, relation=relation, amount=amount, is_percent=bool(percent)
        )

    def of(self, budget: int) -> float:
        """The amount in the budget's unit, a percentage being of the budget."""
        return round(self.amount * budget / 100, 6) if self.is_percent else self.amount

    def __str__(self) -> str:
        if self.value is None:
            return self.column
        amount = f"{self.amount:.15f}".rstrip("0").rstrip(".")
        return f"{self.column}={self.value}{self.relation}{amount}{'%' if self.is_percent else ''}"
