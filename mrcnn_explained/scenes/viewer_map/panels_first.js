// Details of the first stages: what each does (`about`), one figure, the numbers of the selection.
// A number line that starts with "!" is the stage's equation, written large.

import { LEVELS, fit, fitLabel, frame, label, paint, paintImage, paintMap, paintMissing, place, tiles } from "./draw.js";
import { markBox, markBoxes } from "./stages_pyramid.js";
import { anchorOf, boxOf, cellOf, dims, finalBox, isDetection, levelIn, number, px, roiOf, thousands } from "./words.js";

/** A part of the image around a box, in the image's aspect, and where boxes lie in it. */
export function closeUp([y1, x1, y2, x2], margin = 2, least = 0.08) {
  const side = Math.min(1, Math.max(least, margin * Math.max(y2 - y1, x2 - x1)));
  const start = (a, b) => Math.min(1 - side, Math.max(0, (a + b - side) / 2));
  const [top, left] = [start(y1, y2), start(x1, x2)];
  const inside = ([a, b, c, d]) => [(a - top) / side, (b - left) / side, (c - top) / side, (d - left) / side];
  return { within: [top, left, top + side, left + side], inside };
}

/** A title above a tile, in the longest wording that fits. */
export const title = (v, tile, wordings, attributes = {}) => fitLabel(v, v.base, tile.x, tile.y - 6, wordings, tile.w + 10, attributes);
export const above = (v) => v.small + 10;

/** Draw within a tile only. */
export function clipped(v, tile, draw) {
  const group = v.base.ownerDocument.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ x: tile.x, y: tile.y, width: tile.w, height: tile.h, overflow: "hidden", class: "clip" })) group.setAttribute(key, value);
  v.base.append(group);
  draw({ ...v, base: group, sel: group }, { x: 0, y: 0, w: tile.w, h: tile.h });
}

function legend(v, x, y, rows) {
  rows.forEach(([look, stroke, text], i) => {
    const at = y + i * (v.small + 8);
    frame(v.base, { x, y: at - v.small * 0.7, w: 20, h: v.small * 0.8 }, { class: look, stroke });
    label(v.base, x + 28, at, text, {});
  });
}

export const FIRST_PANELS = {
  image: {
    code: "stages/image.py · mold_image → trace.image",
    about: "The network reads the molded image: scaled, padded, the mean colour subtracted. Three boxes describe an object: the anchor (dotted), the ROI (in its level's colour) and the detection (solid).",
    figure(v, c) {
      const words = v.small * 11, beside = v.w > 3 * words, [whole, near] = tiles(2, v.w - (beside ? words : 0), v.h - (beside ? 0 : v.small * 5), v.aspect, above(v)), part = closeUp(finalBox(v, c), 1.8);
      paintImage(v, whole);
      markBoxes({ ...v, sel: v.base }, c, whole);
      title(v, whole, ["molded image, before the mean is subtracted", "molded image"]);
      paintImage(v, near, 0, part.within);
      frame(v.base, near, { class: "edge" });
      title(v, near, ["close-up"]);
      clipped(v, near, (inner, area) => {
        if (!v.d.given) frame(inner.base, place(part.inside(anchorOf(v, c)), area), { class: "anchor-box" });
        markBox(inner, part.inside(boxOf(v, c)), area, { class: "roi-box", stroke: v.colors.level[levelIn(v, c)] });
        if (isDetection(v, c)) markBox(inner, part.inside(finalBox(v, c)), area, { class: "chosen-box" });
      });
      const rows = [...(v.d.given ? [] : [["anchor-box", v.colors.ink, "anchor"]]), ["roi-box", v.colors.level[levelIn(v, c)], `ROI, reads P${levelIn(v, c)}`]];
      if (isDetection(v, c)) rows.push(["chosen-box", v.colors.ink, "detection"]);
      if (beside) legend(v, near.x + near.w + 16, near.y + v.small, rows); else legend(v, 0, near.y + near.h + v.small * 1.5, rows);
    },
    numbers: (v, c) => [
      `original ${dims(v.H.original)}`, `!${dims(v.H.original.slice(0, 2))} · ${number(v.H.scale, 3)} → ${dims([...v.H.size, 3])}`,
      `window of the image (${v.H.window.join(", ")})`, ...(v.d.given ? [] : [`anchor ${px(v, anchorOf(v, c))}`]), `ROI ${px(v, boxOf(v, c))}`,
      ...(isDetection(v, c) ? [`detection ${px(v, finalBox(v, c))}`] : []), "boxes: (y1, x1, y2, x2) in pixels of the molded image",
    ],
  },
  backbone: {
    code: "stages/backbone.py · ResNet → trace.backbone",
    about: "Convolutions in five steps. Each map covers the whole image in cells of 4, 4, 8, 16 and 32 pixels. Shown is the mean |activation| over all channels: the whole map, and the part below the selected box.",
    figure(v, c) {
      const areas = tiles(10, v.w, v.h, v.aspect, above(v)), part = closeUp(boxOf(v, c), 1.3);
      const columns = areas.filter((area) => area.y === areas[0].y).length, five = columns === 5;
      for (let i = 1; i <= 5; i++) {
        const [whole, near] = five ? [areas[i - 1], areas[i + 4]] : [areas[2 * i - 2], areas[2 * i - 1]], shape = v.H.backbone[i - 1];
        if (!v.A[`c${i}`]) {
          for (const area of [whole, near]) paintMissing(v, area);
          title(v, whole, [`C${i} not in the saved trace`, `C${i} missing`]);
          continue;
        }
        paintMap(v, `c${i}`, 0, "quiet", whole);
        paintMap(v, `c${i}`, 0, "quiet", near, part.within);
        markBox({ ...v, sel: v.base }, boxOf(v, c), whole, { class: "chosen-box" });
        clipped(v, near, (inner, area) => markBox(inner, part.inside(boxOf(v, c)), area, { class: "chosen-box" }));
        title(v, whole, [`C${i} ${dims(shape)}`, `C${i}`]);
        const stride = v.H.size[0] / shape[0], cells = v.d.pixels(boxOf(v, c));
        title(v, near, [`${((cells[2] - cells[0]) / stride).toFixed(1)} × ${((cells[3] - cells[1]) / stride).toFixed(1)} cells`, "box"]);
      }
    },
    numbers: (v) => (v.A.c5 ? v.H.backbone.map((s, i) => `C${i + 1}  ${dims(s)} = ${thousands(s.reduce((a, b) => a * b, 1))} values`)
      : ["The saved trace does not hold C1 … C5. Trace the image again to see them."]),
  },
  pyramid: {
    code: "stages/pyramid.py · FeaturePyramid → trace.pyramid",
    about: "Each level adds the upsampled coarser map to its own lateral (a 1×1 convolution of C), then smooths the sum with a 3×3 convolution. The channel below is the one that every map and crop shows.",
    controls: ["channel"],
    figure(v, c) {
      const k = Math.min(4, Math.max(2, levelIn(v, c))), areas = tiles(8, v.w, v.h, v.aspect, above(v), 34), part = closeUp(boxOf(v, c), 1.5);
      const four = areas.filter((area) => area.y === areas[0].y).length === 4;
      [[`laterals${k}`, [`lateral of C${k}`, "lateral"], "+"], [`upsampled${k}`, [`sum ${k + 1}, upsampled`, "upsampled"], "="], [`sums${k}`, [`sum ${k}`], "→"], [`p${k}`, [`P${k}`], ""]].forEach(([name, words, sign], i) => {
        const [whole, near] = four ? [areas[i], areas[i + 4]] : [areas[2 * i], areas[2 * i + 1]];
        title(v, whole, words, i === 3 ? { class: "strong", fill: v.colors.text[k] } : {});
        title(v, near, ["below the box"], { class: "quiet" });
        if (!v.A[name]) { for (const area of [whole, near]) paintMissing(v, area); title(v, near, ["not in the saved trace"]); return; }
        paintMap(v, name, v.channel, k, whole);
        paintMap(v, name, v.channel, k, near, part.within);
        markBox({ ...v, sel: v.base }, boxOf(v, c), whole, { class: "chosen-box" });
        clipped(v, near, (inner, area) => markBox(inner, part.inside(boxOf(v, c)), area, { class: "chosen-box" }));
        if (sign && four) label(v.base, whole.x + whole.w + 17, whole.y + whole.h / 2 + 7, sign, { class: "big middle" });
      });
    },
    numbers: (v) => [`!P = conv3×3(lateral + 2× coarser sum)`, `channel ${v.H.channels[v.channel]} of ${v.H.features}`,
      ...LEVELS.map((k) => `P${k}  ${dims([...v.H.arrays[`p${k}`].shape.slice(1), v.H.features])}, cells of ${2 ** k} px`)],
  },
  rpn: {
    code: "stages/anchors.py, rpn.py → trace.anchors, trace.rpn",
    about: "Each cell of each level has a few fixed boxes, the anchors. One small network, the same for all levels, scores each anchor and predicts how to move and scale it.",
    figure(v, c) {
      if (v.d.given) return;
      const { level: k, row, column } = cellOf(v, c), [n, h, w] = v.H.arrays[`objectness${k}`].shape, large = fit(0, 0, v.w * 0.45, v.h - above(v) - 4, v.aspect), areas = tiles(n, v.w - large.w - 24, v.h, v.aspect, above(v));
      const own = v.A.anchor[c] % n;
      for (let a = 0; a < n; a++) {
        const area = areas[a], cell = { x: area.x + (column / w) * area.w, y: area.y + (row / h) * area.h, w: area.w / w, h: area.h / h };
        paint(v.ctx, v.A[`objectness${k}`].subarray(a * h * w, (a + 1) * h * w), w, h, v.colors.ramps[k], area);
        frame(v.base, area, { class: "edge" });
        title(v, area, a === own ? [`P${k}, width / height ${number(v.A.anchorRatio[c])}`, `ratio ${number(v.A.anchorRatio[c])}`] : [`P${k}, anchor ${a} of each cell`, `anchor ${a}`], a === own ? { class: "strong" } : {});
        if (a === own) { frame(v.base, { ...cell, x: cell.x - 2, y: cell.y - 2, w: cell.w + 4, h: cell.h + 4 }, { class: "casing" }); frame(v.base, { ...cell, x: cell.x - 2, y: cell.y - 2, w: cell.w + 4, h: cell.h + 4 }, { class: "chosen-box" }); }
      }
      const near = { ...large, x: v.w - large.w, y: above(v) }, part = closeUp(boxOf(v, c), 2);
      paintImage(v, near, 0, part.within);
      title(v, near, ["anchor (dotted) and deltas give the box", "anchor → box"]);
      clipped(v, near, (inner, area) => {
        frame(inner.base, place(part.inside(anchorOf(v, c)), area), { class: "anchor-box" });
        markBox(inner, part.inside(boxOf(v, c)), area, { class: "roi-box", stroke: v.colors.level[levelIn(v, c)] });
      });
    },
    numbers(v, c) {
      if (v.d.given) return ["The ROIs of this run were given: it has no candidates, so no anchors to show."];
      const [background, object] = v.A.rpnLogits.subarray(2 * c, 2 * c + 2), deltas = [...v.A.rpnDeltas.subarray(4 * c, 4 * c + 4)];
      return [`logits: background ${number(background)}, object ${number(object)}`,
        `!p = e^${number(object)} / (e^${number(object)} + e^${number(background)}) = ${number(v.A.score[c], 4)}`,
        `anchor ${px(v, anchorOf(v, c))}`, `deltas (dy, dx, log dh, log dw), in standard deviations: ${deltas.map((x) => number(x)).join("  ")}`,
        `box ${px(v, boxOf(v, c))}`, roiOf(v, c) < 0 ? "NMS does not keep this box" : `ROI ${roiOf(v, c)}`];
    },
  },
};
