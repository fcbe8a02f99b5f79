// Holds the points on the graphics card and draws them with WebGL2. Joined after shaders.js into one module.

// What is drawn later lies above.
const DRAW_ORDER = [SHAPES.leftOut, SHAPES.quarantined, SHAPES.selected, SHAPES.pinned, SHAPES.banned];
const PALETTE_UNIT = 0;
const WASH_UNIT = 1;

function compileShader(gl, kind, source) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  return shader;
}

/** A linked program with its uniforms by name; null where the driver refuses it. */
function linkProgram(gl, vertex, fragment) {
  const program = gl.createProgram();
  gl.attachShader(program, compileShader(gl, gl.VERTEX_SHADER, vertex));
  gl.attachShader(program, compileShader(gl, gl.FRAGMENT_SHADER, fragment));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  const uniforms = {};
  for (let index = 0; index < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); index++) {
    const { name } = gl.getActiveUniform(program, index);
    uniforms[name] = gl.getUniformLocation(program, name);
  }
  return { program, uniforms };
}

/** Programs, buffers and textures on one canvas; null without WebGL2. */
function createGpu(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false });
  if (!gl) return null;
  const marks = linkProgram(gl, MARK_VERTEX, MARK_FRAGMENT);
  const wash = linkProgram(gl, WASH_VERTEX, WASH_FRAGMENT);
  if (!marks || !wash) return null;
  const positions = bindAttribute(gl, marks.program, "position", 2, gl.FLOAT);
  const colours = bindAttribute(gl, marks.program, "colourIndex", 1, gl.UNSIGNED_BYTE);
  createTexture(gl, PALETTE_UNIT, gl.NEAREST);
  createTexture(gl, WASH_UNIT, gl.LINEAR);
  gl.useProgram(marks.program);
  gl.uniform1i(marks.uniforms.palette, PALETTE_UNIT);
  gl.useProgram(wash.program);
  gl.uniform1i(wash.uniforms.wash, WASH_UNIT);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return { gl, marks, wash, positions, colours, layers: [] };
}

function createTexture(gl, unit, filter) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
}

function bindAttribute(gl, program, name, size, type) {
  const buffer = gl.createBuffer();
  const location = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, size, type, false, 0, 0);
  return buffer;
}

/** Uploads the points layer by layer, in the order they are drawn: what a search found lies above all the rest. */
function uploadPoints(gpu, points) {
  const { x, y, colour } = points;
  const layerOf = layerNumbers(points);
  const counts = new Array(2 * DRAW_ORDER.length).fill(0);
  for (let row = 0; row < x.length; row++) if (layerOf[row] < counts.length) counts[layerOf[row]]++;

  const next = [];
  let total = 0;
  gpu.layers = counts.map((count, number) => {
    next.push(total);
    total += count;
    const isFound = number >= DRAW_ORDER.length;
    return { shape: DRAW_ORDER[number % DRAW_ORDER.length], isFound, first: total - count, count };
  });

  const positions = new Float32Array(2 * total);
  const colours = new Uint8Array(total);
  for (let row = 0; row < x.length; row++) {
    if (layerOf[row] >= counts.length) continue;
    const slot = next[layerOf[row]]++;
    positions[2 * slot] = x[row];
    positions[2 * slot + 1] = y[row];
    colours[slot] = colour[row];
  }
  gpu.sorted = { positions, colours };
  const { gl } = gpu;
  gl.bindBuffer(gl.ARRAY_BUFFER, gpu.positions);
  gl.bufferData(gl.ARRAY_BUFFER, positions, gl.STATIC_DRAW);
  gl.bindBuffer(gl.ARRAY_BUFFER, gpu.colours);
  gl.bufferData(gl.ARRAY_BUFFER, colours, gl.STATIC_DRAW);
}

/** The layer of each point; 255 for those without a place. */
function layerNumbers({ x, y, shape, found }) {
  const numbers = new Uint8Array(x.length);
  const ofShape = DRAW_ORDER.map((_, kind) => DRAW_ORDER.indexOf(kind));
  for (let row = 0; row < x.length; row++) {
    const isPlaced = Number.isFinite(x[row]) && Number.isFinite(y[row]);
    numbers[row] = isPlaced ? ofShape[shape[row]] + (found?.[row] ? DRAW_ORDER.length : 0) : 255;
  }
  return numbers;
}

/** Uploads the palette, a list of [red, green, blue] in 0 to 255. */
function uploadPalette(gpu, palette) {
  const texels = new Uint8Array(4 * PALETTE_SIZE);
  palette.forEach(([red, green, blue], index) => texels.set([red, green, blue, 255], 4 * index));
  const { gl } = gpu;
  gl.activeTexture(gl.TEXTURE0 + PALETTE_UNIT);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, PALETTE_SIZE, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
}

function clearMarks({ gl }) {
  gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
}

/** Lays a picture of `columns` × `rows` premultiplied pixels over the whole canvas. */
function drawWash({ gl, wash }, { columns, rows, pixels }, opacity) {
  gl.useProgram(wash.program);
  gl.activeTexture(gl.TEXTURE0 + WASH_UNIT);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, columns, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  gl.uniform1f(wash.uniforms.opacity, opacity);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
}

/** Draws one layer. `look`: size and rim in CSS pixels, opacity, rimColour in 0 to 255. */
function drawLayer({ gl, marks }, layer, look, { centre, pixelsPerUnit, pixelRatio }) {
  const { uniforms } = marks;
  const clip = 2 * pixelsPerUnit * pixelRatio;
  gl.useProgram(marks.program);
  gl.uniform2f(uniforms.centre, centre[0], centre[1]);
  gl.uniform2f(uniforms.clipPerUnit, clip / gl.canvas.width, clip / gl.canvas.height);
  gl.uniform3f(uniforms.rimColour, ...look.rimColour.map((channel) => channel / 255));
  gl.uniform1i(uniforms.shape, layer.shape);
  gl.uniform1f(uniforms.markSize, look.size * pixelRatio);
  gl.uniform1f(uniforms.rim, look.rim * pixelRatio);
  gl.uniform1f(uniforms.opacity, look.opacity);
  gl.drawArrays(gl.POINTS, layer.first, layer.count);
}
