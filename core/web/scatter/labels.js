// Writes the neighbourhoods' words on the map. Joined after looks.js into one module.
//
// The words may come from a dataset: they are painted with fillText and never become markup.

const MOST_LABELS = 16; // with all points in sight; more when zoomed in
const MOST_LETTERS = 36;
const LABEL_HEIGHT = 18;
const LABEL_GAP = 6;
const LABEL_RISE = 16; // above its neighbourhood's middle, or a small tight one would be hidden by its own name

/** The labels with one-line texts, the larger neighbourhood first. */
function prepareLabels(labels) {
  const shorten = (text) => {
    const line = Array.from(text.replace(/\s+/g, " ").trim());
    return line.length > MOST_LETTERS ? `${line.slice(0, MOST_LETTERS - 1).join("")}…` : line.join("");
  };
  return labels.map((label) => ({ ...label, text: shorten(label.text) })).sort((one, other) => other.count - one.count);
}

/** Those labels that fit without touching one another, each moved sideways if the edge would cut it. */
function placeLabels(map, pen) {
  const { clientWidth, clientHeight } = map.stage;
  const most = MOST_LABELS * Math.max(map.view.camera.zoom, 1);
  const placed = [];
  for (const { text, x, y } of map.labels) {
    if (placed.length >= most) break;
    const [across, centre] = toPixels(map, [x, y]);
    const down = centre - LABEL_RISE;
    if (across < 0 || across > clientWidth || down < 0 || down > clientHeight) continue;
    const half = pen.measureText(text).width / 2;
    const middle = Math.max(Math.min(across, clientWidth - half - LABEL_GAP), half + LABEL_GAP);
    const label = { text, middle, down, left: middle - half, right: middle + half };
    const isFree = placed.every(
      (other) =>
        label.right + LABEL_GAP < other.left ||
        other.right + LABEL_GAP < label.left ||
        Math.abs(down - other.down) > LABEL_HEIGHT,
    );
    if (isFree) placed.push(label);
  }
  return placed;
}

function drawLabels(map, pen) {
  pen.save();
  pen.font = `600 12px ${map.colours.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  const placed = placeLabels(map, pen);
  for (const { text, middle, down } of placed) {
    pen.strokeStyle = map.colours.ground;
    pen.globalAlpha = 0.85;
    pen.lineWidth = 4;
    pen.strokeText(text, middle, down);
    pen.globalAlpha = 1;
    pen.fillStyle = map.colours.text;
    pen.fillText(text, middle, down);
  }
  pen.restore();
  map.root.dataset.labels = String(placed.length);
}
