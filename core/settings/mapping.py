"""The options of the map."""

from pydantic import Field

from core.settings.base import Settings


class ProjectionSettings(Settings):
    """UMAP of the mean response features."""

    neighbors: int = Field(15, title="Neighbours", ge=2, le=200, description="Neighbours that UMAP keeps together.")
    min_dist: float = Field(0.1, ge=0, le=1, title="Minimum distance", description="How tightly UMAP packs points.")
    fitted: int = Field(
        100_000,
        ge=1_000,
        le=10_000_000,
        title="Laid out together",
        description="At most so many examples, drawn at random; the others are placed among them.",
    )
    seed: int = Field(0, ge=0, description="Fixed, so the same run always has the same map.")
