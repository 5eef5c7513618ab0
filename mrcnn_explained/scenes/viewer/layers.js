// Decodes the layers of a panel and draws them on a Surface. Types: those of scenes/format.py.

import { WHITE } from "./palette.js";  // bundle.py writes it

/**
 * Raw numbers: a DataView from a notebook's kernel, or base64 text in the page of a report.
 * @typedef {DataView | Float32Array | string} Bytes
 */

/**
 * An image of bytes, which a view receives once and draws many times.
 * @typedef {object} Pixels
 * @property {Bytes} data uint8 [height, width, channels]
 * @property {number} height
 * @property {number} width
 * @property {number} channels 3: RGB; 1: values 0 to 255 in the palette viridis
 */

/**
 * A map of values, which the browser compares with the view's threshold.
 * @typedef {object} ValueMap
 * @property {Bytes} data float64 [height, width]
 * @property {number} height
 * @property {number} width
 */

/**
 * An image, stretched over a rectangle of the panel. It has either its own pixels (data, height,
 * width, channels) or the name of an image or map that the view holds.
 * @typedef {object} ImageLayer
 * @property {number[]} extent [x1, y1, x2, y2] that it covers, in the panel's units
 * @property {string} [name] of one of the view's images, or maps if thresholded
 * @property {boolean} [thresholded] draw 1 where the map's value reaches the threshold, else 0
 * @property {string} [tint] hexadecimal colour of the 1 of a thresholded map; 0 is transparent
 * @property {Bytes} [data] see Pixels
 * @property {number} [height] see Pixels
 * @property {number} [width] see Pixels
 * @property {number} [channels] see Pixels
 * @property {number} [alpha] opacity, 0 to 1
 * @property {boolean} [uses_opacity] the view's opacity takes the place of alpha
 * @property {boolean} [smooth] interpolate between pixels
 * @property {"left" | "right"} [side] of the divider on which it is drawn; default: both
 */

/**
 * Straight lines, each [x1, y1, x2, y2].
 * @typedef {object} LineLayer
 * @property {Bytes} data float32 [n, 4]
 * @property {string | string[]} color one colour; "ink" is the colour of the page's text
 * @property {Bytes} rows int32 [n], the row of the detector's result that each line shows, or empty
 * @property {Bytes} [scores] float32 [n]; lines below the view's threshold are not drawn
 * @property {number} [width] CSS pixels
 * @property {number[]} [dash] lengths of dashes and gaps, CSS pixels
 * @property {number} [alpha] opacity, 0 to 1
 * @property {boolean} [arrow] draw a head at (x2, y2)
 */

/**
 * Frames, each [y1, x1, y2, x2].
 * @typedef {object} BoxLayer
 * @property {Bytes} data float32 [n, 4]
 * @property {string | string[]} color one colour, or one per box
 * @property {Bytes} rows int32 [n], the row that each box shows and selects, or empty
 * @property {Bytes} [scores] float32 [n]; boxes below the view's threshold are not drawn
 * @property {number} [width] CSS pixels
 * @property {number[]} [dash] lengths of dashes and gaps, CSS pixels
 * @property {"left" | "right"} [side] of the divider on which it is drawn; default: both
 */

/**
 * Dots, each [x, y].
 * @typedef {object} PointLayer
 * @property {Bytes} data float32 [n, 2]
 * @property {string | string[]} color one colour, or one per dot
 * @property {Bytes} rows int32 [n], the row that each dot shows and selects, or empty
 * @property {number} [radius] CSS pixels
 * @property {boolean} [halo] outline each dot in white
 */

/**
 * A text, moved into the panel where it would be cut off.
 * @typedef {object} Label
 * @property {string} text
 * @property {number} x in the panel's units
 * @property {number} y middle of the text; with box_bottom the upper edge of a box
 * @property {"left" | "center" | "right"} [align] which end of the text lies at x
 * @property {boolean} [bold]
 * @property {number} [size] CSS pixels
 * @property {string} [background] colour of the rectangle under the text
 * @property {string} [color] default: readable on the background, or the page's ink
 * @property {boolean} [avoids_labels] move away from earlier labels of this kind
 * @property {number} [box_bottom] lower edge of the box that must stay visible
 * @property {number} [row] the row that the label names; a page filters by it
 * @property {"left" | "right"} [side] of the divider on which it is drawn; default: both
 */

/**
 * A layer of lines, boxes or points whose numbers are decoded.
 * @typedef {object} Decoded
 * @property {Float32Array} values the numbers of `data`
 * @property {number[]} rows
 * @property {string | string[]} color
 */

const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37],
];

// Decoding ------------------------------------------------------------------------------------

/** @param {Bytes} data */
function decodeBytes(data) {
  if (typeof data === "string") {
    return Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

// The copy aligns the numbers: a view into a message may begin at any byte.
const alignedBuffer = (data) => decodeBytes(data).slice().buffer;

/** @param {Bytes | undefined} data */
export function decodeFloats(data) {
  return new Float32Array(data === undefined ? 0 : alignedBuffer(data));
}

/** @param {LineLayer | BoxLayer | PointLayer} layer */
export function decodeRows({ rows }) {
  if (rows === undefined || Array.isArray(rows)) return rows || [];
  return [...new Int32Array(alignedBuffer(rows))];
}

/**
 * Decode a layer, without the items whose score is below the threshold.
 * @param {LineLayer | BoxLayer | PointLayer} layer
 * @param {number} threshold
 */
export function decodeLayer(layer, threshold) {
  const decoded = { ...layer, values: decodeFloats(layer.data), rows: decodeRows(layer) };
  if (layer.scores === undefined) return decoded;
  const lowest = Math.fround(threshold);  // scores are float32, and NumPy compares them as such
  const kept = [];
  decodeFloats(layer.scores).forEach((score, i) => { if (score >= lowest) kept.push(i); });
  return selectItems(decoded, kept, 4);
}

/**
 * A decoded layer reduced to some of its items.
 * @param {Decoded} layer
 * @param {number[]} kept positions of the items
 * @param {number} size numbers per item
 */
export function selectItems(layer, kept, size) {
  const { values, rows, color } = layer;
  const selected = new Float32Array(kept.length * size);
  kept.forEach((item, i) => selected.set(values.subarray(item * size, (item + 1) * size), i * size));
  return {
    ...layer,
    values: selected,
    rows: rows.length ? kept.map((item) => rows[item]) : rows,
    color: Array.isArray(color) ? kept.map((item) => color[item]) : color,
  };
}

// Colours -------------------------------------------------------------------------------------

const channelsOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** A pixel as ImageData holds it; every browser runs on a little-endian machine. */
const packPixel = ([r, g, b], alpha) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** The colour of a value 0 to 1 in the palette viridis. */
function viridis(value) {
  const position = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.floor(position), high = Math.min(low + 1, VIRIDIS.length - 1);
  return VIRIDIS[low].map((v, i) => Math.round(v + (VIRIDIS[high][i] - v) * (position - low)));
}

const VIRIDIS_PIXELS = Uint32Array.from({ length: 256 }, (_, v) => packPixel(viridis(v / 255), 255));

/** Pixels of one colour, from transparent (0) to opaque (255). */
const tintPixels = (hex) =>
  Uint32Array.from({ length: 256 }, (_, value) => packPixel(channelsOf(hex), value));

/** Black or white, whichever is easier to read on a colour: the same as `ink_on` in plots/. */
function inkOn(hex) {
  const [r, g, b] = channelsOf(hex).map((channel) => {
    const v = channel / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : WHITE;
}

/**
 * Pixels, or a map and its threshold, as a canvas that can be drawn at any size.
 * @param {Pixels | ImageLayer} layer
 * @param {number} [threshold] of a thresholded map
 */
export function imageCanvas(layer, threshold) {
  const { width, height, channels, tint, thresholded } = layer;
  const source = thresholded
    ? new Float64Array(alignedBuffer(layer.data)).map((value) => (value >= threshold ? 255 : 0))
    : decodeBytes(layer.data);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const palette = tint ? tintPixels(tint) : VIRIDIS_PIXELS;
  for (let i = 0; i < width * height; i++) {
    pixels[i] = channels === 3
      ? packPixel([source[3 * i], source[3 * i + 1], source[3 * i + 2]], 255)
      : palette[source[i]];
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// Drawing -------------------------------------------------------------------------------------

/**
 * Draw an image over its rectangle.
 * @param {Surface} surface
 * @param {ImageLayer} layer
 * @param {HTMLCanvasElement | HTMLImageElement} image its pixels
 * @param {number} opacity of the view
 */
export function drawImage(surface, layer, image, opacity) {
  const { pen } = surface;
  const [x0, y0] = surface.toCanvas(layer.extent[0], layer.extent[1]);
  const [x1, y1] = surface.toCanvas(layer.extent[2], layer.extent[3]);
  const [width, height] = [x1 - x0, y1 - y0];
  pen.globalAlpha = layer.uses_opacity ? opacity : layer.alpha ?? 1;
  pen.imageSmoothingEnabled = layer.smooth ?? false;
  // Scaling an image smoothly takes longer than drawing all other layers, so it is done once.
  const shown = layer.smooth ? surface.scaled(image, width, height) : image;
  pen.drawImage(shown, x0, y0, width, height);
  pen.globalAlpha = 1;
}

/** Draw boxes; the selected one last, on top of the others and thicker. */
export function drawBoxes(surface, layer, selected) {
  const { values, rows } = layer;
  const box = (i) => values.subarray(4 * i, 4 * i + 4);
  for (let i = 0; i < values.length / 4; i++) {
    const isSelected = rows.length && rows[i] === selected;
    if (!isSelected) surface.frame(box(i), surface.colorOf(layer, i), layer.width ?? 1.2, layer.dash);
  }
  const i = rows.indexOf(selected);
  if (i >= 0) {
    surface.frame(box(i), WHITE, 5);
    surface.frame(box(i), surface.colorOf(layer, i), 3, layer.dash);
  }
}

/** Draw dots; the selected one larger and outlined. */
export function drawPoints(surface, layer, selected) {
  const { pen } = surface, { values, rows } = layer, drawn = new Set();
  for (let i = 0; i < values.length / 2; i++) {
    const [x, y] = surface.toCanvas(values[2 * i], values[2 * i + 1]);
    const isSelected = rows[i] === selected;
    if (typeof layer.color === "string" && !isSelected) {
      // Thousands may fall within half a pixel of each other: one dot shows them all.
      const halfPixel = Math.round(2 * x) * 65536 + Math.round(2 * y);
      if (drawn.has(halfPixel)) continue;
      drawn.add(halfPixel);
    }
    pen.beginPath();
    pen.arc(x, y, isSelected ? 6 : layer.radius ?? 2.5, 0, 7);
    pen.fillStyle = surface.colorOf(layer, i);
    pen.fill();
    if (isSelected || layer.halo) {
      pen.strokeStyle = isSelected ? surface.ink : WHITE;
      pen.lineWidth = isSelected ? 2 : 1;
      pen.stroke();
    }
  }
}

/** Draw lines of one colour in one stroke, then their arrow heads. */
export function drawLines(surface, layer) {
  const { pen } = surface, { values } = layer, heads = [];
  pen.strokeStyle = pen.fillStyle = surface.colorOf(layer, 0);
  pen.lineWidth = layer.width ?? 1;
  pen.globalAlpha = layer.alpha ?? 1;
  pen.setLineDash(layer.dash || []);
  pen.beginPath();
  for (let i = 0; i < values.length; i += 4) {
    const [x0, y0] = surface.toCanvas(values[i], values[i + 1]);
    const [x1, y1] = surface.toCanvas(values[i + 2], values[i + 3]);
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    if (layer.arrow && Math.hypot(x1 - x0, y1 - y0) > 3) {
      heads.push([x1, y1, Math.atan2(y1 - y0, x1 - x0)]);
    }
  }
  pen.stroke();
  pen.beginPath();
  for (const [x, y, angle] of heads) {
    pen.moveTo(x, y);
    for (const turn of [2.6, -2.6]) {
      pen.lineTo(x + 6 * Math.cos(angle + turn), y + 6 * Math.sin(angle + turn));
    }
  }
  pen.fill();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** Draw a text, moved where it would be cut off or hide a label or a box. */
export function drawLabel(surface, label) {
  const { pen } = surface;
  const size = label.size ?? 12, height = size + 3;
  pen.font = `${label.bold ? "600 " : ""}${size}px system-ui, sans-serif`;
  const width = pen.measureText(label.text).width;
  const [x, y] = labelPosition(surface, label, width, height);
  const [left, right] = [x - 2, x + width + 2];  // the background is wider than the text
  if (label.avoids_labels) surface.labelFrames.push({ left, right, y, side: label.side });
  if (label.background) {
    pen.fillStyle = label.background;
    pen.fillRect(left, y - height / 2, right - left, height);
  }
  const color = label.color || (label.background ? inkOn(label.background) : "ink");
  pen.fillStyle = color === "ink" ? surface.ink : color;
  pen.textBaseline = "middle";
  pen.fillText(label.text, x, y);
}

/** The left end and the middle line of a label's text, CSS pixels. */
function labelPosition(surface, label, width, height) {
  const [anchorX, anchorY] = surface.toCanvas(label.x, label.y);
  const shift = { left: 0, center: width / 2, right: width }[label.align || "left"];
  const x = Math.min(Math.max(anchorX - shift, 2), Math.max(surface.width - width - 2, 2));
  const top = height / 2, bottom = surface.height - height / 2;
  const inside = (y) => Math.min(Math.max(y, top), bottom);
  const isFree = (y) => y >= top && y <= bottom && !surface.labelFrames.some((other) =>
    x - 2 < other.right && other.left < x + width + 2 && Math.abs(y - other.y) < height &&
    (!label.side || !other.side || label.side === other.side));
  if (label.box_bottom !== undefined) {
    const above = anchorY - top - 1;
    const below = surface.toCanvas(label.x, label.box_bottom)[1] + top + 1;
    const steps = Array.from({ length: Math.ceil(surface.height / 2) }, (_, i) => 2 * i);
    const candidates = steps.flatMap((step) => [above - step, below + step]);
    return [x, candidates.find(isFree) ?? inside(above)];
  }
  let y = inside(anchorY);
  if (label.avoids_labels) while (!isFree(y) && y < surface.height - height) y += 2;
  return [x, y];
}
