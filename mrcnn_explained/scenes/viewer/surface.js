// The canvas of a panel: its pen, its scale, and how lines are made visible on it.

import { CASING, DARK, INK, WHITE } from "./palette.js";  // bundle.py writes it

/** Of a colour in which the browser reports the page's text, "rgb(r, g, b)". */
const isLight = (color) => {
  const [r, g, b] = (color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 128;
};

/** How far the items that are not under the pointer step back: their opacity. */
const DIMMED = 0.25;

/** The canvas of a panel: its pen, and the scale from the panel's units to CSS pixels. */
export class Surface {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  /**
   * Prepare an empty canvas for a panel. Over an image, ink is dark and lines have a white casing,
   * whatever the theme: an image is the same in both.
   * @param {Panel} panel
   * @param {number[]} size [width, height] that it gets, CSS pixels
   * @param {string} ink colour of the page's text
   */
  clear({ extent, images }, [width, height], ink) {
    const { canvas, pen } = this;
    const ratio = this.pixelRatio = window.devicePixelRatio || 1;
    this.onImage = Boolean(images?.length);
    this.paper = this.onImage || !isLight(ink) ? WHITE : DARK;
    this.ink = this.onImage ? INK : ink;
    Object.assign(this, { extent, width, height, frames: [], hidden: 0 });
    const [columns, rows] = [width, height].map((side) => Math.round(side * ratio));
    if (canvas.width !== columns || canvas.height !== rows) {
      canvas.width = columns;
      canvas.height = rows;
      canvas.style.width = `${width}px`;
      canvas.style.aspectRatio = `${width} / ${height}`;
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
  }

  /** CSS pixels of the canvas for a position in the panel's units. */
  toCanvas(x, y) {
    const [x0, y0, x1, y1] = this.extent;
    return [((x - x0) / (x1 - x0)) * this.width, ((y - y0) / (y1 - y0)) * this.height];
  }

  /** A box (y1, x1, y2, x2) in CSS pixels of the canvas: {left, top, right, bottom}. */
  frameOf([y1, x1, y2, x2]) {
    const [left, top] = this.toCanvas(x1, y1), [right, bottom] = this.toCanvas(x2, y2);
    return { left, top, right, bottom };
  }

  /** The colour of one item of a layer. The palette's ink follows the theme. */
  colorOf({ color }, item) { return this.shade(Array.isArray(color) ? color[item] : color); }

  /** A colour as it is drawn here. */
  shade(name) { return name === "ink" || name === INK ? this.ink : name; }

  /** An image at the size that it has on the canvas, kept for the next time. */
  scaled(image, width, height) {
    const size = [width, height].map((side) => Math.max(1, Math.round(side * this.pixelRatio)));
    const { cached } = this;
    if (cached?.image !== image || String(cached.size) !== String(size)) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = size;
      canvas.getContext("2d").drawImage(image, 0, 0, ...size);
      this.cached = { image, size, canvas };
    }
    return this.cached.canvas;
  }

  /**
   * Stroke a path: over an image a solid white casing first, so that colour and dashes are seen
   * on every image.
   * @param {Path2D} path
   * @param {{color: string, width: number, dash?: number[], alpha?: number}} look
   */
  stroke(path, { color, width, dash = [], alpha = 1 }) {
    const { pen } = this;
    pen.globalAlpha = alpha;
    if (this.onImage) {
      pen.setLineDash([]);
      pen.strokeStyle = WHITE;
      pen.lineWidth = width + 2 * Math.min(CASING, width);
      pen.stroke(path);
    }
    pen.setLineDash(dash);
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.stroke(path);
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  /**
   * Draw the frame of one box (y1, x1, y2, x2). Its lines cover whole pixels, so that the casing
   * is white and no line is smoothed into it.
   */
  frame(box, look) {
    const { left, top, right, bottom } = this.frameOf(box);
    const width = Math.max(1, Math.round(look.width)), middle = (width % 2) / 2;
    const [x0, y0, x1, y1] = [left, top, right, bottom].map((v) => Math.round(v - middle) + middle);
    const path = new Path2D();
    path.rect(x0, y0, x1 - x0, y1 - y0);
    this.stroke(path, { ...look, width });
  }

  /** The opacity of an item: the others step back while one is under the pointer. */
  alphaOf(row, { hovered }) {
    return hovered === null || hovered === undefined || row === hovered ? 1 : DIMMED;
  }
}
