// The legend, its switches, and the colours it shares with the marks. Joined before scatter.js into one module.
// Labels may be text from a dataset: they become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";
const LEAST_CONTRAST = 1.5;

const SHAPE_OUTLINES = [
  { tag: "circle", attributes: { cx: 6, cy: 6, r: 2.6 } },
  { tag: "circle", attributes: { cx: 6, cy: 6, r: 4.6 } },
  { tag: "path", attributes: { d: "M6 .4 11.6 6 6 11.6 .4 6Z" } },
  { tag: "path", attributes: { d: "M2.6 1 6 4.4 9.4 1 11 2.6 7.6 6 11 9.4 9.4 11 6 7.6 2.6 11 1 9.4 4.4 6 1 2.6Z" } },
  { tag: "rect", attributes: { x: 2, y: 2, width: 8, height: 8 }, isHollow: true },
];

function hexToRgb(hex) {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function rgbToCss(rgb) {
  return `rgb(${rgb.join(" ")})`;
}

/** WCAG relative luminance of [red, green, blue] in 0 to 255. */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** The same ramp without the ends that this ground would swallow, stretched to its length. */
function trimRamp(ramp, ground) {
  const visible = ramp.filter((colour) => contrast(colour, ground) >= LEAST_CONTRAST);
  if (visible.length < 2) return ramp;
  return ramp.map((_, index) => {
    const place = (index / Math.max(ramp.length - 1, 1)) * (visible.length - 1);
    return visible[Math.round(place)];
  });
}

function makeText(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

/** A symbol without a colour stands for the shape alone, outlined as on the map. */
function makeSymbol(shape, colour) {
  const { tag, attributes, isHollow } = SHAPE_OUTLINES[shape];
  const svg = document.createElementNS(SVG, "svg");
  const outline = document.createElementNS(SVG, tag);
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, value] of Object.entries(attributes)) outline.setAttribute(name, value);
  outline.setAttribute("fill", isHollow ? "none" : (colour ?? "var(--left-out)"));
  if (isHollow) outline.setAttribute("stroke-width", "1.6");
  if (isHollow || (!colour && shape !== SHAPES.leftOut)) outline.setAttribute("stroke", colour ?? "currentColor");
  svg.append(outline);
  return svg;
}

/** A class with its count; a button that switches it on and off where it stands alone for its shape. */
function makeEntries(map, entries) {
  const list = document.createElement("ul");
  for (const { label, colour, shape, count, isSwitch } of entries) {
    const item = document.createElement("li");
    const holder = document.createElement(isSwitch ? "button" : "span");
    const name = makeText("label", label);
    holder.className = "entry";
    name.title = label;
    holder.append(makeSymbol(shape, colour), name, makeText("count", count.toLocaleString("en-US")));
    if (isSwitch) {
      holder.type = "button";
      holder.dataset.shape = shape;
      holder.addEventListener("click", () => toggleShape(map, shape));
    }
    item.append(holder);
    list.append(item);
  }
  return list;
}

function toggleShape(map, shape) {
  const { hidden } = map.view;
  if (!hidden.delete(shape)) hidden.add(shape);
  showSwitches(map);
  requestDraw(map);
  sendHidden(map);
}

function sendHidden(map) {
  map.send("hidden", [...map.view.hidden].sort());
}

function showSwitches(map) {
  for (const button of map.legend.querySelectorAll("button")) {
    const isShown = !map.view.hidden.has(Number(button.dataset.shape));
    button.setAttribute("aria-pressed", String(isShown));
    button.title = isShown ? "Shown on the map; press to hide" : "Hidden; press to show on the map";
  }
}

function makeRamp({ title, low, high }, palette) {
  const ramp = document.createElement("div");
  const strip = document.createElement("span");
  ramp.className = "ramp";
  strip.className = "strip";
  strip.style.background = `linear-gradient(to right, ${palette.map(rgbToCss).join(", ")})`;
  ramp.append(makeText("title", title), makeText("low", low), strip, makeText("high", high));
  return ramp;
}

/** `legend.ramp` describes a continuous palette; `entries` and `shapes` are rows with counts. */
function drawLegend(map, palette) {
  const { ramp, entries, shapes } = map.data.legend;
  const parts = [];
  if (ramp) parts.push(makeRamp(ramp, palette));
  if (entries.length) parts.push(makeEntries(map, entries));
  if (shapes.length) parts.push(makeEntries(map, shapes));
  const focused = map.root.getRootNode().activeElement?.dataset.shape;
  map.legend.replaceChildren(...parts);
  showSwitches(map);
  if (focused) map.legend.querySelector(`[data-shape="${focused}"]`)?.focus();
}
