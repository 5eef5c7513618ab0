// Details of the heads: classes and deltas, filters, masks, instances.

import { circle, fit, fitLabel, frame, label, line, paintCrop, paintImage, paintMask, pasteMask, place, shorten, svg, tiles } from "./draw.js";
import { above, clipped, closeUp, title } from "./panels_first.js";
import { markBox } from "./stages_pyramid.js";
import { boxOf, className, confidenceOf, dims, fateOf, finalBox, number, plural, px, roiOf, thousands } from "./words.js";

/** The most probable classes of an ROI, in the order of their numbers. */
const topClasses = (v, r, c, most) => v.d.topClasses(v.run.level[r], c).slice(0, most).map(({ id }) => id).sort((a, b) => a - b);

export const HEAD_PANELS = {
  box_head: {
    code: "stages/box_head.py · BoxHead → trace.box_head",
    about: "Two fully connected layers read one crop: a probability for each class, and for each class four deltas that refine the box.",
    controls: ["classId"],
    figure(v, c) {
      const r = roiOf(v, c), p = v.run.probabilities[r], near = fit(0, above(v), v.w * 0.44, v.h - above(v) - 4, v.aspect), part = closeUp(boxOf(v, c), 1.6);
      paintImage(v, near, 0.15, part.within);
      title(v, near, ["ROI (dashed) → refined box", "refined box"]);
      clipped(v, near, (inner, area) => {
        frame(inner.base, place(part.inside(boxOf(v, c)), area), { class: "casing" });
        frame(inner.base, place(part.inside(boxOf(v, c)), area), { class: "roi-box dashed", stroke: v.colors.level[v.run.level[r]] });
        markBox(inner, part.inside(v.run.box[r]), area, { class: "chosen-box" });
      });
      const ids = topClasses(v, r, c, Math.max(3, Math.floor(v.h / (v.small + 8)))), names = v.small * 7, from = near.w + 24 + names, wide = v.w - from - v.small * 4.4;
      const pitch = Math.min(40, (v.h - above(v)) / ids.length);
      title(v, { x: from, y: above(v), w: v.w - from }, [ids.length < v.H.classes.length ? `probability, top ${ids.length} of ${v.H.classes.length} classes` : "probability of each class", "probability"], { class: "quiet" });
      ids.forEach((k, i) => {
        const own = k === v.run.classId[r], y = above(v) + i * pitch;
        label(v.base, from - 8, y + pitch / 2 + v.small * 0.35, shorten(v, className(v, k), names - 8), { class: `end ${own ? "strong" : "quiet"}` });
        svg(v.base, "rect", { x: from, y: y + 2, width: Math.max(1, p[k] * wide), height: Math.max(2, pitch - 5), fill: own ? v.colors.ink : v.colors.quiet });
        label(v.base, from + p[k] * wide + 6, y + pitch / 2 + v.small * 0.35, p[k] < 0.0005 ? "0.000" : number(p[k], 3), own ? { class: "strong" } : {});
      });
    },
    numbers(v, c) {
      const r = roiOf(v, c), d = [...v.d.deltas(v.run.level[r], c)], [y1, , y2] = boxOf(v, c), h = y2 - y1, middle = (y1 + y2) / 2, [sy, , sh] = v.H.std_dev.box;
      return [`!${className(v, v.run.classId[r])}: ${px(v, boxOf(v, c))} → ${px(v, v.run.box[r])}`,
        `deltas (dy, dx, log dh, log dw), in standard deviations: ${d.map((x) => number(x)).join("  ")}`,
        `centre y ${number(middle, 3)} + ${sy} · ${number(d[0])} · ${number(h, 3)} = ${number(middle + sy * d[0] * h, 3)}`,
        `height ${number(h, 3)} · e^(${sh} · ${number(d[2])}) = ${number(h * Math.exp(sh * d[2]), 3)}`, "then the box is clipped to the image"];
    },
  },
  detections: {
    code: "stages/detections.py · select_detections → trace.detections",
    about: "Background is removed, then scores below the confidence threshold; NMS within each class suppresses overlapping boxes; the best are kept up to the limit.",
    controls: ["confidence", "nms", "classId"],
    figure(v, c) {
      const near = fit(0, above(v), v.w * 0.42, v.h - above(v) - 4, v.aspect), own = roiOf(v, c), limit = v.run.settings.confidence;
      paintImage(v, near, 0.35);
      title(v, near, ["detections, and boxes they suppress (dotted)", "detections"]);
      const kept = v.run.fate[own].by ?? own;
      v.run.found.forEach((r) => frame(v.base, place(v.run.box[r], near), { class: "roi-box", stroke: v.colors.level[v.run.level[r]] }));
      v.run.fate.forEach((f, r) => { if (f.by === kept) frame(v.base, place(v.run.box[r], near), { class: "anchor-box" }); });
      markBox({ ...v, sel: v.base }, v.run.box[own], near, { class: "chosen-box" });
      // Every ROI in the row of its class: left of the line its score is too low; small dots were removed.
      const ids = [...new Set([...v.run.classId.filter((k) => k >= 0), 0])].sort((a, b) => a - b), names = v.small * 7, left = near.w + 20 + names, top = above(v) + 2, pitch = Math.min(56, (v.h - top) / ids.length);
      const x = (p) => left + p * (v.w - left - 14), y = (k) => top + (ids.indexOf(k) + 0.5) * pitch, bottom = top + ids.length * pitch;
      line(v.base, x(limit), top - 4, x(limit), bottom, { class: "gate" });
      label(v.base, x(limit), top - 8, `threshold ${confidenceOf(v)}`, { class: `strong ${limit > 0.6 ? "end" : limit < 0.3 ? "" : "middle"}` });
      for (const k of ids) {
        if (pitch > v.small * 0.8) label(v.base, left - 8, y(k) + v.small * 0.35, shorten(v, className(v, k), names - 8), { class: `end ${k === v.run.classId[own] ? "strong" : ""}` });
        line(v.base, left, y(k), x(1), y(k), { class: "edge" });
      }
      v.run.fate.forEach((f, r) => {
        if (r === own || f.gate < 0) return;
        circle(v.base, x(v.run.p[r]), y(v.run.classId[r]), f.kind === "detection" ? 6 : 3, { fill: v.colors.level[v.run.level[r]], class: f.kind === "detection" ? "ringed" : "gone" });
      });
      circle(v.base, x(v.run.p[own]), y(v.run.classId[own]), 7, { fill: v.colors.level[v.run.level[own]], class: "dot" });
      const unused = v.H.classes.length - ids.length;
      if (unused > 0 && bottom < v.h - v.small) fitLabel(v, v.base, left, bottom + v.small + 2, [`${unused} classes without an ROI are not shown`, `${unused} classes not shown`], v.w - left, { class: "quiet" });
    },
    numbers(v, c) {
      const { run } = v, left = (gate) => run.fate.filter((f) => f.gate > gate).length, r = roiOf(v, c), s = run.settings, f = run.fate[r], name = className(v, run.classId[r]);
      const test = (ok, text) => `${ok ? "✓" : "✕"} ${text}`, lines = [test(f.gate > 0, `most probable class: ${name}`)];
      if (f.gate > 0) lines.push(`${f.gate > 1 ? "" : "!"}${test(f.gate > 1, `score ${number(run.p[r], 3)} ${f.gate > 1 ? "≥" : "<"} ${confidenceOf(v)}`)}`);
      if (f.gate > 1) lines.push(f.by === undefined ? `!${test(true, `no kept ${name} with IoU > ${number(s.nms)}`)}` : `!${test(false, `IoU with ROI ${f.by} (${number(run.p[f.by], 3)}): ${number(f.iou, 3)} > ${number(s.nms)}`)}`);
      if (f.kind === "class_full") lines.push(`!${test(false, `NMS had kept ${s.detections} of ${name}`)}`);
      if (f.kind === "beyond_top") lines.push(`!${test(false, `not among the best ${s.detections}`)}`);
      return [...lines, `${run.rois.length} ROIs → ${left(0)} foreground → ${left(1)} above the threshold → ${left(2)} after NMS → ${plural(run.found.length, "detection")}`];
    },
  },
  mask_head: {
    code: "stages/mask_head.py · MaskHead → trace.mask_head",
    about: "Masks are computed for detections only. The refined box is pooled again, with more samples, from the level of its own size; convolutions and a deconvolution turn it into one probability per cell.",
    figure(v, c) {
      const { detection } = fateOf(v, c), mask = v.run.masks[detection], box = v.run.box[v.run.found[detection]], n = v.H.pool[1], [crop, cells, pasted] = tiles(3, v.w, v.h, 1, above(v), 30);
      paintCrop(v, mask.level, box, n, crop);
      title(v, crop, [`${n}×${n} samples of P${mask.level}, channel ${v.H.channels[v.channel]}`, `${n}×${n} of P${mask.level}`]);
      paintMask(v, mask, cells);
      title(v, cells, [`${dims([v.H.mask_side, v.H.mask_side])} probabilities`, "probabilities"]);
      const part = closeUp(box, 1.25), area = fit(pasted.x, pasted.y, pasted.w, pasted.h, v.aspect);
      paintImage(v, area, 0.35, part.within);
      pasteMask(v, detection, area, 0.75, part.inside);
      title(v, area, [`cut at ${v.H.mask_threshold}, on the image`, "on the image"]);
      clipped(v, area, (inner, own) => markBox(inner, part.inside(box), own, { class: "chosen-box" }));
      for (const tile of [crop, cells, area]) frame(v.base, tile, { class: "edge" });
      if (cells.y === crop.y) for (const tile of [crop, cells]) label(v.base, tile.x + tile.w + 15, tile.y + tile.h / 2 + 7, "→", { class: "big middle" });
    },
    numbers(v, c) {
      const { detection } = fateOf(v, c), mask = v.run.masks[detection], r = v.run.found[detection], { side } = v.d.levelOf(v.run.box[r], v.run.settings);
      return [`detection ${detection}: ${v.H.classes[v.run.classId[r]]} ${number(v.run.p[r], 4)}`, `!side of the refined box ${side.toFixed(1)} px ⇒ P${mask.level}`,
        `mask for ${v.H.classes[v.run.classId[r]]} only: ${thousands(v.H.mask_side ** 2)} cells`, ...(mask.index < 0 ? ["this mask was not computed in advance"] : [])];
    },
  },
  instances: {
    code: "stages/instances.py · unmold → trace.instances",
    about: "Each mask is stretched over its box and cut at the threshold. The detector returns boxes, classes, scores and masks in pixels of the original image.",
    figure(v, c) {
      const [whole, near] = tiles(2, v.w, v.h, v.aspect, above(v), 24), own = fateOf(v, c).detection, part = closeUp(finalBox(v, c), 1.5);
      paintImage(v, whole, 0.25);
      v.run.found.forEach((r, d) => pasteMask(v, d, whole, d === own ? 0.85 : 0.3, (box) => box));
      v.run.found.forEach((r, d) => { frame(v.base, place(v.run.box[r], whole), { class: "casing thin" }); frame(v.base, place(v.run.box[r], whole), { class: d === own ? "chosen-box" : "object-box" }); });
      title(v, whole, [`${v.run.found.length} instances`, "instances"]);
      paintImage(v, near, 0.25, part.within);
      pasteMask(v, own, near, 0.8, part.inside);
      clipped(v, near, (inner, area) => markBox(inner, part.inside(finalBox(v, c)), area, { class: "chosen-box" }));
      title(v, near, [`${v.H.classes[v.run.classId[roiOf(v, c)]]} ${number(v.run.p[roiOf(v, c)], 3)}`, ""]);
    },
    numbers(v, c) {
      const r = roiOf(v, c), box = v.d.original(v.run.box[r]), most = 8;
      const line_ = (i, d) => `${d}  ${v.H.classes[v.run.classId[i]]} ${number(v.run.p[i], 3)}  (${v.d.original(v.run.box[i]).join(", ")})`;
      return [`!rois[${fateOf(v, c).detection}] = (${box.join(", ")})`, ...v.run.found.slice(0, most).map(line_), ...(v.run.found.length > most ? [`and ${v.run.found.length - most} more`] : [])];
    },
  },
};
