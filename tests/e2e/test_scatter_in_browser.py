"""The map in Chromium: hand, keys, legend, what outlives a change, and a browser without WebGL."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import CHROMIUM_FLAGS, installed_chromium
from tests.e2e.driving import wait_in

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.e2e

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
from core.web.scatter import (
    LegendEntry, LegendRamp, MapLabel, ScatterPoints, nearest_point, points_inside, scatter, visible_points
)

places, colours, searches = st.columns(3)  # all of the map must lie in sight
here = places.radio("Positions", range(5), format_func="set {}".format, horizontal=True)
x, y = (axis.ravel().astype(np.float32) for axis in np.meshgrid(np.arange(8), np.arange(8)))
x += 100 * here
shape = (np.arange(64) % 8 == 0).astype(np.uint8)
by = colours.radio("Colour by", ["selection", "score"], horizontal=True)
found = (x >= 4).astype(np.uint8) if searches.checkbox("search") else None
labels = [MapLabel("<img src=x onerror=window.hacked=2>", 2, 6, 30), MapLabel("verse", 5, 2, 20)]
start = [(0.5, 0.5), (1.5, 0.5), (1.5, 1.5), (0.5, 1.5)] if "lasso" in st.query_params else None
if by == "selection":
    legend = [LegendEntry("<img src=x onerror=window.hacked=1>", theme.LEFT_OUT, 0, 56),
              LegendEntry("selected", theme.SELECTED, 1, 8)]
    points = ScatterPoints(x, y, shape, shape, [theme.LEFT_OUT, theme.SELECTED], legend,
                           st.session_state.get("row"), found, labels, start)
else:
    legend = LegendRamp("0", "63", "<b>score</b> (nats)")
    colour = np.arange(0, 256, 4).astype(np.uint8)
    points = ScatterPoints(x, y, shape, colour, theme.CIVIDIS, legend, None, found, labels, start)
event = scatter(points, key=f"map{here}", height=480)
visible = visible_points(shape, event.hidden)
row = nearest_point(x, y, event, visible)
if row is not None:
    st.session_state.row = row
st.text(f"row: {st.session_state.get('row')}")
st.text(f"inside: {points_inside(x, y, event.lasso, visible).tolist()}")
st.text(f"corners: {len(event.lasso or [])}")
st.text(f"hidden: {list(event.hidden)}")
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


def camera_of(root):
    return json.loads(root.get_attribute("data-camera"))


def says(page, text):
    page.get_by_text(text, exact=True).wait_for()


def test_click_and_lasso_on_the_map_name_the_exact_rows_and_outlive_a_recolouring(page, address):
    root = open_map(page, address)
    drag(page, root, [(3, 3), (3.5, 3.25)])  # pan
    box = page.locator(".overlay").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -150)
    wait_in(page, lambda: camera_of(root)["zoom"] > 1)
    page.mouse.click(*pixel_of(page, root, 5, 2))
    says(page, "row: 21")

    page.get_by_role("button", name="Lasso", exact=True).click()
    drag(page, root, [(0.5, 1.5), (3.5, 1.5), (3.5, 3.5), (2.5, 3.5), (2.5, 2.5), (0.5, 2.5)])
    says(page, "inside: [17, 18, 19, 27]")
    camera = root.get_attribute("data-camera")

    page.get_by_text("score", exact=True).click()
    says(page, "<b>score</b> (nats)")
    says(page, "inside: [17, 18, 19, 27]")
    assert root.get_attribute("data-camera") == camera
    expect(page.get_by_role("button", name="Lasso", exact=True)).to_have_attribute("aria-pressed", "true")

    page.get_by_role("button", name="Clear lasso").click()
    says(page, "inside: []")


def test_a_box_is_a_lasso_of_four_corners(page, address):
    root = open_map(page, address)
    page.get_by_role("button", name="Box", exact=True).click()
    drag(page, root, [(2.5, 0.5), (4.5, 1.5)])
    says(page, "inside: [11, 12]")
    says(page, "corners: 4")


def test_a_class_switched_off_in_the_legend_is_not_drawn_clicked_or_lassoed(page, address):
    root = open_map(page, address)
    switch = page.get_by_role("button", name="selected 8")
    expect(switch).to_have_attribute("aria-pressed", "true")
    frames = int(root.get_attribute("data-drawn"))
    switch.focus()
    page.keyboard.press("Enter")
    says(page, "hidden: [1]")
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(switch).to_be_focused()
    assert int(root.get_attribute("data-drawn")) > frames
    page.get_by_role("button", name="Box", exact=True).click()
    drag(page, root, [(-0.3, -0.3), (1.5, 1.5)])
    says(page, "inside: [1, 9]")
    page.mouse.click(*pixel_of(page, root, 0, 3))
    page.mouse.click(*pixel_of(page, root, 1, 4))
    says(page, "row: 33")
    switch.click()
    says(page, "inside: [0, 1, 8, 9]")


def test_a_lasso_in_the_address_is_taken_shown_large_and_can_be_cleared(page, address):
    page.goto(f"{address}?lasso=1")
    root = page.locator('.scatter[data-drawn]:not([data-drawn="0"])')
    root.wait_for()
    says(page, "inside: [9]")
    assert camera_of(root)["centre"] == [1, 1]
    assert camera_of(root)["zoom"] > 2
    page.get_by_role("button", name="Clear lasso").click()
    says(page, "inside: []")
    page.get_by_text("score", exact=True).click()
    says(page, "<b>score</b> (nats)")
    says(page, "inside: []")


def test_positions_travel_once_and_are_asked_for_where_the_browser_has_dropped_them(page, address):
    root = open_map(page, address)
    for place in (1, 2, 3, 4, 0):
        page.get_by_text(f"set {place}", exact=True).click()
        expect(root).to_have_count(1)  # the map before it stays until the script is done
        page.wait_for_function(
            "x => [...document.querySelectorAll('*')].some(e => "
            "JSON.parse(e.shadowRoot?.querySelector('.scatter')?.dataset.camera ?? '{}').centre?.[0] === x)",
            arg=100 * place + 3.5,
        )
        expect(root).to_have_count(1)
        expect(root).to_have_attribute("data-points", "64")
    page.mouse.click(*pixel_of(page, root, 5, 2))
    says(page, "row: 21")


def test_the_map_comes_back_when_the_graphics_card_lets_go_of_it(page, address):
    root = open_map(page, address)
    root.evaluate(
        "async root => { const gl = root.querySelector('.marks').getContext('webgl2');"
        " const lost = gl.getExtension('WEBGL_lose_context'); lost.loseContext();"
        " await new Promise((done) => setTimeout(done, 100)); root.dataset.drawn = '0'; lost.restoreContext(); }"
    )
    expect(root).not_to_have_attribute("data-drawn", "0")
    assert root.evaluate(COLOURED_PIXELS) > 500


COLOURED_PIXELS = """root => { const marks = root.querySelector('.marks');
  const copy = Object.assign(document.createElement('canvas'), { width: marks.width, height: marks.height });
  return new Promise((done) => { root.getRootNode().querySelector('[data-tool=reset]').click();
    requestAnimationFrame(() => { const pen = copy.getContext('2d'); pen.drawImage(marks, 0, 0);
      const { data } = pen.getImageData(0, 0, copy.width, copy.height);
      let count = 0; for (let at = 3; at < data.length; at += 4) count += data[at] > 0; done(count); }); }); }"""


def test_a_search_fades_the_rest_and_dataset_text_stays_text(page, address):
    root = open_map(page, address)
    says(page, "<img src=x onerror=window.hacked=1>")
    expect(root).to_have_attribute("data-labels", "2")
    assert root.locator("img").count() == 0
    assert page.evaluate("window.hacked") is None
    frames = root.get_attribute("data-drawn")
    page.get_by_text("search", exact=True).click()
    expect(root).not_to_have_attribute("data-drawn", frames)


def test_the_map_is_driven_by_keys_and_fits_a_phone(page, address):
    page.set_viewport_size({"width": 390, "height": 800})
    root = open_map(page, address)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("application").focus()
    for key, has_moved in (
        ("ArrowLeft", lambda after: after["centre"][0] < 3.5),
        ("+", lambda after: after["zoom"] > 1),
        ("0", lambda after: after["zoom"] == 1),
    ):
        page.keyboard.press(key)
        wait_in(page, lambda has_moved=has_moved: has_moved(camera_of(root)))
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Box", exact=True)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    says(page, f"inside: {list(range(64))}")
    page.keyboard.press("Escape")
    says(page, "inside: []")


@pytest.fixture
def page_without_webgl(playwright) -> Iterator:
    flags = [flag for flag in CHROMIUM_FLAGS if "swiftshader" not in flag]
    browser = playwright.chromium.launch(
        executable_path=installed_chromium(), args=[*flags, "--disable-gpu", "--disable-3d-apis"]
    )
    yield browser.new_page()
    browser.close()


def test_without_webgl_plotly_draws_the_map_and_a_box_counts_the_same_rows(page_without_webgl, address):
    page = page_without_webgl
    page.goto(address)
    plot = page.locator(".js-plotly-plot .nsewdrag")
    plot.wait_for()
    page.get_by_text("This browser does not offer WebGL2.").wait_for()
    assert page.evaluate("window.hacked") is None

    page.locator("[data-title='Box Select']").dispatch_event("click")
    area = plot.bounding_box()
    page.mouse.move(area["x"] + 2, area["y"] + 2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] - 2, area["y"] + area["height"] - 2, steps=5)
    page.mouse.up()
    says(page, f"inside: {list(range(64))}")
    says(page, "corners: 4")
    page.get_by_text("● Selected 8", exact=True).click()
    says(page, "hidden: [1]")
    says(page, f"inside: {[row for row in range(64) if row % 8]}")
    page.get_by_text("score", exact=True).click()
    says(page, f"inside: {[row for row in range(64) if row % 8]}")
    page.get_by_role("button", name="Clear the lasso").click()
    says(page, "inside: []")
