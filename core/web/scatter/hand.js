// What buttons, keys and the pointer do to a map. Joined before scatter.js into one module.

const DRAG_PIXELS = 4;
const LASSO_STEP_PIXELS = 3;
const CLICK_PIXELS = 10;
const BUTTON_ZOOM = 1.6;
const ARROW_PIXELS = 60;

const GESTURE_TOOLS = ["pan", "lasso", "box"];

function listenToTools(map) {
  const actions = {
    pan: () => chooseTool(map, "pan"),
    lasso: () => chooseTool(map, "lasso"),
    box: () => chooseTool(map, "box"),
    "zoom-in": () => zoomAtCentre(map, BUTTON_ZOOM),
    "zoom-out": () => zoomAtCentre(map, 1 / BUTTON_ZOOM),
    reset: () => resetCamera(map),
    clear: () => setLasso(map, null),
  };
  for (const [name, act] of Object.entries(actions)) map.tools[name].addEventListener("click", act);

  const keys = {
    ArrowLeft: () => panBy(map, ARROW_PIXELS, 0),
    ArrowRight: () => panBy(map, -ARROW_PIXELS, 0),
    ArrowUp: () => panBy(map, 0, ARROW_PIXELS),
    ArrowDown: () => panBy(map, 0, -ARROW_PIXELS),
    "+": actions["zoom-in"],
    "=": actions["zoom-in"],
    "-": actions["zoom-out"],
    0: actions.reset,
    Escape: actions.clear,
    Enter: () => setLasso(map, sightCorners(map)),
    p: actions.pan,
    l: actions.lasso,
    b: actions.box,
  };
  map.overlay.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!(key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    keys[key]();
  });
}

function chooseTool(map, tool) {
  map.view.tool = tool;
  for (const name of GESTURE_TOOLS) map.tools[name].setAttribute("aria-pressed", String(tool === name));
  map.overlay.classList.toggle("lassoing", tool !== "pan");
}

/** The corners of all that is in sight, for hands that draw no lasso. */
function sightCorners(map) {
  return boxCorners(map, [0, 0], [map.stage.clientWidth, map.stage.clientHeight]);
}

function boxCorners(map, [left, top], [right, bottom]) {
  return [[left, top], [right, top], [right, bottom], [left, bottom]].map((pixel) => toData(map, pixel));
}

function setLasso(map, lasso) {
  if (!lasso && !map.view.lasso) return;
  map.view.lasso = lasso;
  map.lassoToShow = null;
  showLassoState(map);
  requestOverlay(map);
  sendLasso(map);
}

function showLassoState(map) {
  map.tools.clear.disabled = !map.view.lasso;
}

function sendLasso(map) {
  const { lasso, fingerprint } = map.view;
  const corners = lasso ?? []; // empty: cleared, where nothing at all would let the server take the address's
  map.send("lasso", { fingerprint, x: corners.map(([x]) => x), y: corners.map(([, y]) => y) });
}

function pointerPixel(map, event) {
  const box = map.stage.getBoundingClientRect();
  return [event.clientX - box.left - map.stage.clientLeft, event.clientY - box.top - map.stage.clientTop];
}

function distance([left, top], [otherLeft, otherTop]) {
  return Math.hypot(left - otherLeft, top - otherTop);
}

function listenToPointer(map) {
  const { overlay } = map;
  overlay.addEventListener("pointerdown", (event) => startGesture(map, event));
  overlay.addEventListener("pointermove", (event) => continueGesture(map, event));
  overlay.addEventListener("pointerup", (event) => endGesture(map, event));
  overlay.addEventListener("pointercancel", () => dropGesture(map));
  overlay.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 * event.deltaY : event.deltaY;
      zoomAt(map, pointerPixel(map, event), Math.exp(-0.0015 * pixels));
    },
    { passive: false },
  );
}

function startGesture(map, event) {
  if (event.button !== 0 || map.gesture) return;
  map.overlay.setPointerCapture(event.pointerId);
  const start = pointerPixel(map, event);
  const tool = map.view.tool === "pan" && event.shiftKey ? "lasso" : map.view.tool;
  map.gesture = { pointer: event.pointerId, start, last: start, tool, isDrag: false, trail: [toData(map, start)] };
}

function continueGesture(map, event) {
  const { gesture } = map;
  if (gesture?.pointer !== event.pointerId) return;
  const pixel = pointerPixel(map, event);
  gesture.isDrag ||= distance(pixel, gesture.start) >= DRAG_PIXELS;
  if (!gesture.isDrag) return;
  if (gesture.tool === "pan") {
    map.overlay.classList.add("panning");
    panBy(map, pixel[0] - gesture.last[0], pixel[1] - gesture.last[1]);
  } else if (gesture.tool === "box") {
    gesture.trail = boxCorners(map, gesture.start, pixel);
    requestOverlay(map);
  } else {
    if (distance(pixel, gesture.last) < LASSO_STEP_PIXELS) return;
    gesture.trail.push(toData(map, pixel));
    requestOverlay(map);
  }
  gesture.last = pixel;
}

function endGesture(map, event) {
  const { gesture } = map;
  if (gesture?.pointer !== event.pointerId) return;
  dropGesture(map);
  if (!gesture.isDrag) {
    const [x, y] = toData(map, gesture.start);
    const radius = Math.max(CLICK_PIXELS, markSizes(map)[SHAPES.selected] / 2) / pixelsPerUnit(map);
    map.trigger("click", { x, y, radius });
  } else if (gesture.tool !== "pan" && gesture.trail.length >= 3) {
    setLasso(map, gesture.trail);
  }
}

function dropGesture(map) {
  map.gesture = null;
  map.overlay.classList.remove("panning");
  requestOverlay(map);
}
