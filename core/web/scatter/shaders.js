// What the graphics card runs. Joined before gpu.js into one module.

const SHAPES = { leftOut: 0, selected: 1, pinned: 2, banned: 3, quarantined: 4 };
const PALETTE_SIZE = 256;

const MARK_VERTEX = `#version 300 es
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
const MARK_FRAGMENT = `#version 300 es
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
  if (shape == ${SHAPES.quarantined}) {
    float half_line = max(radius * 0.16, 0.5);
    return abs(max(folded.x, folded.y) - radius * 0.82) - half_line;
  }
  return length(offset) - radius;
}

void main() {
  float beyond = outside((gl_PointCoord - 0.5) * (markSize + 1.0), markSize * 0.5);
  float coverage = clamp(0.5 - beyond, 0.0, 1.0) * opacity;
  float inner = clamp(0.5 - beyond - rim, 0.0, 1.0);
  pixel = vec4(mix(rimColour, fill, rim > 0.0 ? inner : 1.0) * coverage, coverage);
}`;

// One triangle that covers the canvas, with the density laid over it.
const WASH_VERTEX = `#version 300 es
out vec2 place;

void main() {
  place = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(place * 2.0 - 1.0, 0.0, 1.0);
}`;

const WASH_FRAGMENT = `#version 300 es
precision highp float;
in vec2 place;
uniform sampler2D wash;
uniform float opacity;
out vec4 pixel;

void main() {
  pixel = texture(wash, place) * opacity;
}`;
