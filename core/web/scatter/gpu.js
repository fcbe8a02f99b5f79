// Draws the marks with WebGL2. Joined before scatter.js into one module.

const SHAPES = { leftOut: 0, selected: 1, pinned: 2, banned: 3 };
const SHAPE_COUNT = 4;
const PALETTE_SIZE = 256;

const VERTEX_SHADER = `#version 300 es
in vec2 position;
in float colourIndex;
uniform vec2 centre;
uniform vec2 clipPerUnit;
uniform float markSize;
uniform sampler2D palette;
out vec3 fill;

void main() {
  gl_Position = vec4((position - centre) * clipPerUnit, 0.0, 1.0);
  gl_PointSize = markSize + 1.0; // half a pixel all round for the smooth edge
  fill = texelFetch(palette, ivec2(int(colourIndex + 0.5), 0), 0).rgb;
}`;

// Each shape is a signed distance in pixels. A rim sets marks that overlap apart.
const FRAGMENT_SHADER = `#version 300 es
precision highp float;
in vec3 fill;
uniform int shape;
uniform float markSize;
uniform float rim;
uniform float opacity;
uniform vec3 rimColour;
out vec4 pixel;

float outside(vec2 offset, float radius) {
  vec2 folded = abs(offset);
  if (shape == ${SHAPES.pinned}) return (folded.x + folded.y - radius) * 0.7071;
  if (shape == ${SHAPES.banned}) {
    vec2 turned = abs(vec2(offset.x + offset.y, offset.x - offset.y)) * 0.7071;
    float bar = radius * 0.34;
    return min(max(turned.x - radius, turned.y - bar), max(turned.y - radius, turned.x - bar));
  }
  return length(offset) - radius;
}

void main() {
  float beyond = outside((gl_PointCoord - 0.5) * (markSize + 1.0), markSize * 0.5);
  float coverage = clamp(0.5 - beyond, 0.0, 1.0) * opacity;
  float inner = clamp(0.5 - beyond - rim, 0.0, 1.0);
  pixel = vec4(mix(rimColour, fill, rim > 0.0 ? inner : 1.0) * coverage, coverage);
}`;

function compileShader(gl, kind, source) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  return shader;
}

/** Programs, buffers and the palette's texture on one canvas; null without WebGL2. */
function createGpu(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false });
  if (!gl) return null;
  const program = gl.createProgram();
  gl.attachShader(program, compileShader(gl, gl.VERTEX_SHADER, VERTEX_SHADER));
  gl.attachShader(program, compileShader(gl, gl.FRAGMENT_SHADER, FRAGMENT_SHADER));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;

  const names = ["centre", "clipPerUnit", "markSize", "palette", "shape", "rim", "opacity", "rimColour"];
  const uniforms = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
  const positions = bindAttribute(gl, program, "position", 2, gl.FLOAT);
  const colours = bindAttribute(gl, program, "colourIndex", 1, gl.UNSIGNED_BYTE);

  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.useProgram(program);
  return { gl, uniforms, positions, colours, layers: [] };
}

function bindAttribute(gl, program, name, size, type) {
  const buffer = gl.createBuffer();
  const location = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, size, type, false, 0, 0);
  return buffer;
}

/** Uploads the points ordered by shape, so that what is selected lies above what is left out. */
function uploadPoints(gpu, points) {
  const { x, y, shape, colour } = points;
  const isDrawn = (row) => Number.isFinite(x[row]) && Number.isFinite(y[row]);
  const counts = new Array(SHAPE_COUNT).fill(0);
  for (let row = 0; row < x.length; row++) if (isDrawn(row)) counts[shape[row]]++;

  const next = [];
  let total = 0;
  gpu.layers = counts.map((count, kind) => {
    const first = total;
    next.push(first);
    total += count;
    return { shape: kind, first, count };
  });

  const positions = new Float32Array(2 * total);
  const colours = new Uint8Array(total);
  for (let row = 0; row < x.length; row++) {
    if (!isDrawn(row)) continue;
    const slot = next[shape[row]]++;
    positions[2 * slot] = x[row];
    positions[2 * slot + 1] = y[row];
    colours[slot] = colour[row];
  }
  const { gl } = gpu;
  gl.bindBuffer(gl.ARRAY_BUFFER, gpu.positions);
  gl.bufferData(gl.ARRAY_BUFFER, positions, gl.STATIC_DRAW);
  gl.bindBuffer(gl.ARRAY_BUFFER, gpu.colours);
  gl.bufferData(gl.ARRAY_BUFFER, colours, gl.STATIC_DRAW);
}

/** Uploads the palette, a list of [red, green, blue] in 0 to 255. */
function uploadPalette(gpu, palette) {
  const texels = new Uint8Array(4 * PALETTE_SIZE);
  palette.forEach(([red, green, blue], index) => texels.set([red, green, blue, 255], 4 * index));
  const { gl } = gpu;
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, PALETTE_SIZE, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
}

/** Mark diameters in CSS pixels: as large as the `room` of a typical point allows, then slowly with the zoom. */
function markSizes(room, zoom) {
  const largest = Math.min(5 * Math.max(zoom, 1) ** 0.2, 9);
  const dot = Math.min(Math.max(0.9 * room, 1.4), largest);
  const disc = 1.85 * dot - 0.3;
  return { [SHAPES.leftOut]: dot, [SHAPES.selected]: disc, [SHAPES.pinned]: disc + 6, [SHAPES.banned]: disc + 5.5 };
}

/** None on tiny marks, where it would eat the colour. */
function rimWidth(size) {
  return Math.min(Math.max(0.3 * (size - 3.5), 0), 0.9);
}

/** Draws every layer. `frame`: centre, pixelsPerUnit, pixelRatio, sizes, rimColour, leftOutOpacity. */
function drawPoints(gpu, frame) {
  const { gl, uniforms } = gpu;
  const { width, height } = gl.canvas;
  const deviceScale = frame.pixelsPerUnit * frame.pixelRatio;
  gl.viewport(0, 0, width, height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.uniform2f(uniforms.centre, frame.centre[0], frame.centre[1]);
  gl.uniform2f(uniforms.clipPerUnit, (2 * deviceScale) / width, (2 * deviceScale) / height);
  gl.uniform3f(uniforms.rimColour, ...frame.rimColour.map((channel) => channel / 255));
  for (const layer of gpu.layers) {
    if (!layer.count) continue;
    const isLeftOut = layer.shape === SHAPES.leftOut;
    const size = frame.sizes[layer.shape];
    gl.uniform1i(uniforms.shape, layer.shape);
    gl.uniform1f(uniforms.markSize, size * frame.pixelRatio);
    gl.uniform1f(uniforms.rim, isLeftOut ? 0 : rimWidth(size) * frame.pixelRatio);
    gl.uniform1f(uniforms.opacity, isLeftOut ? frame.leftOutOpacity : 1);
    gl.drawArrays(gl.POINTS, layer.first, layer.count);
  }
}
