"""The map: which rows a hand means, in numpy and in a real browser; and the theme's numbers."""

import json
import math
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web import theme
from core.web.scatter import LegendEntry, ScatterEvent, ScatterPoints, nearest_point, points_inside

REPOSITORY = Path(__file__).parents[2]
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
    for arrays in [(x[:2], x, codes, codes), (x, x.astype(np.float64), codes, codes), (x, x, codes + 4, codes)]:
        with pytest.raises(ValueError, match=r"shape|float"):
            ScatterPoints(*arrays, ["#000000"])
    with pytest.raises(ValueError, match="not in the palette"):
        ScatterPoints(x, x, codes, codes + 1, ["#000000"])
    with pytest.raises(ValueError, match="#rrggbb"):
        ScatterPoints(x, x, codes, codes, ["#000000"], [LegendEntry("a", "red;background:url(x)", 0, 3)])


def test_numbers_read_as_the_pages_promise():
    assert [theme.format_count(n) for n in (7473, 0, -1200, None)] == ["7,473", "0", "−1,200", "–"]
    significant = {8.9: "8.90", 0.02134: "0.0213", 98_432: "98,400", 9.996: "10.0", -0.5: "−0.500", 1.2e-7: "1.20e−7"}
    assert {value: theme.format_sig(value) for value in significant} == significant
    assert [theme.format_sig(value) for value in (0, math.nan, math.inf, None)] == ["0", "–", "∞", "–"]
    shares = {0.814: "81 %", 0.094: "9.4 %", 0.0042: "0.42 %", 0.0999: "10 %", 1: "100 %", 0: "0 %", 12.34: "1,234 %"}
    assert {share: theme.format_percent(share) for share in shares} == shares
    spans = {0.034: "34 ms", 0.9996: "1.0 s", 45: "45 s", 59.6: "1 min", 125: "2 min 5 s", 3720: "1 h 2 min", 0: "0 s"}
    assert {seconds: theme.format_seconds(seconds) for seconds in spans} == spans


def luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_ramps_have_256_colours_that_rise_and_that_both_grounds_show():
    assert len(theme.CIVIDIS) == len(theme.DIVERGING) == 256
    assert np.all(np.diff([luminance(colour) for colour in theme.CIVIDIS]) > -0.002)
    for ground in ("#FFFFFF", "#0F1216"):
        for colour in (*theme.DIVERGING, theme.SELECTED, theme.LEFT_OUT, theme.PINNED, theme.BANNED):
            low, high = sorted((luminance(colour), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) > 2


def test_figures_share_one_layout_that_plotly_accepts():
    import plotly.graph_objects as go

    layout = go.Figure(layout=theme.figure_layout("Gains", "Rank", "Gain (nats)")).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("Rank", "Gain (nats)")


APP = """
import streamlit as st
from starlette.middleware import Middleware

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'"
)

class ContentSecurityPolicy:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
            await send(message)
        await self.app(scope, receive, send_with_policy)

app = st.App("page.py", middleware=[Middleware(ContentSecurityPolicy)])
"""

PAGE = """
import numpy as np
import streamlit as st
from core.web import theme
from core.web.scatter import LegendEntry, LegendRamp, ScatterPoints, nearest_point, points_inside, scatter

x, y = (axis.ravel().astype(np.float32) for axis in np.meshgrid(np.arange(8), np.arange(8)))
shape = (np.arange(64) % 8 == 0).astype(np.uint8)
by = st.radio("Colour by", ["selection", "score"])
if by == "selection":
    legend = [LegendEntry("<img src=x onerror=window.hacked=1>", theme.LEFT_OUT, 0, 56),
              LegendEntry("selected", theme.SELECTED, 1, 8)]
    points = ScatterPoints(x, y, shape, shape, [theme.LEFT_OUT, theme.SELECTED], legend, st.session_state.get("row"))
else:
    legend = LegendRamp("0", "63", "<b>score</b> (nats)")
    points = ScatterPoints(x, y, shape, np.arange(0, 256, 4).astype(np.uint8), theme.CIVIDIS, legend)
event = scatter(points, key="map", height=480)
row = nearest_point(x, y, event)
if row is not None:
    st.session_state.row = row
st.text(f"row: {st.session_state.get('row')}")
st.text(f"inside: {points_inside(x, y, event.lasso).tolist()}")
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("scatter")
    (folder / "app.py").write_text(APP)
    (folder / "page.py").write_text(PAGE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(folder / "app.py"), "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    try:
        for _ in range(150):
            assert server.poll() is None
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def open_map(page, address):
    page.goto(address)
    root = page.locator('.scatter[data-drawn]:not([data-drawn="0"])')
    root.wait_for()
    assert root.get_attribute("data-points") == "64"
    return root


def pixel_of(page, root, x, y):
    camera = json.loads(root.get_attribute("data-camera"))
    box = page.locator(".overlay").bounding_box()
    left = box["x"] + box["width"] / 2 + (x - camera["centre"][0]) * camera["pixelsPerUnit"]
    return left, box["y"] + box["height"] / 2 - (y - camera["centre"][1]) * camera["pixelsPerUnit"]


def drag(page, root, corners):
    pixels = [pixel_of(page, root, *corner) for corner in corners]
    page.mouse.move(*pixels[0])
    page.mouse.down()
    for pixel in pixels[1:]:
        page.mouse.move(*pixel, steps=4)
    page.mouse.up()


@pytest.mark.e2e
def test_click_and_lasso_on_the_map_name_the_exact_rows_and_outlive_a_recolouring(page, address):
    root = open_map(page, address)
    drag(page, root, [(3, 3), (3.5, 3.25)])  # pan
    box = page.locator(".overlay").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -150)
    page.wait_for_timeout(200)
    assert json.loads(root.get_attribute("data-camera"))["zoom"] > 1
    page.mouse.click(*pixel_of(page, root, 5, 2))
    page.get_by_text("row: 21", exact=True).wait_for()

    page.get_by_role("button", name="Lasso", exact=True).click()
    drag(page, root, [(0.5, 1.5), (3.5, 1.5), (3.5, 3.5), (2.5, 3.5), (2.5, 2.5), (0.5, 2.5)])
    page.get_by_text("inside: [17, 18, 19, 27]", exact=True).wait_for()
    camera = root.get_attribute("data-camera")

    page.get_by_text("score", exact=True).click()
    page.get_by_text("<b>score</b> (nats)", exact=True).wait_for()
    page.get_by_text("inside: [17, 18, 19, 27]", exact=True).wait_for()
    assert root.get_attribute("data-camera") == camera
    assert page.get_by_role("button", name="Clear lasso").is_enabled()

    page.get_by_role("button", name="Clear lasso").click()
    page.get_by_text("inside: []", exact=True).wait_for()


@pytest.mark.e2e
def test_a_label_with_markup_stays_text(page, address):
    root = open_map(page, address)
    page.get_by_text("<img src=x onerror=window.hacked=1>", exact=True).wait_for()
    assert root.locator("img").count() == 0
    assert page.evaluate("window.hacked") is None


@pytest.mark.e2e
def test_the_map_is_driven_by_keys_and_fits_a_phone(page, address):
    page.set_viewport_size({"width": 390, "height": 800})
    root = open_map(page, address)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("application").focus()
    for key, has_moved in (
        ("ArrowLeft", lambda after: after["centre"][0] < 3.5),
        ("+", lambda after: after["zoom"] > 1),
    ):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
        assert has_moved(json.loads(root.get_attribute("data-camera")))


@pytest.mark.e2e
def test_without_webgl2_the_map_says_so(page, address):
    page.add_init_script(
        "const getContext = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind === 'webgl2' ? null : getContext.call(this, kind, ...rest); };"
    )
    page.goto(address)
    assert "WebGL2" in page.get_by_role("alert").inner_text()
