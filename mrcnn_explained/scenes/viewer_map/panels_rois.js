// Details of proposals, levels, crops and the reorder.

import { READ_LEVELS, circle, fit, fitLabel, frame, label, line, paintCrop, paintImage, paintMap, place, svg, tiles } from "./draw.js";
import { above, clipped, closeUp, title } from "./panels_first.js";
import { markBox } from "./stages_pyramid.js";
import { boxOf, className, dims, levelIn, number, plural, roiOf, signed, sourceLevel, suppressedBy, thousands } from "./words.js";

export const ROI_PANELS = {
  proposals: {
    code: "stages/proposals.py · propose → trace.proposals",
    about: "NMS takes candidates by score. A box is kept unless its IoU with a kept box of higher score is above the threshold. On the Map, the left strip has the colour of the anchor's level, the right strip that of the level read later.",
    controls: ["rpnNms"],
    figure(v, c) {
      const kept = v.run.by.get(c)?.by ?? c, near = fit(0, above(v), v.w * 0.46, v.h - above(v) - 4, v.aspect), part = closeUp(boxOf(v, kept));
      paintImage(v, near, 0.3, part.within);
      title(v, near, [`boxes suppressed by candidate ${kept} (dotted)`, "suppressed boxes (dotted)", "suppressed"]);
      clipped(v, near, (inner, area) => {
        for (const [d] of suppressedBy(v, kept)) frame(inner.base, place(part.inside(boxOf(v, d)), area), { class: "anchor-box" });
        markBox(inner, part.inside(boxOf(v, kept)), area, { class: "chosen-box" });
        if (c !== kept) markBox(inner, part.inside(boxOf(v, c)), area, { class: "roi-box", stroke: v.colors.level[levelIn(v, c)] });
      });
      // IoU of every box with the kept one: right of the threshold and lower in score is suppressed.
      const left = near.x + near.w + v.small * 3, right = v.w - 10, top = above(v) + 4, bottom = v.h - v.small * 2.6, limit = v.run.settings.rpnNms;
      const x = (t) => left + t * (right - left), y = (d) => top + (d / Math.max(1, v.run.reached)) * (bottom - top);
      svg(v.base, "rect", { x: x(limit), y: y(kept), width: Math.max(0, x(1) - x(limit)), height: Math.max(0, bottom - y(kept)), class: "out" });
      line(v.base, x(limit), top, x(limit), bottom, { class: "gate" });
      line(v.base, left, bottom, right, bottom, { class: "flow" });
      for (const t of [0, 0.25, 0.5, 0.75, 1]) { line(v.base, x(t), bottom, x(t), bottom + 4, { class: "flow" }); label(v.base, x(t), bottom + v.small + 5, number(t, t % 0.5 ? 2 : 1), { class: "quiet middle" }); }
      for (let d = 0; d < v.run.reached; d++) {
        const t = v.d.iou(boxOf(v, kept), boxOf(v, d)), out = v.run.by.get(d)?.by === kept;
        if (t < 0.02) continue;
        circle(v.base, x(t), y(d), d === c ? 6 : out ? 4 : 2.4, { fill: v.colors.level[sourceLevel(v, d)], class: d === c ? "dot" : out ? "ringed" : v.run.rank.has(d) ? "" : "gone" });
      }
      label(v.base, x(limit), top - 6, `threshold ${number(limit)}`, { class: `strong ${limit > 0.7 ? "end" : "middle"}` });
      label(v.base, right, v.h - 2, `IoU with candidate ${kept} →`, { class: "end" });
      const [tx, ty] = [left - 8, bottom];
      label(v.base, tx, ty, "higher score →", { class: "quiet", transform: `rotate(-90 ${tx} ${ty})` });
    },
    numbers(v, c) {
      if (v.d.given) return ["The ROIs of this run were given: no NMS chose them."];
      const { run } = v, from = run.by.get(c), others = suppressedBy(v, c);
      const all = [`${thousands(v.d.K)} candidates: ${run.rois.length} kept, ${run.by.size} suppressed, ${v.d.K - run.reached} not reached`, `candidate ${c}: score ${number(v.A.score[c], 5)}`];
      if (from) return [...all, `!IoU with candidate ${from.by}: ${number(from.iou, 3)} > ${number(run.settings.rpnNms)}`, "suppressed"];
      if (roiOf(v, c) < 0) return [...all, `!not reached: ${plural(run.settings.rois, "ROI")} are kept at most`];
      const most = 6, list = others.slice(0, most).map(([d, t]) => `${d} (${number(t)})`).join(", ");
      return [...all, `!no kept box with IoU > ${number(run.settings.rpnNms)}: ROI ${roiOf(v, c)}`,
        others.length ? `suppresses (IoU): ${list}${others.length > most ? ` and ${others.length - most} more` : ""}` : "suppresses no candidate"];
    },
  },
  levels: {
    code: "stages/levels.py · assign_levels → trace.levels",
    about: "Only the size of a box decides which level it reads. Dots lie at the exact value of the equation; the vertical lines are the rounding; values below 2 and above 5 are clipped.",
    controls: ["rounding", "side"],
    figure(v, c) {
      const s = v.run.settings, sides = v.run.fit.map((f) => f.side).filter((side) => side > 0), low = Math.log2(Math.max(4, Math.min(...sides, 32))) - 0.3;
      const high = Math.log2(Math.max(...v.H.size, 2 ** (low + 1))) + 0.1, left = v.small * 3, right = v.w - 8;
      const exact = v.run.fit.map((f) => f.exact).filter(Number.isFinite), least = Math.min(1.4, ...exact) - 0.2, most = Math.max(5.6, ...exact) + 0.2, bottom = v.h - v.small * 2.4;
      const x = (side) => left + ((Math.log2(Math.max(side, 2 ** low)) - low) / (high - low)) * (right - left), y = (k) => 8 + ((k - least) / (most - least)) * (bottom - 8);
      const limits = [2 ** low, ...v.d.levelEdges(s).map((edge) => Math.min(2 ** high, Math.max(2 ** low, edge))), 2 ** high];
      const at = (side) => 4 + Math.log2(side / s.side);
      clipped(v, { x: left, y: 0, w: right - left, h: bottom }, (inner) => line(inner.base, 0, y(at(2 ** low)), right - left, y(at(2 ** high)), { class: "slant" }));
      for (const k of READ_LEVELS) {
        const [a, b] = [x(limits[k - 2]), x(limits[k - 1])];
        line(v.base, left, y(k), right, y(k), { class: "edge" });
        if (b > a) line(v.base, a, y(k), b, y(k), { class: "step", stroke: v.colors.level[k] });
        label(v.base, left - 10, y(k) + v.small * 0.35, `P${k}`, { class: "strong end", fill: v.colors.text[k] });
        if (k < 5 && b > left && b < right) { line(v.base, b, y(k), b, bottom, { class: "riser" }); label(v.base, b, bottom + v.small + 4, `${limits[k - 1].toFixed(0)}`, { class: "middle" }); }
      }
      label(v.base, right, v.h - 2, "side of the box, px (logarithmic) →", { class: "end quiet" });
      v.run.rois.forEach((d, r) => {
        const f = v.run.fit[r];
        if (d === c || !Number.isFinite(f.exact)) return;
        v.ctx.globalAlpha = 0.6; v.ctx.strokeStyle = v.colors.quiet; v.ctx.lineWidth = 0.7;
        v.ctx.beginPath(); v.ctx.moveTo(x(f.side), y(f.exact)); v.ctx.lineTo(x(f.side), y(f.level)); v.ctx.stroke();
        v.ctx.globalAlpha = 1; v.ctx.beginPath(); v.ctx.arc(x(f.side), y(f.exact), 3, 0, 7); v.ctx.fillStyle = v.colors.level[f.level]; v.ctx.fill();
        if (v.changed.has(d)) { v.ctx.strokeStyle = v.colors.ink; v.ctx.lineWidth = 1.4; v.ctx.stroke(); }
      });
      const { side, exact: value, level } = v.run.fit[roiOf(v, c)];
      line(v.base, x(side), y(value), x(side), y(level), { class: "drop" });
      circle(v.base, x(side), y(value), 6, { fill: v.colors.level[level], class: "dot" });
      label(v.base, x(side) + (x(side) > v.w * 0.8 ? -10 : 10), y(value) - 8, `${number(value)}`, { class: `strong halo ${x(side) > v.w * 0.8 ? "end" : ""}` });
    },
    numbers(v, c) {
      const counts = READ_LEVELS.map((k) => `P${k} ${v.run.level.filter((l) => l === k).length}`).join(" · ");
      const [y1, x1, y2, x2] = boxOf(v, c), { side, exact, level } = v.run.fit[roiOf(v, c)], s = v.run.settings, [h, w] = v.H.size;
      const edges = v.d.levelEdges(s), edge = edges.reduce((a, b) => (Math.abs(b - side) < Math.abs(a - side) ? b : a));
      const whole = s.rounding === "round" ? Math.round(exact) : Math.floor(exact);
      return [`side = √(${number(y2 - y1, 4)} · ${number(x2 - x1, 4)} · ${h} · ${w}) = ${side.toFixed(1)} px`,
        `!k = 4 + log₂(${side.toFixed(1)} / ${s.side}) = 4 ${signed(exact - 4, 3)} = ${number(exact, 3)}`,
        `rounded${s.rounding === "round" ? "" : " down"}: ${whole}${whole === level ? "" : `, clipped to 2…5: ${level}`} ⇒ P${level}`,
        `${Math.abs(side - edge).toFixed(1)} px ${side < edge ? "below" : "above"} the boundary at ${edge.toFixed(1)} px`, counts];
    },
  },
  crops: {
    code: "stages/crops.py · crop_levels → trace.crops",
    about: "crop_and_resize takes bilinear samples of the level, from edge to edge of the box. On the right: the same box read from each level, and what the box head answers to that crop.",
    figure(v, c) {
      const n = v.H.pool[0], own = levelIn(v, c), map = fit(0, above(v), v.w * 0.46, v.h - above(v) - 4, v.aspect), part = closeUp(boxOf(v, c), 1.5, 0.02);
      paintMap(v, `p${own}`, v.channel, own, map, part.within);
      title(v, map, [`P${own} around the box, with the ${n}×${n} samples`, `samples on P${own}`]);
      const { ys, xs } = v.d.samples(own, boxOf(v, c), n), [, h, w] = v.H.arrays[`p${own}`].shape;
      clipped(v, map, (inner, area) => {
        markBox(inner, part.inside(boxOf(v, c)), area, { class: "chosen-box" });
        const [top, left, bottom, right] = part.within;
        for (const y of ys) for (const x of xs) circle(inner.base, (((x + 0.5) / w - left) / (right - left)) * area.w, (((y + 0.5) / h - top) / (bottom - top)) * area.h, 2.6, { class: "sample ringed" });
      });
      const from = map.w + 36, rest = v.w - from, words = v.small * 2.6, areas = tiles(4, rest, v.h - words, 1, above(v), 18);
      const rowed = areas[3].y > areas[0].y;
      READ_LEVELS.forEach((k, i) => {
        const size = rowed ? areas[0].w - v.small * 1.2 : areas[0].w, tile = { x: from + areas[i].x, y: areas[i].y + (rowed && areas[i].y > areas[0].y ? words * 0.5 : 0), w: size, h: size };
        const [best] = v.d.topClasses(k, c) ?? [], class_ = k === own ? "strong" : "";
        paintCrop(v, k, boxOf(v, c), n, tile);
        frame(v.base, tile, { class: k === own ? "chosen-box" : "edge" });
        title(v, tile, [k === own ? `P${k}: read by this ROI` : `P${k}`, `P${k}`], { class: "strong", fill: v.colors.text[k] });
        fitLabel(v, v.base, tile.x, tile.y + size + v.small + 4, best ? [`${className(v, best.id)} ${number(best.p, 3)}`, className(v, best.id)] : ["not computed"], rowed ? rest / 2 - 10 : size + 14, { class: class_ });
      });
    },
    numbers(v, c) {
      const k = levelIn(v, c), n = v.H.pool[0], { ys, xs } = v.d.samples(k, boxOf(v, c), n), crop = v.d.crop(k, v.channel, boxOf(v, c), n), [, h, w] = v.H.arrays[`p${k}`].shape;
      const along = (name, at, last, t) => `${name} ${number(at, 4)} · ${last} = ${number(t[0])} … ${number(t[n - 1])}, every ${number(t[1] - t[0])} cells`;
      return [`!P${k}: ${n} × ${n} samples from ${number(ys[0])}…${number(ys[n - 1])}, ${number(xs[0])}…${number(xs[n - 1])}`,
        along("y1 · (h − 1):", boxOf(v, c)[0], h - 1, ys), along("x1 · (w − 1):", boxOf(v, c)[1], w - 1, xs),
        `channel ${v.H.channels[v.channel]}: first sample ${number(v.d.valueOf(`p${k}`, v.channel, crop[0]), 3)}, last ${number(v.d.valueOf(`p${k}`, v.channel, crop[n * n - 1]), 3)} (from maps in 256 steps)`,
        `shape ${dims([n, n, v.H.features])}`];
    },
  },
  reorder: {
    code: "stages/reorder.py · reorder → trace.reordered",
    about: "crop_and_resize works on one level at a time, so the crops are stacked by level. The heads need them in the order of the ROIs: sorting by image and ROI restores it.",
    figure(v, c) {
      const n = v.run.rois.length, x = (i) => 6 + ((i + 0.5) / n) * (v.w - 12), top = above(v) + 10, bottom = v.h - v.small * 2 - 4, own = roiOf(v, c), half = (top + bottom) / 2;
      label(v.base, v.w, v.h - 2, "ROIs, highest score first", { class: "end" });
      let from = 0;
      for (const k of READ_LEVELS) {
        const count = v.run.level.filter((l) => l === k).length, a = x(from - 0.5), b = x(from + count - 0.5);
        if (count) {
          svg(v.base, "rect", { x: a, y: top - 10, width: Math.max(1, b - a - 1), height: 8, fill: v.colors.level[k] });
          fitLabel(v, v.base, a, top - 16, [`stack: ${count} crops of P${k}`, `${count} of P${k}`, `P${k}`], b - a, { class: "strong", fill: v.colors.text[k] });
        }
        from += count;
      }
      v.run.stack.forEach((r, at) => {
        const path = new Path2D(`M${x(at)},${top}C${x(at)},${half} ${x(r)},${half} ${x(r)},${bottom}`);
        v.ctx.strokeStyle = v.colors.level[v.run.level[r]]; v.ctx.lineWidth = 1.2; v.ctx.globalAlpha = Math.min(0.6, 90 / n);
        v.ctx.stroke(path);
        v.ctx.globalAlpha = 1; v.ctx.fillStyle = v.colors.level[v.run.level[r]]; v.ctx.fillRect(x(r - 0.5), bottom, Math.max(1, (v.w - 12) / n - 0.5), 8);
      });
      const at = v.run.row[own], end = x(at) > v.w * 0.8, last = x(own) > v.w * 0.8;
      svg(v.base, "path", { d: `M${x(at)},${top}C${x(at)},${half} ${x(own)},${half} ${x(own)},${bottom}`, class: "thread" });
      label(v.base, x(at) + (end ? -8 : 8), top + v.small + 4, `row ${at}`, { class: `strong halo ${end ? "end" : ""}` });
      label(v.base, x(own) + (last ? -8 : 8), bottom - 8, `ROI ${own}`, { class: `strong halo ${last ? "end" : ""}` });
    },
    numbers(v, c) {
      const r = roiOf(v, c), image = v.H.number ?? 0;
      return [`row ${v.run.row[r]} of the stack holds image ${image}, ROI ${r}, from P${v.run.level[r]}`, `sorting key: ${image} · 100,000 + ${r} = ${thousands(image * 100000 + r)}`,
        `!final_order[${r}] = ${v.run.row[r]}`, ...(v.H.batch > 1 ? [`rows of image ${image} only; the batch stacks the images of each level together`] : [])];
    },
  },
};

