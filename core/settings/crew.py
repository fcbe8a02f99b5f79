"""The options of who does a scoring run's work: they change its time, and never its results."""

from typing import Literal, Self

from pydantic import Field, model_validator

from core.settings.base import Settings


class CrewSettings(Settings):
    """Who works on a scoring run; on a cluster one for each of its GPUs, or without any for each of its nodes."""

    runner: Literal["local", "ray"] = Field(
        "local", description="local is this machine; ray is a cluster, with requirements-cluster.txt installed."
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Processes that each hold the model; if not given, one for each GPU, or one without any.",
    )
    address: str | None = Field(
        None, min_length=1, description="Where the Ray cluster is, such as host:6379; RAY_ADDRESS if not given."
    )

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        if self.address and self.runner == "local":
            raise ValueError("an address is a Ray cluster's; give runner ray too")
        return self
