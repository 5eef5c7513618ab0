// Marks of the Map: SVG for structure, canvas for tensors. Every colour comes from the project's
// palette; those for dark backgrounds and for text are computed from it by their contrast.

import { INK, LEVEL_COLORS, WHITE } from "./palette.js";  // bundle.py writes it

export const LEVELS = [2, 3, 4, 5, 6];
export const READ_LEVELS = [2, 3, 4, 5];  // P6 serves the RPN only
const SVG = "http://www.w3.org/2000/svg";

// ---------------------------------------------------------------- colours

const channels = (color) => [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
const hex = (rgb) => "#" + rgb.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("");
export const BLACK = hex([0, 0, 0]);

/** A colour between two: 0 is the first, 1 the second. */
export function mix(first, second, t) {
  const other = channels(second);
  return hex(channels(first).map((value, i) => value + (other[i] - value) * t));
}

/** The relative luminance of WCAG 2. */
export function luminance(color) {
  const [r, g, b] = channels(color).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrastOf(first, second) {
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** The colour, moved away from the background until its contrast is large enough. */
function readable(color, background, ratio) {
  const far = luminance(background) > 0.18 ? BLACK : WHITE;
  let t = 0;
  while (contrastOf(mix(color, far, t), background) < ratio && t < 1) t += 0.02;
  return mix(color, far, t);
}

/** 256 colours along some stops, as the pixels of ImageData: low values are paper. */
function ramp(stops) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const t = (i / 255) * (stops.length - 1), at = Math.min(stops.length - 2, Math.floor(t));
    const [r, g, b] = channels(mix(stops[at], stops[at + 1], t - at));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

/** All colours of the Map, on a light or on a dark background. */
export function makeColors(dark) {
  const paper = dark ? mix(INK, BLACK, 0.4) : WHITE, ink = dark ? mix(WHITE, INK, 0.06) : INK;
  const ground = dark ? mix(INK, BLACK, 0.7) : mix(INK, WHITE, 0.965);
  const colors = {
    dark, paper, ink, ground, white: WHITE, black: BLACK, level: {}, text: {}, on: {}, ramps: {},
    quiet: mix(ink, paper, dark ? 0.32 : 0.3), line: mix(ink, paper, 0.8), faint: mix(ink, paper, 0.91),
  };
  for (const k of LEVELS) {
    const color = readable(LEVEL_COLORS[k], paper, 3);
    colors.level[k] = color;
    colors.text[k] = readable(LEVEL_COLORS[k], dark ? paper : ground, 4.6);
    colors.on[k] = contrastOf(color, WHITE) >= 4.5 ? WHITE : BLACK;
    colors.ramps[k] = ramp([paper, color, mix(color, dark ? WHITE : INK, 0.7)]);
  }
  colors.ramps.quiet = ramp([paper, colors.quiet, mix(colors.quiet, dark ? WHITE : INK, 0.7)]);
  return colors;
}

/** Is the page dark where the Map stands? The nearest background says so, or the reader's preference. */
export function isDark(host) {
  for (let node = host; node; node = node.parentElement) {
    const [r, g, b, alpha = 1] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    if (b !== undefined && alpha > 0.5) return luminance(hex([r, g, b])) < 0.18;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Hand the colours to the style sheet. */
export function setColors(element, colors) {
  for (const name of ["ink", "quiet", "line", "faint", "paper", "ground"]) {
    element.style.setProperty(`--${name}`, colors[name]);
  }
  for (const k of LEVELS) {
    element.style.setProperty(`--p${k}`, colors.level[k]);
    element.style.setProperty(`--t${k}`, colors.text[k]);
    element.style.setProperty(`--on${k}`, colors.on[k]);
  }
  element.style.setProperty("--white", WHITE);
  element.style.setProperty("--black", BLACK);
  element.style.colorScheme = colors.dark ? "dark" : "light";
}

// ---------------------------------------------------------------- elements

export function svg(parent, name, attributes = {}, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
}
export const label = (parent, x, y, text, attributes = {}) => svg(parent, "text", { x, y, ...attributes }, text);
export const circle = (parent, cx, cy, r, attributes = {}) => svg(parent, "circle", { cx, cy, r, ...attributes });
export const line = (parent, x1, y1, x2, y2, attributes = {}) => svg(parent, "line", { x1, y1, x2, y2, ...attributes });
export const frame = (parent, { x, y, w, h }, attributes = {}) =>
  svg(parent, "rect", { x, y, width: Math.max(w, 1), height: Math.max(h, 1), fill: "none", ...attributes });
/** A line to the right with a small head: no marker, which would need an id. */
export function arrow(parent, x1, y1, x2, y2) {
  const dx = x2 - x1, dy = y2 - y1, long = Math.hypot(dx, dy) || 1, [ux, uy] = [(4 * dx) / long, (4 * dy) / long];
  svg(parent, "path", { class: "flow", d: `M${x1},${y1}L${x2},${y2}M${x2 - ux - uy},${y2 - uy + ux}L${x2},${y2}L${x2 - ux + uy},${y2 - uy - ux}` });
}
/** A curve that leaves and arrives level. */
export const ease = (x1, y1, x2, y2) => `M${x1},${y1}C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2} ${x2},${y2}`;

/** Curves [x1, y1, x2, y2, colour] on a canvas: those of one colour are one path. */
export function strokeCurves(ctx, curves, alpha) {
  const colors = new Map();
  for (const [x1, y1, x2, y2, color] of curves) {
    if (!colors.has(color)) colors.set(color, new Path2D());
    const path = colors.get(color), middle = (x1 + x2) / 2;
    path.moveTo(x1, y1);
    path.bezierCurveTo(middle, y1, middle, y2, x2, y2);
  }
  ctx.lineWidth = 1;
  ctx.globalAlpha = alpha;
  for (const [color, path] of colors) { ctx.strokeStyle = color; ctx.stroke(path); }
  ctx.globalAlpha = 1;
}

/** An element with attributes and listeners (`onclick`); `style` holds custom properties. */
export function html(parent, name, attributes = {}, text) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [property, v] of Object.entries(value)) node.style.setProperty(property, v);
    else if (value !== false && value !== undefined) node.setAttribute(key, value === true ? "" : value);
  }
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
}

/** A label in the longest of some wordings that fits; nothing if none does. */
export function fitLabel(v, parent, x, y, wordings, width, attributes = {}) {
  const text = wordings.find((wording) => v.measure(wording, /strong/.test(attributes.class)) <= width);
  return text ? label(parent, x, y, text, attributes) : null;
}

// ---------------------------------------------------------------- areas

/** The largest area of an aspect (width / height) in a corner of w x h. */
export function fit(x, y, w, h, aspect) {
  const wide = Math.max(1, Math.min(w, h * aspect));
  return { x, y, w: wide, h: wide / aspect };
}

/** A normalised box within the area that shows the whole image. */
export function place([y1, x1, y2, x2], { x, y, w, h }) {
  return { x: x + x1 * w, y: y + y1 * h, w: (x2 - x1) * w, h: (y2 - y1) * h };
}

/** `count` areas of one aspect that fill w x h, each with `above` pixels for its title. */
export function tiles(count, w, h, aspect, above, gap = 14) {
  let best = null;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const area = fit(0, 0, (w - gap * (columns - 1)) / columns, h / rows - above - (rows > 1 ? 8 : 0), aspect);
    if (!best || area.w > best.area.w) best = { columns, rows, area };
  }
  const { columns, rows, area } = best, spread = Math.min(area.w + gap * 3, columns > 1 ? (w - area.w) / (columns - 1) : 0);
  return Array.from({ length: count }, (_, i) => ({
    ...area, x: (i % columns) * spread, y: above + Math.floor(i / columns) * (h / rows),
  }));
}

// ---------------------------------------------------------------- tensors on a canvas

const scratch = new Map();  // canvases of a size, used again

/** Values [h, w] (bytes or floats on their scale) in the colours of a ramp, between two values. */
export function paint(ctx, values, w, h, colors, area, [low, high] = [0, 255]) {
  const key = `${w}x${h}`;
  if (!scratch.has(key)) {
    const canvas = Object.assign(document.createElement("canvas"), { width: w, height: h });
    const image = new ImageData(w, h);
    scratch.set(key, { canvas, image, pixels: new Uint32Array(image.data.buffer), ctx: canvas.getContext("2d") });
  }
  const { canvas, image, pixels, ctx: small } = scratch.get(key), scale = 255 / (high - low || 1);
  for (let i = 0; i < w * h; i++) {
    const t = Math.round((values[i] - low) * scale);
    pixels[i] = colors[t < 0 ? 0 : t > 255 ? 255 : t];
  }
  small.putImageData(image, 0, 0);
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(canvas, area.x, area.y, area.w, area.h);
}

/** The byte range that holds all but the outermost two in a hundred values of a channel. */
function rangeOf(v, name, channel) {
  const key = `${name}/${channel}`, { ranges } = v.map;
  if (!ranges.has(key)) {
    const [, h, w] = v.H.arrays[name].shape, sorted = v.A[name].slice(channel * h * w, (channel + 1) * h * w).sort();
    ranges.set(key, [sorted[Math.floor(0.02 * sorted.length)], sorted[Math.ceil(0.98 * sorted.length) - 1]]);
  }
  return ranges.get(key);
}

/** One channel of a feature map, or the part of it below a box (`within`), in the level's colours. */
export function paintMap(v, name, channel, colors, area, within = [0, 0, 1, 1]) {
  const [, h, w] = v.H.arrays[name].shape, [y1, x1, y2, x2] = within;
  const all = { x: area.x - (x1 / (x2 - x1)) * area.w, y: area.y - (y1 / (y2 - y1)) * area.h, w: area.w / (x2 - x1), h: area.h / (y2 - y1) };
  v.ctx.save();
  v.ctx.beginPath(); v.ctx.rect(area.x, area.y, area.w, area.h); v.ctx.clip();
  paint(v.ctx, v.A[name].subarray(channel * h * w, (channel + 1) * h * w), w, h, v.colors.ramps[colors], all, rangeOf(v, name, channel));
  v.ctx.restore();
}

/** A tensor that the trace does not hold: a hatched area, so that nobody takes it for zeros. */
export function paintMissing(v, area) {
  v.ctx.save();
  v.ctx.beginPath(); v.ctx.rect(area.x, area.y, area.w, area.h); v.ctx.clip(); v.ctx.beginPath();
  for (let x = -area.h; x < area.w; x += 7) { v.ctx.moveTo(area.x + x, area.y + area.h); v.ctx.lineTo(area.x + x + area.h, area.y); }
  v.ctx.strokeStyle = v.colors.line; v.ctx.stroke();
  v.ctx.restore();
  frame(v.base, area, { class: "edge" });
}

/** The crop of one box, from one level. */
export function paintCrop(v, level, box, side, area, channel = v.channel) {
  paint(v.ctx, v.d.crop(level, channel, box, side), side, side, v.colors.ramps[level], area, rangeOf(v, `p${level}`, channel));
}

/** The crops of all ROIs, each in its tile: their pixels are written at once, then drawn tile by tile. */
export function paintCrops(v, areas) {
  const n = v.H.pool[0], count = v.run.rois.length;
  if (!count) return;
  const columns = Math.ceil(Math.sqrt(count)), image = new ImageData(columns * n, Math.ceil(count / columns) * n), pixels = new Uint32Array(image.data.buffer);
  v.run.rois.forEach((c, r) => {
    const k = v.run.level[r], values = cropOf(v, k, c, n), [low, high] = rangeOf(v, `p${k}`, v.channel), colors = v.colors.ramps[k], scale = 255 / (high - low || 1);
    const from = Math.floor(r / columns) * n * image.width + (r % columns) * n;
    for (let i = 0; i < n * n; i++) pixels[from + Math.floor(i / n) * image.width + (i % n)] = colors[Math.max(0, Math.min(255, Math.round((values[i] - low) * scale)))];
  });
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  v.ctx.imageSmoothingEnabled = false;
  areas.forEach((area, r) => v.ctx.drawImage(canvas, (r % columns) * n, Math.floor(r / columns) * n, n, n, area.x, area.y, area.w, area.h));
}

/** A candidate's crop, kept: sliders ask for it again and again. */
function cropOf(v, level, c, n) {
  const { crops } = v.map, key = (v.channel * 8 + level) * (v.d.K + 1) + c;
  if (!crops.has(key)) crops.set(key, v.d.crop(level, v.channel, v.d.boxOf(c), n));
  return crops.get(key);
}

/** The image, whole or the part below a box, faded towards the paper. */
export function paintImage(v, area, fade = 0, [y1, x1, y2, x2] = [0, 0, 1, 1]) {
  const { image } = v.map, { width, height } = image;
  v.ctx.imageSmoothingEnabled = true;
  v.ctx.drawImage(image, x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height, area.x, area.y, area.w, area.h);
  if (fade) { v.ctx.globalAlpha = fade; v.ctx.fillStyle = v.colors.paper; v.ctx.fillRect(area.x, area.y, area.w, area.h); v.ctx.globalAlpha = 1; }
}

/** A mask, as the head computes it, in the colours of its level; index -1: it was not computed. */
export function paintMask(v, { index, level }, area) {
  if (index < 0) paintMissing(v, area);
  else paint(v.ctx, v.d.mask(index), v.H.mask_side, v.H.mask_side, v.colors.ramps[level], area);
}

/** A mask stretched over its box in `area` and cut at the threshold, as the detector pastes it. */
export function pasteMask(v, detection, area, alpha, within) {
  const { index, level } = v.run.masks[detection];
  if (index < 0) return;
  const at = place(within(v.run.box[v.run.found[detection]]), area);
  v.ctx.save();
  v.ctx.beginPath(); v.ctx.rect(area.x, area.y, area.w, area.h); v.ctx.clip();
  v.ctx.globalAlpha = alpha; v.ctx.imageSmoothingEnabled = true;
  v.ctx.drawImage(stretched(v, index, v.colors.level[level], at), at.x, at.y, at.w, at.h);
  v.ctx.restore();
}

/** The pixels of a mask at twice the size of its place, 0 or 1; kept, because views draw it again. */
function stretched(v, index, color, at) {
  const [width, height] = [at.w, at.h].map((length) => Math.min(1200, Math.max(1, Math.round(2 * length))));
  const key = `${index}/${color}/${width}x${height}`, { masks } = v.map;
  if (masks.has(key)) return masks.get(key);
  if (masks.size > 300) masks.clear();
  const side = v.H.mask_side, mask = v.d.mask(index), [r, g, b] = channels(color), limit = 255 * v.H.mask_threshold;
  const soft = Object.assign(document.createElement("canvas"), { width: side, height: side }), image = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) image.data.set([r, g, b, mask[i]], 4 * i);
  soft.getContext("2d").putImageData(image, 0, 0);
  const hard = Object.assign(document.createElement("canvas"), { width, height }), ctx = hard.getContext("2d", { willReadFrequently: true });
  ctx.drawImage(soft, 0, 0, width, height);
  const cut = ctx.getImageData(0, 0, width, height);
  for (let i = 3; i < cut.data.length; i += 4) cut.data[i] = cut.data[i] >= limit ? 255 : 0;
  ctx.putImageData(cut, 0, 0);
  masks.set(key, hard);
  return hard;
}

/** A text, cut to a width. */
export function shorten(v, text, width) {
  if (v.measure(text) <= width) return text;
  let cut = text;
  while (cut && v.measure(`${cut}…`) > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}
