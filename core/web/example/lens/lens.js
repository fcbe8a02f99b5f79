// The token lens: one span a token, shaded by its number; the number itself on hover and from key to key.

const lenses = new WeakMap(); // root element → its lens
const INK = ["#ffffff", "#000000"];
const LEAST_CONTRAST = 4.5;

export default function renderLens({ parentElement, data }) {
  const root = parentElement.querySelector(".lens");
  const lens = lenses.get(root) ?? createLens(root);
  lenses.set(root, lens);
  lens.data = data;
  drawTokens(lens);
  shade(lens);
}

function createLens(root) {
  const find = (selector) => root.querySelector(selector);
  const lens = { root, tokens: find(".tokens"), cut: find(".cut"), tip: find(".tip"), spans: [], at: -1 };
  lens.tokens.addEventListener("pointerover", (event) => point(lens, placeOf(event.target)));
  lens.tokens.addEventListener("pointerleave", () => point(lens, -1));
  lens.tokens.addEventListener("keydown", (event) => step(lens, event));
  lens.tokens.addEventListener("blur", () => point(lens, -1));
  root.addEventListener("transitionend", (event) => {
    if (event.target === root && event.propertyName === "color") shade(lens);
  });
  return lens;
}

const placeOf = (element) => Number(element.dataset?.place ?? -1);

function drawTokens(lens) {
  const { pieces, cut, title } = lens.data;
  point(lens, -1);
  lens.spans = pieces.map((piece, place) => {
    const span = document.createElement("span");
    span.className = piece === "" ? "token further" : "token";
    span.dataset.place = String(place);
    span.textContent = visible(piece);
    return span;
  });
  lens.tokens.replaceChildren(...lens.spans);
  lens.tokens.setAttribute(
    "aria-label",
    `Response of ${pieces.length.toLocaleString("en-US")} tokens, shaded by ${title}. Arrow keys go from token to token.`,
  );
  lens.cut.hidden = cut === "";
  lens.cut.textContent = cut;
}

/** A token of white space alone as signs that can be seen; its line breaks stay line breaks. */
function visible(piece) {
  if (piece.trim() !== "") return piece;
  return piece.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\n", "↵\n");
}

function shade(lens) {
  const style = getComputedStyle(lens.root);
  const ground = channels(style.getPropertyValue("--st-background-color").trim() || "#ffffff");
  const text = channels(style.color);
  lens.spans.forEach((span, place) => {
    const colour = shadeOf(lens.data, lens.data.values[place], ground);
    span.style.background = css(colour);
    span.style.color = css(inkOn(colour, text));
  });
}

/** A difference fades from either end into the ground at 0; anything else runs along the ramp from 0. */
function shadeOf({ most, ramp, is_difference }, value, ground) {
  const share = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
  if (!is_difference) return channels(ramp[Math.round(share * (ramp.length - 1))]);
  const end = channels(ramp[value < 0 ? 0 : 1]);
  return ground.map((channel, i) => Math.round(channel + share * (end[i] - channel)));
}

/** The page's own text colour where it can be read, else white or black: one of them always can. */
function inkOn(colour, text) {
  if (contrast(colour, text) >= LEAST_CONTRAST) return text;
  const [white, black] = INK.map(channels);
  return contrast(colour, white) > contrast(colour, black) ? white : black;
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour) {
  const [red, green, blue] = colour.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** `#rrggbb` or `rgb(r, g, b)` as three numbers. */
function channels(colour) {
  if (colour.startsWith("#")) return [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
  return colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

const css = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;

/** Show the number of one token, or of none. */
function point(lens, place) {
  lens.spans[lens.at]?.classList.remove("at");
  lens.at = place;
  const span = lens.spans[place];
  lens.tip.hidden = !span;
  if (!span) return;
  span.classList.add("at");
  const { title, unit, values, pieces } = lens.data;
  const token = pieces[place] === "" ? "rest of a character" : `“${visible(pieces[place]).trimEnd()}”`;
  const number = write(values[place]);
  lens.tip.textContent = `${title} ${number}${unit ? ` ${unit}` : ""}, token ${place + 1} of ${pieces.length}: ${token}`;
  const box = span.getClientRects()[0] ?? span.getBoundingClientRect();
  const around = lens.root.getBoundingClientRect();
  const left = Math.min(box.left - around.left, around.width - lens.tip.offsetWidth);
  lens.tip.style.left = `${Math.max(0, left)}px`;
  lens.tip.style.top = `${box.bottom - around.top + 4}px`;
}

/** The arrow keys move here from token to token, and not the page from example to example. */
function step(lens, event) {
  const last = lens.spans.length - 1;
  const places = { ArrowLeft: Math.max(0, lens.at - 1), ArrowRight: Math.min(last, lens.at + 1), Home: 0, End: last };
  if (event.key === "Escape") lens.tokens.blur();
  if (!(event.key in places) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  point(lens, places[event.key]);
  lens.spans[lens.at]?.scrollIntoView({ block: "nearest" });
}

/** Three significant digits, with a true minus. */
function write(value) {
  const digits = { maximumSignificantDigits: 3 };
  return value.toLocaleString("en-US", digits).replace("-", "−");
}
