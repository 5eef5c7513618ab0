// From the candidates to the crops: NMS, the level of each ROI, and what is read from that level.

import { READ_LEVELS, circle, fit, fitLabel, frame, label, line, paintCrop, paintCrops, paintImage, place, strokeCurves, svg } from "./draw.js";
import { footOf, levelRows, lineAlpha, roiRows } from "./layout.js";
import { markBox } from "./stages_pyramid.js";
import { boxOf, dims, memo, number, plural, roiOf, smallestAt, sourceLevel, suppressedBy, thousands } from "./words.js";

/** What changes these stages: the ROIs themselves, and their levels. */
export const BY_LEVEL = ["rpnNms", "rounding", "side"];

/** The row below P5's is free right of the RPN: it shows the chosen ROI, large. */
export function lensArea(v) {
  const { row, title } = levelRows(v);
  return fit(0, 4 * row + title + 4, v.w, v.h - 4 * row - title - 6, v.aspect);
}

/** Where candidates lie by score: those that NMS reached, then all others. */
function strip(v) {
  const height = v.h - footOf(v), { reached } = v.run, rest = v.d.K - reached, split = rest > 0 ? 0.88 * height : height;
  const y = (c) => (c < reached ? ((c + 0.5) / reached) * split : split + 8 + ((c - reached + 0.5) / rest) * (height - split - 8));
  return { height, reached, rest, split, y, x: [26, 54, v.w - 8] };
}

/** The scale of the staircase: sides in pixels from left to right, one row per level. */
function stairs(v) {
  const row = v.h / 5, left = 6, right = v.w - 2, most = Math.max(512, ...v.H.size), low = Math.log2(16), high = Math.log2(most);
  const x = (side) => left + ((Math.log2(Math.min(most, Math.max(16, side))) - low) / (high - low)) * (right - left);
  const step = (k) => (k - 2) * row + row * 0.74;
  return { row, x, left, right, step, most };
}

const dots = (v) => memo(v, "dots", () => placeDots(v));
/** Dots stand on their step, on each other where their sides are alike; closer where there are many. */
function placeDots(v) {
  const s = stairs(v), places = new Map();
  const slots = v.run.rois.map((c, r) => {
    const slot = Math.round(s.x(v.run.fit[r].side) / 5), key = `${v.run.level[r]}/${slot}`, n = places.get(key) ?? 0;
    places.set(key, n + 1);
    return [slot * 5, n];
  });
  const most = Math.max(1, ...places.values()), pitch = Math.min(5, (s.row * 0.74 - v.small - 8) / most);
  return slots.map(([x, n], r) => [x, s.step(v.run.level[r]) - 5 - pitch * n]);
}

const sheet = (v) => memo(v, "sheet", () => placeSheet(v));
/** Crops of a level lie in the order of the stack, in rows of equal tiles. */
function placeSheet(v) {
  const { row, title } = levelRows(v), counts = READ_LEVELS.map((k) => v.run.level.filter((x) => x === k).length), most = Math.max(1, ...counts);
  let tile = 18;
  while (tile > 2.5 && Math.ceil(most / Math.floor(v.w / tile)) * tile > row - title - 6) tile -= 0.5;
  return { row, title, tile, counts, columns: Math.max(1, Math.floor(v.w / tile)), first: (k) => counts.slice(0, k - 2).reduce((a, b) => a + b, 0) };
}
function tileOf(v, s, r) {
  const k = v.run.level[r], n = v.run.row[r] - s.first(k), gap = s.tile > 5 ? 1.2 : 0.5;
  return { x: (n % s.columns) * s.tile, y: (k - 2) * s.row + s.title + Math.floor(n / s.columns) * s.tile, w: s.tile - gap, h: s.tile - gap };
}

export const ROI_STAGES = [
  {
    id: "proposals", n: "6", title: "Top-k, NMS", w: 116, gap: 12, changedBy: BY_LEVEL,
    shape: (v) => `${thousands(v.d.K)} → ${thousands(v.run.rois.length)}×4`,
    draw(v) {
      const s = strip(v), rows = roiRows(v), thick = Math.max(1, s.split / s.reached), { level } = v.colors;
      for (let c = 0; c < v.d.K; c++) {
        const kept = v.run.rank.has(c);
        v.ctx.globalAlpha = kept ? 1 : c < s.reached ? 0.35 : 0.15;
        v.ctx.fillStyle = level[sourceLevel(v, c)];
        v.ctx.fillRect(s.x[0], s.y(c) - thick / 2, kept ? s.x[1] - s.x[0] : 16, thick);
      }
      const curves = v.run.rois.map((c, r) => [s.x[1], s.y(c), s.x[2], rows.y(r), level[sourceLevel(v, c)]]);
      strokeCurves(v.ctx, curves, lineAlpha(rows.count));
      v.run.rois.forEach((c, r) => { v.ctx.fillStyle = level[v.run.level[r]]; v.ctx.fillRect(s.x[2], rows.top(r), 8, rows.thick); });
      const foot = v.h - footOf(v) + v.small + 2;
      label(v.base, s.x[0] - 2, foot, v.d.given ? "given" : "by score", { class: "quiet" });
      label(v.base, v.w, foot, "ROIs", { class: "quiet end" });
      if (!s.rest) return;
      fitLabel(v, v.base, 0, foot + v.small + 3, [`${thousands(s.rest)} not reached by NMS`, `${thousands(s.rest)} not reached`, thousands(s.rest)], v.w + 8, { class: "quiet" });
      svg(v.base, "path", { d: `M${s.x[0] - 3},${s.split + 9}H${s.x[0] - 10}V${foot + 2}`, class: "flow" });
    },
    mark(v, c) {
      const s = strip(v), kept = v.run.rank.has(c), from = v.run.by.get(c), { level } = v.colors;
      const arc = (a, b) => svg(v.sel, "path", { d: `M${s.x[0]},${s.y(a)}C-6,${s.y(a)} -6,${s.y(b)} ${s.x[0]},${s.y(b)}`, class: "arc" });
      const others = kept ? suppressedBy(v, c) : [];
      for (const [d] of others) {
        arc(c, d);
        line(v.sel, s.x[0], s.y(d), s.x[0] + 16, s.y(d), { class: "suppressed", stroke: level[sourceLevel(v, d)] });
      }
      if (others.length) fitLabel(v, v.sel, v.w - 14, s.y(c) + (s.y(c) < 24 ? v.small + 8 : -7), [`suppresses ${others.length}`, `−${others.length}`], v.w - 22, { class: "halo end" });
      if (from) {
        arc(from.by, c);
        line(v.sel, s.x[0], s.y(from.by), s.x[1], s.y(from.by), { class: "rival" });
        label(v.sel, s.x[0] + 24, s.y(c) + v.small * 0.35, `IoU ${number(from.iou)}`, { class: "halo strong" });
      }
      line(v.sel, s.x[0], s.y(c), kept ? s.x[1] : s.x[0] + 16, s.y(c), { class: "picked" });
    },
    at(v, c) {
      const s = strip(v), r = roiOf(v, c);
      return r < 0 ? [[s.x[0] + 8, s.y(c)]] : [[s.x[0], s.y(c)], [s.x[1], s.y(c)], [s.x[2] + 4, roiRows(v).y(r)]];
    },
    pick(v, x, y) {
      const s = strip(v);
      if (x > (s.x[1] + s.x[2]) / 2) return v.run.rois[roiRows(v).at(y)] ?? -1;
      if (y < 0 || y > s.height || (y >= s.split && y < s.split + 8)) return -1;
      if (y < s.split) return Math.min(s.reached - 1, Math.floor((y / s.split) * s.reached));
      return Math.min(v.d.K - 1, s.reached + Math.floor(((y - s.split - 8) / (s.height - s.split - 8)) * s.rest));
    },
  },
  {
    id: "levels", n: "7", title: "Levels", w: 128, gap: 24, changedBy: BY_LEVEL,
    shape: (v) => `${thousands(v.run.rois.length)} integers`,
    draw(v) {
      const s = stairs(v), limits = [16, ...v.d.levelEdges(v.run.settings), s.most];
      for (const k of READ_LEVELS) {
        const [from, to] = [s.x(limits[k - 2]), s.x(limits[k - 1])], count = v.run.level.filter((x) => x === k).length;
        const before = v.map.base.level.filter((x) => x === k).length;
        if (to > from) line(v.base, from, s.step(k), to, s.step(k), { class: "step", stroke: v.colors.level[k] });
        if (k < 5) {
          line(v.base, to, s.step(k), to, s.step(k + 1), { class: "riser" });
          const end = to > v.w - v.small * 4;
          if (limits[k - 1] > 16 && limits[k - 1] < s.most) label(v.base, to + (end ? -4 : 4), s.step(k) + v.small + 3, `${limits[k - 1].toFixed(0)} px`, { class: end ? "halo end" : "halo" });
        }
        const top = (k - 2) * s.row + v.small - 1;
        label(v.base, 0, top, `P${k}`, { class: "strong halo", fill: v.colors.text[k] });
        label(v.base, v.small * 1.8, top, count === before ? count : `${before} → ${count}`, { class: count === before ? "halo quiet" : "strong halo" });
      }
      const shapes = new Map(READ_LEVELS.map((k) => [k, { dots: new Path2D(), boxes: new Path2D() }])), rings = new Path2D();
      dots(v).forEach(([x, y], r) => {
        for (const path of [shapes.get(v.run.level[r]).dots, ...(v.changed.has(v.run.rois[r]) ? [rings] : [])]) { path.moveTo(x + 2.3, y); path.arc(x, y, 2.3, 0, 7); }
      });
      for (const [k, { dots: path }] of shapes) { v.ctx.fillStyle = v.colors.level[k]; v.ctx.fill(path); }
      Object.assign(v.ctx, { strokeStyle: v.colors.ink, lineWidth: 1.4 });
      v.ctx.stroke(rings);
      const area = lensArea(v);
      fitLabel(v, v.base, 0, area.y - 5, [`${plural(v.run.rois.length, "ROI")} by level`, "ROIs by level"], v.w, { class: "quiet" });
      paintImage(v, area, 0.45);
      v.run.rois.forEach((c, r) => { const { x, y, w, h } = place(boxOf(v, c), area); shapes.get(v.run.level[r]).boxes.rect(x, y, w, h); });
      v.ctx.lineWidth = 0.8; v.ctx.globalAlpha = Math.min(1, 160 / v.run.rois.length);
      for (const [k, { boxes }] of shapes) { v.ctx.strokeStyle = v.colors.level[k]; v.ctx.stroke(boxes); }
      v.ctx.globalAlpha = 1;
    },
    mark(v, c) {
      const r = roiOf(v, c);
      if (r < 0) return;
      const { side, level } = v.run.fit[r], [x, y] = dots(v)[r];
      circle(v.sel, x, y, 6, { fill: v.colors.level[level], class: "dot" });
      const left = x > v.w - v.small * 5;
      label(v.sel, x + (left ? -9 : 9), y - 8, `${side.toFixed(0)} px`, { class: `strong halo ${left ? "end" : ""}` });
      markBox(v, boxOf(v, c), lensArea(v), { class: "roi-box", stroke: v.colors.level[level] });
    },
    at(v, c) { const r = roiOf(v, c); return r < 0 ? [] : [dots(v)[r]]; },
    pick(v, x, y) {
      const area = lensArea(v);
      if (y > area.y) return smallestAt((x - area.x) / area.w, (y - area.y) / area.h, v.run.rois, (c) => boxOf(v, c));
      const far = dots(v).map(([dx, dy]) => Math.hypot(dx - x, dy - y)), nearest = Math.min(...far);
      return nearest < 14 ? v.run.rois[far.indexOf(nearest)] : -1;
    },
  },
  {
    id: "crops", n: "8", title: "Crops", w: 112, gap: 16, changedBy: BY_LEVEL,
    shape: (v) => `${v.H.pool[0]}×${v.H.pool[0]}×${v.H.features} each`,
    draw(v) {
      const s = sheet(v);
      const tiles = v.run.rois.map((_, r) => tileOf(v, s, r));
      paintCrops(v, tiles);
      v.run.rois.forEach((c, r) => {
        const tile = tiles[r];
        if (v.changed.has(c)) { v.ctx.strokeStyle = v.colors.ink; v.ctx.lineWidth = 1.4; v.ctx.strokeRect(tile.x, tile.y, tile.w, tile.h); }
      });
      for (const k of READ_LEVELS) label(v.base, 0, (k - 2) * s.row + s.title - 4, `${s.counts[k - 2]} read P${k}`, { fill: v.colors.text[k] });
      const { y } = lensArea(v);
      for (const [i, text] of ["P6 serves the", "RPN only: no", "ROI reads it."].entries()) label(v.base, 0, y + v.small + i * (v.small + 4), text, { class: "quiet lens-note" });
    },
    mark(v, c) {
      const r = roiOf(v, c), lens = lensArea(v);
      if (r < 0) return;
      const k = v.run.level[r], tile = tileOf(v, sheet(v), r), large = fit(lens.x, lens.y, v.w, v.h - lens.y - 2, 1);
      paintCrop(v, k, boxOf(v, c), v.H.pool[0], tile);
      frame(v.sel, { x: tile.x - 1.5, y: tile.y - 1.5, w: tile.w + 3, h: tile.h + 3 }, { class: "chosen-box" });
      paintCrop(v, k, boxOf(v, c), v.H.pool[0], large);
      frame(v.sel, large, { class: "roi-box", stroke: v.colors.level[k] });
      fitLabel(v, v.sel, 0, large.y - 5, [`crop, channel ${v.H.channels[v.channel]}`, "its crop"], v.w, {});
    },
    at(v, c) {
      const r = roiOf(v, c);
      if (r < 0) return [];
      const tile = tileOf(v, sheet(v), r);
      return [[tile.x + tile.w / 2, tile.y + tile.h / 2]];
    },
    pick(v, x, y) {
      const s = sheet(v), k = Math.floor(y / s.row) + 2, n = Math.floor((y - (k - 2) * s.row - s.title) / s.tile) * s.columns + Math.floor(x / s.tile);
      if (k > 5 || x < 0 || x >= s.columns * s.tile || n < 0 || n >= s.counts[k - 2]) return -1;
      return v.run.rois[v.run.stack[s.first(k) + n]];
    },
  },
];

/** The shape of a level's stack of crops. */
export const stackShape = (v) => dims([v.run.rois.length, v.H.pool[0], v.H.pool[0], v.H.features]);
