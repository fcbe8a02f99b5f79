// Draws one frame: the marks on one canvas; words, lasso and ring on another above it.
// Joined before scatter.js into one module.

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

function draw(map) {
  const pixelRatio = Math.min(window.devicePixelRatio || 1, MOST_PIXEL_RATIO);
  if (map.lassoToShow) showPolygon(map, map.lassoToShow); // only now has the stage its size
  map.lassoToShow = null;
  fitCanvas(map.overlay, map.stage, pixelRatio);
  if (fitCanvas(map.marks, map.stage, pixelRatio)) map.hasStaleMarks = true;
  if (map.hasStaleMarks) drawMarks(map, pixelRatio);
  drawOverlay(map, pixelRatio);
}

function drawMarks(map, pixelRatio) {
  const { centre, zoom } = map.view.camera;
  drawLayers(map, pixelRatio);
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
  drawLabels(map, pen);
  const isDrawing = map.gesture?.isDrag && map.gesture.tool !== "pan";
  const trail = isDrawing ? map.gesture.trail : map.view.lasso;
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
  if (!Number.isFinite(x[row]) || !Number.isFinite(y[row]) || map.view.hidden.has(shape[row])) return;
  const [left, top] = toPixels(map, [x[row], y[row]]);
  const radius = Math.max(markSizes(map)[shape[row]] / 2 + 4, 7);
  for (const [colour, width] of [[map.colours.ground, 5], [map.colours.text, 2]]) {
    pen.beginPath();
    pen.arc(left, top, radius, 0, 2 * Math.PI);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }
}
