// A divider over a panel: layers of one side are drawn on that side of it only. The reader drags
// it with a pointer or moves it with keys, to compare two runs on one image.

/** What keys do to the divider: share of the panel's width by which it moves. */
const STEPS = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02,
  PageDown: -0.2, PageUp: 0.2, Home: -1, End: 1 };

/** The divider of one panel; it shows nothing in panels without one. */
export class Divider {
  /** @param {PanelView} panelView over whose canvas it lies */
  constructor(panelView) {
    this.panelView = panelView;
    this.element = document.createElement("div");
    const attributes = { class: "mx-divider", role: "slider", tabindex: 0,
      "aria-valuemin": 0, "aria-valuemax": 100 };
    for (const [name, value] of Object.entries(attributes)) this.element.setAttribute(name, value);
    this.words = document.createElement("span");
    this.element.append(this.words);
    const listeners = {
      pointerdown: (event) => this.element.setPointerCapture(event.pointerId),
      pointermove: (event) => this.pointerMoved(event),
      keydown: (event) => this.keyPressed(event),
    };
    for (const [name, call] of Object.entries(listeners)) this.element.addEventListener(name, call);
  }

  /** Where the divider is, as a share of the panel's width. */
  get share() { return this.panelView.view.divider; }

  /** @param {Panel} panel */
  show({ divider }) {
    if (!divider) { this.element.remove(); return; }
    if (!this.element.parentNode) this.panelView.frame.append(this.element);
    const [left, right] = divider;
    this.words.textContent = `${left} ◂▸ ${right}`;
    this.element.setAttribute("aria-label", `Divider: ${left} on its left, ${right} on its right`);
  }

  /** Put the element where the divider is. */
  place() {
    const percent = 100 * this.share;
    this.element.style.left = `${percent}%`;
    // The words stay within the panel.
    this.words.style.transform = `translateX(-${percent}%)`;
    this.element.setAttribute("aria-valuenow", Math.round(percent));
  }

  /** Draw something on one side of the divider, "left" or "right"; without a side, everywhere. */
  clip(surface, side, draw) {
    const { pen, width, height } = surface;
    if (!side || !this.panelView.panel.divider) { draw(); return; }
    const middle = width * this.share;
    pen.save();
    pen.beginPath();
    pen.rect(side === "left" ? 0 : middle, 0, side === "left" ? middle : width - middle, height);
    pen.clip();
    draw();
    pen.restore();
  }

  /** Whether a layer of some side is hidden at a place in the panel's units. */
  hides(side, x) {
    const { divider, extent: [x1, , x2] } = this.panelView.panel;
    if (!side || !divider) return false;
    return (side === "left") !== ((x - x1) / (x2 - x1) < this.share);
  }

  pointerMoved(event) {
    if (!this.element.hasPointerCapture(event.pointerId)) return;
    const { left, width } = this.panelView.canvas.getBoundingClientRect();
    this.panelView.view.moveDivider((event.clientX - left) / width);
  }

  keyPressed(event) {
    const step = STEPS[event.key];
    if (!step) return;
    this.panelView.view.moveDivider(this.share + step);
    event.preventDefault();
    event.stopPropagation();
  }
}
