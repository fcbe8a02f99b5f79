// How large, how opaque and with what rim each layer is drawn. Joined after density.js into one module.

const FADED = 0.16;
// Opacity of a cell with a single point. A selected one must be seen above what is left out.
const FAINTEST = { [SHAPES.leftOut]: 0.2, [SHAPES.selected]: 0.5 };

/** Pixels between neighbours where a typical point lies, if `count` of all points are drawn. */
function roomOf(map, count = map.points.x.length) {
  return pixelsPerUnit(map) * Math.sqrt(map.points.x.length / Math.max(count, 1) / map.crowding);
}

/** Mark diameters in CSS pixels by shape: as large as the room of a typical point allows, then slowly with the zoom. */
function markSizes(map) {
  const largest = Math.min(5 * Math.max(map.view.camera.zoom, 1) ** 0.2, 9);
  const dot = Math.min(Math.max(0.9 * roomOf(map), 1.4), largest);
  const disc = 1.85 * dot - 0.3;
  return [dot, disc, disc + 7, disc + 8, disc + 4];
}

/** None on tiny marks, where it would eat the colour. */
function rimWidth(size) {
  return Math.min(Math.max(0.3 * (size - 3.5), 0), 0.9);
}

/** Size and rim in CSS pixels, opacity, rimColour. */
function lookOf(map, layer) {
  const { leftOut, quarantined, banned } = SHAPES;
  const size = markSizes(map)[layer.shape] + (layer.isFound ? 2.2 : 0);
  const isPlain = layer.shape === quarantined || (layer.shape === leftOut && !layer.isFound);
  let opacity = 1;
  if (layer.shape === leftOut) opacity = map.data.legend.ramp ? 0.9 : 0.75;
  if (layer.isFound) opacity = 1;
  else if (map.points.found) opacity *= FADED;
  // An outline where colour does not tell what is selected, and round what was found; else a gap.
  const isOutlined = layer.isFound || map.data.legend.shapes.length > 0;
  const rimColour = hexToRgb(isOutlined ? map.colours.text : map.colours.ground);
  const rim = isPlain ? 0 : rimWidth(size) * (layer.shape === banned ? 0.6 : 1); // a cross is thin
  return { size, rim, opacity, rimColour };
}

/** Draws every layer that the legend has not switched off: as density where it is crowded, else as marks. */
function drawLayers(map, pixelRatio) {
  const { gpu, view } = map;
  const frame = { centre: view.camera.centre, pixelsPerUnit: pixelsPerUnit(map), pixelRatio };
  const shade = map.data.legend.ramp || map.hasManyColours ? null : hexToRgb(map.colours.text);
  clearMarks(gpu);
  map.root.dataset.density = "0";
  for (const layer of gpu.layers) {
    if (!layer.count || view.hidden.has(layer.shape)) continue;
    const look = lookOf(map, layer);
    const share = layer.shape in FAINTEST && !layer.isFound ? densityShare(layer.count, roomOf(map, layer.count)) : 0;
    if (share > 0) {
      drawWash(gpu, paintDensity(map, layer, FAINTEST[layer.shape], shade), share * (map.points.found ? 2 * FADED : 1));
      look.opacity *= 1 - share;
    }
    if (look.opacity > 0) drawLayer(gpu, layer, look, frame);
    if (layer.shape === SHAPES.leftOut && !layer.isFound) map.root.dataset.density = share.toFixed(2);
  }
}
