// The path of the selection across the stages, and the lines of the levels from the pyramid to the crops.

import { READ_LEVELS, ease, fitLabel, svg } from "./draw.js";
import { levelRows } from "./layout.js";
import { boxOf, isDetection, levelIn } from "./words.js";

/** The line of one level, from a point of the pyramid to its row of crops. */
function bus(map, k, from) {
  const pyramid = map.placeOf("pyramid"), crops = map.placeOf("crops"), [px, py] = map.origin(pyramid), [cx, cy] = map.origin(crops);
  const rows = levelRows(pyramid.v), right = px + pyramid.v.w, row = crops.v.h / 5, end = cy + (k - 2) * row + row / 2;
  const [x, y] = from ?? [px + rows.x + rows.w, py + rows.middle(k)];
  if (cy > py + 100) { // the lanes lie below each other: down the gutter, along the space between them
    const down = right + 3 + 2.5 * (5 - k), along = map.above(map.placeOf("levels")) + 4 * (k - 2);
    return `M${x},${y}H${down}V${along}H${cx - 5 - 2 * (5 - k)}V${end}H${cx - 3}`;
  }
  const lane = py + (k - 1) * rows.row - 4;
  return `M${x},${y}C${x + 14},${y} ${x + 4},${lane} ${x + 26},${lane}H${cx - 36}C${cx - 14},${lane} ${cx - 20},${end} ${cx - 6},${end}`;
}

/** The maps are read twice: by the RPN, and again by the crops. */
export function drawBuses(map) {
  const { under } = map.e;
  under.replaceChildren();
  if (map.size === "narrow") return;
  for (const k of READ_LEVELS) svg(under, "path", { d: bus(map, k), class: "bus", stroke: map.colors.level[k] });
  const rpn = map.placeOf("rpn"), [x, y] = map.origin(rpn), rows = levelRows(rpn.v);
  if (map.size === "wide" && rows.row - rows.h - rows.title > 14) {
    fitLabel(rpn.v, under, x, y + rows.row - 9, ["read again by the crops", "read again"], rpn.v.w + 30, { class: "halo", fill: map.colors.text[2] });
  }
}

/** From stage to stage: level along the rows, up and down only in the gutter. */
function between([x1, y1], [x2, y2], gutter, above) {
  if (x2 < gutter) return `H${gutter - 4}V${above - 6}H5V${y2}H${x2}`; // on to the next line of stages
  const r = Math.min(8, Math.abs(y2 - y1) / 2) * Math.sign(y2 - y1), q = Math.max(0, Math.min(8, Math.abs(r), gutter - x1));
  return `H${gutter - q}Q${gutter},${y1} ${gutter},${y1 + r}V${y2 - r}Q${gutter},${y2} ${gutter + q},${y2}H${x2}`;
}

/** How long the path is when each stage is reached. */
export function lengthsOf({ parts }) {
  const probe = document.createElementNS("http://www.w3.org/2000/svg", "path");
  return parts.map((d) => { probe.setAttribute("d", d || "M0,0"); return d ? probe.getTotalLength() : 0; });
}

/** Where the selection passes: one path; `parts` are its beginnings, up to each stage. */
export function drawPath(map) {
  const { thread } = map.e, c = map.shown;
  thread.replaceChildren();
  map.path = null;
  if (c < 0) return;
  const crops = map.placeOf("crops"), pyramid = map.placeOf("pyramid"), tile = crops.stage.at(crops.v, c)[0];
  if (tile && map.size !== "narrow") {
    const k = levelIn(pyramid.v, c), [y1, , y2, x2] = boxOf(pyramid.v, c), area = levelRows(pyramid.v).area(k);
    const [px, py] = map.origin(pyramid), [cx, cy] = map.origin(crops);
    const d = bus(map, k, [px + area.x + x2 * area.w, py + area.y + ((y1 + y2) / 2) * area.h]);
    svg(thread, "path", { d: `${d}L${cx + tile[0]},${cy + tile[1]}`, class: "features", stroke: map.colors.level[k] });
  }
  let d = "", last = null, gutter = 0;
  const parts = [];
  map.e.places.forEach((place, i) => {
    const [ox, oy] = map.origin(place), next = map.e.places[i + 1];
    const points = place.stage.at(place.v, c).map(([x, y]) => [ox + x, oy + y]);
    points.forEach((point, n) => {
      if (!last) d = `M${point}`;
      else if (n) d += ease(...last, ...point).replace(/^M[^C]*/, ""); // within a stage: along its own lines
      else d += between(last, point, gutter, map.above(place));
      last = point;
    });
    if (points.length) gutter = ox + place.v.w + Math.min(14, next?.v.left ?? 14) / 2;
    parts.push(d);
  });
  if (!last) return;
  svg(thread, "path", { d, class: "thread-halo" });
  map.path = { node: svg(thread, "path", { d, class: "thread" }), parts };
  if (!isDetection(pyramid.v, c)) {
    const [x, y] = last;
    for (const name of ["cross-halo", "cross"]) svg(thread, "path", { d: `M${x - 6},${y - 6}l12,12m0,-12l-12,12`, class: name });
  }
}

