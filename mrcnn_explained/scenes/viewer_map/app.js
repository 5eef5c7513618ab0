// The Map: the whole detector, made of one run's tensors. One selection, a candidate of the RPN, is
// followed through every stage: hover previews it, a click holds it, arrows step, Escape clears.

import { drawStageControls, drawDetails, aboutOf, exampleFor } from "./details.js";
import { Detector } from "./detector.js";
import { html, isDark, makeColors, setColors } from "./draw.js";
import { pressKey } from "./keys.js";
import { drawList, listen, markLists } from "./lists.js";
import { drawBuses, drawPath } from "./path.js";
import { Player } from "./play.js";
import { buildSkeleton, describeRun } from "./skeleton.js";
import { HEAD_STAGES } from "./stages_heads.js";
import { PYRAMID_STAGES, imageArea } from "./stages_pyramid.js";
import { ROI_STAGES } from "./stages_rois.js";
import { MAP_STYLE } from "./style.js";  // the bundle writes it from map.css
import { drawWhatIf } from "./what_if.js";
import { SAY, endOf, levelIn, plural, titleOf, verdict } from "./words.js";

const STAGES = [...PYRAMID_STAGES, ...ROI_STAGES, ...HEAD_STAGES];
const INVITATION = "Hover over a box, a dot, a crop or a row: its path lights up. Click to hold it. Click the name of a stage for its details.";
/** Sizes of type, pixels: small print, text, headings. */
const TYPE = { full: [16, 18, 23], large: [14, 15.5, 20], usual: [12, 13.5, 17], phone: [13, 15, 18] };

class DetectorMapView {
  constructor(host, detector, image, options) {
    Object.assign(this, { host, detector, image, options, base: detector.base, run: detector.base, settings: { ...detector.header.settings } });
    Object.assign(this, { held: -1, hovered: -1, opened: null, channel: 0, classId: 0, diff: null, ranges: new Map(), crops: new Map(), masks: new Map() });
    this.root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(MAP_STYLE);
    this.root.adoptedStyleSheets = [sheet];
    this.root.replaceChildren();
    host.dataset.lmSuppressShortcuts = "true";  // JupyterLab leaves the keys to the Map
    this.element = html(this.root, "div", { class: `detector-map${options.fill ? " fill" : ""}` });
    this.e = buildSkeleton(this.element, STAGES, this.actions());
    for (const { list } of this.e.places) if (list) listen(list, this.actions());
    this.e.scratch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.pen = document.createElement("canvas").getContext("2d");
    this.player = new Player(this);
    this.listen();
    describeRun(this.e, detector);
    this.buildTools();
    const begin = performance.now();
    detector.detect(this.settings);
    this.cost = performance.now() - begin;  // of one run in this browser
    this.restyle();
  }

  actions() {
    return {
      play: () => this.play(), clear: () => this.clear(), reset: () => this.reset(), hover: (c) => this.hover(c),
      toggle: (id) => this.open(this.opened === id ? null : id),
      about: (id) => { if (!this.player.playing) this.drawBar(id ? aboutOf(id) : undefined); },
      next: (all) => this.hold(all[(all.indexOf(this.held) + 1) % all.length]),
      point: (place, event, click) => this.point(place, event, click),
    };
  }

  listen() {
    const { signal } = (this.life = new AbortController());
    this.observer = new ResizeObserver(() => this.resize());
    for (const node of [this.element, this.e.map]) this.observer.observe(node);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle(), { signal });
    this.themes = new MutationObserver(() => this.restyle());  // JupyterLab writes its theme on the body
    for (const node of [document.documentElement, document.body]) this.themes.observe(node, { attributes: true, attributeFilter: ["class", "data-theme", "data-jp-theme-light", "data-jp-theme-name"] });
    document.addEventListener("fullscreenchange", () => this.resize(), { signal });
    (this.options.fill ? document : this.element).addEventListener("keydown", (event) => pressKey(this, event), { signal });
  }

  destroy() {
    this.player.stop();
    this.life.abort();
    this.observer.disconnect();
    this.themes.disconnect();
  }

  /** Buttons of the header: full screen, other images of the batch, remarks on the run. */
  buildTools() {
    const { e, options } = this;
    if (options.images > 1) {
      const label = html(e.tools, "label", {}, "image "), list = html(label, "select", { onchange: ({ target }) => options.show(Number(target.value)) });
      for (let i = 0; i < options.images; i++) html(list, "option", { value: i, selected: i === options.index }, String(i));
    }
    if (e.remarks.length) {
      const details = html(e.tools, "details", { class: "remarks" });
      html(details, "summary", {}, plural(e.remarks.length, "remark"));
      const list = html(details, "ul");
      for (const remark of e.remarks) html(list, "li", {}, remark);
    }
    if (document.fullscreenEnabled) html(e.tools, "button", { type: "button", class: "full", onclick: () => this.fullScreen() }, "Full screen");
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen(); else this.host.requestFullscreen?.();
  }

  // Look and size

  restyle() {
    this.colors = makeColors(isDark(this.host));
    setColors(this.element, this.colors);
    this.resize();
  }

  resize() {
    const width = this.element.getBoundingClientRect().width, full = document.fullscreenElement === this.host;
    if (!width) return;
    const type = full ? TYPE.full : width >= 1700 ? TYPE.large : width < 640 ? TYPE.phone : TYPE.usual;
    [this.small, this.text, this.big] = type;
    this.size = width >= 100 * this.small ? "wide" : width >= 640 ? "middle" : "narrow";  // one lane needs room for its words
    ["small", "text", "big"].forEach((name, i) => this.element.style.setProperty(`--${name}`, `${type[i]}px`));
    this.element.dataset.size = this.size;
    this.element.classList.toggle("full-screen", full);
    this.family = getComputedStyle(this.element).fontFamily;
    this.widths = new Map();
    this.putDetails();
    this.drawAll();
  }

  /** The width of a text in small print. */
  measure(text, strong) {
    const key = `${strong ? 1 : 0}${text}`;
    if (!this.widths.has(key)) {
      this.pen.font = `${strong ? "700 " : ""}${this.small}px ${this.family}`;
      this.widths.set(key, this.pen.measureText(text).width);
    }
    return this.widths.get(key);
  }

  // Views

  get shown() { return this.hovered >= 0 ? this.hovered : this.held; }
  get state() { return { held: this.held, hovered: this.hovered, open: this.opened, settings: this.settings, run: this.run, playing: this.player.playing, step: this.player.step }; }
  get view() { return this.placeOf("image").v; }
  placeOf(id) { return this.e.places.find(({ stage }) => stage.id === id); }

  /** Left upper corner of a stage's body, in the Map; the space above its heading. */
  origin({ at }) { return [at.x, at.y]; }
  above({ at }) { return at.above; }

  /** Where each stage lies: read once, because every reading after a change lays the page out again. */
  measurePlaces() {
    const { e } = this, map = e.map.getBoundingClientRect(), [dx, dy] = [e.map.scrollLeft - map.left, e.map.scrollTop - map.top];
    for (const place of e.places) {
      const at = place.body.getBoundingClientRect(), lane = place.section.parentElement;
      const head = lane.firstElementChild === place.section && this.size !== "narrow" ? lane.parentElement : place.section;
      place.at = { x: at.left + dx, y: at.top + dy, w: at.width, h: at.height, above: head.getBoundingClientRect().top + dy - 6, left: 999, right: 999 };
    }
    e.places.forEach(({ at }, i) => { // the gap between neighbours of one line; far where the next stage lies below
      const next = e.places[i + 1]?.at;
      if (next && Math.abs(next.y - at.y) < 2) at.right = next.left = next.x - at.x - at.w;
    });
  }

  drawAll() { this.measurePlaces(); this.redraw(() => true); drawBuses(this); }

  /** Draw some stages again; the others keep their pixels. */
  redraw(which) {
    this.changed = new Set([...(this.diff?.moved ?? []), ...(this.diff?.roisGained ?? [])]);
    this.gained = new Set(this.diff?.gained);
    for (const place of this.e.places) this.draw(place, which(place.stage));
    this.refresh();
    if (this.opened && this.hovered >= 0) drawDetails(this, this.opened);
  }

  /** A stage's view of the run; `paint`: fit its layers and draw them, else they stay. */
  draw(place, paint) {
    const { stage, at, canvas, selCanvas, svg, selSvg } = place, scale = Math.min(2, devicePixelRatio || 1), { header: H, arrays: A } = this.detector;
    place.v = {
      map: this, d: this.detector, H, A, run: this.run, colors: this.colors, small: this.small, text: this.text, measure: (text, strong) => this.measure(text, strong),
      ctx: canvas.getContext("2d"), base: svg, sel: selSvg, ...at, inset: stage.inset ?? 0, memo: paint ? new Map() : place.v.memo, aspect: H.size[1] / H.size[0],
      channel: this.channel, classId: this.classId, changed: this.changed, gained: this.gained, listed: !!stage.list,
    };
    if (!paint) return;
    const [w, h] = [Math.round(at.w * scale), Math.round(at.h * scale)];
    for (const layer of [canvas, selCanvas]) {
      if (layer.width === w && layer.height === h) { layer.getContext("2d").clearRect(0, 0, at.w, at.h); continue; }
      Object.assign(layer, { width: w, height: h });
      layer.getContext("2d").scale(scale, scale);
    }
    svg.replaceChildren();
    const shapes = [stage.shape(place.v)].flat();
    place.shape.textContent = shapes.find((shape) => this.measure(shape) <= at.w + 4) ?? shapes.at(-1);
    svg.setAttribute("aria-label", `${stage.title}: ${shapes[0]}`);
    stage.draw(place.v);
    if (place.list) { const area = imageArea(place.v); drawList(place, this.diff, area.y + area.h + 10); }
  }

  /** Draw whatever depends on the selection. */
  refresh() {
    const c = this.shown, { e } = this, end = c < 0 ? -1 : endOf(this.view, c);
    e.map.classList.toggle("chosen", c >= 0);
    e.map.classList.toggle("preview", this.hovered >= 0 && this.hovered !== this.held);
    e.places.forEach((place, i) => {
      const { v, selCanvas, selSvg, stage, section } = place, ctx = selCanvas.getContext("2d");
      selSvg.replaceChildren();
      ctx.clearRect(0, 0, v.w, v.h);
      if (c >= 0) stage.mark({ ...v, ctx }, c);
      section.classList.toggle("beyond", c >= 0 && i > end);
    });
    markLists(this.element, c);
    drawPath(this);
    this.drawBar();
    if (this.opened && this.hovered < 0) drawDetails(this, this.opened);
  }

  drawBar(text, large = false) {
    const c = this.shown, { e } = this;
    e.who.replaceChildren();
    if (c >= 0) html(e.who, "b", { class: `chip p${levelIn(this.view, c)}` }, `P${levelIn(this.view, c)}`);
    html(e.who, "span", {}, c >= 0 ? titleOf(this.view, c) : this.run.rois.length ? "Nothing selected" : "No ROI");
    e.verdict.textContent = text ?? (c >= 0 ? verdict(this.view, c) : this.run.found.length ? INVITATION : `Nothing was detected. ${INVITATION}`);
    e.verdict.classList.toggle("large", large);
    e.play.textContent = this.player.playing ? "❚❚ Pause" : "▶ Play";
  }

  /** While it plays: what the present stage does with the selection. */
  say(id) { this.drawBar(SAY[id](this.view, this.held), true); }

  // Selection

  point(place, event, click) {
    const at = place.body.getBoundingClientRect(), c = place.stage.pick(place.v, event.clientX - at.left, event.clientY - at.top);
    if (!click) this.hover(c); else if (c >= 0) this.hold(c); else this.clear();
  }

  hover(c) { if (!this.player.playing && c !== this.hovered) { this.hovered = c; this.refresh(); } }

  hold(c) {
    this.player.stop();
    this.held = c;
    this.hovered = -1;
    this.refresh();
    this.announce();
  }

  clear() {
    this.player.stop();
    this.held = this.hovered = -1;
    this.refresh();
    this.announce();
  }

  /** The same for a screen reader: the verdict at once, the whole path as a list. */
  announce() {
    const { e } = this, c = this.held;
    this.options.onHold?.(c);
    e.steps.replaceChildren();
    e.live.textContent = c < 0 ? "Nothing selected." : `${titleOf(this.view, c)}. ${verdict(this.view, c)}`;
    if (c >= 0) for (const { stage } of e.places.slice(0, endOf(this.view, c) + 1)) html(e.steps, "li", {}, `${stage.title}: ${SAY[stage.id](this.view, c)}`);
  }

  // Settings

  change(key, value) {
    this.player.stop();
    if (key === "channel" || key === "classId") { this[key] = value; this.redraw(() => true); return; }
    this.settings = { ...this.settings, [key]: value };
    const { detector } = this, own = detector.header.settings, changed = Object.keys(own).some((name) => own[name] !== this.settings[name]);
    this.run = changed ? detector.detect(this.settings) : this.base;
    this.diff = changed ? detector.differences(this.run) : null;
    if (this.diff) this.diff.lostNames = this.diff.lostIds.map((k) => detector.header.classes[k]);
    if (!this.run.classId.includes(this.classId)) this.classId = 0;
    drawWhatIf(this);
    this.redraw(({ changedBy }) => changedBy?.includes(key));  // if the line above moves the Map, `resize` draws all
    if (this.opened && !this.root.activeElement?.matches("input[type=range]")) this.drawControls();
  }

  reset() {
    Object.assign(this, { settings: { ...this.detector.header.settings }, run: this.base, diff: null });
    drawWhatIf(this);
    this.drawAll();
    if (this.opened) this.drawControls();
    this.e.map.focus();
  }

  drawControls() { if (this.opened) drawStageControls(this, this.opened); }

  // Details, play, keys

  open(id) {
    this.player.stop();
    this.opened = id;
    const { e } = this;
    e.panel.hidden = !id;
    this.element.classList.toggle("detail", !!id);
    for (const { stage, button, section } of e.places) {
      button.setAttribute("aria-expanded", String(stage.id === id));
      section.classList.toggle("open", stage.id === id);
    }
    this.putDetails();
    if (id) this.drawControls();
    this.drawAll();
    if (id && this.size !== "wide") e.panel.scrollIntoView({ block: "nearest", behavior: this.calm.matches ? "auto" : "smooth" });
  }

  /** Details open in place: below the Map, below the lane, on a phone below the stage. */
  putDetails() {
    const { e, opened, size } = this;
    if (!opened) return;
    const { section } = this.placeOf(opened), before = size === "wide" ? e.map : size === "middle" ? section.closest(".lane") : section;
    if (before.nextElementSibling !== e.panel) before.after(e.panel);
  }

  play() {
    const v = this.view;
    if (this.player.playing) { const id = STAGES[this.player.step]?.id ?? "image"; this.player.stop(); this.drawBar(SAY[id](v, this.held)); return; }
    if (this.held < 0) this.held = exampleFor(v, 0, -1);
    if (this.held < 0) return;
    this.hovered = -1;
    this.refresh();
    this.announce();
    this.player.start(this.held);
    this.drawBar();
  }
}

/**
 * Show a Map in `host`; several may live on one page.
 * @param {HTMLElement} host
 * @param {object[]} payloads { header, block } of each image of the run
 * @param {object} [options] fill: as high as the window, less the property --below, keys of the whole page;
 *   onHold(candidate): called with what is held, -1: nothing; chapter(module): where the page has more
 *   about a stage, "#levels", or ""
 */
export function mountMap(host, payloads, options = {}) {
  const show = async (index) => {
    const detector = await Detector.open(payloads[index]), image = new Image();
    image.src = detector.header.image;
    await image.decode();
    host.theMap?.destroy();
    host.theMap = new DetectorMapView(host, detector, image, { ...options, index, images: payloads.length, show });
    return host.theMap;
  };
  return show(0);
}
