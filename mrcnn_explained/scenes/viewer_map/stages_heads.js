// Right of the reorder a row of the Map is an ROI: classes, filters, masks and instances.

import { READ_LEVELS, ease, fit, fitLabel, frame, label, line, paintImage, paintMask, pasteMask, place, shorten, strokeCurves, svg } from "./draw.js";
import { footOf, levelRows, lineAlpha, roiRows } from "./layout.js";
import { imageArea, markBox } from "./stages_pyramid.js";
import { BY_LEVEL } from "./stages_rois.js";
import { boxOf, center, className, confidenceOf, dims, fateOf, finalBox, isDetection, number, roiOf, smallestAt, thousands } from "./words.js";

const BY_FILTER = [...BY_LEVEL, "confidence", "nms"];

/** Is the ROI of another class than the one that the reader wants to see? */
const aside = (v, r) => v.classId > 0 && v.run.classId[r] !== v.classId;

/** The columns of classes: all of them, or those that some ROI has, and one for the rest. */
export function classColumns(v) {
  const all = v.H.classes.map((_, k) => k), most = Math.max(2, Math.floor(v.w / (v.small * 0.9)));
  if (all.length <= most) return { ids: all, rest: [], cell: v.w / all.length };
  const ids = v.H.columns.slice(0, most - 1), rest = all.filter((k) => !ids.includes(k));
  return { ids, rest, cell: v.w / (ids.length + 1) };
}

const MASK_GAP = 26;  // where lines fan out to the masks
/** Places of the masks: names stand above them, or beside them where there are many. */
function maskPlaces(v) {
  const pitch = (v.h - footOf(v) * 0.5) / Math.max(1, v.run.found.length), beside = pitch < v.small * 4;
  if (pitch < v.small * 1.6) return maskGrid(v);
  const size = Math.max(3, Math.min(64, v.w - MASK_GAP, pitch - (beside ? 3 : v.small + 8)));
  const area = (d) => ({ x: MASK_GAP, y: d * pitch + (beside ? 2 : v.small + 3), w: size, h: size });
  return { size, beside, named: true, area };
}
/** Many masks lie in rows of equal tiles, without names. */
function maskGrid(v) {
  const count = v.run.found.length, height = v.h - footOf(v) * 0.5;
  let size = v.w - MASK_GAP;
  while (size > 4 && Math.ceil(count / Math.floor((v.w - MASK_GAP) / size)) * size > height) size -= 0.5;
  const columns = Math.max(1, Math.floor((v.w - MASK_GAP) / size));
  const area = (d) => ({ x: MASK_GAP + (d % columns) * size, y: Math.floor(d / columns) * size, w: size - 2, h: size - 2 });
  return { size, beside: true, named: false, area };
}


export const HEAD_STAGES = [
  {
    id: "reorder", n: "9", title: "Reorder", w: 100, gap: 0, changedBy: BY_LEVEL,
    shape: (v) => dims([v.run.rois.length, v.H.pool[0], v.H.pool[0], v.H.features]),
    scale: (v) => ({ x: [26, 34, v.w - 8] }),
    draw(v) {
      const s = this.scale(v), rows = roiRows(v), levels = levelRows(v), { level } = v.colors;
      let from = 0;
      for (const k of READ_LEVELS) {
        const n = v.run.level.filter((x) => x === k).length;
        if (!n) continue;
        const [a, b] = [rows.top(from), rows.top(from + n - 1) + rows.step], [c, d] = [levels.y(k), (k - 1) * levels.row - 8];
        if (v.left < 60) svg(v.base, "path", { d: `M${-v.left},${c}C8,${c} 2,${a} ${s.x[0]},${a}V${b}C2,${b} 8,${d} ${-v.left},${d}Z`, fill: level[k], class: "band" });
        if (b - a > v.small + 4) label(v.base, s.x[0] - 4, (a + b) / 2 + v.small * 0.35, `P${k}`, { class: "strong halo end", fill: v.colors.text[k] });
        from += n;
      }
      v.run.stack.forEach((r, at) => {
        v.ctx.fillStyle = level[v.run.level[r]];
        v.ctx.fillRect(s.x[0], rows.top(at), 8, rows.thick);
        v.ctx.fillRect(s.x[2], rows.top(r), 8, rows.thick);
      });
      strokeCurves(v.ctx, v.run.stack.map((r, at) => [s.x[1], rows.y(at), s.x[2], rows.y(r), level[v.run.level[r]]]), lineAlpha(rows.count));
      const foot = v.h - footOf(v) + v.small + 2;
      label(v.base, s.x[0], foot, "stack", { class: "quiet" });
      label(v.base, v.w, foot, "ROIs", { class: "quiet end" });
    },
    mark(v, c) {
      const r = roiOf(v, c), s = this.scale(v), rows = roiRows(v);
      if (r < 0) return;
      const at = v.run.row[r], clear = (y, other) => y + (y < v.small || other < y ? v.small + 5 : -6);  // away from the path
      if (Math.abs(rows.y(r) - rows.y(at)) < v.small + 4) {
        label(v.sel, (s.x[1] + s.x[2]) / 2, clear(rows.y(r), 0), `${at} → ${r}`, { class: "halo strong middle" });
        return;
      }
      label(v.sel, s.x[1] + 4, clear(rows.y(at), rows.y(r)), `row ${at}`, { class: "halo strong" });
      label(v.sel, s.x[2] - 4, clear(rows.y(r), rows.y(at)), `ROI ${r}`, { class: "halo strong end" });
    },
    at(v, c) {
      const r = roiOf(v, c), s = this.scale(v), rows = roiRows(v);
      if (r < 0) return [];
      const y = rows.y(v.run.row[r]);
      return [[s.x[0], y], [s.x[1], y], [s.x[2] + 4, rows.y(r)]];
    },
    pick(v, x, y) {
      const s = this.scale(v), at = roiRows(v).at(y);
      if (at < 0) return -1;
      return v.run.rois[x > (s.x[1] + s.x[2]) / 2 ? at : v.run.stack[at]] ?? -1;
    },
  },
  {
    id: "box_head", n: "10", title: "Box head", w: 122, gap: 10, changedBy: BY_LEVEL,
    shape: (v) => [`${thousands(v.run.rois.length)}×${v.H.classes.length}, ×4`, `${v.run.rois.length}×${v.H.classes.length}`],
    draw(v) {
      const rows = roiRows(v), { ids, rest, cell } = classColumns(v), columns = [...ids.map((k) => [k]), ...(rest.length ? [rest] : [])];
      for (let row = 0; row < rows.rows; row++) {
        columns.forEach((classes, column) => {
          let best = 0;
          for (let r = row * rows.per; r < Math.min(rows.count, (row + 1) * rows.per); r++) {
            if (!aside(v, r)) for (const k of classes) best = Math.max(best, v.run.probabilities[r]?.[k] ?? 0);
          }
          v.ctx.fillStyle = classes[0] === 0 ? v.colors.quiet : v.colors.ink;
          v.ctx.globalAlpha = 0.05 + 0.95 * best * (classes[0] === 0 ? 0.5 : 1);
          v.ctx.fillRect(column * cell + 0.5, row * rows.step, cell - 1, rows.thick);
        });
      }
      v.ctx.globalAlpha = 1;
      columns.forEach((classes, column) => {
        const text = classes.length > 1 || classes === rest ? `${rest.length} more` : className(v, classes[0]);
        const [x, y] = [(column + 0.5) * cell + v.small * 0.33, rows.height + 6];
        label(v.base, x, y, shorten(v, text, footOf(v) - 6), { class: `end ${classes.includes(v.classId) && v.classId ? "strong" : "quiet"}`, transform: `rotate(-90 ${x} ${y})` });
      });
    },
    mark(v, c) {
      const r = roiOf(v, c), rows = roiRows(v), { ids, cell } = classColumns(v);
      if (r < 0 || !v.run.probabilities[r]) return;
      // The bars stand on the row; at the top of the list, where there is no room, they hang below it.
      const tall = 36, y = rows.y(r), title = v.small + 6, bottom = y < tall + title + 4 ? y + tall + title + 6 : y - 4;
      svg(v.sel, "rect", { x: -3, y: bottom - tall - title, width: v.w + 6, height: tall + title + 2, class: "card" });
      ids.forEach((k, column) => {
        const p = v.run.probabilities[r][k], height = Math.max(0.7, p * tall);
        svg(v.sel, "rect", { x: column * cell + 1, y: bottom - height, width: Math.max(1, cell - 2), height, fill: k === v.run.classId[r] ? v.colors.ink : v.colors.quiet });
      });
      const name = className(v, v.run.classId[r]), p = number(v.run.p[r], 3);
      fitLabel(v, v.sel, v.w / 2, bottom - tall - 4, [`${name} ${p}`, shorten(v, name, v.w - 30) , p], v.w + 2, { class: "strong middle" });
    },
    at(v, c) { const r = roiOf(v, c); return r < 0 ? [] : [[0, roiRows(v).y(r)], [v.w, roiRows(v).y(r)]]; },
    pick: (v, x, y) => v.run.rois[roiRows(v).at(y)] ?? -1,
  },
  {
    id: "detections", n: "11", title: "Filters", w: 94, gap: 10, changedBy: BY_FILTER,
    shape: (v) => [`${thousands(v.run.rois.length)} → ${v.run.found.length}×6`, `→ ${v.run.found.length}×6`],
    gates: (v) => [0.08, 0.48, 0.88].map((t) => t * v.w),
    draw(v) {
      const rows = roiRows(v), gates = this.gates(v), left = [0, 1, 2].map((gate) => v.run.fate.filter((f) => f.gate > gate).length);
      v.run.fate.forEach((f, r) => {
        if (f.gate < 0) return;  // not computed
        const passes = f.kind === "detection";
        v.ctx.globalAlpha = aside(v, r) ? 0.12 : passes ? 1 : 0.45;
        v.ctx.fillStyle = v.colors.level[v.run.level[r]];
        v.ctx.fillRect(0, rows.y(r) - (passes ? 1 : 0.5), gates[f.gate] ?? v.w, passes ? 2 : 1);
      });
      v.ctx.globalAlpha = 1;
      gates.forEach((x, gate) => {
        line(v.base, x, 0, x, rows.height, { class: "gate" });
        const crowded = v.measure(thousands(Math.max(...left)), true) > gates[1] - gates[0] - 3;
        label(v.base, x, rows.height + v.small + 2, thousands(left[gate]), { class: crowded ? "middle" : "strong middle" });
        const text = ["foreground", `≥ ${confidenceOf(v)}`, "NMS"][gate], [tx, ty] = [x + v.small * 0.33, rows.height + v.small + 8];
        label(v.base, tx, ty, shorten(v, text, footOf(v) - v.small - 8), { class: "quiet end", transform: `rotate(-90 ${tx} ${ty})` });
      });
    },
    mark(v, c) {
      const r = roiOf(v, c), rows = roiRows(v), gates = this.gates(v);
      if (r < 0) return;
      const f = v.run.fate[r], end = gates[f.gate] ?? v.w;
      if (f.gate < 0) return;
      const arc = (a, b) => svg(v.sel, "path", { d: `M${gates[2]},${rows.y(a)}C${v.w + 14},${rows.y(a)} ${v.w + 14},${rows.y(b)} ${gates[2]},${rows.y(b)}`, class: "arc" });
      if (f.kind === "suppressed") {
        arc(r, f.by);
        line(v.sel, 0, rows.y(f.by), v.w, rows.y(f.by), { class: "rival" });
        label(v.sel, end - 8, rows.y(r) + (rows.y(r) < v.small + 8 ? v.small + 6 : -7), `IoU ${number(f.iou)}`, { class: "halo strong end" });
      }
      if (f.kind === "detection") v.run.fate.forEach((other, i) => other.by === r && arc(r, i));
    },
    at(v, c) {
      const r = roiOf(v, c);
      if (r < 0) return [];
      const { gate } = v.run.fate[r], y = roiRows(v).y(r);
      return gate < 0 ? [[0, y]] : [[0, y], [this.gates(v)[gate] ?? v.w, y]];
    },
    pick: (v, x, y) => v.run.rois[roiRows(v).at(y)] ?? -1,
  },
  {
    id: "mask_head", n: "12", title: "Masks", w: 108, gap: 0, changedBy: BY_FILTER,
    shape: (v) => `${v.H.pool[1]}×${v.H.pool[1]} → ${dims([v.H.mask_side, v.H.mask_side])}`,
    draw(v) {
      const s = maskPlaces(v), rows = roiRows(v);
      if (!v.run.found.length) fitLabel(v, v.base, 8, v.small + 8, ["no detection, so no mask", "no detection"], v.w, { class: "quiet" });
      v.run.found.forEach((r, d) => {
        const area = s.area(d), missing = v.run.masks[d].index < 0;
        if (v.left < 60 && s.named) svg(v.base, "path", { d: ease(-v.left, rows.y(r), area.x - 3, area.y + area.h / 2), class: "fan", stroke: v.colors.level[v.run.level[r]] });
        v.ctx.globalAlpha = aside(v, r) ? 0.25 : 1;
        paintMask(v, v.run.masks[d], area);
        v.ctx.globalAlpha = 1;
        if (!s.named) return;
        const name = `${missing ? "not computed: " : ""}${v.H.classes[v.run.classId[r]]}`, strong = v.gained.has(v.run.rois[r]) ? "strong" : "";
        const [x, y] = s.beside ? [area.x + area.w + 4, area.y + area.h / 2 + v.small * 0.35] : [area.x, area.y - 4];
        fitLabel(v, v.base, x, y, s.beside ? [name, shorten(v, name, v.w - x)] : [`${name} ${number(v.run.p[r])}`, name, shorten(v, name, v.w - x + 6)], v.w - x + 6, { class: strong });
      });
    },
    mark(v, c) {
      if (!isDetection(v, c)) return;
      const { detection } = fateOf(v, c), { x, y, w, h } = maskPlaces(v).area(detection);
      paintMask(v, v.run.masks[detection], { x, y, w, h });
      frame(v.sel, { x: x - 1, y: y - 1, w: w + 2, h: h + 2 }, { class: "chosen-box" });
    },
    at(v, c) { // it leaves below a name that stands beside the mask
      if (!isDetection(v, c)) return [];
      const s = maskPlaces(v), { x, y, w, h } = s.area(fateOf(v, c).detection);
      return [[x, y + h / 2], [x + w, s.beside ? y + h - 1 : y + h / 2]];
    },
    pick(v, x, y) {
      const s = maskPlaces(v), inside = ({ x: left, y: top, w, h }) => x > left - 3 && x < (s.named ? v.w : left + w + 2) && y > top - (s.beside ? 3 : v.small) && y < top + h + 3;
      return v.run.rois[v.run.found.find((_, d) => inside(s.area(d)))] ?? -1;
    },
  },
  {
    id: "instances", n: "13", title: "Instances", w: 150, gap: 14, changedBy: BY_FILTER, list: "fates",
    shape: (v) => `${v.run.found.length} of ${dims(v.H.original.slice(0, 2))}`,
    draw(v) { // masks as the detector pastes them: stretched to the box, cut at one half
      const area = imageArea(v);
      paintImage(v, area, 0.4);
      v.run.found.forEach((r, d) => pasteMask(v, d, area, aside(v, r) ? 0.12 : 0.6, (box) => box));
      fitLabel(v, v.base, 0, v.small - 2, ["masks on the image", "masks"], v.w, { class: "quiet" });
    },
    mark(v, c) {
      const area = imageArea(v);
      if (!isDetection(v, c)) { frame(v.sel, place(boxOf(v, c), area), { class: "anchor-box" }); return; }
      paintImage(v, area, 0.6);
      pasteMask(v, fateOf(v, c).detection, area, 0.9, (box) => box);
      markBox(v, finalBox(v, c), area, { class: "chosen-box" });
    },
    at(v, c) {
      if (!isDetection(v, c)) return [];
      const area = imageArea(v), [x, y] = center(finalBox(v, c));
      return [[area.x + x * area.w, area.y + y * area.h]];
    },
    pick(v, x, y) {
      const area = imageArea(v), found = v.run.found.map((r) => v.run.rois[r]);
      return smallestAt((x - area.x) / area.w, (y - area.y) / area.h, found, (c) => finalBox(v, c));
    },
  },
];
