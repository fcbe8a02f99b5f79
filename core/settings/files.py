"""The options of reading a source and of trying a file on a trainer."""

from typing import Literal

from pydantic import Field

from core.settings.base import Settings

IngestFormat = Literal["auto", "alpaca", "sharegpt", "messages", "prompt-completion", "text"]
ExportFormat = Literal["original", "messages", "prompt-completion", "alpaca", "sharegpt"]
Trainer = Literal["trl", "axolotl", "llama-factory", "openai"]


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
