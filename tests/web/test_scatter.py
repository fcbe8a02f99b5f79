"""The map in numpy: which rows a hand means, what is refused, and what a browser without WebGL2 gets."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web import theme
from core.web.scatter import (
    BANNED,
    LEFT_OUT,
    PINNED,
    QUARANTINED,
    SELECTED,
    LegendEntry,
    LegendRamp,
    MapLabel,
    ScatterEvent,
    ScatterPoints,
    nearest_point,
    points_inside,
    visible_points,
)
from core.web.scatter.fallback import draw_figure, read_selection, sample_rows
from core.web.scatter.points import describe_legend, fingerprint_positions

coordinates = st.floats(-10, 10, width=32)
places = st.tuples(coordinates, coordinates)


def winding_number(point: tuple[float, float], polygon: list[tuple[float, float]]) -> int:
    """How often the polygon turns round the point, by the sum of the angles it is seen under."""
    angles = [math.atan2(y - point[1], x - point[0]) for x, y in polygon]
    turns = [math.remainder(after - before, math.tau) for before, after in pairwise([*angles, angles[0]])]
    return round(sum(turns) / math.tau)


def distance_to_edges(point: tuple[float, float], polygon: list[tuple[float, float]]) -> float:
    def to_segment(a: np.ndarray, b: np.ndarray) -> float:
        along = np.clip(np.dot(point - a, b - a) / max(np.dot(b - a, b - a), 1e-12), 0, 1)
        return float(np.linalg.norm(a + along * (b - a) - point))

    corners = [np.array(corner) for corner in polygon]
    return min(to_segment(a, b) for a, b in pairwise([*corners, corners[0]]))


@given(st.lists(places, max_size=40), st.lists(places, min_size=3, max_size=12))
def test_points_inside_are_those_that_the_polygon_winds_round_an_odd_number_of_times(points, polygon):
    points = [point for point in points if distance_to_edges(point, polygon) > 1e-3]
    x, y = np.array(points, dtype=np.float32).reshape(-1, 2).T
    expected = [row for row, point in enumerate(points) if winding_number(point, polygon) % 2]
    assert points_inside(x, y, polygon).tolist() == expected


@given(st.lists(places, min_size=1, max_size=60), places, st.floats(0.01, 8))
def test_nearest_point_is_the_nearest_within_the_radius(points, click, radius):
    x, y = np.array(points, dtype=np.float32).T
    distances = [math.dist(point, click) for point in points]
    row = nearest_point(x, y, ScatterEvent(clicked=(*click, radius)))
    if row is None:
        assert min(distances) > radius * (1 - 1e-9)
    else:
        assert distances[row] == pytest.approx(min(distances))
        assert distances[row] <= radius * (1 + 1e-9)


def test_what_has_no_position_is_never_meant():
    x, y = np.array([np.nan, 0, 1], dtype=np.float32), np.array([0, np.nan, 1], dtype=np.float32)
    assert points_inside(x, y, [(-5, -5), (5, -5), (5, 5), (-5, 5)]).tolist() == [2]
    assert nearest_point(x, y, ScatterEvent(clicked=(0, 0, 9))) == 2
    assert nearest_point(x, y, ScatterEvent()) is None
    assert points_inside(x, y, None).tolist() == []


def test_points_that_do_not_fit_together_are_refused():
    x, codes = np.zeros(3, dtype=np.float32), np.zeros(3, dtype=np.uint8)
    ScatterPoints(x, x, codes, codes, ["#000000"])
    for arrays in [(x[:2], x, codes, codes), (x, x.astype(np.float64), codes, codes), (x, x, codes + 5, codes)]:
        with pytest.raises(ValueError, match=r"shape|float"):
            ScatterPoints(*arrays, ["#000000"])
    with pytest.raises(ValueError, match="not in the palette"):
        ScatterPoints(x, x, codes, codes + 1, ["#000000"])
    with pytest.raises(ValueError, match="#rrggbb"):
        ScatterPoints(x, x, codes, codes, ["#000000"], [LegendEntry("a", "red;background:url(x)", 0, 3)])
    with pytest.raises(ValueError, match="found is"):
        ScatterPoints(x, x, codes, codes, ["#000000"], found=codes[:2])
    with pytest.raises(ValueError, match="no finite place"):
        ScatterPoints(x, x, codes, codes, ["#000000"], labels=[MapLabel("a", math.nan, 0, 3)])
    with pytest.raises(ValueError, match="no finite place"):
        ScatterPoints(x, x, codes, codes, ["#000000"], start_lasso=[(0, 0), (1, math.inf), (1, 0)])


@given(st.lists(st.tuples(places, st.integers(0, 4)), max_size=40), st.sets(st.integers(0, 4)), st.floats(0.1, 5))
def test_what_the_legend_hides_is_neither_clicked_nor_lassoed(points, hidden, radius):
    x, y = np.array([place for place, _ in points], dtype=np.float32).reshape(-1, 2).T
    shape = np.array([kind for _, kind in points], dtype=np.uint8)
    visible = visible_points(shape, tuple(hidden))
    square = [(-4.01, -4.01), (4.01, -4.01), (4.01, 4.01), (-4.01, 4.01)]
    shown = [row for row, (_, kind) in enumerate(points) if kind not in hidden]
    inside = [row for row in shown if max(abs(x[row]), abs(y[row])) < 4.01]
    assert points_inside(x, y, square, visible).tolist() == inside
    row = nearest_point(x, y, ScatterEvent(clicked=(0, 0, radius)), visible)
    near = [row for row in shown if math.hypot(x[row], y[row]) <= radius]
    assert (row in near) if near else (row is None)


def some_points(shape, **more) -> ScatterPoints:
    shape = np.asarray(shape, dtype=np.uint8)
    x = np.random.default_rng(1).normal(size=len(shape)).astype(np.float32)
    return ScatterPoints(x, x[::-1].copy(), shape, np.zeros_like(shape), ["#000000"], **more)


def test_only_a_class_that_stands_alone_for_its_shape_is_a_switch_and_the_browser_can_read_it():
    def legend_of(*entries):
        legend = describe_legend(some_points([LEFT_OUT] * 3 + [SELECTED], legend=list(entries)))
        return json.loads(json.dumps(legend))

    plain = legend_of(LegendEntry("out", "#000000", LEFT_OUT, 3), LegendEntry("in", "#000000", SELECTED, 1))
    assert [entry["isSwitch"] for entry in plain["entries"]] == [True, True]
    assert plain["shapes"] == []
    topics = legend_of(LegendEntry("maths", "#000000", LEFT_OUT, 2), LegendEntry("poems", "#000000", LEFT_OUT, 2))
    assert [entry["isSwitch"] for entry in topics["entries"]] == [False, False]
    assert [(shape["shape"], shape["count"]) for shape in topics["shapes"]] == [(LEFT_OUT, 3), (SELECTED, 1)]


def test_positions_have_a_digest_of_their_content_that_is_computed_once_for_the_same_arrays(monkeypatch):
    x, y = np.arange(5, dtype=np.float32), np.ones(5, dtype=np.float32)
    digest = fingerprint_positions(x, y)
    assert digest == fingerprint_positions(x.copy(), y.copy()) != fingerprint_positions(y, x)
    monkeypatch.setattr("core.web.scatter.points.blake2b", None)
    assert fingerprint_positions(x, y) == digest


def test_the_plotly_map_keeps_all_that_was_decided_found_or_selected_and_samples_what_is_left_out():
    shape = np.zeros(5_000, dtype=np.uint8)
    shape[:200], shape[200:210], shape[210:220], shape[220:225] = SELECTED, PINNED, BANNED, QUARANTINED
    found = np.zeros(5_000, dtype=np.uint8)
    found[4_000:4_100] = 1
    points = some_points(shape, found=found, highlight=4_999)
    rows = sample_rows(points, most=1_000)
    assert len(rows) == len(set(rows)) == 1_000
    assert {*range(225), *range(4_000, 4_100), 4_999} <= set(rows)
    assert np.array_equal(rows, np.sort(rows))
    assert not set(sample_rows(points, (SELECTED,), most=1_000)) & set(range(200))


def test_the_plotly_map_shows_many_selected_against_what_is_left_out_and_does_not_flicker():
    shape = np.repeat(np.array([SELECTED, LEFT_OUT], dtype=np.uint8), 5_000)
    rows = sample_rows(some_points(shape), most=1_000)
    assert np.bincount(shape[rows]).tolist() == [200, 800]
    shape[0] = LEFT_OUT
    again = sample_rows(some_points(shape), most=1_000)
    assert len(np.intersect1d(rows, again)) >= 998


def test_the_plotly_map_reads_a_lasso_a_box_and_a_click():
    lasso = {"points": [{"x": 1, "y": 2}], "box": [], "lasso": [{"x": [0, 1, 1], "y": [0, 0, 1]}]}
    assert read_selection(lasso, 0.5) == ([(0, 0), (1, 0), (1, 1)], None)
    box = {"points": [], "box": [{"x": [0, 2], "y": [1, 3]}], "lasso": []}
    assert read_selection(box, 0.5) == ([(0, 1), (2, 1), (2, 3), (0, 3)], None)
    assert read_selection({"points": [{"x": 1, "y": 2}], "box": [], "lasso": []}, 0.5) == (None, (1, 2, 0.5))
    assert read_selection({"points": [], "box": [], "lasso": []}, 0.5) == (None, None)


def test_the_plotly_map_escapes_what_a_dataset_may_have_written():
    hostile = "<a href='javascript:alert(1)'>x</a>"
    entries = [LegendEntry(hostile, theme.LEFT_OUT, LEFT_OUT, 3)]
    labels = [MapLabel(hostile, 0, 0, 3)]
    for legend in (entries, LegendRamp(hostile, hostile, hostile)):
        points = some_points([LEFT_OUT] * 3, legend=legend, labels=labels)
        figure = draw_figure(points, np.arange(3), [(0, 0), (1, 0), (1, 1)], 480)
        assert "&lt;a href" in str(figure.to_dict())
        assert "<a" not in str(figure.to_dict())
