"""Draw the map of a run: a place for every example, and names for the neighbourhoods."""

from pathlib import Path
from typing import Any

import numpy as np

from core.files import replacing
from core.insight.places import name_places
from core.insight.projection import fit_projection
from core.jobs.progress import Progress
from core.scoring.arrays import open_arrays
from core.settings import ProjectionSettings
from core.tasks.rows import InputRows
from core.workspace import RunFolder

LONGEST_TEXT = 2_000


def draw_map(folder: Path, progress: Progress, name: str, settings: ProjectionSettings) -> dict[str, Any]:
    """Write the map of the run whose folder holds this job's folder, as `name`: `rows` [n], `points` [n, 2], and of
    each place its `terms`, joined by commas, its `place` (x, y) and its `count`."""
    run = RunFolder(folder.parent)
    progress.begin("Finding each example's neighbours", 0, "")
    rows, points = fit_projection(open_arrays(run.arrays).mean_features, settings, progress)
    progress.begin("Naming the neighbourhoods", 0, "")
    progress.advance(0)
    inputs = InputRows(run.input)

    def read_texts(places: np.ndarray) -> list[str]:
        examples = inputs.read(rows[places].tolist())
        return ["\n".join(str(m.get("content") or "") for m in e.messages)[:LONGEST_TEXT] for e in examples]

    named = name_places(points, read_texts, settings.seed)
    with replacing(folder / name) as partial, partial.open("wb") as stream:
        np.savez(
            stream,
            rows=rows,
            points=points,
            terms=np.array([", ".join(place.terms) for place in named], dtype=np.str_),
            places=np.array([(place.x, place.y) for place in named], dtype=np.float32).reshape(-1, 2),
            counts=np.array([place.count for place in named], dtype=np.int64),
        )
    return {"points": len(rows), "places": len(named)}
