// The map: takes the data, keeps the view, draws. Joined last into one module.
//
// Streamlit calls the exported function again on every change of data, with the same root
// element. What must outlive a recolouring (camera, lasso, tool, switched-off shapes) is kept by
// the component's key and its points' fingerprint, so that it also outlives a visit to another page.

const MOST_PIXEL_RATIO = 2;
const MOST_KEPT = 3;
const WITHOUT_WEBGL = "This browser does not offer WebGL2. A simpler map follows.";

const maps = new WeakMap(); // root element → its map
const views = new Map(); // component key → its view
const arraysKept = new Map(); // fingerprint of the positions → their points' arrays, which the server sends once

export default function renderScatter({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".scatter");
  const map = maps.get(root) ?? createMap(root);
  maps.set(root, map);
  map.send = setStateValue;
  map.trigger = setTriggerValue;
  if (!map.gpu) askForSimplerMap(map);
  else if (keepArrays(data)) takeData(map, data);
  else map.trigger("needs", data.fingerprint);
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
  const map = { root, stage: find(".stage"), marks: find(".marks"), overlay: find(".overlay"), legend: find(".legend") };
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
    if (map.gpu) uploadAll(map);
    else askForSimplerMap(map);
  });
  return map;
}

function askForSimplerMap(map) {
  showNotice(map, WITHOUT_WEBGL);
  map.send("webgl", false);
}

/** Takes over the arrays that came with the data; false where one neither came nor is kept. */
function keepArrays({ positions, fingerprint, marks, marksFingerprint }) {
  const kept = positions ? { x: columnOf(positions, "x"), y: columnOf(positions, "y") } : arraysKept.get(fingerprint);
  if (!kept) return false;
  if (marks) for (const name of ["shape", "colour", "found"]) kept[name] = columnOf(marks, name);
  if (marks) kept.marksFingerprint = marksFingerprint;
  arraysKept.delete(fingerprint); // to the end: the oldest goes first
  arraysKept.set(fingerprint, kept);
  if (arraysKept.size > MOST_KEPT) arraysKept.delete(arraysKept.keys().next().value);
  return kept.marksFingerprint === marksFingerprint;
}

function columnOf(table, name) {
  return table.getChild(name)?.toArray() ?? null;
}

function takeData(map, data) {
  map.data = data;
  map.points = arraysKept.get(data.fingerprint);
  map.labels = prepareLabels(data.labels);
  const count = map.points.x.length;
  map.root.dataset.points = String(count);
  map.stage.style.setProperty("--stage-height", `${data.height}px`);
  map.overlay.setAttribute(
    "aria-label",
    `Map of ${count.toLocaleString("en-US")} examples. Arrow keys pan, plus and minus zoom, 0 shows all, ` +
      "P, L and B choose pan, lasso and box, Enter lassoes what is in sight, Escape clears the lasso.",
  );
  takeView(map);
  uploadAll(map);
}

/** Finds the camera and lasso kept for these points, or starts with all of them in sight. */
function takeView(map) {
  const { key, fingerprint, startLasso } = map.data;
  if (map.view?.fingerprint === fingerprint) return;
  const kept = views.get(key);
  const isKept = kept?.fingerprint === fingerprint;
  const [tool, hidden] = [kept?.tool ?? "pan", kept?.hidden ?? new Set()];
  map.view = isKept ? kept : { fingerprint, camera: null, lasso: startLasso, tool, hidden };
  map.lassoToShow = isKept ? null : startLasso;
  map.bounds = boundsOf(map.points);
  map.crowding = crowdingOf(map.points, map.bounds);
  map.view.camera ??= wholeView(map);
  views.set(key, map.view);
  chooseTool(map, map.view.tool);
  showLassoState(map);
  // The server forgets a component's state when its page is left; the two must agree again.
  if (map.view.lasso || startLasso) sendLasso(map);
  if (map.view.hidden.size) sendHidden(map);
}

/** Brings points and palette to the graphics card, unless the same already lie there. */
function uploadAll(map) {
  const { data, points } = map;
  showNotice(map, points.x.length ? "" : "There are no points to show yet.");
  map.colours = themeColours(map);
  const content = JSON.stringify([data.fingerprint, data.marksFingerprint, data.palette, data.legend, map.colours]);
  if (map.gpu.content === content) return requestOverlay(map);
  map.gpu.content = content;
  const palette = data.palette.map(hexToRgb);
  map.palette = data.legend.ramp ? trimRamp(palette, hexToRgb(map.colours.ground)) : palette;
  uploadPoints(map.gpu, points);
  uploadPalette(map.gpu, map.palette);
  map.hasManyColours = hasManyColours(map);
  drawLegend(map, map.palette);
  requestDraw(map);
}

/** Whether the left-out points differ in colour, so that their density must keep it. */
function hasManyColours({ gpu }) {
  const { colours } = gpu.sorted;
  return gpu.layers.some(
    ({ shape, first, count }) =>
      shape === SHAPES.leftOut && colours.subarray(first, first + count).some((colour) => colour !== colours[first]),
  );
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
    font: style.fontFamily,
  };
}

function showNotice(map, text) {
  const notice = map.root.querySelector(".notice");
  notice.hidden = !text;
  notice.textContent = text;
}
