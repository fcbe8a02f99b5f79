"""How far did a replay get? Its stages in order, and the first difference that did not end it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import BadInput
from core.records import JobProgress
from core.workbench.loading import Sources

Follow = Callable[[JobProgress], None]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where things lie here, if not where the lock says: the source, the models, the sources of the dataset that is
    served and of the earlier version that was scored first; and the device to score on."""

    source: Sources | None = None
    model: str | None = None
    calibrated_model: str | None = None
    target_source: Sources | None = None
    device: str | None = None
    earlier_source: Sources | None = None


@dataclass
class Trail:
    """What the stages found. `of` names the dataset that they are about, where there are two."""

    stages: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    of: str = ""

    def passed(self, stage: str, outcome: str) -> None:
        """A stage is as the lock says."""
        self.stages.append((self.of + stage, outcome))

    def differs(self, stage: str, how: str) -> None:
        """A stage is not, and the replay goes on."""
        self.stages.append((self.of + stage, how))
        self.differences.append(f"Stage {self.of}{stage}: {how}")

    def failed(self, stage: str, how: str) -> BadInput:
        """A stage is not, and that is the end; what differed before comes first."""
        return BadInput(" ".join([*self.differences, f"Stage {self.of}{stage}: {how}"]))
