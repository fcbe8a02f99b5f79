"""What do the map's colours say? The selection, a score along a ramp, or the commonest values of a column."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.records import RunRow
from core.web.scatter import BANNED, LEFT_OUT, PINNED, QUARANTINED, SELECTED, LegendEntry, LegendRamp
from core.web.scores import SCORES, map_of, scores_of, shorten
from core.web.session import open_bench
from core.web.theme import BANNED as BANNED_COLOUR
from core.web.theme import CATEGORIES, CIVIDIS, DIVERGING, format_sig
from core.web.theme import LEFT_OUT as LEFT_OUT_COLOUR
from core.web.theme import PINNED as PINNED_COLOUR
from core.web.theme import SELECTED as SELECTED_COLOUR

SELECTION = "Selection"
SIGNED = {"delta_nll", "delta_entropy"}
LOGARITHMIC = {"ppl", "response_tokens"}
NO_VALUE = LEFT_OUT_COLOUR
SHAPE_COLOURS = {
    LEFT_OUT: ("Left out", LEFT_OUT_COLOUR),
    SELECTED: ("Selected", SELECTED_COLOUR),
    PINNED: ("Pinned", PINNED_COLOUR),
    BANNED: ("Banned", BANNED_COLOUR),
    QUARANTINED: ("Without a place", "#CC79A7"),
}
LARGEST = len(CATEGORIES) - 1
LONGEST_NAME = 60


@dataclass(frozen=True)
class Colouring:
    """A colour for every mark, [M] uint8 into `palette`, and what the colours mean."""

    index: np.ndarray
    palette: list[str]
    legend: list[LegendEntry] | LegendRamp


def colour_options(run: RunRow) -> list[str]:
    """What the map can be coloured by: the selection, the scores that this run has, the dataset's groups."""
    scores = scores_of(run.run)
    titles = [title for name, (title, _, _) in SCORES.items() if scores[name].notna().any()]
    return [SELECTION, *titles, *(c for c in open_bench().group_columns(run.dataset) if c not in titles)]


def shape_colouring(shape: np.ndarray, without_place: int) -> Colouring:
    """Each shape in its own colour; `without_place` counts those that are not drawn too."""
    counts = np.bincount(shape, minlength=len(SHAPE_COLOURS))
    counts[QUARANTINED] = without_place
    legend = [
        LegendEntry(label, colour, of, int(counts[of]))
        for of, (label, colour) in SHAPE_COLOURS.items()
        if of in (SELECTED, LEFT_OUT) or counts[of]
    ]
    return Colouring(shape, [colour for _, colour in SHAPE_COLOURS.values()], legend)


def colouring_of(run: RunRow, by: str, marks: int) -> Colouring:
    """The run's map in the colours of a score, by its title, or of a column; `marks` counts those without a place too.

    Raises BadInput for a column that no row has.
    """
    rows = map_of(run.run)["row_number"]
    return _colouring(run.run, run.dataset, by, marks, len(open_bench().runs.taken_shards(run.run)), rows)


@st.cache_resource(show_spinner=False, max_entries=16)
def _colouring(run: str, dataset: str, by: str, marks: int, version: int, _rows: np.ndarray) -> Colouring:
    del version
    name = next((name for name, (title, _, _) in SCORES.items() if title == by), None)
    if name:
        return ramp_colouring(name, scores_of(run)[name].to_numpy(dtype=float)[_rows], marks)
    groups = open_bench().groups(dataset, by)
    return class_colouring(groups.codes[_rows], groups.names, marks)


def ramp_colouring(name: str, values: np.ndarray, marks: int) -> Colouring:
    """A score's `values` [n] along its ramp; marks beyond them, and those without a value, in grey."""
    is_logarithmic = name in LOGARITHMIC
    if is_logarithmic:
        values = np.log10(np.where(values > 0, values, np.nan))
    low, high = colour_range(values, signed=name in SIGNED)
    ramp = (DIVERGING if name in SIGNED else CIVIDIS)[:-1]
    scaled = (values - low) / max(high - low, 1e-12) * (len(ramp) - 1)
    index = np.full(marks, len(ramp), dtype=np.uint8)
    is_given = np.isfinite(scaled)
    index[: len(values)][is_given] = np.clip(scaled[is_given], 0, len(ramp) - 1).astype(np.uint8)
    title, unit, _ = SCORES[name]
    told = f"{title} ({unit})" if unit else title
    ends = (10**low, 10**high) if is_logarithmic else (low, high)
    title = f"{told}, logarithmic" if is_logarithmic else told
    legend = LegendRamp(format_sig(ends[0]), format_sig(ends[1]), title)
    return Colouring(index, [*ramp, NO_VALUE], legend)


def class_colouring(codes: np.ndarray, names: tuple[str, ...], marks: int) -> Colouring:
    """The seven commonest values in colours of their own, the others and marks beyond `codes` [n] in grey."""
    counts = np.bincount(codes, minlength=len(names))
    largest = [int(code) for code in np.argsort(-counts, kind="stable")[:LARGEST] if counts[code]]
    place_of_code = np.full(len(names), LARGEST, dtype=np.uint8)
    place_of_code[largest] = np.arange(len(largest))
    index = np.full(marks, LARGEST, dtype=np.uint8)
    index[: len(codes)] = place_of_code[codes]
    legend = [
        LegendEntry(shorten(names[code], LONGEST_NAME) or "(empty)", CATEGORIES[place], LEFT_OUT, int(counts[code]))
        for place, code in enumerate(largest)
    ]
    others = int(counts.sum() - counts[largest].sum())
    if others:
        legend.append(LegendEntry("Other", CATEGORIES[LARGEST], LEFT_OUT, others))
    return Colouring(index, list(CATEGORIES), legend)


def colour_range(values: np.ndarray, *, signed: bool) -> tuple[float, float]:
    """From the 1st to the 99th percentile, so that a single outlier does not wash out the rest;
    centred on 0 where the sign matters."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, [1, 99]))
    if signed:
        reach = max(abs(low), abs(high))
        return -reach, reach
    return low, high
