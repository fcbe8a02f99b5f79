"""The options of a trial on a sample."""

from pydantic import Field

from core.settings.base import Settings


class TrialSettings(Settings):
    """Which sample of a pool is tried."""

    rows: int = Field(200, ge=10, le=10_000, description="Rows drawn at random and timed.")
    seed: int = Field(0, ge=0, description="Seed of the draw.")
