// The view of a scene: panels and lines of text. Notebooks (anywidget) and the page of a report
// use the same view.
//
// A scene is plain data, made by scenes/scene.py. The viewer draws it and lets its reader select;
// it computes nothing of the detector. The threshold and the opacity act here, without a new
// scene. The viewer has no dependency and makes no request.

import { arrange } from "./layout.js";
import { INK } from "./palette.js";  // bundle.py writes it
import { PanelView, addElement } from "./panel.js";
import { imageCanvas } from "./pixels.js";
import { Player } from "./player.js";
import { STYLE } from "./style.js";

/**
 * What a view shows.
 * @typedef {object} Scene
 * @property {Panel[]} panels
 * @property {TextLine[]} text lines between the panels and those below the text
 * @property {Object<number, string>} [tips] row to the text that hovering shows
 * @property {StoryStep[]} [steps] what Play shows, one after the other
 * @property {number} [stamp] another one for every scene
 */

/**
 * A line of text below the panels.
 * @typedef {object} TextLine
 * @property {string} text
 * @property {string} color of the bar beside it; "": no bar
 * @property {boolean} [code] in a font of fixed width
 * @property {boolean} [live] screen readers announce its changes; if no line has it, those of all
 */

/**
 * What a view shares with Python, or with the script of a page.
 * @typedef {object} ViewState
 * @property {Scene} scene
 * @property {Object<string, Pixels>} images by name; in a page also {src, width, height}
 * @property {Object<string, ValueMap>} maps by name, compared with the threshold
 * @property {number} threshold lower scores and values are not drawn
 * @property {number} opacity 0 to 1, of the layers that use it
 * @property {number} divider share of the width at which dividers are
 * @property {number} selected row; -1: none
 * @property {boolean} busy Python computes the next scene
 * @property {number[]} drawn_box (y1, x1, y2, x2) that the reader draws, in the panel's units
 * @property {object} clicked {panel, x, y, event}: the place in a clickable panel, by its key
 * @property {object} moved_box {panel, name, box, event}: a movable box at its new place
 */

/** A scene on the page. */
class View {
  /**
   * @param {object} model with get(name), set(name, value), save_changes(), on and off
   * @param {HTMLElement} element that the view fills
   */
  constructor(model, element) {
    this.model = model;
    this.element = element;
    this.canvases = new Map();  // name of an image to its pixels, decoded once
    this.decoded = new WeakMap();  // layer with pixels of its own to its canvas
    this.panels = [];
    this.hovered = null;  // the row under the pointer
    this.redraws = 0;  // of the present scene
    element.classList.add("mx");
    addElement(element, "style").textContent = STYLE;
    const stage = addElement(element, "div", "mx-stage");
    const busy = addElement(stage, "div", "mx-busy");
    busy.textContent = "Python computes …";
    busy.setAttribute("role", "status");
    this.player = new Player(this, stage);
    this.upperPanels = addElement(stage, "div", "mx-panels");
    this.resizeObserver = new ResizeObserver(() => this.fit());
    this.resizeObserver.observe(stage);
    this.text = addElement(element, "div", "mx-text");
    this.lowerPanels = addElement(element, "div", "mx-panels mx-lower");
  }

  get scene() { return this.model.get("scene"); }
  get selected() { return this.model.get("selected"); }
  get opacity() { return this.model.get("opacity"); }
  get divider() { return this.model.get("divider") ?? 0.5; }
  get threshold() { return this.model.get("threshold"); }

  /**
   * The pixels of a layer; null while the browser decodes them.
   * @param {ImageLayer} layer
   */
  imageOf(layer) {
    if (layer.data || layer.thresholded) return this.decode(layer);
    if (!this.canvases.has(layer.name)) {
      const image = this.model.get("images")[layer.name];
      if (!image) return null;
      this.canvases.set(layer.name, image.src ? this.load(image.src) : imageCanvas(image));
    }
    const canvas = this.canvases.get(layer.name);
    return canvas.complete === false ? null : canvas;
  }

  /** The pixels of a layer of its own, decoded once: the pointer redraws panels as it moves. */
  decode(layer) {
    const map = layer.thresholded ? this.model.get("maps")[layer.name] : null;
    const known = this.decoded.get(layer);
    if (known && known.map === map && known.threshold === this.threshold) return known.canvas;
    const canvas = imageCanvas({ ...map, ...layer }, this.threshold);
    this.decoded.set(layer, { map, threshold: this.threshold, canvas });
    return canvas;
  }

  /** An image file that the browser decodes; the panels are drawn again when it is ready. */
  load(src) {
    const image = new Image();
    image.onload = () => { for (const panel of this.panels) panel.draw(); };
    image.src = src;
    return image;
  }

  /** Bring the items of a row to the front in all panels; null: none. */
  hover(row) {
    if (row === this.hovered) return;
    this.hovered = row;
    for (const panel of this.panels) panel.draw();
  }

  /** Give the panels the places and sizes at which they fill the view; return those that change. */
  layOut() {
    for (const old of this.element.querySelectorAll(".mx-break")) old.remove();
    const changed = [];
    for (const parent of [this.upperPanels, this.lowerPanels]) {
      const here = this.panels.filter(({ element }) => element.parentNode === parent);
      const shown = here.map((panelView) => this.scene.panels[this.panels.indexOf(panelView)]);
      // A pixel less: a width of 819.6 is reported as 820, and the last panel would not fit.
      arrange(shown, Math.max(parent.clientWidth - 1, 0), window.innerHeight).forEach(({ size, endsRow }, i) => {
        if (here[i].resize(size)) changed.push(here[i]);
        if (!endsRow) return;
        const lineBreak = document.createElement("div");
        lineBreak.className = "mx-break";
        here[i].element.after(lineBreak);
      });
    }
    return changed;
  }

  /** Fill the width that the view has now. */
  fit() {
    if (!this.panels.length) return;
    for (const panel of this.layOut()) panel.draw();
  }

  select(row) {
    this.model.set("selected", row);
    this.model.save_changes();
  }

  /** Move the dividers to a share of the width. */
  moveDivider(share) {
    this.model.set("divider", Math.min(Math.max(share, 0), 1));
    this.model.save_changes();
  }

  /** Report the box that the reader draws, to a tenth of a unit. */
  sendBox(box) {
    this.model.set("drawn_box", box.map((value) => Math.round(value * 10) / 10));
    this.model.save_changes();
  }

  /** Report the place (x, y) that the reader points at in a panel. */
  sendPlace(panel, [x, y]) { this.report("clicked", { panel, x, y }); }

  /** Report a box that the reader moves. */
  sendMove(panel, name, box) { this.report("moved_box", { panel, name, box }); }

  /** Report an event, numbered, so that the same one twice is two changes. */
  report(trait, event) {
    this.model.set(trait, { ...event, event: (this.model.get(trait)?.event || 0) + 1 });
    this.model.save_changes();
  }

  /** Show the present scene. Elements that stay are kept, so that none loses the focus. */
  show() {
    const { scene } = this;
    if (!scene || !scene.panels) return;
    while (this.panels.length > scene.panels.length) this.panels.pop().element.remove();
    while (this.panels.length < scene.panels.length) {
      this.panels.push(new PanelView(this, addElement(this.upperPanels, "div", "mx-panel")));
    }
    scene.panels.forEach((panel, i) => this.place(this.panels[i], panel));
    this.layOut();
    scene.panels.forEach((panel, i) => this.panels[i].show(panel));
    this.showText(scene.text || []);
    this.player.show(scene.steps || []);
    this.element.dataset.stamp = `${scene.stamp}.${this.redraws}`;
  }

  /** Put a panel above or below the text. */
  place({ element }, panel) {
    const parent = panel.below_text ? this.lowerPanels : this.upperPanels;
    if (element.parentNode !== parent) parent.append(element);  // moving it loses the focus
  }

  /** Say after a moment that Python computes; it ends with the next scene. */
  showBusy() { this.element.classList.toggle("mx-computing", Boolean(this.model.get("busy"))); }

  /**
   * Write the lines of text. A line that stays the same is not touched, so that a screen reader
   * does not read it again.
   * @param {TextLine[]} lines
   */
  showText(lines) {
    const someAreLive = lines.some(({ live }) => live);
    this.text.setAttribute("aria-live", someAreLive ? "off" : "polite");
    while (this.text.children.length > lines.length) this.text.lastChild.remove();
    lines.forEach(({ text, color, live, code }, i) => {
      const line = this.text.children[i] || addElement(this.text, "div", "mx-line");
      if (live) line.setAttribute("aria-live", "polite");
      else line.removeAttribute("aria-live");
      line.classList.toggle("mx-code", Boolean(code));
      if (line.textContent !== text) line.textContent = text;
      line.style.borderLeftColor = (color === INK ? "currentColor" : color) || "transparent";
    });
  }

  /** Show the same scene with another threshold or opacity. */
  redraw() {
    this.redraws += 1;
    this.show();
  }

  /** Show the same scene with another selection or another colour of text. */
  redrawSelection() {
    for (const panel of this.panels) panel.draw();
    this.element.dataset.selected = this.selected;
  }
}

/** Show a model's scene in an element, and follow its changes. Returns the call that ends it. */
export function render({ model, el }) {
  const view = new View(model, el);
  const listeners = {
    scene: () => view.show(),
    selected: () => view.redrawSelection(),
    threshold: () => view.redraw(),
    opacity: () => view.redraw(),
    divider: () => view.redrawSelection(),
    busy: () => view.showBusy(),
  };
  for (const [name, call] of Object.entries(listeners)) model.on(`change:${name}`, call);
  view.show();
  // The element is on the page after the next frame; only then is the colour of its text known.
  const redrawLater = () => requestAnimationFrame(() => view.redrawSelection());
  redrawLater();
  // That colour changes with the theme: the system's, or JupyterLab's own.
  const darkScheme = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(redrawLater);
  darkScheme.addEventListener("change", redrawLater);
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  return () => {
    darkScheme.removeEventListener("change", redrawLater);
    observer.disconnect();
    view.resizeObserver.disconnect();
    for (const [name, call] of Object.entries(listeners)) model.off(`change:${name}`, call);
  };
}
