// The layers of a panel: images, lines, boxes, points and labels. This module decodes the bytes
// of a layer; drawing.js and labels.js draw it. The types are those of scenes/format.py.

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
 * @property {number[][]} [dashes] one dash per box, in place of `dash`
 * @property {string[]} [tags] one short text per box, drawn at its corner where there is room
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

/** @param {Bytes} data */
export function decodeBytes(data) {
  if (typeof data === "string") {
    return Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

// The copy aligns the numbers: a view into a message may begin at any byte.
export const alignedBuffer = (data) => decodeBytes(data).slice().buffer;

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
  const each = (list) => (Array.isArray(list) ? kept.map((item) => list[item]) : list);
  const selected = new Float32Array(kept.length * size);
  kept.forEach((item, i) => selected.set(values.subarray(item * size, (item + 1) * size), i * size));
  return {
    ...layer,
    values: selected,
    rows: rows.length ? kept.map((item) => rows[item]) : rows,
    color: each(color),
    dashes: each(layer.dashes),
    tags: each(layer.tags),
  };
}
