// Where rows lie. Left of the reorder a row of the Map is a pyramid level; right of it, an ROI.

import { fit } from "./draw.js";

/** Rows of levels, P2 on top: each holds a title and a map with the image's aspect. */
export function levelRows(v) {
  const row = v.h / 5, title = v.small + 3, inset = v.inset;
  const thumb = fit(0, 0, v.w - inset, row - title - 8, v.aspect);
  const y = (k) => (k - 2) * row + title;
  return {
    row, title, x: inset, w: thumb.w, h: thumb.h, y,
    middle: (k) => y(k) + thumb.h / 2,
    area: (k) => ({ x: inset, y: y(k), w: thumb.w, h: thumb.h }),
    levelAt: (at) => Math.min(6, Math.max(2, 2 + Math.floor(at / row))),
  };
}

/** Height of the zone below the rows of ROIs, which holds the names of columns. */
export const footOf = (v) => Math.round(v.small * 7.5);

/** Rows of ROIs, the best on top. Where they would be thinner than 1.5 pixels, a row holds several. */
export function roiRows(v) {
  const count = v.run.rois.length, height = Math.max(1, v.h - footOf(v));
  const per = Math.max(1, Math.ceil((1.5 * count) / height)), rows = Math.max(1, Math.ceil(count / per)), step = height / rows;
  return {
    count, height, per, rows, step, thick: Math.max(0.8, step - (step > 2.5 ? 0.7 : 0)),
    top: (r) => Math.floor(r / per) * step,
    y: (r) => (Math.floor(r / per) + 0.5) * step,
    /** The ROI at a height; -1: none. */
    at: (y) => { const r = Math.floor(y / step) * per; return y >= 0 && y < height && r < count ? r : -1; },
  };
}

/** The opacity that keeps `count` crossing lines readable. */
export const lineAlpha = (count) => Math.min(0.5, 70 / Math.max(1, count));
