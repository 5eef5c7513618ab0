// The live controls of a stage. Each step of a slider has a bar: how many detections it would give.

import { html } from "./draw.js";
import { className } from "./words.js";

const NAMES = {
  rpnNms: "NMS threshold of the RPN (IoU)", side: "canonical side, px", rounding: "k is", confidence: "confidence threshold",
  nms: "NMS threshold of detections (IoU)", channel: "channel of maps and crops", classId: "show class",
};
const ROUNDINGS = { round: "rounded (Matterport)", floor: "rounded down (paper)" };
const BARS_BELOW = 12;  // milliseconds of one run: where it takes longer, bars would stall the page

/** The name of a setting, with its value. */
export const settingText = (key, value) => `${NAMES[key]}: ${ROUNDINGS[value] ?? value}`;

function choice(parent, map, key, options, value) {
  const group = html(parent, "div", { role: "group", "aria-label": NAMES[key], class: "choices" });
  html(group, "span", {}, NAMES[key]);
  for (const [step, text] of options) {
    html(group, "button", { type: "button", "aria-pressed": String(step === value), "data-key": `${key}:${step}`, onclick: () => map.change(key, step) }, text);
  }
}

function select(parent, map, key, options, value) {
  const label = html(parent, "label", { class: "select" }, `${NAMES[key]} `);
  const list = html(label, "select", { "data-key": key, onchange: ({ target }) => map.change(key, Number(target.value)) });
  for (const [step, text] of options) html(list, "option", { value: step, selected: step === value }, text);
}

function slider(parent, map, key, steps, value, note) {
  const label = html(parent, "label", {}, `${NAMES[key]} `), output = html(label, "output", {}, String(value));
  const at = Math.max(0, steps.findIndex((step) => Math.abs(step - value) < 1e-6));
  const bars = html(parent, "div", { class: "bars", "aria-hidden": "true" });
  html(label, "input", {
    type: "range", min: 0, max: steps.length - 1, value: at, "data-key": key, "aria-valuetext": String(value),
    oninput({ target }) {
      const step = steps[target.value];
      output.textContent = step;
      target.setAttribute("aria-valuetext", String(step));
      [...bars.children].forEach((bar, i) => bar.classList.toggle("now", i === +target.value));
      map.change(key, step);
    },
    onchange: () => map.drawControls(),  // let go: the bars of the other controls follow
  });
  const small = html(parent, "small", {}, `run: ${map.detector.header.settings[key]}${note ? ` · ${note}` : ""}`);
  if (map.cost > BARS_BELOW) { bars.remove(); return; }
  const counts = steps.map((step) => map.detector.detect({ ...map.settings, [key]: step }).found.length), most = Math.max(...counts, 1);
  counts.forEach((n, i) => html(bars, "i", { class: i === at ? "now" : "", style: { height: `${Math.round((20 * n) / most) + 1}px` } }));
  small.textContent += ` · bars: detections at each step, ${Math.min(...counts)} to ${most}`;
}

/** Fill `parent` with the controls of a stage. What this Map cannot change is named, with the reason. */
export function drawControls(parent, map, keys) {
  const { detector, settings } = map, { header } = detector;
  parent.replaceChildren();
  for (const key of keys) {
    const box = html(parent, "div", { class: "control" });
    if (key === "channel") { select(box, map, key, header.channels.map((name, i) => [i, `${name}`]), map.channel); continue; }
    if (key === "classId") {
      const ids = [...new Set(map.run.classId)].filter((k) => k > 0).sort((a, b) => a - b);
      select(box, map, key, [[0, "all"], ...ids.map((k) => [k, className(map.view, k)])], map.classId);
      continue;
    }
    const control = header.controls.find((one) => one.key === key);
    if (!control) {
      html(box, "p", { class: "off" }, `${NAMES[key]}: ${ROUNDINGS[settings[key]] ?? settings[key]}. It cannot be changed here${header.missing.length ? `: ${header.missing[0]}` : ""}.`);
    } else if (key === "rounding") {
      choice(box, map, key, control.steps.map((step) => [step, ROUNDINGS[step] ?? step]), settings[key]);
      if (control.note) html(box, "small", {}, control.note);
    } else slider(box, map, key, control.steps, settings[key], control.note);
  }
}
