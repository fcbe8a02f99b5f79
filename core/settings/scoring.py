"""The options of a scoring run."""

from typing import Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from core.settings.base import Settings
from core.settings.proving import HeldOutSettings

EMBEDDED_MODEL = "embedded"
Template = Literal["auto", "chat", "alpaca", "plain", "raw"]
InstructDiffRule = Literal["paper", "code"]
Domain = Literal["general", "maths", "code", "medical"]


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
    quantization: Literal["none", "8bit", "4bit"] = Field(
        "none",
        description="Weights in 8 bits (LLM.int8) or 4 (NF4), for a model that does not fit otherwise; needs "
        "bitsandbytes.",
    )
    spread: bool = Field(
        False, description="Lay the weights over all GPUs of the machine, for a model that none of them can hold."
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

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A run of a whole model on one device is named as it was before there were others."""
        values: dict[str, Any] = write(self)
        unused = {"quantization": "none", "spread": False}
        return {name: value for name, value in values.items() if name not in unused or value != unused[name]}


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
    held_out: HeldOutSettings | None = Field(None, description="What is set aside for a proof; nothing if not given.")

    @model_validator(mode="after")
    def _packed_weights_are_not_trained(self) -> Self:
        if self.scoring.quantization != "none" and self.calibration and self.calibration.method == "full":
            reason = f"weights in {self.scoring.quantization} cannot be trained themselves; calibrate with method=lora"
            raise PydanticCustomError("not_together", reason)
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_set_aside(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A run that sets nothing aside is named as it was before there were proofs."""
        values: dict[str, Any] = write(self)
        if values.get("held_out") is None:
            values.pop("held_out", None)
        return values
