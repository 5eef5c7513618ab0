// The boxes of a panel that its reader draws, moves and resizes, with a pointer or with keys.

import { WHITE } from "./palette.js";  // bundle.py writes it

/**
 * A box that the reader moves and resizes.
 * @typedef {object} MovableBox
 * @property {string} name under which its moves are reported
 * @property {number[]} box [y1, x1, y2, x2] in the panel's units
 * @property {string} color "ink" is the colour of the page's text
 * @property {number} [width] CSS pixels
 * @property {number[]} [dash] lengths of dashes and gaps, CSS pixels
 * @property {boolean} [fixed_size] it is moved, not resized, and has no handles
 */

/** The distance in CSS pixels from which the pointer reaches a handle, and half of its side. */
const GRASP = 10, HALF = 4;

/** The handles as shares of height and width: corners, then the middles of sides. */
const HANDLES = [[0, 0], [0, 1], [1, 1], [1, 0], [0, 0.5], [0.5, 1], [1, 0.5], [0.5, 0]];
const CURSORS = ["nwse-resize", "nesw-resize", "nwse-resize", "nesw-resize",
  "ns-resize", "ew-resize", "ns-resize", "ew-resize"];

/** The least height or width in CSS pixels at which the middles of sides have handles. */
const ROOM = 44;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** What arrow keys do to a place: [dy, dx]. */
export const ARROWS = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};

/** All movable boxes of one panel, and the box that is being drawn. */
export class MovableBoxes {
  /** @param {PanelView} panelView on whose canvas they lie */
  constructor(panelView) {
    this.panelView = panelView;
    this.boxes = [];
    this.grip = null;  // what the pointer holds: a handle or the whole of a box, or a new box
    this.targets = new Map();  // name to the element that keys reach
  }

  /** @param {Panel} panel */
  show(panel) {
    const [x1, y1, x2, y2] = panel.bounds || panel.extent;
    this.low = [Math.min(y1, y2), Math.min(x1, x2)];
    this.high = [Math.max(y1, y2), Math.max(x1, x2)];
    this.step = panel.step || [1, 1];
    // Scenes follow the pointer a little later: a box that is held stays where the pointer is.
    const held = this.grip && this.named(this.grip.name);
    this.boxes = (panel.movable || []).map((box) => (held?.name === box.name ? held : { ...box }));
    this.showTargets();
  }

  named(name) { return this.boxes.find((box) => box.name === name); }

  /** Keep one element per box in the page, so that the Tab key reaches it. */
  showTargets() {
    for (const [name, target] of this.targets) {
      if (this.named(name)) continue;
      target.remove();
      this.targets.delete(name);
    }
    for (const { name } of this.boxes) {
      if (this.targets.has(name)) continue;
      const target = document.createElement("div");
      const attributes = { class: "mx-target", tabindex: 0, role: "application",
        "aria-roledescription": "movable box", "data-name": name };
      for (const [key, value] of Object.entries(attributes)) target.setAttribute(key, value);
      target.addEventListener("keydown", (event) => this.keyPressed(event, name));
      this.panelView.frame.append(target);
      this.targets.set(name, target);
    }
  }

  // Drawing -----------------------------------------------------------------------------------

  /** Draw the boxes with their handles, on top of everything else. */
  draw(surface) {
    const { pen } = surface;
    for (const one of this.boxes) {
      const { name, box, color, width = 2.5 } = one;
      const shown = color === "ink" ? surface.ink : color;
      surface.frame(box, { color: shown, width, dash: one.dash });
      for (const [x, y] of this.handlesOf(one).map((handle) => this.placeOf(box, handle))) {
        Object.assign(pen, { fillStyle: WHITE, strokeStyle: shown, lineWidth: 2 });
        pen.fillRect(x - HALF, y - HALF, 2 * HALF, 2 * HALF);
        pen.strokeRect(x - HALF, y - HALF, 2 * HALF, 2 * HALF);
      }
      this.placeTarget(this.targets.get(name), box, surface);
    }
    if (this.drawn) surface.frame(this.drawn, { color: surface.ink, width: 2, dash: [5, 3] });
  }

  placeTarget(target, box, surface) {
    const { width, height } = surface;
    const [left, top] = surface.toCanvas(box[1], box[0]);
    const [right, bottom] = surface.toCanvas(box[3], box[2]);
    const sides = { left: left / width, top: top / height,
      width: (right - left) / width, height: (bottom - top) / height };
    for (const [side, share] of Object.entries(sides)) target.style[side] = `${100 * share}%`;
    const numbers = box.map((value) => Number(value.toFixed(2))).join(", ");
    target.setAttribute("aria-label", `Box ${target.dataset.name}, y1, x1, y2, x2: ${numbers}. `
      + "Arrow keys move it, Shift and arrow keys resize it.");
  }

  /** The place of a handle on the canvas, CSS pixels. */
  placeOf([y1, x1, y2, x2], [down, right]) {
    return this.panelView.surface.toCanvas(x1 + (x2 - x1) * right, y1 + (y2 - y1) * down);
  }

  /** The handles for which a box has room. */
  handlesOf({ box, fixed_size: fixed }) {
    if (fixed) return [];
    const [left, top] = this.placeOf(box, [0, 0]), [right, bottom] = this.placeOf(box, [1, 1]);
    return HANDLES.filter(([down, across]) =>
      (down !== 0.5 || bottom - top >= ROOM) && (across !== 0.5 || right - left >= ROOM));
  }

  // Pointer -----------------------------------------------------------------------------------

  /** What lies under a position (x, y): {name, handle}; handle null is the whole; or null. */
  under([x, y]) {
    const [pointerX, pointerY] = this.panelView.surface.toCanvas(x, y);
    for (const one of [...this.boxes].reverse()) {
      const { name, box } = one;
      const [y1, x1, y2, x2] = box;
      const inside = x > x1 && x < x2 && y > y1 && y < y2;
      const [left, top] = this.placeOf(box, [0, 0]), [right, bottom] = this.placeOf(box, [1, 1]);
      // Small boxes keep room in their middle, where they are moved.
      const reach = inside ? Math.min(GRASP, (right - left) / 4, (bottom - top) / 4) : GRASP;
      const handle = this.handlesOf(one).find((place) => {
        const [handleX, handleY] = this.placeOf(box, place);
        return Math.max(Math.abs(handleX - pointerX), Math.abs(handleY - pointerY)) <= reach;
      });
      if (handle || inside) return { name, handle: handle || null };
    }
    return null;
  }

  /** The shape of the pointer at a position; "": the page's own. */
  cursorAt(position) {
    const found = this.under(position);
    if (!found) return this.panelView.panel.drawable ? "crosshair" : "";
    return found.handle ? CURSORS[HANDLES.indexOf(found.handle)] : "move";
  }

  /** Hold what lies under a position, or begin a new box there. Returns whether it holds one. */
  grab([x, y]) {
    const found = this.under([x, y]);
    if (found) this.grip = { ...found, start: [y, x], box: [...this.named(found.name).box] };
    else if (this.panelView.panel.drawable) this.grip = { name: null, start: this.inside([y, x]) };
    return Boolean(this.grip);
  }

  /** Let what is held follow the pointer. */
  drag([x, y]) {
    const { name, handle, start, box } = this.grip;
    if (name === null) {
      const end = this.inside([y, x]);
      const low = (i) => Math.min(start[i], end[i]), high = (i) => Math.max(start[i], end[i]);
      this.drawn = [low(0), low(1), high(0), high(1)];
      this.panelView.view.sendBox(this.drawn);
    } else {
      const way = [y - start[0], x - start[1]];
      this.set(name, handle ? this.resized(box, handle, way) : this.moved(box, way));
    }
    this.panelView.draw();
  }

  /** End a gesture; the next scene holds what was drawn. */
  release() { [this.grip, this.drawn] = [null, null]; }

  /** Change a box and report it. */
  set(name, box) {
    const moved = this.named(name).box = box.map((value) => Number(value.toPrecision(6)));
    this.panelView.view.sendMove(this.panelView.panel.key || "", name, moved);
  }

  inside(point) { return point.map((value, i) => clamp(value, this.low[i], this.high[i])); }

  /** A box moved by [dy, dx], as far as the bounds allow. */
  moved(box, way) {
    const by = way.map((distance, i) =>
      clamp(distance, this.low[i] - box[i], this.high[i] - box[i + 2]));
    return box.map((value, i) => value + by[i % 2]);
  }

  /** A box with one handle moved by [dy, dx]: within the bounds, and a step high and wide. */
  resized(box, handle, way) {
    const sides = [...box];
    handle.forEach((share, i) => {
      const least = this.step[1 - i];
      if (share === 0) {
        sides[i] = clamp(box[i] + way[i], this.low[i], Math.max(this.low[i], box[i + 2] - least));
      } else if (share === 1) {
        sides[i + 2] = clamp(box[i + 2] + way[i], Math.min(this.high[i], box[i] + least), this.high[i]);
      }
    });
    return sides;
  }

  // Keys --------------------------------------------------------------------------------------

  /** Move a box by a step, or, with Shift, its lower right corner; ten steps with Ctrl. */
  keyPressed(event, name) {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    const steps = event.ctrlKey || event.metaKey ? 10 : 1;
    const way = arrow.map((direction, i) => direction * steps * this.step[1 - i]);
    const { box, fixed_size: fixed } = this.named(name);
    this.set(name, event.shiftKey && !fixed ? this.resized(box, [1, 1], way) : this.moved(box, way));
    this.panelView.draw();
    event.preventDefault();
    event.stopPropagation();
  }
}
