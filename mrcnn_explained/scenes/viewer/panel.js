// One panel of a scene: a canvas with a title, which can be hovered, clicked and reached by keys.
// If the panel says so, its reader points at places, or draws, moves and resizes boxes.

import { Divider } from "./divider.js";
import { drawBoxes, drawImage, drawLines, drawPoints } from "./drawing.js";
import { drawLabels, drawTags } from "./labels.js";
import { decodeLayer } from "./layers.js";
import { ARROWS, MovableBoxes } from "./movable.js";
import { INK } from "./palette.js";  // bundle.py writes it
import { Surface } from "./surface.js";

/**
 * One canvas. Its layers are drawn in the order images, lines, boxes, points, labels.
 * @typedef {object} Panel
 * @property {string} title
 * @property {number[]} extent [x1, y1, x2, y2] that the canvas shows, in the units of its layers
 * @property {number[]} size [width, height], CSS pixels
 * @property {string} color of the bar beside the title; "": no bar
 * @property {boolean} drawable whether the reader can draw a box on it
 * @property {boolean} starts_row whether it starts a new row of panels
 * @property {boolean} joined whether it stays in one row with the panel before it
 * @property {boolean} below_text whether it lies below the text; such panels come last
 * @property {string} [key] name under which places and boxes of this panel are reported
 * @property {boolean} [clickable] clicks and arrow keys report a place, they select no row
 * @property {number[]} [cursor] [x, y], the place from which arrow keys go on
 * @property {number[]} [step] [dx, dy] of an arrow key in the panel's units; default: 1, 1
 * @property {number[]} [bounds] [x1, y1, x2, y2] that boxes cannot leave; default: the extent
 * @property {MovableBox[]} [movable] boxes that the reader moves and resizes, on top of the labels
 * @property {string[]} [divider] words for the left and the right side of a divider
 * @property {ImageLayer[]} [images]
 * @property {LineLayer[]} [lines]
 * @property {BoxLayer[]} [boxes]
 * @property {PointLayer[]} [points]
 * @property {Label[]} [labels]
 */

/** The distance in CSS pixels from which the pointer reaches a dot. */
const REACH = 12;

/** The least side in CSS pixels of the area in which the pointer reaches a box. */
const LEAST_AREA = 18;

/** How far in CSS pixels the pointer may move while it clicks. */
const SLACK = 4;

/** A panel on the page, and what its reader does to it. */
export class PanelView {
  /**
   * @param {View} view that holds the selection
   * @param {HTMLElement} element the panel's own
   */
  constructor(view, element) {
    this.view = view;
    this.element = element;
    this.title = addElement(element, "div", "mx-title");
    this.frame = addElement(element, "div", "mx-frame");
    this.canvas = addElement(this.frame, "canvas");
    this.note = addElement(element, "div", "mx-note");
    this.tip = addElement(element, "div", "mx-tip");
    this.surface = new Surface(this.canvas);
    this.size = null;  // [width, height] that the layout gives it; null: that of the panel
    this.pressed = null;  // where the pointer was pressed
    this.movable = new MovableBoxes(this);
    this.divider = new Divider(this);
    const listeners = {
      pointermove: (event) => this.pointerMoved(event),
      pointerleave: () => this.leave(),
      pointerdown: (event) => this.pointerPressed(event),
      pointerup: (event) => this.pointerReleased(event),
      pointercancel: () => this.endGesture(),
      keydown: (event) => this.keyPressed(event),
    };
    for (const [name, call] of Object.entries(listeners)) this.canvas.addEventListener(name, call);
  }

  /** @param {Panel} panel */
  show(panel) {
    this.panel = panel;
    const { threshold } = this.view;
    const decode = (layers) => (layers || []).map((layer) => decodeLayer(layer, threshold));
    this.boxes = decode(panel.boxes);
    this.lines = decode(panel.lines);
    this.points = decode(panel.points);
    this.title.textContent = panel.title || "";
    // The level's colour is a bar: as the colour of text it would be hard to read.
    this.title.classList.toggle("mx-titled", Boolean(panel.color));
    this.title.style.borderLeftColor = panel.color || "";
    this.movable.show(panel);
    this.divider.show(panel);
    this.describe();
    this.draw();
  }

  /** Take another size, CSS pixels; return whether it is another one. */
  resize(size) {
    if (String(size) === String(this.size)) return false;
    this.size = size;
    this.element.style.width = `${size[0]}px`;
    return true;
  }

  /** Describe the canvas to a screen reader. A canvas without anything to select is an image. */
  describe() {
    const { canvas, panel } = this;
    const title = panel.title || "figure";
    const interactive = panel.drawable || panel.clickable
      || [...this.boxes, ...this.points].some((layer) => layer.rows.length);
    const help = panel.clickable ? "Arrow keys choose a place."
      : "Arrow keys select an item, Escape clears the selection.";
    const attributes = interactive ? {
      role: "application", "aria-roledescription": "interactive image",
      "aria-label": `${title}. ${help}`,
    } : { role: "img", "aria-label": title };
    canvas.removeAttribute("aria-roledescription");
    canvas.style.cursor = panel.clickable || panel.drawable ? "crosshair" : "";
    // A finger on such a panel draws; elsewhere it scrolls the page.
    canvas.style.touchAction = panel.drawable || panel.movable?.length ? "pinch-zoom" : "";
    for (const [name, value] of Object.entries(attributes)) canvas.setAttribute(name, value);
    canvas.tabIndex = interactive ? 0 : -1;
  }

  draw() {
    const { panel, surface, view } = this;
    // An element that is not on the page yet has no colour.
    surface.clear(panel, this.size || panel.size, getComputedStyle(this.element).color || INK);
    const on = (layer, call) => this.divider.clip(surface, layer.side, call);
    const focus = this.focus();
    surface.ground = panel.images?.[0];
    for (const layer of panel.images || []) {
      const image = view.imageOf(layer);
      if (image) on(layer, () => drawImage(surface, layer, image, view.opacity));
    }
    for (const layer of this.lines) drawLines(surface, layer, focus);
    for (const layer of this.boxes) on(layer, () => drawBoxes(surface, layer, focus));
    for (const layer of this.points) drawPoints(surface, layer, focus);
    for (const side of new Set((panel.labels || []).map((label) => label.side))) {
      const labels = panel.labels.filter((label) => label.side === side);
      on({ side }, () => drawLabels(surface, labels, this.boxes, focus));
    }
    for (const layer of this.boxes) on(layer, () => drawTags(surface, layer, focus));
    this.divider.place();
    this.movable.draw(surface);
    const { hidden } = surface;
    this.note.textContent = hidden ? `${hidden} ${hidden > 1 ? "labels have" : "label has"} no room here.` : "";
  }

  /** What is selected, and what is under the pointer if this panel shows it; else null. */
  focus() {
    const { selected, hovered } = this.view;
    const shows = ({ rows }) => rows.includes(hovered);
    const here = hovered !== null && [...this.boxes, ...this.points].some(shows);
    return { selected, hovered: here ? hovered : null };
  }

  /** The rows that can be selected here, in ascending order. */
  selectableRows() {
    const rows = [...this.boxes, ...this.points].flatMap((layer) => layer.rows);
    return [...new Set(rows)].sort((a, b) => a - b);
  }

  /** Where the pointer is, in the panel's units. */
  pointerPosition(event) {
    const [x0, y0, x1, y1] = this.panel.extent;
    const frame = this.canvas.getBoundingClientRect();
    return [
      x0 + ((event.clientX - frame.left) / frame.width) * (x1 - x0),
      y0 + ((event.clientY - frame.top) / frame.height) * (y1 - y0),
    ];
  }

  /** The row of the smallest box around a position, or else of the nearest dot; null if none. */
  rowAt(position) {
    return this.smallestBoxAt(position) ?? this.nearestDotAt(position);
  }

  smallestBoxAt([x, y]) {
    let found = null, smallest = Infinity;
    const [x1, y1, x2, y2] = this.panel.extent, { width, height } = this.surface;
    const least = [Math.abs(x2 - x1) / width, Math.abs(y2 - y1) / height].map((v) => v * LEAST_AREA);
    for (const { rows, values, side } of this.boxes) {
      if (this.divider.hides(side, x)) continue;
      for (let i = 0; i < rows.length; i++) {
        const [top, left, bottom, right] = values.subarray(4 * i, 4 * i + 4);
        const area = (bottom - top) * (right - left);
        const padX = Math.max(0, least[0] - (right - left)) / 2;
        const padY = Math.max(0, least[1] - (bottom - top)) / 2;
        const inside = x >= left - padX && x <= right + padX && y >= top - padY && y <= bottom + padY;
        if (inside && area < smallest) {
          [found, smallest] = [rows[i], area];
        }
      }
    }
    return found;
  }

  nearestDotAt([x, y]) {
    const [pointerX, pointerY] = this.surface.toCanvas(x, y);
    let found = null, nearest = REACH;
    for (const { rows, values } of this.points) {
      rows.forEach((row, i) => {
        const [dotX, dotY] = this.surface.toCanvas(values[2 * i], values[2 * i + 1]);
        const distance = Math.hypot(pointerX - dotX, pointerY - dotY);
        if (distance < nearest) [found, nearest] = [row, distance];
      });
    }
    return found;
  }

  pointerMoved(event) {
    const position = this.pointerPosition(event);
    if (!this.movable.grip) {
      if (this.panel.movable?.length) this.canvas.style.cursor = this.movable.cursorAt(position);
      this.showTip(event);
    } else if (this.moving || this.distance(this.pressed, position) > SLACK) {
      this.moving = true;
      this.movable.drag(position);
    }
  }

  /** Show the tip of the row under the pointer. */
  showTip(event) {
    const row = this.rowAt(this.pointerPosition(event));
    this.view.hover(row);
    const text = row === null ? undefined : (this.view.scene.tips || {})[row];
    if (!text) { this.hideTip(); return; }
    const { style } = this.tip;
    style.display = "block";
    this.tip.textContent = text;
    const frame = this.element.getBoundingClientRect();
    const left = event.clientX - frame.left + 14;
    style.left = `${Math.min(left, Math.max(0, frame.width - this.tip.offsetWidth))}px`;
    style.top = `${event.clientY - frame.top + 14}px`;
  }

  leave() {
    this.hideTip();
    this.view.hover(null);
  }

  hideTip() { this.tip.style.display = "none"; }

  pointerPressed(event) {
    this.pressed = this.pointerPosition(event);
    if (this.movable.grab(this.pressed)) {
      this.hideTip();
      this.canvas.setPointerCapture(event.pointerId);
    }
  }

  pointerReleased(event) {
    const { pressed, moving } = this;
    this.endGesture();
    if (!pressed || moving) return;  // pressed outside this canvas, or dragged
    const place = this.pointerPosition(event);
    if (this.panel.clickable) this.point(place);
    else this.view.select(this.rowAt(place) ?? -1);
  }

  endGesture() {
    this.movable.release();
    if (this.moving) this.draw();
    [this.pressed, this.moving] = [null, false];
  }

  /** Report a place, moved into the panel. */
  point([x, y]) {
    const [x0, y0, x1, y1] = this.panel.extent;
    const inside = (value, a, b) => Math.min(Math.max(value, Math.min(a, b)), Math.max(a, b));
    this.view.sendPlace(this.panel.key || "", [inside(x, x0, x1), inside(y, y0, y1)]);
  }

  /** The distance of two positions, CSS pixels. */
  distance(first, second) {
    const [x0, y0] = this.surface.toCanvas(...first), [x1, y1] = this.surface.toCanvas(...second);
    return Math.hypot(x1 - x0, y1 - y0);
  }

  keyPressed(event) {
    const rows = this.selectableRows(), arrow = ARROWS[event.key];
    if (event.key === "Escape") this.view.select(-1);
    else if (arrow && this.panel.clickable) this.point(this.nextPlace(arrow));
    else if (arrow && rows.length) this.view.select(this.neighbour(rows, arrow[0] + arrow[1]));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The place one step from the cursor, or from the middle of the panel. */
  nextPlace([down, right]) {
    const { extent: [x0, y0, x1, y1], cursor, step } = this.panel;
    const [x, y] = cursor || [(x0 + x1) / 2, (y0 + y1) / 2], [dx, dy] = step || [1, 1];
    return [x + right * dx, y + down * dy];
  }

  /** The row after (step 1) or before (step -1) the selected one; past an end, the other end. */
  neighbour(rows, step) {
    const position = rows.indexOf(this.view.selected);
    if (position < 0) return step > 0 ? rows[0] : rows[rows.length - 1];
    return rows[(position + step + rows.length) % rows.length];
  }
}

/** Append a new element to another one. */
export function addElement(parent, tag, className = "") {
  const element = document.createElement(tag);
  element.className = className;
  parent.appendChild(element);
  return element;
}
