// The map: takes the data, keeps the view, draws. Joined last into one module.
//
// Streamlit calls the exported function again on every change of data, with the same root
// element. What must outlive a recolouring (camera, lasso, tool) is kept by the component's
// key and its points' fingerprint, so that it also outlives a visit to another page.

const MOST_PIXEL_RATIO = 2;
const WITHOUT_WEBGL =
  "The map needs WebGL2, which this browser does not offer. Turn on hardware acceleration or use a current browser.";

const maps = new WeakMap(); // root element → its map
const views = new Map(); // component key → its view

export default function renderScatter({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".scatter");
  const map = maps.get(root) ?? createMap(root);
  maps.set(root, map);
  map.sendLasso = (lasso) => setStateValue("lasso", lasso);
  map.sendClick = (click) => setTriggerValue("click", click);
  takeData(map, data);
  // Streamlit also cleans up calls that a newer one has overtaken, while the root lives on.
  return () => {
    if (!root.isConnected) release(map);
  };
}

/** Browsers keep about 16 WebGL contexts; a page that was left gives its own back. */
function release(map) {
  map.resizes.disconnect();
  map.gpu?.gl.getExtension("WEBGL_lose_context")?.loseContext();
}

function createMap(root) {
  const find = (selector) => root.querySelector(selector);
  const map = { root, stage: find(".stage"), marks: find(".marks"), overlay: find(".overlay") };
  map.tools = Object.fromEntries([...root.querySelectorAll("[data-tool]")].map((tool) => [tool.dataset.tool, tool]));
  map.gpu = createGpu(map.marks);
  map.gesture = null;
  map.frames = 0;
  map.resizes = new ResizeObserver(() => requestDraw(map));
  map.resizes.observe(map.stage);
  listenToPointer(map);
  listenToTools(map);
  map.marks.addEventListener("webglcontextlost", (event) => event.preventDefault());
  map.marks.addEventListener("webglcontextrestored", () => {
    map.gpu = createGpu(map.marks);
    uploadAll(map);
  });
  return map;
}

function takeData(map, data) {
  const column = (table, name) => table.getChild(name).toArray();
  map.data = data;
  map.points = {
    x: column(data.positions, "x"),
    y: column(data.positions, "y"),
    shape: column(data.marks, "shape"),
    colour: column(data.marks, "colour"),
  };
  const count = map.points.x.length;
  map.root.dataset.points = String(count);
  map.stage.style.setProperty("--stage-height", `${data.height}px`);
  map.overlay.setAttribute(
    "aria-label",
    `Map of ${count.toLocaleString("en-US")} examples. Arrow keys pan, plus and minus zoom, 0 resets, Escape clears the lasso.`,
  );
  takeView(map);
  uploadAll(map);
}

/** Finds the camera and lasso kept for these points, or starts with all of them in sight. */
function takeView(map) {
  const { key, fingerprint } = map.data;
  if (map.view?.fingerprint === fingerprint) return;
  const kept = views.get(key);
  const isKept = kept?.fingerprint === fingerprint;
  map.view = isKept ? kept : { fingerprint, camera: null, lasso: null, tool: kept?.tool ?? "pan" };
  map.bounds = boundsOf(map.points);
  map.crowding = crowdingOf(map.points, map.bounds);
  map.view.camera ??= wholeView(map);
  views.set(key, map.view);
  chooseTool(map, map.view.tool);
  showLassoState(map);
  // The server forgets a component's state when its page is left; the two must agree again.
  if (map.view.lasso) sendLasso(map);
}

function uploadAll(map) {
  const { data, points } = map;
  if (!map.gpu) return showNotice(map, WITHOUT_WEBGL);
  showNotice(map, points.x.length ? "" : "There are no points to show yet.");
  map.colours = themeColours(map);
  const palette = data.palette.map(hexToRgb);
  const shown = data.legend.ramp ? trimRamp(palette, hexToRgb(map.colours.ground)) : palette;
  uploadPoints(map.gpu, points);
  uploadPalette(map.gpu, shown);
  drawLegend(map.root.querySelector(".legend"), data.legend, shown);
  requestDraw(map);
}

/** Streamlit's colours as #rrggbb; a canvas context turns any CSS colour into that. */
function themeColours(map) {
  const style = getComputedStyle(map.root);
  const context = map.overlay.getContext("2d");
  const resolve = (name) => {
    context.fillStyle = style.getPropertyValue(name).trim();
    return context.fillStyle;
  };
  return {
    ground: resolve("--st-background-color"),
    text: resolve("--st-text-color"),
    accent: resolve("--st-primary-color"),
  };
}

function showNotice(map, text) {
  const notice = map.root.querySelector(".notice");
  notice.hidden = !text;
  notice.textContent = text;
}

function requestDraw(map) {
  map.hasStaleMarks = true;
  requestOverlay(map);
}

/** For what changes nothing but lasso and ring: a million marks need not be drawn again. */
function requestOverlay(map) {
  if (map.awaitsFrame || !map.view) return;
  map.awaitsFrame = true;
  requestAnimationFrame(() => {
    map.awaitsFrame = false;
    if (map.root.isConnected && map.stage.clientWidth && map.gpu) draw(map);
  });
}

function currentSizes(map) {
  return markSizes(pixelsPerUnit(map) / Math.sqrt(map.crowding), map.view.camera.zoom);
}

function draw(map) {
  const pixelRatio = Math.min(window.devicePixelRatio || 1, MOST_PIXEL_RATIO);
  fitCanvas(map.overlay, map.stage, pixelRatio);
  if (fitCanvas(map.marks, map.stage, pixelRatio)) map.hasStaleMarks = true;
  if (map.hasStaleMarks) drawMarks(map, pixelRatio);
  drawOverlay(map, pixelRatio);
}

function drawMarks(map, pixelRatio) {
  const { centre, zoom } = map.view.camera;
  // An outline where colour does not tell what is selected, else a gap.
  const rimColour = map.data.legend.shapes.length ? map.colours.text : map.colours.ground;
  drawPoints(map.gpu, {
    centre,
    pixelsPerUnit: pixelsPerUnit(map),
    pixelRatio,
    sizes: currentSizes(map),
    rimColour: hexToRgb(rimColour),
    leftOutOpacity: map.data.legend.ramp ? 0.9 : 0.75,
  });
  map.hasStaleMarks = false;
  map.frames += 1;
  map.root.dataset.drawn = String(map.frames);
  map.root.dataset.camera = JSON.stringify({ centre, zoom, pixelsPerUnit: pixelsPerUnit(map) });
}

/** Sets a canvas to the stage's size in device pixels; true if that has emptied it. */
function fitCanvas(canvas, stage, pixelRatio) {
  const width = Math.round(stage.clientWidth * pixelRatio);
  const height = Math.round(stage.clientHeight * pixelRatio);
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

function drawOverlay(map, pixelRatio) {
  const pen = map.overlay.getContext("2d");
  pen.setTransform(pixelRatio, 0, 0, pixelRatio, 0, 0);
  pen.clearRect(0, 0, map.stage.clientWidth, map.stage.clientHeight);
  const trail = map.gesture?.isLasso && map.gesture.isDrag ? map.gesture.trail : map.view.lasso;
  if (trail) drawLasso(map, pen, trail);
  if (map.data.highlight !== null) drawRing(map, pen, map.data.highlight);
}

function drawLasso(map, pen, trail) {
  pen.beginPath();
  for (const corner of trail) pen.lineTo(...toPixels(map, corner));
  pen.closePath();
  pen.globalAlpha = 0.07;
  pen.fillStyle = map.colours.accent;
  pen.fill("evenodd"); // as the server counts
  pen.globalAlpha = 1;
  pen.strokeStyle = map.colours.accent;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.stroke();
}

function drawRing(map, pen, row) {
  const { x, y, shape } = map.points;
  if (!Number.isFinite(x[row]) || !Number.isFinite(y[row])) return;
  const [left, top] = toPixels(map, [x[row], y[row]]);
  const radius = Math.max(currentSizes(map)[shape[row]] / 2 + 4, 7);
  for (const [colour, width] of [[map.colours.ground, 5], [map.colours.text, 2]]) {
    pen.beginPath();
    pen.arc(left, top, radius, 0, 2 * Math.PI);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }
}
