// The Map's first stages, where a row is a pyramid level. Each stage draws what the run computed
// (`draw`) and what belongs to one candidate (`mark`), says where that candidate's path passes
// (`at`) and which candidate lies below a pointer (`pick`). A view `v` is of one stage's place.

import { LEVELS, arrow, circle, fit, fitLabel, frame, label, line, paint, paintImage, paintMap, paintMissing, place } from "./draw.js";
import { levelRows } from "./layout.js";
import { anchorOf, boxOf, cellOf, center, dims, finalBox, isDetection, levelIn, smallestAt, sourceLevel, thousands } from "./words.js";

/** An anchor, as far as it lies within the image. */
export function markAnchor(v, c, area) {
  if (v.d.given) return;
  const inside = [...anchorOf(v, c)].map((value) => Math.min(1, Math.max(0, value)));
  frame(v.sel, place(inside, area), { class: "anchor-box" });
}

/** A box with a casing, so that it can be seen on every image. */
export function markBox(v, box, area, attributes) {
  frame(v.sel, place(box, area), { class: "casing" });
  frame(v.sel, place(box, area), attributes);
}

/** The three boxes of a candidate: anchor dotted, ROI in its level's colour, detection in ink. */
export function markBoxes(v, c, area) {
  markAnchor(v, c, area);
  markBox(v, boxOf(v, c), area, { class: "roi-box", stroke: v.colors.level[levelIn(v, c)] });
  if (isDetection(v, c)) markBox(v, finalBox(v, c), area, { class: "chosen-box" });
}

/** Where the image of a stage lies: below a line of text. */
export function imageArea(v) {
  const list = v.listed ? (Math.min(8, Math.max(4, v.run.found.length)) + 2) * v.text * 1.7 + 10 : 0;  // its rows below
  return fit(0, v.small + 4, v.w, Math.max(64, Math.min(v.h * 0.6, v.h - list)), v.aspect);
}

/** The shapes of C1 … C5, [height, width, channels]: not in every trace. */
export function backboneAreas(v) {
  const { row, title } = levelRows(v), narrow = (y, h) => fit(0, y, v.w, h, v.aspect);
  const half = row / 2 - title - 4;
  // C1 and C2 have the same stride and share a row; where that is too low, C2 stands for both.
  const fine = half < 26 ? [[2, narrow(title, row - title - 8)]] : [[1, narrow(title, half)], [2, narrow(row / 2 + title, half)]];
  return [...fine, ...[3, 4, 5].map((i) => [i, narrow((i - 2) * row + title, row - title - 8)])];
}

export const PYRAMID_STAGES = [
  {
    id: "image", n: "1", title: "Image", w: 132, gap: 0, list: "objects", changedBy: ["rpnNms", "rounding", "side", "confidence", "nms"],
    shape: (v) => dims([...v.H.size, 3]),
    draw(v) {
      const area = imageArea(v);
      paintImage(v, area);
      fitLabel(v, v.base, 0, v.small - 2, ["click an object", "image"], v.w, { class: "quiet" });
      for (const [color, width] of [[v.colors.white, 3.6], [v.colors.black, 1.2]]) {
        Object.assign(v.ctx, { strokeStyle: color, lineWidth: width });
        for (const r of v.run.found) { const box = place(v.run.box[r], area); v.ctx.strokeRect(box.x, box.y, box.w, box.h); }
      }
      if (v.right < 60) arrow(v.base, area.x + area.w + 2, area.y + 18, v.w + v.right - 2, area.y + 18);
    },
    mark(v, c) { markBoxes(v, c, imageArea(v)); },
    at(v, c) { const area = imageArea(v), [x, y] = center(finalBox(v, c)); return [[area.x + x * area.w, area.y + y * area.h]]; },
    pick(v, x, y) {
      const area = imageArea(v), point = [(x - area.x) / area.w, (y - area.y) / area.h], found = v.run.found.map((r) => v.run.rois[r]);
      const hit = smallestAt(...point, found, (c) => finalBox(v, c));
      return hit >= 0 ? hit : smallestAt(...point, v.run.rois, (c) => boxOf(v, c));
    },
  },
  {
    id: "backbone", n: "2", title: "Backbone", w: 72, gap: 14,
    shape: () => "C1 … C5",
    draw(v) {
      for (const [i, area] of backboneAreas(v)) {
        const shape = v.H.backbone[i - 1];
        if (v.A[`c${i}`]) paintMap(v, `c${i}`, 0, "quiet", area); else paintMissing(v, area);
        const wordings = [...(shape?.length ? [`C${i} ${dims(shape)}`, `C${i} ${dims(shape.slice(0, 2))}`] : [`C${i} not in the trace`]), `C${i}`];
        fitLabel(v, v.base, 0, area.y - 4, wordings, v.w + 10, { class: "quiet" });
      }
    },
    mark() {}, at: () => [], pick: () => -1,
  },
  {
    id: "pyramid", n: "3", title: "Pyramid", w: 134, gap: 0, inset: 42,
    shape: () => "P2 … P6",
    draw(v) {
      const rows = levelRows(v), plus = 21, { x, middle } = rows;
      for (const k of LEVELS) {
        const area = rows.area(k), [, h, w] = v.H.arrays[`p${k}`].shape;
        paintMap(v, `p${k}`, v.channel, k, area);
        label(v.base, x, area.y - 4, `P${k}`, { class: "strong", fill: v.colors.text[k] });
        const tag = v.small * 1.8;
        fitLabel(v, v.base, x + tag, area.y - 4, [dims([h, w, v.H.features]), dims([h, w])], v.w - x - tag + 8, { class: "quiet" });
        if (k === 6) { arrow(v.base, x + area.w / 2, rows.y(5) + area.h + 2, x + area.w / 2, area.y - rows.title - 2); continue; }
        line(v.base, 0, middle(k), plus - 8, middle(k), { class: "flow" });
        arrow(v.base, plus + 8, middle(k), x - 2, middle(k));
        circle(v.base, plus, middle(k), 8, { class: "node" });
        label(v.base, plus, middle(k) + v.small * 0.35, "+", { class: "middle" });
        if (k > 2) arrow(v.base, plus, middle(k) - 8, plus, middle(k - 1) + 10);
      }
      const [tx, ty] = [plus - 5, middle(3) + rows.row / 2 + v.small * 1.3];
      label(v.base, tx, ty, "2× up", { class: "quiet", transform: `rotate(-90 ${tx} ${ty})` });
    },
    mark(v, c) {
      const rows = levelRows(v), k = levelIn(v, c), box = boxOf(v, c), area = rows.area(k), anchor = sourceLevel(v, c);
      markBox(v, box, area, { class: "chosen-box" });
      const { ys, xs } = v.d.samples(k, box, v.H.pool[0]), [, h, w] = v.H.arrays[`p${k}`].shape, at = place(box, area);
      if (Math.min(at.w, at.h) > 18) { // else its samples would be one blot
        for (const y of ys) for (const x of xs) circle(v.sel, area.x + ((x + 0.5) / w) * area.w, area.y + ((y + 0.5) / h) * area.h, 1, { class: "sample" });
      }
      if (anchor !== k) markAnchor(v, c, rows.area(anchor));
    },
    at(v, c) {
      const area = levelRows(v).area(sourceLevel(v, c)), [x, y] = center(boxOf(v, c));
      if (v.d.given) return [[area.x + x * area.w, area.y + y * area.h]];
      const { row, column, h, w } = cellOf(v, c);
      return [[area.x + ((column + 0.5) / w) * area.w, area.y + ((row + 0.5) / h) * area.h]];
    },
    pick(v, x, y) {
      const rows = levelRows(v), k = rows.levelAt(y), area = rows.area(k);
      const readers = v.run.rois.filter((_, r) => v.run.level[r] === k);
      return smallestAt((x - area.x) / area.w, (y - area.y) / area.h, readers, (c) => boxOf(v, c));
    },
  },
  {
    id: "rpn", n: "4–5", title: "RPN", w: 94, gap: 16,
    shape: (v) => `${thousands(v.H.anchors)} anchors`,
    draw(v) {
      const rows = levelRows(v);
      for (const k of LEVELS) {
        const area = rows.area(k), { best, h, w } = bestScores(v, k), count = thousands(h * w * v.H.anchors_per_cell), side = v.H.anchor_scales[k - 2];
        paint(v.ctx, best, w, h, v.colors.ramps[k], area);
        frame(v.base, area, { class: "edge" });
        fitLabel(v, v.base, 0, area.y - 4, [`${count} of ${side} px`, `${side} px`], v.w + 4, { class: "quiet" });
        if (v.left < 200) arrow(v.base, -v.left + 2, rows.middle(k), -2, rows.middle(k));
      }
    },
    mark(v, c) {
      if (v.d.given) return;
      const { level, row, column, h, w } = cellOf(v, c), area = levelRows(v).area(level);
      markAnchor(v, c, area);
      const side = Math.max(5, area.w / w), [x, y] = [area.x + ((column + 0.5) / w) * area.w, area.y + ((row + 0.5) / h) * area.h];
      frame(v.sel, { x: x - side / 2, y: y - side / 2, w: side, h: side }, { class: "casing" });
      frame(v.sel, { x: x - side / 2, y: y - side / 2, w: side, h: side }, { class: "chosen-box" });
    },
    at(v, c) {
      if (v.d.given) return [];
      const { level, row, column, h, w } = cellOf(v, c), area = levelRows(v).area(level);
      return [[area.x + ((column + 0.5) / w) * area.w, area.y + ((row + 0.5) / h) * area.h]];
    },
    /** The candidate whose anchor's cell is nearest. */
    pick(v, x, y) {
      if (v.d.given) return -1;
      const rows = levelRows(v), k = rows.levelAt(y), area = rows.area(k), [, h, w] = v.H.arrays[`objectness${k}`].shape;
      const row = ((y - area.y) / area.h) * h - 0.5, column = ((x - area.x) / area.w) * w - 0.5;
      let best = -1, nearest = Math.max(1, 0.06 * w);
      for (let c = 0; c < v.d.K; c++) {
        if (v.A.anchorLevel[c] !== k) continue;
        const far = Math.hypot(v.A.anchorCell[2 * c] - row, v.A.anchorCell[2 * c + 1] - column);
        if (far < nearest - 1e-6) [best, nearest] = [c, far];
      }
      return best;
    },
  },
];

/** The highest score of each cell, over its anchors. */
function bestScores(v, level) {
  const [n, h, w] = v.H.arrays[`objectness${level}`].shape, all = v.A[`objectness${level}`], best = new Uint8Array(h * w);
  for (let i = 0; i < n * h * w; i++) best[i % (h * w)] = Math.max(best[i % (h * w)], all[i]);
  return { best, h, w };
}
