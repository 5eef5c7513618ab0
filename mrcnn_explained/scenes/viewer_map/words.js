// What belongs to a candidate, and how it is written: one selection is one candidate of the RPN.
// An ROI is a candidate that NMS kept; a detection is an ROI that passed every filter.

export const number = (value, digits = 2) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(digits);
export const signed = (value, digits = 2) => (value < 0 ? "− " : "+ ") + Math.abs(value).toFixed(digits);
export const thousands = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
export const dims = (shape) => shape.join("×");
export const plural = (count, noun) => `${thousands(count)} ${noun}${count === 1 ? "" : noun.endsWith("x") ? "es" : "s"}`;
const short = (value) => String(+value.toFixed(4));

export const boxOf = (v, c) => v.A.box.subarray(4 * c, 4 * c + 4);
export const anchorOf = (v, c) => v.A.anchorBox.subarray(4 * c, 4 * c + 4);
/** The level of the candidate's anchor; in a run of given ROIs, which have none, the level that it reads. */
export const sourceLevel = (v, c) => (v.d.given ? levelIn(v, c) : v.A.anchorLevel[c]);
/** The candidate's place in the list of ROIs; -1: it is no ROI. */
export const roiOf = (v, c) => v.run.rank.get(c) ?? -1;
export const fateOf = (v, c) => v.run.fate[roiOf(v, c)] ?? null;
export const isDetection = (v, c) => fateOf(v, c)?.kind === "detection";
/** The level that the candidate reads, or would read if it were an ROI. */
export function levelIn(v, c) {
  const r = roiOf(v, c);
  return r < 0 ? v.d.levelOf(boxOf(v, c), v.run.settings).level : v.run.level[r];
}
/** The box that the candidate ends with: refined, if it is a detection. */
export const finalBox = (v, c) => (isDetection(v, c) ? v.run.box[roiOf(v, c)] : boxOf(v, c));
export const center = ([y1, x1, y2, x2]) => [(x1 + x2) / 2, (y1 + y2) / 2];
export const area = ([y1, x1, y2, x2]) => (y2 - y1) * (x2 - x1);
/** Row and column of the candidate's anchor, and the size of its map. */
export function cellOf(v, c) {
  const level = v.A.anchorLevel[c], [, h, w] = v.H.arrays[`objectness${level}`].shape;
  return { level, row: v.A.anchorCell[2 * c], column: v.A.anchorCell[2 * c + 1], h, w };
}
export const px = (v, box) => `(${v.d.pixels(box).map((value) => value.toFixed(0)).join(", ")})`;
export const className = (v, k) => (k < 0 ? "not computed" : k ? v.H.classes[k] : "background");
export const confidenceOf = (v) => short(v.run.settings.confidence);

/** Computed once for a stage's view. */
export function memo(v, key, compute) {
  if (!v.memo.has(key)) v.memo.set(key, compute());
  return v.memo.get(key);
}

/** The smallest box, of some candidates, around a point of the image. */
export function smallestAt(x, y, candidates, box) {
  let best = -1, least = Infinity;
  for (const c of candidates) {
    const [y1, x1, y2, x2] = box(c), size = (y2 - y1) * (x2 - x1);
    if (y >= y1 && y <= y2 && x >= x1 && x <= x2 && size < least) [best, least] = [c, size];
  }
  return best;
}

export const FATES = {
  detection: "detections", suppressed: "suppressed by NMS", below_confidence: "below threshold", background: "background",
  class_full: "over the class limit", beyond_top: "over the limit", unknown: "not computed",
};

/** The last stage that a candidate reaches, by its place among the stages. */
export const LAST = { proposals: 4, filters: 9, instances: 11 };
export const endOf = (v, c) => (roiOf(v, c) < 0 ? LAST.proposals : isDetection(v, c) ? LAST.instances : LAST.filters);

export function titleOf(v, c) {
  const r = roiOf(v, c);
  if (r < 0) return `Candidate ${c}`;
  return isDetection(v, c) ? `${v.H.classes[v.run.classId[r]]}, ROI ${r}` : `ROI ${r}`;
}

/** How many candidates the chosen one suppressed. */
export const suppressedBy = (v, c) => [...v.run.by].filter(([, x]) => x.by === c).map(([d, x]) => [d, x.iou]);

/** One sentence (or two) on what a stage did with a candidate that reaches it. */
export const SAY = {
  image: (v) => `The image, ${dims(v.H.original)}, is scaled by ${short(v.H.scale)}, padded to ${dims(v.H.size)}, and the mean colour is subtracted.`,
  backbone: () => "A ResNet computes C1 to C5: each step down halves the map and adds channels. All ROIs share these maps.",
  pyramid(v, c) {
    if (v.d.given) return `Each coarser map is upsampled and added to the next finer one. P${levelIn(v, c)} is the level that this ROI reads.`;
    const read = roiOf(v, c) < 0 ? "" : ` P${levelIn(v, c)} is the level that this ROI reads later.`;
    return `Each coarser map is upsampled and added to the next finer one. The anchor of this box lies on P${v.A.anchorLevel[c]}.${read}`;
  },
  rpn(v, c) {
    if (v.d.given) return "The ROIs of this run were given: no anchor of the RPN led to them.";
    const { level, row, column } = cellOf(v, c);
    return `Anchor on P${level}, cell (${row}, ${column}), ${v.H.anchor_scales[level - 2]} px, width / height ${short(v.A.anchorRatio[c])}: objectness ${number(v.A.score[c], 4)}.`;
  },
  proposals(v, c) {
    const { run } = v, r = roiOf(v, c), from = run.by.get(c), others = suppressedBy(v, c).length;
    if (v.d.given) return `ROI ${r} of this run was given: no NMS chose it.`;
    if (r >= 0) return `Candidate ${c} of ${thousands(v.d.K)} by score. NMS keeps it as ROI ${r}${others ? `; it suppresses ${plural(others, "candidate")}` : ""}.`;
    if (from) return `Suppressed by NMS: candidate ${from.by} (ROI ${run.rank.get(from.by)}) has a higher score and IoU ${number(from.iou, 3)} > ${short(run.settings.rpnNms)}.`;
    return `Never reached by NMS: ${plural(run.settings.rois, "ROI")} were kept after candidate ${run.reached - 1}.`;
  },
  levels(v, c) {
    const { side, exact, level } = v.run.fit[roiOf(v, c)], { side: canonical, rounding } = v.run.settings;
    const whole = rounding === "round" ? Math.round(exact) : Math.floor(exact);
    const clamp = whole !== level ? `, clipped to 2…5` : "";
    return `The side of the box is ${side.toFixed(1)} px: 4 + log₂(${side.toFixed(1)} / ${short(canonical)}) = ${number(exact)}, rounded${rounding === "round" ? "" : " down"}${clamp}: it reads P${level}.`;
  },
  crops(v, c) {
    const k = levelIn(v, c), n = v.H.pool[0], { ys, xs } = v.d.samples(k, boxOf(v, c), n);
    return `${n}×${n} bilinear samples of P${k}, from cell (${ys[0].toFixed(1)}, ${xs[0].toFixed(1)}) to (${ys[n - 1].toFixed(1)}, ${xs[n - 1].toFixed(1)}). All crops have the same shape.`;
  },
  reorder: (v, c) => `The crops are stacked level by level: this one is row ${v.run.row[roiOf(v, c)]}. Sorting by image and ROI puts it back at place ${roiOf(v, c)}.`,
  box_head(v, c) {
    const r = roiOf(v, c), answers = v.d.topClasses(v.run.level[r], c);
    if (!answers) return UNKNOWN;
    const best = answers.slice(0, 2).map(({ id, p }) => `${className(v, id)} ${p.toFixed(3)}`);
    return `The box head reads this crop only: ${best.join(", then ")}. It refines the box to ${px(v, v.run.box[r])}.`;
  },
  detections(v, c) {
    const r = roiOf(v, c), { run } = v, fate = run.fate[r], name = className(v, run.classId[r]), p = number(run.p[r], 3);
    if (fate.kind === "unknown") return UNKNOWN;
    if (fate.kind === "background") return `Removed: background is its most probable class, ${p}.`;
    if (fate.kind === "below_confidence") return `Removed: ${name} ${p} is below the confidence threshold, ${confidenceOf(v)}.`;
    if (fate.kind === "suppressed") return `Suppressed by NMS: ROI ${fate.by}, ${name} ${number(run.p[fate.by], 3)}, has a higher score and IoU ${number(fate.iou, 3)} > ${short(run.settings.nms)}.`;
    if (fate.kind === "class_full") return `Removed: NMS had kept ${plural(run.settings.detections, "box")} of ${name} with higher scores.`;
    if (fate.kind === "beyond_top") return `Removed: ${plural(run.settings.detections, "detection")} with higher scores came first.`;
    const others = run.fate.filter((other) => other.by === r).length;
    return `Passes every filter: detection ${fate.detection}, ${name} ${p}${others ? `; it suppresses ${plural(others, "other ROI")} of its class` : ""}.`;
  },
  mask_head(v, c) {
    const mask = v.run.masks[fateOf(v, c).detection], n = v.H.pool[1], name = v.H.classes[v.run.classId[roiOf(v, c)]];
    if (mask.index < 0) return `Pooled again, ${n}×${n} from P${mask.level}. The mask was not computed in advance for this setting.`;
    return `The refined box is pooled again, ${n}×${n} from P${mask.level}; ${thousands(pixelsInside(v, mask))} of ${thousands(v.H.mask_side ** 2)} mask cells are ${name}.`;
  },
  instances: (v, c) => `The mask is stretched over the box (${v.d.original(finalBox(v, c)).join(", ")}) of the original image and cut at ${v.H.mask_threshold}: instance ${fateOf(v, c).detection}.`,
};

const UNKNOWN = "Not computed: the file holds no model that could be asked about this ROI on this level.";
const pixelsInside = (v, { index }) => v.d.mask(index).reduce((count, value) => count + (value >= 255 * v.H.mask_threshold), 0);

/** What became of a candidate, in one sentence. */
export const verdict = (v, c) => (roiOf(v, c) < 0 ? SAY.proposals(v, c) : SAY.detections(v, c));
