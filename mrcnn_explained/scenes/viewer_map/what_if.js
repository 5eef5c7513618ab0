// The line that says what a changed setting does to the whole run, and how to ask the toolkit the same.

import { settingText } from "./controls.js";
import { className, plural, thousands } from "./words.js";

const MOST_NAMES = 6;

export function drawWhatIf(map) {
  const { e, diff, run, detector, settings } = map, own = detector.header.settings;
  e.whatIf.hidden = !diff;
  map.element.classList.toggle("asking", !!diff);
  if (!diff) return;
  const names = (ids) => ids.slice(0, MOST_NAMES).map((k) => className(map.view, k)).join(", ") + (ids.length > MOST_NAMES ? " …" : "");
  const changed = Object.keys(own).filter((key) => own[key] !== settings[key]);
  e.setting.textContent = `What if: ${changed.map((key) => settingText(key, settings[key])).join(", ")}`;
  e.call.textContent = detector.resumeCall(settings);
  e.answer.textContent = [
    `${plural(map.base.found.length, "detection")} → ${run.found.length}`,
    diff.moved.length && `${plural(diff.moved.length, "ROI")} on another level`, diff.roisGained.length && `${plural(diff.roisGained.length, "new ROI")}`,
    diff.gained.length && `gained: ${names(diff.gainedIds)}`, diff.lost.length && `lost: ${names(diff.lostIds)}`,
    run.unknown && `${plural(run.unknown, "ROI")} not computed`, run.masksUnknown && `${plural(run.masksUnknown, "mask")} not computed`,
  ].filter(Boolean).join(" · ");
}
