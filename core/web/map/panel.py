"""The map page's panel: controls, map, and beside it what was clicked or lassoed."""

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.choices import Standing
from core.errors import GleanerError
from core.records import RunRow
from core.web.budget import show_budget
from core.web.cut import Cut, current_cut
from core.web.deciding import decide_on, standing_of
from core.web.lasso_address import Polygon, read_lasso, simplify, write_lasso
from core.web.map.colouring import SELECTION, Colouring, colour_options, colouring_of
from core.web.map.group import gains_of, show_group, show_table
from core.web.map.points import NO_ROW, Placed, describe_strips, found_marks, placed_of, scatter_points, shapes_of
from core.web.notices import escape_markdown, lead_to
from core.web.scatter import nearest_point, points_inside, scatter, visible_points
from core.web.scores import SCORES, reason_of, scores_of, shorten
from core.web.session import open_bench
from core.web.theme import format_count, format_sig

CLICKED, LASSO, AT_ROW = "map.clicked", "lasso", "at_row"
CARD_SCORES = ("nll", "entropy", "delta_nll", "delta_entropy")
HOW_TO_READ = (
    "Each point is an example. Points lie close together where the model reads their responses alike; the words name "
    "what the texts around them share. Distances between far-off groups mean little."
)
HOW_TO_USE = (
    "Click a point to read it. Draw a lasso or a box around points, or hold Shift and drag, to see what is special "
    "about them and what they are worth. Click the legend to switch kinds of points off: what is hidden is neither "
    "clicked nor lassoed."
)


@st.fragment
def map_panel(run: RunRow) -> None:
    """The map with all that follows it; only this is drawn again when something on it changes."""
    placed, cut, standing = placed_of(run), current_cut(), open_bench().decisions.standing(run.dataset)
    selected = cut.mask(len(scores_of(run.run))) if cut else np.zeros(len(scores_of(run.run)), dtype=bool)
    colouring, found = _controls(run, placed, selected)
    if cut:
        show_budget(cut)
    shape = shapes_of(placed, selected, standing)
    with st.container(horizontal=True, gap="medium", key="map_and_panel"):
        left, right = st.container(width="stretch", key="map_itself"), st.container(width=320, key="map_panel")
    clicked = _clicked(run, placed)
    with left:
        event = scatter(
            scatter_points(placed, shape, colouring, found, clicked, read_lasso(st.query_params.get(LASSO))),
            key=f"map.{run.run}",
        )
        if strips := describe_strips(placed):
            st.caption(strips)
    visible = visible_points(shape, event.hidden)
    lasso = simplify(event.lasso) if event.lasso else None
    _keep_lasso(lasso)
    hit = nearest_point(placed.x, placed.y, event, visible)
    if hit is not None and hit != clicked:
        _click(run, hit)
    inside = points_inside(placed.x, placed.y, lasso, visible)
    rows = np.sort(placed.rows[inside[inside < placed.placed]])
    with right, st.container(border=True):
        if clicked is not None:
            _show_mark(run, cut, placed, clicked, standing, len(rows))
        elif len(rows):
            show_group(run, cut, rows)
        else:
            _explain(cut)
    if len(rows):
        show_table(run, cut, rows, standing)


def _controls(run: RunRow, placed: Placed, selected: np.ndarray) -> tuple[Colouring | None, np.ndarray | None]:
    """The line above the map: colours, search, and how many were found."""
    colour, search, told = st.columns([1, 1.4, 1.6], vertical_alignment="bottom", gap="medium")
    by = colour.selectbox(
        "Colour by",
        colour_options(run),
        key="colour",
        bind="query-params",
        accept_new_options=True,
        help="The selection, a score, or a column of the rows as they came; type the name of any other column.",
    )
    text = search.text_input(
        "Search",
        key="find",
        bind="query-params",
        placeholder="Words in prompts and responses",
        icon=":material/search:",
    )
    found = found_marks(run, placed, text)
    with told:
        _tell_found(found, placed, selected)
    try:
        colouring = None if by in (None, SELECTION) else colouring_of(run, str(by), len(placed.rows))
    except GleanerError as error:
        st.error(escape_markdown(str(error)))
        colouring = None
    return colouring, found


def _tell_found(found: np.ndarray | None, placed: Placed, selected: np.ndarray) -> None:
    if found is not None:
        rows = placed.rows[: placed.placed][found[: placed.placed] == 1]
        count, chosen = format_count(len(rows)), format_count(int(selected[rows].sum()))
        st.caption(f"{count} {'example' if len(rows) == 1 else 'examples'} found, {chosen} selected; the others fade.")


def _clicked(run: RunRow, placed: Placed) -> int | None:
    """The mark that is read, of this run's map: the one last clicked, or that of the row in the address."""
    if CLICKED not in st.session_state and (asked := st.query_params.get(AT_ROW, "")).isdecimal():
        found = np.flatnonzero(placed.rows == int(asked[:18]))
        if len(found):
            st.session_state[CLICKED] = run.run, int(found[0])
    of, mark = st.session_state.get(CLICKED, (None, 0))
    clicked = mark if of == run.run and mark < len(placed.rows) else None
    if clicked is not None and placed.rows[clicked] != NO_ROW:
        st.query_params[AT_ROW] = str(placed.rows[clicked])
    else:
        st.query_params.pop(AT_ROW, None)
    return clicked


def _close() -> None:
    """Nothing is read any more."""
    st.session_state.pop(CLICKED, None)
    st.query_params.pop(AT_ROW, None)


def _click(run: RunRow, mark: int) -> None:
    st.session_state[CLICKED] = (run.run, mark)
    context = get_script_run_ctx()
    st.rerun(scope="fragment" if context and context.fragment_ids_this_run else "app")


def _keep_lasso(lasso: Polygon | None) -> None:
    """Write the lasso into the address, or take it out; a new lasso is looked at rather than the last click."""
    kept = read_lasso(st.query_params.get(LASSO))
    if lasso is None:
        st.query_params.pop(LASSO, None)
        return
    st.query_params[LASSO] = write_lasso(lasso)
    if lasso != kept:
        _close()


def _explain(cut: Cut | None) -> None:
    """Nothing clicked or lassoed: how to read this map."""
    st.markdown("**How to read this map**")
    st.write(HOW_TO_READ)
    st.write(HOW_TO_USE)
    if cut is None:
        st.write("Nothing is selected from this run yet, so all points are left out.")
        lead_to("select", "Choose examples")


def _show_mark(run: RunRow, cut: Cut | None, placed: Placed, mark: int, standing: Standing, lassoed: int) -> None:
    """What was clicked: an example, one that could not be scored, or a row in quarantine."""
    if mark < placed.placed:
        _show_example(run, cut, int(placed.rows[mark]), standing)
    elif mark < placed.placed + placed.unscored:
        _show_unscored(run, int(placed.rows[mark]))
    else:
        _show_quarantined(placed, mark - placed.placed - placed.unscored)
    back = f"Back to the {format_count(lassoed)} lassoed" if lassoed else "Close"
    if st.button(back, key="map.back", width="stretch"):
        _close()
        st.rerun()


def _show_example(run: RunRow, cut: Cut | None, row: int, standing: Standing) -> None:
    """Its texts, its scores, what it gains, and the way to its page."""
    st.markdown(f"**Row {format_count(row)}**")
    states = [_tell_place(cut, row) if cut else "", standing_of(standing, row)]
    if any(states):
        st.caption(", ".join(state for state in states if state).capitalize())
    _show_texts(run, row)
    values = scores_of(run.run).iloc[row]
    told = [f"{SCORES[name][0]} {format_sig(values[name])}" for name in CARD_SCORES if np.isfinite(values[name])]
    told = [f"{' · '.join(told)} nats", f"{format_count(int(values['response_tokens']))} response tokens"]
    if cut:
        gain = gains_of(cut.selection.selection, len(scores_of(run.run)))[row]
        if np.isfinite(gain):
            picked = row in cut.rows
            told.append(f"{'Gained' if picked else 'Would add'} {format_sig(float(gain))} nats")
    for line in told:
        st.caption(line)
    decide_on(run.dataset, [row], f"map.{run.run}.{row}")
    lead_to("example", "Read the whole example", row=str(row))


def _tell_place(cut: Cut, row: int) -> str:
    at = np.flatnonzero(cut.rows == row)
    return f"picked #{format_count(int(at[0]) + 1)} of {format_count(len(cut.rows))}" if len(at) else "left out"


def _show_texts(run: RunRow, row: int) -> None:
    (example,) = open_bench().datasets.texts(run.dataset, [row])
    st.caption("Prompt")
    st.text(shorten(example.prompt, 500) or "(none)")
    st.caption("Response")
    st.text(shorten(example.response, 700) or "(none)")


def _show_unscored(run: RunRow, row: int) -> None:
    """An example without scores, and why."""
    st.markdown(f"**Row {format_count(row)}, not scored**")
    st.text(reason_of(run.run, row) or "It has no feature to place it by.")
    _show_texts(run, row)
    lead_to("example", "Read the whole example", row=str(row))


def _show_quarantined(placed: Placed, number: int) -> None:
    """A row that could not be loaded: where it stood, and why."""
    row = placed.quarantined[number]
    st.markdown("**In quarantine**")
    st.text(f"{row.file.rpartition('/')[2]}, line {row.line:,}")
    st.text(row.reason)
    st.code(shorten(row.raw, 400) or "(empty)", language=None, wrap_lines=True)
    lead_to("dataset", "Mend it on the Dataset page")
