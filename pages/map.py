"""Where does the selection lie, and what lies beside it?"""

import streamlit as st

from core.records import RunRow
from core.web.mapping import COLOURS, map_points, show_example_card, show_group
from core.web.notices import show_errors
from core.web.scatter import nearest_point, points_inside, scatter
from core.web.scores import map_of, read_picks, scores_of, selected_mask
from core.web.session import current_selection, open_bench
from core.web.steps import require_finished_run
from core.web.strip import show_progress


def draw_map(run: RunRow) -> None:
    """The map over the page's width, with the clicked example or the lassoed group beside it."""
    points, frame = map_of(run.run), scores_of(run.run)
    selection = current_selection()
    picks = read_picks(selection.selection) if selection else []
    selected = selected_mask(picks, len(frame))[points["row_number"]]
    possible = [name for name in COLOURS if name == "selection" or frame[name].notna().any()]
    with st.container(width=280):
        colour = st.selectbox("Colour by", possible, format_func=lambda name: COLOURS[name], key="map.colour")
    left, right = st.columns([3, 1], gap="medium")
    standing, clicked_before = open_bench().decisions.standing(run.dataset), st.session_state.get("map.clicked")
    with left:
        event = scatter(
            map_points(points, frame.iloc[points["row_number"]], selected, standing, colour, clicked_before),
            key=f"map.{run.run}",
        )
    clicked = nearest_point(points["x"], points["y"], event)
    if event.clicked and clicked is not None and clicked != st.session_state.get("map.clicked"):
        st.session_state["map.clicked"] = clicked
        st.rerun(scope="fragment")
    inside = points_inside(points["x"], points["y"], event.lasso)
    with right:
        if len(inside):
            show_group(run, points["row_number"][inside], frame, selected[inside])
        elif "map.clicked" in st.session_state:
            show_example_card(run, int(points["row_number"][st.session_state["map.clicked"]]), frame, picks)
        else:
            st.write("Each point is an example. Points lie close together where the model reads their responses alike.")
            st.caption("Click a point to read it. Draw a lasso around points to see them as a group.")


@st.fragment
def map_panel(run: RunRow) -> None:
    """Only the map is drawn again when it is clicked."""
    draw_map(run)


@st.fragment(run_every=1.0)
def wait_for_map(run: str) -> None:
    """The map's job, until its points are there."""
    bench = open_bench()
    progress = bench.map_progress(run)
    if progress.has_ended:
        bench.take_in()
        st.rerun()
    show_progress(progress)


def offer_map(run: RunRow) -> None:
    """No map yet: say what it will show and draw it on request."""
    bench = open_bench()
    progress = bench.map_progress(run.run)
    if progress.is_working:
        wait_for_map(run.run)
        return
    if progress.state == "failed":
        st.warning("The last attempt to draw the map failed; its log is in the run's folder, map/log.txt.")
    st.write("The map places every example by its mean response feature (UMAP), so that alike responses lie together.")
    if st.button("Draw the map", type="primary"):
        bench.start_map(run.run)
        st.rerun()


with show_errors():
    finished = require_finished_run()
    if finished:
        if st.session_state.get("map.run") != finished.run:
            st.session_state["map.run"] = finished.run
            st.session_state.pop("map.clicked", None)
        if len(map_of(finished.run)["x"]):
            map_panel(finished)
        else:
            offer_map(finished)
