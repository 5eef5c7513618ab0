// The details of one stage: words, figure, equation with the numbers of the selection, controls.

import { html } from "./draw.js";
import { drawControls } from "./controls.js";
import { FIRST_PANELS } from "./panels_first.js";
import { HEAD_PANELS } from "./panels_heads.js";
import { ROI_PANELS } from "./panels_rois.js";
import { SAY, endOf, fateOf, titleOf, verdict } from "./words.js";

const PANELS = { ...FIRST_PANELS, ...ROI_PANELS, ...HEAD_PANELS };
/** Stages up to this place show every candidate; those after it, ROIs; the last two, detections. */
const FOR_ROIS = 5, FOR_DETECTIONS = 10;

/** What a stage does, in a sentence or two. */
export const aboutOf = (id) => PANELS[id].about;

/** The candidate whose numbers a stage shows: the selection if it gets there, else an example; -1: none. */
export function exampleFor(v, place, c) {
  if (c >= 0 && place <= endOf(v, c)) return c;
  const found = v.run.rois[v.run.found[0]];
  if (place >= FOR_DETECTIONS) return found ?? -1;
  return found ?? v.run.rois[0] ?? (place < FOR_ROIS ? 0 : -1);
}

/** Can a stage show anything about this candidate, or did nobody ask the network? */
const unknown = (v, place, c) => place >= 8 && place < FOR_DETECTIONS && fateOf(v, c)?.kind === "unknown";

export function drawDetails(map, id) {
  const { e } = map, place = map.placeOf(id), at = e.places.indexOf(place), panel = PANELS[id], c = map.shown, example = exampleFor(place.v, at, c);
  e.panelTitle.textContent = `${place.stage.n}  ${place.stage.title}`;
  e.about.textContent = panel.about;
  e.code.textContent = panel.code;
  const chapter = map.options.chapter?.(id);
  if (chapter) {
    html(e.code, "br");
    html(e.code, "a", { href: chapter }, "More about this stage below");
  }
  e.own.textContent = ownText(place.v, at, id, c, example);
  drawNumbers(e, panel, place.v, example, unknown(place.v, at, example));
  drawFigure(map, panel, place, example, unknown(place.v, at, example));
}

function ownText(v, at, id, c, example) {
  if (example < 0) return "No candidate reaches this stage, so it has nothing to show.";
  const sentence = SAY[id](v, example);
  if (c < 0) return `Example: ${titleOf(v, example)}. ${sentence}`;
  if (c === example) return sentence;
  return `${titleOf(v, c)} does not reach this stage. ${verdict(v, c)} Shown instead: ${titleOf(v, example)}.`;
}

function drawNumbers(e, panel, v, c, hidden) {
  e.numbers.replaceChildren();
  if (c < 0 || hidden) return;
  for (const text of panel.numbers(v, c)) html(e.numbers, "li", { class: text.startsWith("!") ? "key" : "" }, text.replace("!", ""));
}

function drawFigure(map, panel, place, c, hidden) {
  const { canvas, svg, figure } = map.e, { width: w, height: h } = figure.getBoundingClientRect(), scale = Math.min(2, devicePixelRatio || 1);
  canvas.width = Math.round(w * scale);
  canvas.height = Math.round(h * scale);
  svg.replaceChildren();
  svg.setAttribute("aria-label", `${place.stage.title}: ${map.e.own.textContent}`);
  if (c < 0 || hidden || w < 20 || h < 20) return;
  const ctx = canvas.getContext("2d");
  ctx.scale(scale, scale);
  panel.figure({ ...place.v, memo: new Map(), ctx, base: svg, sel: svg, w, h, left: 0, right: 0, inset: 0, listed: false }, c);
}

/** The controls are drawn when a stage opens and when a control is let go: a slider in the hand stays. */
export function drawStageControls(map, id) {
  const { controls } = map.e, focus = controls.contains(map.root.activeElement) ? map.root.activeElement.dataset.key : null;
  drawControls(controls, map, PANELS[id].controls ?? []);
  if (focus) controls.querySelector(`[data-key="${focus}"]`)?.focus();
}
