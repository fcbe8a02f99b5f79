// The legend and the colours it shares with the marks. Joined before scatter.js into one module.
// Labels may be text from a dataset: they become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";
const LEAST_CONTRAST = 1.5;

const SHAPE_OUTLINES = [
  { tag: "circle", attributes: { cx: 6, cy: 6, r: 2.6 } },
  { tag: "circle", attributes: { cx: 6, cy: 6, r: 4.6 } },
  { tag: "path", attributes: { d: "M6 .4 11.6 6 6 11.6 .4 6Z" } },
  { tag: "path", attributes: { d: "M2.6 1 6 4.4 9.4 1 11 2.6 7.6 6 11 9.4 9.4 11 6 7.6 2.6 11 1 9.4 4.4 6 1 2.6Z" } },
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
  const { tag, attributes } = SHAPE_OUTLINES[shape];
  const svg = document.createElementNS(SVG, "svg");
  const outline = document.createElementNS(SVG, tag);
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, value] of Object.entries(attributes)) outline.setAttribute(name, value);
  outline.setAttribute("fill", colour ?? "var(--left-out)");
  if (!colour && shape !== SHAPES.leftOut) outline.setAttribute("stroke", "currentColor");
  svg.append(outline);
  return svg;
}

function makeEntries(entries) {
  const list = document.createElement("ul");
  for (const { label, colour, shape, count } of entries) {
    const item = document.createElement("li");
    const name = makeText("label", label);
    name.title = label;
    item.append(makeSymbol(shape, colour), name, makeText("count", count.toLocaleString("en-US")));
    list.append(item);
  }
  return list;
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
function drawLegend(element, legend, palette) {
  const parts = [];
  if (legend.ramp) parts.push(makeRamp(legend.ramp, palette));
  if (legend.entries.length) parts.push(makeEntries(legend.entries));
  if (legend.shapes.length) parts.push(makeEntries(legend.shapes));
  element.replaceChildren(...parts);
}
