// The elements of a Map: header, two lanes of stages, details, and the line about the selection.

import { LEVELS, html, svg } from "./draw.js";
import { dims } from "./words.js";

const LANES = [
  ["First stage", "Where might objects be?", "↓ one row per pyramid level"],
  ["Second stage", "Which class, which box, which pixels?", "↓ from Reorder on: one row per ROI"],
];
const HELP = "Map of the detector. Left and right arrow: previous and next ROI. Up and down arrow: previous and next " +
  "detection. P: play. F: full screen. Escape: close the details, then clear the selection.";

/** Build everything that does not depend on the run; returns the elements by name. */
export function buildSkeleton(root, stages, act) {
  const e = { root };
  const header = html(root, "header");
  const title = html(header, "div", { class: "title" });
  html(title, "h2", {}, "The Map: one run of Mask R-CNN");
  e.source = html(title, "p", { class: "source" });
  e.whatIf = html(header, "div", { class: "what-if", role: "status", hidden: true });
  const words = html(e.whatIf, "div");
  e.setting = html(words, "b");
  e.answer = html(words, "span");
  e.call = html(e.whatIf, "code");
  html(e.whatIf, "button", { type: "button", onclick: act.reset }, "Back to the run");
  e.legend = html(header, "ul", { class: "legend", "aria-label": "Pyramid levels and their strides" });
  for (const k of LEVELS) {
    const item = html(e.legend, "li");
    html(item, "b", { class: `chip p${k}` }, `P${k}`);
    html(item, "span", {}, k === 2 ? `stride ${2 ** k}` : `${2 ** k}`);
  }
  e.tools = html(header, "div", { class: "tools" });

  e.map = html(root, "div", { class: "map", role: "region", tabindex: 0, "aria-label": HELP });
  e.under = svg(e.map, "svg", { class: "under", "aria-hidden": "true" });
  e.lanes = LANES.map(([name, question, rows], i) => {
    const lane = html(e.map, "section", { class: `lane lane-${i + 1}` });
    const head = html(lane, "h3", {}, name);
    html(head, "span", {}, question);
    html(head, "small", {}, rows);
    return html(lane, "div", { class: "stages" });
  });
  e.places = stages.map((stage, i) => buildStage(e.lanes[i < 5 ? 0 : 1], stage, act));
  e.thread = svg(e.map, "svg", { class: "thread-layer", "aria-hidden": "true" });
  e.token = html(e.map, "canvas", { class: "token", width: 80, height: 80, "aria-hidden": "true" });

  const footer = html(root, "footer");
  e.play = html(footer, "button", { type: "button", class: "play", onclick: act.play }, "▶ Play");
  e.who = html(footer, "div", { class: "who" });
  e.verdict = html(footer, "p", { class: "verdict" });
  e.keys = html(footer, "p", { class: "keys" });
  for (const [keys, text] of [[["←", "→"], "ROI"], [["↑", "↓"], "detection"], [["p"], "play"]]) {
    for (const key of keys) html(e.keys, "kbd", {}, key);
    e.keys.append(` ${text} `);
  }
  e.clear = html(footer, "button", { type: "button", class: "clear", "aria-label": "Clear the selection (Escape)", onclick: act.clear }, "Esc");
  e.live = html(root, "p", { class: "unseen", "aria-live": "polite" });
  const path = html(root, "section", { class: "unseen", "aria-label": "Path of the selection through the stages" });
  e.steps = html(path, "ol");
  buildDetails(e, act);
  return e;
}

function buildStage(lane, stage, act) {
  const style = { "--w": stage.w, "--gap": `${stage.gap}px`, "--inset": `${stage.inset ?? 0}px` };
  const section = html(lane, "section", { class: `stage stage-${stage.id}`, "data-stage": stage.id, style });
  const button = html(html(section, "h4"), "button", {
    type: "button", "aria-expanded": "false", onclick: () => act.toggle(stage.id),
    onpointerenter: () => act.about(stage.id), onpointerleave: () => act.about(null),
  });
  html(button, "span", { class: "n" }, stage.n);
  html(button, "span", {}, stage.title);
  const shape = html(section, "p", { class: "shape" });
  const body = html(section, "div", { class: "body" });
  const place = {
    stage, section, button, shape, body,
    canvas: html(body, "canvas", { "aria-hidden": "true" }), svg: svg(body, "svg", { role: "img" }),
    selCanvas: html(body, "canvas", { class: "sel", "aria-hidden": "true" }), selSvg: svg(body, "svg", { class: "sel", "aria-hidden": "true" }),
    list: stage.list ? html(body, "div", { class: "list" }) : null,
  };
  body.addEventListener("pointermove", (event) => event.pointerType === "mouse" && act.point(place, event, false));
  body.addEventListener("pointerleave", () => act.hover(-1));
  body.addEventListener("click", (event) => { if (!event.target.closest(".list")) act.point(place, event, true); });
  return place;
}

function buildDetails(e, act) {
  const panel = html(e.root, "aside", { class: "details", hidden: true, "aria-label": "Details of a stage" });
  const column = (name, label) => html(panel, "div", { class: name, role: "group", "aria-label": label, tabindex: 0 });
  const words = column("words", "What the stage does");
  const figure = html(panel, "div", { class: "figure" }), facts = column("facts", "Numbers and controls");
  Object.assign(e, {
    panel, figure,
    panelTitle: html(words, "h3"), about: html(words, "p"), own: html(words, "p", { class: "own" }), code: html(words, "p", { class: "code" }),
    canvas: html(figure, "canvas", { "aria-hidden": "true" }), svg: svg(figure, "svg", { role: "img" }),
    numbers: html(facts, "ol", { class: "numbers" }), controls: html(facts, "div", { class: "controls" }),
    close: html(panel, "button", { type: "button", class: "close", "aria-label": "Close the details", onclick: () => act.toggle(null) }, "✕"),
  });
}

/** What the run was, and what of it is not here. */
export function describeRun(e, { header }) {
  const of = header.batch > 1 ? `image ${header.number} of a batch of ${header.batch} · ` : "";
  e.source.textContent = `${of}${dims(header.original)} image · ${header.weights} weights · all thumbnails, boxes and numbers are this run's tensors`;
  const out = Object.entries(header.left_out).filter(([, count]) => count).map(([kind, count]) => `${count} ${kind} left out to bound the size`);
  const changed = header.stages.filter((stage) => stage.changed).map((stage) => stage.changed);
  e.remarks = [...header.notes, ...changed, ...header.missing.map((text) => `Not shown: ${text}`), ...out];
}
