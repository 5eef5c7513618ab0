// Two lists beside the images: the detected objects, and what became of all ROIs.

import { html } from "./draw.js";
import { FATES, plural } from "./words.js";

function objects(v, diff) {
  const rows = v.run.found.map((r) => {
    const c = v.run.rois[r], added = diff?.gained.includes(c);
    return { k: v.run.level[r], text: v.H.classes[v.run.classId[r]], right: v.run.p[r].toFixed(2), all: [c], tag: added ? "gained" : "" };
  });
  (diff?.lost ?? []).forEach((c, i) => rows.push({ text: diff.lostNames[i], right: "lost", all: [c], tag: "lost" }));
  return rows;
}

function fates(v) {
  return Object.entries(FATES).map(([kind, text]) => {
    const all = v.run.rois.filter((_, r) => v.run.fate[r].kind === kind);
    return { text, right: String(all.length), all, tag: kind };
  }).filter((row) => row.all.length);
}

/** Fill the list of a stage's place, below `top` pixels. */
export function drawList(place, diff, top) {
  const { stage, list, v } = place, own = stage.list === "objects";
  const rows = own ? objects(v, diff) : fates(v), focused = [...list.querySelectorAll("button")].indexOf(list.getRootNode().activeElement);
  list.replaceChildren();
  list.classList.toggle("fates", !own);
  list.style.top = `${top}px`;
  html(list, "p", {}, own ? "Detected objects" : `Fates of ${plural(v.run.rois.length, "ROI")}`);
  if (own && !rows.length) html(list, "p", { class: "none" }, "None. Select an ROI: its path shows where it was removed.");
  const { padding, paddingFound } = v.run;
  if (!own && padding) html(list, "p", { class: "none" }, `and ${plural(padding, "zero row")} that pad the list${paddingFound ? `: ${paddingFound} became detections` : ""}`);
  for (const row of rows) {
    const button = html(list, "button", { type: "button", class: `row ${row.tag}`, "aria-pressed": "false" });
    button.candidates = row.all;
    if (row.k) html(button, "b", { class: `chip p${row.k}` }, `P${row.k}`);
    html(button, "span", {}, row.text);
    html(button, "span", { class: "right" }, row.right);
  }
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
}

/** The rows of a list answer: a click goes on to the next candidate of its kind. */
export function listen(list, act) {
  const row = (event) => event.target.closest?.(".row")?.candidates;
  list.addEventListener("click", (event) => { if (row(event)) act.next(row(event)); });
  list.addEventListener("pointerover", (event) => act.hover(row(event)?.length === 1 ? row(event)[0] : -1));
  list.addEventListener("pointerleave", () => act.hover(-1));
}

/** Mark the rows that hold the selection. */
export function markLists(root, c) {
  for (const button of root.querySelectorAll(".row")) {
    const all = button.candidates, at = all.indexOf(c);
    button.setAttribute("aria-pressed", String(at >= 0));
    if (all.length > 1) button.lastChild.textContent = at >= 0 ? `${at + 1}/${all.length}` : all.length;
  }
}
