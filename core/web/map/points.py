"""What lies where on the map, in which colour: a run's points, and below them the rows that have no place.

Arrays are made once for all sessions; what a budget or a decision changes is one byte a point.
"""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.choices import Standing
from core.records import Quarantined, RunRow
from core.web.map.colouring import Colouring, shape_colouring
from core.web.scatter import BANNED, LEFT_OUT, PINNED, QUARANTINED, SELECTED, MapLabel, ScatterPoints
from core.web.scores import find_rows, map_of, scores_of
from core.web.session import open_bench
from core.web.theme import format_count

MOST_STRIP, STRIP_COLUMNS = 1_000, 100
NO_ROW = -1


@dataclass(frozen=True)
class Placed:
    """Marks of a map: `rows` [M] of the dataset, the first `placed` of them where the model puts them. Then come,
    in strips below, `unscored` examples, and `quarantined` rows of the source, which have no row in the dataset;
    `all_unscored`, of which `held_out` are held out, and `all_quarantined` count those that are not drawn too."""

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    placed: int
    unscored: int
    quarantined: list[Quarantined]
    all_unscored: int
    all_quarantined: int
    held_out: int
    labels: tuple[MapLabel, ...]

    @property
    def without_place(self) -> int:
        """All rows that lie nowhere."""
        return self.all_unscored + self.all_quarantined


def placed_of(run: RunRow) -> Placed:
    """The marks of a run's map, kept until its map or its dataset's quarantine changes."""
    dataset = open_bench().datasets.get(run.dataset)
    version = (len(open_bench().runs.taken_shards(run.run)), dataset.rows_loaded, dataset.rows_quarantined)
    return _place(run.run, run.dataset, version)


@st.cache_resource(show_spinner=False, max_entries=4)
def _place(run: str, dataset: str, version: tuple[int, ...]) -> Placed:
    points, bench = map_of(run), open_bench()
    is_placed = np.zeros(len(scores_of(run)), dtype=bool)
    is_placed[points["row_number"]] = True
    unscored = np.flatnonzero(~is_placed)
    quarantined = bench.datasets.quarantine(dataset, 0, MOST_STRIP)
    drawn = unscored[:MOST_STRIP]
    labels = [MapLabel(", ".join(place.terms), place.x, place.y, place.count) for place in bench.map_places(run)]
    x, y = _strips(points["x"], points["y"], [len(drawn), len(quarantined)])
    return Placed(
        np.concatenate([points["row_number"], drawn, np.full(len(quarantined), NO_ROW)]).astype(np.int64),
        np.concatenate([points["x"], x]).astype(np.float32),
        np.concatenate([points["y"], y]).astype(np.float32),
        len(points["x"]),
        len(drawn),
        quarantined,
        len(unscored),
        version[-1],
        bench.runs.counts(run)["held_out"],
        tuple(labels),
    )


def _strips(x: np.ndarray, y: np.ndarray, counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Places below the points, a hundred marks a line, a gap between the strips."""
    if not len(x):
        return np.zeros(sum(counts)), np.zeros(sum(counts))
    left, width, bottom = float(x.min()), max(float(np.ptp(x)), 1e-3), float(y.min())
    step = width / STRIP_COLUMNS
    xs, ys, line = list[np.ndarray](), list[np.ndarray](), 3.0
    for count in counts:
        places = np.arange(count)
        xs.append(left + (places % STRIP_COLUMNS) * step)
        ys.append(bottom - (line + places // STRIP_COLUMNS) * step)
        line += (count - 1) // STRIP_COLUMNS + 3 if count else 0
    return np.concatenate(xs), np.concatenate(ys)


def shapes_of(placed: Placed, selected: np.ndarray, standing: Standing) -> np.ndarray:
    """The shape of each mark, [M] uint8; `selected` is a mask over the dataset's rows."""
    shape_of_row = np.where(selected, SELECTED, LEFT_OUT).astype(np.uint8)
    shape_of_row[list(standing.pinned)] = PINNED
    shape_of_row[list(standing.banned)] = BANNED
    shape = np.full(len(placed.rows), QUARANTINED, dtype=np.uint8)
    shape[: placed.placed] = shape_of_row[placed.rows[: placed.placed]]
    return shape


def found_marks(run: RunRow, placed: Placed, search: str) -> np.ndarray | None:
    """1 at the marks whose texts contain what is searched for, [M] uint8; nothing without a search."""
    if not search.strip():
        return None
    is_found = np.zeros(len(scores_of(run.run)) + 1, dtype=np.uint8)  # the last one is for marks without a row
    is_found[find_rows(run.dataset, search.strip())] = 1
    found: np.ndarray = is_found[placed.rows]
    return found


def scatter_points(
    placed: Placed,
    shape: np.ndarray,
    colouring: Colouring | None,
    found: np.ndarray | None,
    clicked: int | None,
    lasso: list[tuple[float, float]] | None,
) -> ScatterPoints:
    """The map as the browser draws it; without a colouring the colours say what the shapes say."""
    colouring = colouring or shape_colouring(shape, placed.without_place)
    return ScatterPoints(
        placed.x,
        placed.y,
        shape,
        colouring.index,
        colouring.palette,
        colouring.legend,
        highlight=clicked,
        found=found,
        labels=placed.labels,
        start_lasso=lasso,
    )


def describe_strips(placed: Placed) -> str:
    """What the marks below the map are, in words."""
    told = []
    if placed.all_unscored:
        either = "could not be scored" if placed.held_out < placed.all_unscored else ""
        why = " or ".join(filter(None, (either, "are held out for a proof" if placed.held_out else "")))
        told.append(f"{_amount(placed.all_unscored, placed.unscored)} that {why}")
    if placed.all_quarantined:
        told.append(f"{_amount(placed.all_quarantined, len(placed.quarantined))} in quarantine")
    return f"Below the map, without a place: {', and '.join(told)}. Click one to see why." if told else ""


def _amount(count: int, drawn: int) -> str:
    rows = f"{format_count(count)} {'row' if count == 1 else 'rows'}"
    return rows if drawn == count else f"{rows} (the first {format_count(drawn)} are drawn)"
