// The view of a scene: panels and lines of text. Notebooks (anywidget) and the page of a report
// use the same view.
//
// A scene is plain data, made by scenes/scene.py. The viewer draws it and lets its reader select;
// it computes nothing of the detector. The threshold and the opacity act here, without a new
// scene. The viewer has no dependency and makes no request.

import { imageCanvas } from "./layers.js";
import { INK, WHITE } from "./palette.js";  // bundle.py writes it
import { PanelView, addElement } from "./panel.js";
import { Player } from "./player.js";

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
 * @property {number[]} drawn_box (y1, x1, y2, x2) that the reader draws, in the panel's units
 * @property {object} clicked {panel, x, y, event}: the place in a clickable panel, by its key
 * @property {object} moved_box {panel, name, box, event}: a movable box at its new place
 */

const STYLE = `
.mx { font: 13px/1.45 system-ui, sans-serif; color: var(--jp-ui-font-color1, inherit); }
.mx-panels { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-start; }
.mx-panel { position: relative; max-width: 100%; }
.mx-break { flex-basis: 100%; height: 0; }
.mx-title { font-weight: 600; margin: 0 0 3px; }
.mx canvas { display: block; max-width: 100%; border-radius: 3px; outline-offset: 2px; }
.mx-frame { position: relative; }
.mx-target { position: absolute; pointer-events: none; outline-offset: 3px; }
.mx-code { font-family: ui-monospace, monospace; font-size: 12px; }
.mx-divider { position: absolute; top: 0; bottom: 0; width: 24px; margin-left: -12px; cursor: ew-resize;
  touch-action: none; background: linear-gradient(${WHITE}, ${WHITE}) center / 4px 100% no-repeat;
  filter: drop-shadow(0 0 1px ${INK}); }
.mx-divider span { position: absolute; left: 50%; bottom: 8px; padding: 2px 8px; white-space: nowrap;
  background: ${INK}; color: ${WHITE}; border-radius: 9px; font-size: 12px; user-select: none; }
.mx-player { margin: 4px 0 8px; min-height: 28px; }
.mx-player button { font: inherit; padding: 2px 12px; margin-right: 6px; cursor: pointer; }
.mx-now { outline: 3px solid currentColor; outline-offset: 4px; border-radius: 3px; }
.mx-dim { opacity: 0.35; }
@media (prefers-reduced-motion: no-preference) { .mx-panel { transition: opacity 0.3s; } }
.mx-titled { padding-left: 6px; border-left: 4px solid; }
.mx-tip { position: absolute; pointer-events: none; z-index: 5; padding: 3px 7px; display: none;
  box-sizing: border-box; width: max-content; max-width: 100%; white-space: pre-wrap;
  background: ${INK}; color: ${WHITE}; border-radius: 3px; font-size: 12px; }
.mx-text { margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.mx-line { padding-left: 9px; border-left: 4px solid transparent; }
`;

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
    this.panels = [];
    this.redraws = 0;  // of the present scene
    element.classList.add("mx");
    addElement(element, "style").textContent = STYLE;
    this.player = new Player(this, element);
    this.upperPanels = addElement(element, "div", "mx-panels");
    this.text = addElement(element, "div", "mx-text");
    this.lowerPanels = addElement(element, "div", "mx-panels");
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
    if (layer.data) return imageCanvas(layer);
    if (layer.thresholded) {
      return imageCanvas({ ...this.model.get("maps")[layer.name], ...layer }, this.threshold);
    }
    if (!this.canvases.has(layer.name)) {
      const image = this.model.get("images")[layer.name];
      if (!image) return null;
      this.canvases.set(layer.name, image.src ? this.load(image.src) : imageCanvas(image));
    }
    const canvas = this.canvases.get(layer.name);
    return canvas.complete === false ? null : canvas;
  }

  /** An image file that the browser decodes; the panels are drawn again when it is ready. */
  load(src) {
    const image = new Image();
    image.onload = () => { for (const panel of this.panels) panel.draw(); };
    image.src = src;
    return image;
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
    for (const old of this.upperPanels.querySelectorAll(".mx-break")) old.remove();
    scene.panels.forEach((panel, i) => this.showPanel(this.panels[i], panel));
    this.showText(scene.text || []);
    this.player.show(scene.steps || []);
    this.element.dataset.stamp = `${scene.stamp}.${this.redraws}`;
  }

  showPanel(panelView, panel) {
    const { element } = panelView;
    const parent = panel.below_text ? this.lowerPanels : this.upperPanels;
    if (element.parentNode !== parent) parent.append(element);  // moving it loses the focus
    if (panel.starts_row) {
      const lineBreak = document.createElement("div");
      lineBreak.className = "mx-break";
      element.before(lineBreak);
    }
    panelView.show(panel);
  }

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
      line.style.borderLeftColor = color || "transparent";
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
    for (const [name, call] of Object.entries(listeners)) model.off(`change:${name}`, call);
  };
}
