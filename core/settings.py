"""Every option once: its type, default, bounds and help.

The form in a page, the command line's `--set`, the README's table and the manifest all read
these declarations.
"""

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from core.errors import BadInput

EMBEDDED_MODEL = "embedded"
IngestFormat = Literal["auto", "alpaca", "sharegpt", "messages", "prompt-completion", "text"]
ExportFormat = Literal["original", "messages", "prompt-completion", "alpaca", "sharegpt"]
Trainer = Literal["trl", "axolotl", "llama-factory", "openai"]
Template = Literal["auto", "chat", "alpaca", "plain", "raw"]
InstructDiffRule = Literal["paper", "code"]
Domain = Literal["general", "maths", "code", "medical"]


class Settings(BaseModel):
    """Frozen, closed, and refused with one readable line."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build from untrusted values. Raises BadInput naming the option, the value and the bound."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or cls.__name__
            if first["type"] == "extra_forbidden":
                known = ", ".join(sorted(cls.model_fields))
                raise BadInput(f"There is no option {name!r} here; the options are: {known}.") from None
            raise BadInput(f"Option {name!r} was given as {first['input']!r}: {first['msg'].lower()}.") from None


class IngestSettings(Settings):
    """How a source is read."""

    format: IngestFormat = Field("auto", description="Shape of the rows; auto finds it from a sample.")
    mapping: dict[str, str] = Field(
        default_factory=dict,
        description="Field of the shape → column of the file, such as prompt → question.",
    )
    header: Literal["auto", "yes", "no"] = Field(
        "auto", description="Whether a table's first line names its columns; else they are column_1, column_2 …"
    )
    split: str | None = Field(None, description="Split of a datasets folder or hub id; train if not given.")
    config: str | None = Field(None, description="Configuration of a hub id, where it has several.")
    revision: str | None = Field(None, description="Branch, tag or commit of a hub id.")
    limit: int | None = Field(None, ge=1, description="Read at most this many rows.")


class ScoringSettings(Settings):
    """One forward pass over a dataset."""

    model: str = Field(
        EMBEDDED_MODEL,
        min_length=1,
        description="A local folder, a hub id, or 'embedded' for SmolLM2-135M-Instruct.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit of a hub model.")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="Precision of the weights; auto is bfloat16 on a GPU, float32 on a CPU. Logits are always float32.",
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto takes a GPU if there is one."
    )
    template: Template = Field(
        "auto",
        description="chat is the tokenizer's own template; alpaca is Stanford Alpaca's text, with and without input; "
        "plain is role names and line breaks; raw is the texts alone; auto takes chat where the tokenizer has one.",
    )
    max_length: int = Field(2048, ge=8, le=1_048_576, description="Tokens of an example that the model is shown.")
    ifd: bool = Field(
        False,
        title="IFD",
        description="One more pass over the response alone, for instruction-following difficulty (IFD).",
    )
    factor_energy: float = Field(
        0.99, gt=0, le=1, description="Share of an example's feature trace that its factor keeps; 1 keeps every token."
    )
    uncertainty_weight: bool = Field(
        False, description="Scale each feature by √(1 − Σp²), so decided tokens count less."
    )
    prompt_features: bool = Field(
        False, description="Let the prompt's tokens count in the factors too, not only the response's."
    )
    projection: int | None = Field(
        None, ge=1, le=65_536, description="Project features to this many random dimensions first; none if not given."
    )
    projection_seed: int = Field(0, ge=0, description="Seed of that projection.")
    batch_tokens: int | None = Field(
        None, ge=64, description="Padded tokens in one batch; if not given, 4096 on a CPU, 65536 on a GPU."
    )
    logits_megabytes: int | None = Field(
        None, ge=1, description="Most memory that logits take at a time; if not given, 32 on a CPU, 1024 on a GPU."
    )
    shard_rows: int | None = Field(
        None, ge=1, description="Rows in one shard, the unit of resuming; if not given, 64 on a CPU, 1024 on a GPU."
    )
    compile: Literal["auto", "always", "never"] = Field(
        "auto", description="Compile the hot loops with torch.compile; auto does where the job is long enough to pay."
    )

    @field_validator("prompt_features")
    @classmethod
    def _goes_without_the_weight(cls, prompt_features: bool, others: ValidationInfo) -> bool:
        # `others` holds the options declared above alone
        if prompt_features and others.data.get("uncertainty_weight"):
            reason = "it cannot go with uncertainty_weight, whose p is not computed for the prompt's tokens"
            raise PydanticCustomError("not_together", reason)
        return prompt_features


class CalibrationSettings(Settings):
    """The warm-up fine-tune that InstructDiff compares with."""

    domain: Domain = Field("general", description="The paper's settings for this kind of data, where none are given.")
    share: float = Field(0.1, gt=0, le=1, description="Random share of the scorable examples to warm up on, α.")
    method: Literal["full", "lora"] = Field("full", description="Train all weights (the paper) or a LoRA adapter.")
    epochs: float = Field(3.0, gt=0, le=100, description="Passes over the warm-up share.")
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Peak of the cosine schedule; if not given, the paper's: 5e-5 maths, 2e-5 general and medical, "
        "1e-5 code.",
    )
    batch_examples: int = Field(8, ge=1, description="Examples in one optimiser step.")
    seed: int = Field(0, ge=0, description="Seed of the warm-up share and of the training.")
    iterations: int = Field(
        1,
        ge=1,
        le=10,
        description="Rounds, K: each after the first tunes the base model on the last round's selection. Paper: 2.",
    )
    keep: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share that a round selects for the next, β; if not given, the paper's: 0.2 code, else 0.1.",
    )
    gamma: float = Field(0.1, ge=0, lt=0.5, description="Share that a round cuts from each end of ΔNLL, γ.")
    rule: InstructDiffRule = Field(
        "paper", description="How a round selects: by the paper's rule, or the published code's (β of the tokens)."
    )

    def for_domain(self) -> Self:
        """The same with the domain's values put in where none were given (InstructDiff, section 4.1)."""
        rates: dict[str, float] = {"maths": 5e-5, "general": 2e-5, "medical": 2e-5, "code": 1e-5}
        given = {
            "learning_rate": self.learning_rate or rates[self.domain],
            "keep": self.keep or (0.2 if self.domain == "code" else 0.1),
        }
        return self.model_copy(update=given)


class RunSettings(Settings):
    """What a scoring run computes; its hash with the dataset's content is the run's identity."""

    scoring: ScoringSettings = Field(default_factory=ScoringSettings)
    calibration: CalibrationSettings | None = Field(default_factory=CalibrationSettings)
    calibrated_model: str | None = Field(None, description="An already fine-tuned model, instead of calibrating.")


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


class CheckSettings(Settings):
    """The dry run of a trainer over a file."""

    max_length: int | None = Field(
        None, ge=8, le=1_048_576, description="Tokens of a row that train; if not given, 2048, and 65536 for openai."
    )
    assistant_only: bool = Field(
        False, description="trl: the loss on the assistant's tokens alone (its assistant_only_loss), not the prompt's."
    )

    def length(self, trainer: Trainer) -> int:
        """The greatest length, or what it is for this trainer where none was given."""
        return self.max_length or (65_536 if trainer == "openai" else 2048)


class ProjectionSettings(Settings):
    """UMAP of the mean response features."""

    neighbors: int = Field(15, title="Neighbours", ge=2, le=200, description="Neighbours that UMAP keeps together.")
    min_dist: float = Field(0.1, ge=0, le=1, title="Minimum distance", description="How tightly UMAP packs points.")
    seed: int = Field(0, ge=0, description="Fixed, so the same run always has the same map.")


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


def parse_assignments(assignments: list[str]) -> dict[str, str]:
    """Read the command line's `NAME=VALUE` pairs. Raises BadInput on one without `=`."""
    pairs = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise BadInput(f"{text!r} is not NAME=VALUE.")
        pairs[name.strip()] = value.strip()
    return pairs
