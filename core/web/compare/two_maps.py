"""Where do two choices lie? Two maps, one lasso: what is lassoed on one counts on the other.

The lasso last drawn or cleared is the one that counts. On the other map its examples stay bright while the rest
fades, so it works whether the two runs share their positions or not.
"""

from typing import Any

import numpy as np
import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.records import RunRow
from core.web.compare.charts import BOTH, NEITHER, ONLY_A, ONLY_B
from core.web.compare.examples import show_places
from core.web.lasso_address import Polygon, read_lasso, simplify, write_lasso
from core.web.linked import choose_linked
from core.web.notices import lead_to
from core.web.scatter import LEFT_OUT, SELECTED, LegendEntry, ScatterPoints, points_inside, scatter, visible_points
from core.web.scores import map_of
from core.web.theme import format_count
from core.workbench.differing import Difference

NAMES = ("In neither", "Only in A", "In both", "Only in B")
CLASSES = ("neither", "only_a", "both", "only_b")
LASSOS = {"A": "lasso_a", "B": "lasso_b"}
"""Names in the address: of the class that is listed, under `shown`, and of the lasso on either map."""
CODES = np.array([0, 1, 3, 2], dtype=np.uint8)
"""Of only A, only B and both, as 1, 2 and 3 would count them."""
PALETTE = [NEITHER, ONLY_A, BOTH, ONLY_B]
HEIGHT = 460


def show_maps(found: Difference) -> None:
    """Both maps side by side, then the lassoed examples."""
    sides = {"A": (found.a, found.rows_a), "B": (found.b, found.rows_b)}
    without = [letter for letter, (side, _) in sides.items() if not len(map_of(side.run.run)["x"])]
    if without:
        st.write(f"The scoring run of {' and '.join(without)} has no map yet.")
        lead_to("map", "Draw the map", run=sides[without[0]][0].run.run)
        return
    _panel(found)


@st.fragment
def _panel(found: Difference) -> None:
    key = f"compare.map.{found.a.name}.{found.b.name}"
    codes = CODES[found.a.chosen + 2 * found.b.chosen]
    lasso: dict[str, Any] = st.session_state.setdefault(
        f"{key}.lasso", {"by": None, "places": None, "A": None, "B": None}
    )
    asked = {letter: read_lasso(st.query_params.get(name)) for letter, name in LASSOS.items()}
    events = {}
    for column, letter in zip(st.columns(2, gap="medium"), "AB", strict=True):
        side, rows = (found.a, found.rows_a) if letter == "A" else (found.b, found.rows_b)
        with column:
            st.markdown(f"**{letter}**")
            x, y, places = positions(side.run, rows)
            lit = lasso["places"] if lasso["by"] not in (None, letter) else None
            points = _points(x, y, places, codes, side.chosen, lit, asked[letter])
            events[letter] = (scatter(points, key=f"{key}.{letter}", height=HEIGHT), points, places)
    for letter, (event, points, places) in events.items():
        if event.lasso != lasso[letter]:
            visible = visible_points(points.shape, event.hidden)
            drawn = simplify(event.lasso) if event.lasso else None
            inside = places[points_inside(points.x, points.y, drawn, visible)] if drawn else None
            lasso |= {letter: event.lasso, "by": letter if drawn else None, "places": inside}
            _keep(letter, drawn)
            _draw_again()
    if lasso["places"] is None:
        st.caption("Large points are the examples that each side chose. Draw a lasso on either map to see both sides.")
    else:
        _show_group(found, lasso["places"], codes, str(lasso["by"]))


def _keep(letter: str, drawn: Polygon | None) -> None:
    """The lasso that counts stands in the address, under the name of its map."""
    for name in LASSOS.values():
        st.query_params.pop(name, None)
    if drawn:
        st.query_params[LASSOS[letter]] = write_lasso(drawn)


def _draw_again() -> None:
    """The maps alone, where only they are being drawn."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:
        st.rerun()


def positions(run: RunRow, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The points of a run's map, and which of the compared examples, by `rows` [U], each of them is."""
    points = map_of(run.run)
    place = np.full(max(int(rows.max()), int(points["row_number"].max())) + 1, -1)
    place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    found = place[points["row_number"]]
    return points["x"][found >= 0], points["y"][found >= 0], found[found >= 0]


def _points(
    x: np.ndarray,
    y: np.ndarray,
    places: np.ndarray,
    codes: np.ndarray,
    chosen: np.ndarray,
    lit: np.ndarray | None,
    asked: Polygon | None,
) -> ScatterPoints:
    """A side's map: the colour says who has an example, a large point that this side has it."""
    counts = np.bincount(codes[places], minlength=len(NAMES))
    entries = [
        LegendEntry(name, PALETTE[i], LEFT_OUT, int(counts[i])) for i, name in enumerate(NAMES) if i == 0 or counts[i]
    ]
    shape = np.where(chosen[places], SELECTED, LEFT_OUT).astype(np.uint8)
    found = None if lit is None else np.isin(places, lit).astype(np.uint8)
    return ScatterPoints(x, y, shape, codes[places], PALETTE, entries, found=found, start_lasso=asked)


def _show_group(found: Difference, places: np.ndarray, codes: np.ndarray, by: str) -> None:
    counts = np.bincount(codes[places], minlength=len(NAMES))
    told = ", ".join(
        f"{format_count(count)} {name[0].lower()}{name[1:]}" for name, count in zip(NAMES, counts, strict=True) if count
    )
    st.markdown(f"**{format_count(len(places))} examples in the lasso on {by}**{f': {told}' if told else ''}.")
    if not len(places):
        return
    there = [name for name, count in zip(CLASSES, counts, strict=True) if count]
    usual = next((name for name in there if name in ("only_a", "only_b")), there[0])
    shown = CLASSES.index(
        choose_linked(
            st.segmented_control,
            "Show",
            "shown",
            there,
            lambda name: NAMES[CLASSES.index(name)],
            usual,
            required=True,
            label_visibility="collapsed",
        )
    )
    inside = places[codes[places] == shown]
    order = (found.b if shown == 3 else found.a).spans.first[inside]
    letter = {1: "A", 3: "B"}.get(shown, "")
    in_a = found.rows_a[inside] >= 0
    if not letter and not in_a.all():
        st.caption(f"{format_count(int((~in_a).sum()))} are not in A's version of the dataset and not listed.")
        inside, order = inside[in_a], order[in_a]
    show_places(found, inside[np.argsort(order, kind="stable")], f"compare.map.table.{shown}", letter)
