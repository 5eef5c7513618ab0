// The detector's own decisions, done again under other settings: NMS, level, crop, filters. What the
// network computed (scores, deltas, masks) is data; what is decided from it is computed here, in
// float32 where a comparison depends on it. Tests hold every decision against the stages.
import { unpack } from "./data.js";
import { iou, nms } from "./nms.js";

const f = Math.fround;
const ROI_LEVELS = [2, 3, 4, 5];
/** How many filters an ROI passes, by its fate. */
const GATES = { unknown: -1, background: 0, below_confidence: 1, suppressed: 2, class_full: 2, beyond_top: 3, detection: 4 };

/**
 * @typedef {object} Run  what was decided; r is an ROI, c a candidate, d a detection
 * @property {object} settings
 * @property {number[]} rois        candidate of each ROI, best first; `rank` is the Map back
 * @property {Map} by               suppressed candidate → { by, iou }
 * @property {number} reached       candidates that NMS took up
 * @property {number} padding       zero-padded rows; `paddingFound` of them became detections
 * @property {object[]} fit         { side, exact, level } of each ROI
 * @property {number[]} level       of each ROI
 * @property {number[]} stack       ROIs in the order of their crops; `row`: row of the stack of each ROI
 * @property {number[]} answers     row of each ROI's answer; -1: the second stage was not asked
 * @property {number[]} classId     of each ROI; -1: unknown. `p`: its probability (NaN), `probabilities`: of
 *                                  every class (null), `box`: refined and clipped (null)
 * @property {object[]} fate        { kind, gate } and { by, iou } or { detection }; kinds are those of
 *                                  explain/fates.py, and "unknown"
 * @property {number[]} found       ROI of each detection, padding left out
 * @property {object[]} masks       { level, index, original } of each; index -1: the mask head was not asked;
 *                                  original: box in whole original pixels
 * @property {number} unknown       ROIs without an answer; `masksUnknown`: detections without a mask
 */

export class Detector {
  /** Unpack a Map, { header, block }, and return its detector. */
  static async open({ header, block }) {
    return new Detector(header, await unpack(block, header.arrays));
  }

  constructor(header, arrays) {
    this.header = header;
    this.arrays = arrays;
    this.K = arrays.box.length / 4 - 1;
    this.T = header.arrays.topClass.shape[1];
    [this.height, this.width] = header.size;
    this.given = !arrays.anchor;
    this.imageSide = f(Math.sqrt(this.height * this.width));
    this.base = this.run();
  }

  // What the data hold about a candidate

  boxOf(c) { return this.arrays.box.subarray(4 * c, 4 * c + 4); }

  /** The anchor of a candidate; null in a run of given ROIs. */
  anchorOf(c) {
    const { arrays: A } = this;
    return this.given ? null : {
      index: A.anchor[c], level: A.anchorLevel[c], row: A.anchorCell[2 * c], column: A.anchorCell[2 * c + 1],
      ratio: A.anchorRatio[c], box: A.anchorBox.subarray(4 * c, 4 * c + 4),
      logits: A.rpnLogits.subarray(2 * c, 2 * c + 2), deltas: A.rpnDeltas.subarray(4 * c, 4 * c + 4),
    };
  }

  /** The row of what the second stage says about a candidate on a level; -1: it was not asked. */
  answerOf(level, c) { return this.arrays.answerOf[(level - 2) * (this.K + 1) + c]; }

  /** Most probable classes of a candidate on a level, best first: [{ id, p }]; null: not asked. */
  topClasses(level, c) {
    const row = this.answerOf(level, c), { topClass, topScore } = this.arrays, from = row * this.T;
    return row < 0 ? null : Array.from({ length: this.T }, (_, i) => ({ id: topClass[from + i], p: topScore[from + i] }));
  }

  /**
   * Probability of every class; null: not asked. Classes beyond the best ones (header.left_out.classes)
   * are 0 here: each has less than the last of `topClasses`.
   */
  scores(level, c) { return this.probabilities(this.answerOf(level, c)); }

  probabilities(row) {
    if (row < 0) return null;
    const all = new Float32Array(this.header.classes.length), { topClass, topScore } = this.arrays;
    for (let i = row * this.T; i < (row + 1) * this.T; i++) all[topClass[i]] = topScore[i];
    return all;
  }

  /** The box of a candidate on a level after its best class's deltas, clipped to the window; null: not asked. */
  refined(level, c) { const row = this.answerOf(level, c); return row < 0 ? null : this.refinedBox(row); }

  refinedBox(row) { return this.arrays.refined.subarray(4 * row, 4 * row + 4); }

  /** Those deltas, in standard deviations; null: not asked. */
  deltas(level, c) {
    const row = this.answerOf(level, c);
    return row < 0 ? null : this.arrays.classDeltas.subarray(4 * row, 4 * row + 4);
  }

  /** A mask, bytes [M, M]; null: it was not asked. */
  mask(index) {
    const size = this.header.mask_side ** 2;
    return index < 0 ? null : this.arrays.masks.subarray(index * size, (index + 1) * size);
  }

  // Coordinates

  /** A normalised box in molded pixels. */
  pixels([y1, x1, y2, x2]) {
    const [h, w] = [this.height - 1, this.width - 1];
    return [y1 * h, x1 * w, y2 * h + 1, x2 * w + 1];
  }

  /** A normalised box in whole pixels of the original image. */
  original(box) {
    const { window, original } = this.header, sides = [this.height - 1, this.width - 1];
    const shift = [0, 1].map((i) => f(f(window[i]) / f(sides[i])));
    const end = [0, 1].map((i) => f(f(window[i + 2] - 1) / f(sides[i])));
    return [...box].map((v, i) => {
      const axis = i % 2, scale = f(end[axis] - shift[axis]) || 1;
      return roundHalfEven(f(f(v - shift[axis]) / scale) * (original[axis] - 1) + (i > 1 ? 1 : 0));
    });
  }

  // Level and crop

  /** The level equation under some settings; the masks' own if `masks`. */
  rule(s, masks = false) {
    const { header: H } = this, own = masks ? H.mask_levels : H.levels;
    const [changed, side] = [s.rounding !== H.settings.rounding, s.side !== H.settings.side];
    const rounding = changed ? s.rounding : own.rounding;
    const steps = (masks ? H.mask_level_steps : H.level_steps)[rounding];
    return { ...own, rounding, side: side ? s.side : own.side, steps };
  }

  /**
   * FPN's equation 1 for a box: its side in molded pixels, the level before rounding, the level.
   *
   * The level is read from the steps that Python found with the stage: the smallest quotient
   * side / canonical side, in float32, at which the stage returns the next level.
   */
  levelOf(box, s, masks = false) { return this.fit(box, this.rule(s, masks)); }

  fit([y1, x1, y2, x2], { side: canonical, lowest, canonical_level, steps }) {
    const normalised = f(Math.sqrt(f(f(y2 - y1) * f(x2 - x1))));
    const quotient = f(normalised / f(f(canonical) / this.imageSide));
    const up = Number.isFinite(quotient) ? steps.filter((step) => quotient >= step).length : 0;
    const exact = canonical_level + Math.log2(quotient);
    return { side: f(normalised * this.imageSide), exact, level: lowest + up };
  }

  /** The sides, in molded pixels, at which a box reads the next level. */
  levelEdges(s) {
    const { side, rounding, lowest, highest, canonical_level } = this.rule(s);
    const half = rounding === "round" ? 0.5 : 0;
    return Array.from({ length: highest - lowest }, (_, i) => side * 2 ** (lowest + 1 + i - half - canonical_level));
  }

  /** Shape [h, w] of a level's map. */
  mapShape(level) { return this.header.pyramid[level - 2].slice(0, 2); }

  /** Where crop_and_resize samples a level: rows and columns, in cells of the map. */
  samples(level, [y1, x1, y2, x2], n) {
    const [h, w] = this.mapShape(level);
    const spread = (from, to, last) => {
      if (n === 1) return [f(f(0.5 * f(from + to)) * last)];
      const step = f(f(f(to - from) * last) / (n - 1));
      return Array.from({ length: n }, (_, i) => f(f(from * last) + f(i * step)));
    };
    return { ys: spread(y1, y2, h - 1), xs: spread(x1, x2, w - 1) };
  }

  /** crop_and_resize on one channel of a map: n x n bilinear samples in bytes; outside it is value 0. */
  crop(level, channel, box, n) {
    const [h, w] = this.mapShape(level), { low, step } = this.header.arrays[`p${level}`];
    const map = this.arrays[`p${level}`].subarray(channel * h * w, (channel + 1) * h * w);
    const { ys, xs } = this.samples(level, box, n), zero = -low[channel] / step[channel];
    const out = new Float32Array(n * n).fill(zero);
    ys.forEach((y, i) => xs.forEach((x, j) => {
      if (!(y >= 0 && y <= h - 1 && x >= 0 && x <= w - 1)) return;
      const [t, l, b, r] = [Math.floor(y), Math.floor(x), Math.ceil(y), Math.ceil(x)];
      const upper = map[t * w + l] + (map[t * w + r] - map[t * w + l]) * (x - l);
      const lower = map[b * w + l] + (map[b * w + r] - map[b * w + l]) * (x - l);
      out[i * n + j] = upper + (lower - upper) * (y - t);
    }));
    return out;
  }

  /** The byte of a map's channel as the value that the network computed. */
  valueOf(name, channel, byte) {
    const { low, step } = this.header.arrays[name];
    return low[channel] + byte * step[channel];
  }

  // Decisions

  /** The candidates that become ROIs; the last answer is kept, since most settings do not change it. */
  propose({ rpnNms, rois }) {
    const key = `${rpnNms} ${rois}`;
    if (this.proposed?.key === key) return this.proposed.first;
    const all = Array.from({ length: this.K }, (_, c) => c);
    const first = this.given ? { kept: all, by: new Map(), reached: this.K } : nms(all, this.arrays.box, rpnNms, rois);
    this.proposed = { key, first };
    return first;
  }

  /** Everything that is decided from the network's answers, under some settings: a `Run`. */
  detect(s) {
    const { arrays: A, K } = this, rule = this.rule(s), first = this.propose(s);
    const rois = first.kept, fit = rois.map((c) => this.fit(this.boxOf(c), rule));
    const answers = rois.map((c, r) => this.answerOf(fit[r].level, c));
    const padding = Math.max(0, (this.given ? A.runValid.length : s.rois) - rois.length);
    const filtered = this.filter(answers, this.answerOf(rule.lowest, K), padding, s);
    const maskRule = this.rule(s, true);
    const masks = filtered.found.map((r) => {
      const level = this.fit(this.refinedBox(answers[r]), maskRule).level;
      return { level, index: A.maskOf[4 * answers[r] + level - 2], original: this.original(this.refinedBox(answers[r])) };
    });
    return this.result({ settings: s, ...first, rois, fit, answers, padding, ...filtered, masks, rule });
  }

  /** Class, confidence, NMS per class, best D: what each ROI becomes. Padding takes part, as in the stage. */
  filter(answers, paddingAnswer, padding, s) {
    const { arrays: A, T } = this, count = answers.length, all = [...answers, ...Array(padding).fill(paddingAnswer)];
    const ids = Int32Array.from(all, (a) => (a < 0 ? -1 : A.topClass[a * T]));
    const scores = Float32Array.from(all, (a) => (a < 0 ? NaN : A.topScore[a * T]));
    const boxes = new Float32Array(4 * all.length);
    all.forEach((a, r) => { if (a >= 0) boxes.set(this.refinedBox(a), 4 * r); });
    const confident = (r) => scores[r] >= f(s.confidence);
    const sure = all.map((_, r) => r).filter((r) => ids[r] > 0 && confident(r));
    sure.sort((a, b) => scores[b] - scores[a] || a - b);
    const second = nms(sure, boxes, s.nms, s.detections, ids);
    const best = second.kept.slice(0, s.detections), place = new Map(best.map((r, d) => [r, d])), kept = new Set(second.kept);
    const fate = answers.map((a, r) => {
      if (a < 0) return { kind: "unknown" };
      if (ids[r] === 0) return { kind: "background" };
      if (!confident(r)) return { kind: "below_confidence" };
      if (second.by.has(r)) return { kind: "suppressed", ...second.by.get(r) };
      if (!kept.has(r)) return { kind: "class_full" };
      return place.has(r) ? { kind: "detection", detection: place.get(r) } : { kind: "beyond_top" };
    });
    const found = best.filter((r) => r < count);
    return { fate, found, paddingFound: best.length - found.length };
  }

  /** The decisions of the run itself, as the trace holds them: a `Run`. */
  run() {
    const { arrays: A, header: H, K } = this, s = H.settings, rois = [...A.runCandidate].filter((c) => c < K);
    const by = new Map();
    if (!this.given) A.runBy.forEach((judge, c) => { if (judge >= 0) by.set(c, { by: judge, iou: A.runIou[c] }); });
    const reached = this.given ? K : A.runReached.reduce((sum, r) => sum + r, 0);
    const fit = rois.map((_, r) => ({ side: A.runSide[r], exact: A.runExact[r], level: A.runLevel[r] }));
    const answers = rois.map((_, r) => A.runAnswer[r]);
    const place = new Map([...A.runDetectionRoi].map((r, d) => [r, d]).filter(([r]) => r >= 0));
    const fate = rois.map((_, r) => {
      if (!A.runForeground[r]) return { kind: "background" };
      if (!A.runConfident[r]) return { kind: "below_confidence" };
      if (A.runDetectionBy[r] >= 0) return { kind: "suppressed", by: A.runDetectionBy[r], iou: A.runDetectionIou[r] };
      if (!A.runSurvives[r]) return { kind: "class_full" };
      return place.has(r) ? { kind: "detection", detection: place.get(r) } : { kind: "beyond_top" };
    });
    const found = [...place.keys()].filter((r) => r < rois.length);
    const masks = found.map((r) => {
      const d = place.get(r);
      return { level: A.runMaskLevel[d], index: A.runMask[d], original: this.original(A.runRefined.subarray(4 * r, 4 * r + 4)) };
    });
    return this.result({
      settings: s, kept: rois, by, reached, rois, fit, answers, padding: A.runValid.length - rois.length,
      fate, found, paddingFound: place.size - found.length, masks, order: A.runOrder, rule: this.rule(s),
      classId: rois.map((_, r) => A.runClass[r]), p: rois.map((_, r) => A.runScore[r]),
      box: rois.map((_, r) => A.runRefined.subarray(4 * r, 4 * r + 4)),
    });
  }

  /** What a view needs, from the decisions. */
  result({ order, ...decided }) {
    const { rois, fit, answers, padding, rule, fate } = decided, { arrays: A, T } = this;
    const level = fit.map(({ level }) => level);
    const stack = ROI_LEVELS.flatMap((k) => rois.map((_, r) => r).filter((r) => level[r] === k));
    // The padded ROIs read the lowest level, so their crops lie in the stack above the next level.
    const row = [];
    stack.forEach((r, at) => { row[r] = order ? order[r] : at + (level[r] > rule.lowest ? padding : 0); });
    return {
      classId: answers.map((a) => (a < 0 ? -1 : A.topClass[a * T])),
      p: answers.map((a) => (a < 0 ? NaN : A.topScore[a * T])),
      box: answers.map((a) => (a < 0 ? null : this.refinedBox(a))),
      ...decided, level, stack, row, rank: new Map(rois.map((c, r) => [c, r])),
      fate: fate.map((one) => ({ ...one, gate: GATES[one.kind] })),
      probabilities: answers.map((a) => this.probabilities(a)),
      unknown: answers.filter((a) => a < 0).length, masksUnknown: decided.masks.filter(({ index }) => index < 0).length,
    };
  }

  /** What differs from the run itself: ROIs by their candidates, detections by class and place. */
  differences(run, base = this.base) {
    // A detection stands for one of the other run at most: a second box on an object is a gain.
    const missing = (from, to) => {
      const free = new Set(to.found);
      return from.found.filter((i) => {
        const twin = [...free].find((j) => from.classId[i] === to.classId[j] && iou(from.box[i], to.box[j]) >= 0.5);
        return twin === undefined || !free.delete(twin);
      });
    };
    const [gained, lost] = [missing(run, base), missing(base, run)];
    return {
      moved: run.rois.filter((c, r) => base.rank.has(c) && base.level[base.rank.get(c)] !== run.level[r]),
      roisGained: run.rois.filter((c) => !base.rank.has(c)), roisLost: base.rois.filter((c) => !run.rank.has(c)),
      gained: gained.map((r) => run.rois[r]), lost: lost.map((r) => base.rois[r]),
      gainedIds: gained.map((r) => run.classId[r]), lostIds: lost.map((r) => base.classId[r]),
    };
  }

  iou(a, b) { return iou(a, b); }

  /** Why a control cannot be exact here; "" if it is. */
  reason(key) {
    const control = this.header.controls.find((one) => one.key === key);
    return control ? control.note : "this Map has no such control: see `missing`";
  }

  /** The call of the toolkit that asks the same: model.resume(trace, …); "" if nothing changed. */
  resumeCall(s) {
    const stages = new Map();
    for (const { key, stage, argument } of this.header.controls) {
      if (s[key] === this.header.settings[key]) continue;
      stages.set(stage, [...(stages.get(stage) ?? []), `"${argument}": ${JSON.stringify(s[key])}`]);
    }
    const changes = [...stages].map(([stage, values]) => `${stage}={${values.join(", ")}}`);
    return changes.length ? `model.resume(trace, ${changes.join(", ")})` : "";
  }
}

/** Round to the nearest whole number, halves to the even one: NumPy's `around`. */
function roundHalfEven(value) {
  const floor = Math.floor(value), part = value - floor;
  if (part !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
