// Where a point lies on the screen and back. Joined before scatter.js into one module.
//
// A camera is a centre in data units and a zoom, where 1 shows all points; both axes share
// one scale.

const LEAST_ZOOM = 0.5;
const MOST_ZOOM = 2000;
const MARGIN_PIXELS = 24;
const POLYGON_SHARE = 0.5;
const MOST_POLYGON_ZOOM = 200;
const CROWD_CELLS = 64;

function boundsOf({ x, y }) {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let row = 0; row < x.length; row++) {
    if (!Number.isFinite(x[row]) || !Number.isFinite(y[row])) continue;
    if (x[row] < left) left = x[row];
    if (x[row] > right) right = x[row];
    if (y[row] < bottom) bottom = y[row];
    if (y[row] > top) top = y[row];
  }
  return left <= right ? { left, right, bottom, top } : { left: -1, right: 1, bottom: -1, top: 1 };
}

/** Points per square unit as the typical point meets them: how many others its cell holds, on average. */
function crowdingOf({ x, y }, { left, right, bottom, top }) {
  const side = Math.max(right - left, top - bottom) / CROWD_CELLS || 1;
  const counts = new Float64Array((CROWD_CELLS + 1) ** 2);
  let total = 0;
  for (let row = 0; row < x.length; row++) {
    if (!Number.isFinite(x[row]) || !Number.isFinite(y[row])) continue;
    const cell = Math.floor((x[row] - left) / side) + (CROWD_CELLS + 1) * Math.floor((y[row] - bottom) / side);
    counts[cell] += 1;
    total += 1;
  }
  const squares = counts.reduce((sum, count) => sum + count * count, 0);
  return Math.max(squares / Math.max(total, 1) - 1, 0.5) / side ** 2;
}

function wholeView({ bounds }) {
  return { centre: [(bounds.left + bounds.right) / 2, (bounds.bottom + bounds.top) / 2], zoom: 1 };
}

function pixelsPerUnit({ stage, bounds, view }) {
  const width = bounds.right - bounds.left || 1;
  const height = bounds.top - bounds.bottom || 1;
  const across = Math.max(stage.clientWidth - 2 * MARGIN_PIXELS, 1) / width;
  const upward = Math.max(stage.clientHeight - 2 * MARGIN_PIXELS, 1) / height;
  return Math.min(across, upward) * view.camera.zoom;
}

function toData(map, [left, top]) {
  const { stage, view } = map;
  const scale = pixelsPerUnit(map);
  const [x, y] = view.camera.centre;
  return [x + (left - stage.clientWidth / 2) / scale, y - (top - stage.clientHeight / 2) / scale];
}

function toPixels(map, [x, y]) {
  const { stage, view } = map;
  const scale = pixelsPerUnit(map);
  const [centreX, centreY] = view.camera.centre;
  return [stage.clientWidth / 2 + (x - centreX) * scale, stage.clientHeight / 2 - (y - centreY) * scale];
}

function panBy(map, across, down) {
  const scale = pixelsPerUnit(map);
  const [x, y] = map.view.camera.centre;
  map.view.camera.centre = [x - across / scale, y + down / scale];
  requestDraw(map);
}

/** Zooms so that what lies under `pixel` stays there. */
function zoomAt(map, pixel, factor) {
  const { camera } = map.view;
  const before = toData(map, pixel);
  camera.zoom = Math.min(Math.max(camera.zoom * factor, LEAST_ZOOM), MOST_ZOOM);
  const after = toData(map, pixel);
  camera.centre = [camera.centre[0] + before[0] - after[0], camera.centre[1] + before[1] - after[1]];
  requestDraw(map);
}

function zoomAtCentre(map, factor) {
  zoomAt(map, [map.stage.clientWidth / 2, map.stage.clientHeight / 2], factor);
}

function resetCamera(map) {
  map.view.camera = wholeView(map);
  requestDraw(map);
}

/** Moves the camera so that a polygon that would be small on the screen can be seen in its surroundings. */
function showPolygon(map, corners) {
  const [across, upward] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  const [left, right, bottom, top] = [Math.min(...across), Math.max(...across), Math.min(...upward), Math.max(...upward)];
  const { clientWidth, clientHeight } = map.stage;
  const fit = Math.min(clientWidth / Math.max(right - left, 1e-9), clientHeight / Math.max(top - bottom, 1e-9));
  const zoom = Math.min((map.view.camera.zoom * POLYGON_SHARE * fit) / pixelsPerUnit(map), MOST_POLYGON_ZOOM);
  if (zoom > 1) map.view.camera = { centre: [(left + right) / 2, (bottom + top) / 2], zoom };
}
