// Shows where many points lie over one another. Joined after gpu.js into one module.
//
// Zoomed out, a million dots are one blot. Instead the points in sight are counted in cells of
// two pixels, and the counts are drawn on a logarithmic scale: the fuller a cell, the more
// opaque it is. Its colour is the mean of its points', so a score still shows. Counting takes
// some 10 ms for a million points on one core and needs no float textures.

const CELL_PIXELS = 2;
const DEEPEST_SHADE = 0.62;
const ROOM_FOR_DOTS = 2.4; // pixels between the points of a typical place
const ROOM_TOO_SMALL = 1.2;
const FEW_POINTS = 5000; // stay dots, however small the screen

/** How much of `count` points is drawn as density, from 0 (dots) to 1, by the `room` of a typical one. */
function densityShare(count, room) {
  if (count < FEW_POINTS) return 0;
  const way = Math.min(Math.max((ROOM_FOR_DOTS - room) / (ROOM_FOR_DOTS - ROOM_TOO_SMALL), 0), 1);
  return way * way * (3 - 2 * way);
}

/** Points of one layer by cell of the stage, bottom row first: counts, and sums of red, green and blue. */
function countCells(map, layer) {
  const { stage, gpu, palette } = map;
  const [centreX, centreY] = map.view.camera.centre;
  const columns = Math.max(Math.ceil(stage.clientWidth / CELL_PIXELS), 1);
  const rows = Math.max(Math.ceil(stage.clientHeight / CELL_PIXELS), 1);
  const scale = pixelsPerUnit(map) / CELL_PIXELS;
  const left = centreX - stage.clientWidth / CELL_PIXELS / 2 / scale;
  const bottom = centreY - stage.clientHeight / CELL_PIXELS / 2 / scale;

  const sums = new Float32Array(4 * columns * rows);
  const colours = new Float32Array(palette.flat());
  const { positions, colours: indices } = gpu.sorted;
  for (let slot = layer.first; slot < layer.first + layer.count; slot++) {
    const column = (positions[2 * slot] - left) * scale;
    const row = (positions[2 * slot + 1] - bottom) * scale;
    if (!(column >= 0 && column < columns && row >= 0 && row < rows)) continue;
    const cell = 4 * ((column | 0) + columns * (row | 0));
    const colour = 3 * indices[slot];
    sums[cell] += colours[colour];
    sums[cell + 1] += colours[colour + 1];
    sums[cell + 2] += colours[colour + 2];
    sums[cell + 3] += 1;
  }
  return { columns, rows, sums };
}

/** The count at which a cell is fully opaque: three times what a typical point has round it. */
function fullCount(sums) {
  let [points, squares] = [0, 0];
  for (let cell = 3; cell < sums.length; cell += 4) {
    points += sums[cell];
    squares += sums[cell] * sums[cell];
  }
  return Math.max((3 * squares) / Math.max(points, 1), 4);
}

/** The density of a layer as a picture: opacity from `faintest` up; full cells lean towards `shade` if there is one. */
function paintDensity(map, layer, faintest, shade) {
  const { columns, rows, sums } = countCells(map, layer);
  const full = Math.log1p(fullCount(sums));
  const pixels = new Uint8Array(4 * columns * rows);
  for (let cell = 0; cell < sums.length; cell += 4) {
    const count = sums[cell + 3];
    if (!count) continue;
    const depth = Math.min(Math.log1p(count) / full, 1);
    const opacity = faintest + (1 - faintest) * depth;
    const shaded = shade ? DEEPEST_SHADE * depth * depth : 0;
    for (let channel = 0; channel < 3; channel++) {
      const mean = sums[cell + channel] / count;
      pixels[cell + channel] = opacity * (mean + shaded * ((shade?.[channel] ?? 0) - mean));
    }
    pixels[cell + 3] = 255 * opacity;
  }
  return { columns, rows, pixels };
}
