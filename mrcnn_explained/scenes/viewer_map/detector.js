// The detector's own decisions, done again under other settings: NMS, level, crop, filters. What the
// network computed (scores, deltas, masks) is data; what is decided from it is computed here, in
// float32 where a comparison depends on it. Tests hold every decision against the stages.
import { unpack } from "./data.js";
import { iou, nms } from "./nms.js";

const f = Math.fround;
const ROI_LEVELS = [2, 3, 4, 5], PYRAMID_LEVELS = [2, 3, 4, 5, 6];
/** How many filters an ROI passes, by its fate. */
const GATES = { unknown: -1, background: 0, below_confidence: 1, suppressed: 2, class_full: 2, beyond_top: 3, detection: 4 };

export class Detector {
  /** Unpack a Map and return its detector. */
  static async open(header, block) {
    return new Detector(header, await unpack(block, header.arrays));
  }

  constructor(header, arrays) {
    this.H = header;
    this.A = arrays;
    this.K = arrays.box.length / 4 - 1;
    this.T = header.arrays.topClass.shape[1];
    [this.height, this.width] = header.size;
    this.given = !arrays.anchor;
    this.imageSide = f(Math.sqrt(this.height * this.width));
  }

  // What the data hold about a candidate

  boxOf(c) { return this.A.box.subarray(4 * c, 4 * c + 4); }

  /** The anchor of a candidate; null in a run of given ROIs. */
  anchorOf(c) {
    const { A } = this;
    return this.given ? null : {
      index: A.anchor[c], level: A.anchorLevel[c], row: A.anchorCell[2 * c], column: A.anchorCell[2 * c + 1],
      ratio: A.anchorRatio[c], box: A.anchorBox.subarray(4 * c, 4 * c + 4),
      logits: A.rpnLogits.subarray(2 * c, 2 * c + 2), deltas: A.rpnDeltas.subarray(4 * c, 4 * c + 4),
    };
  }

  /** The row of what the second stage says about a candidate on a level; -1: it was not asked. */
  answerOf(level, c) { return this.A.answerOf[(level - 2) * (this.K + 1) + c]; }

  /** An answer's most probable classes, best first: [{ id, p }]. */
  topClasses(answer) {
    return Array.from({ length: this.T }, (_, i) =>
      ({ id: this.A.topClass[answer * this.T + i], p: this.A.topScore[answer * this.T + i] }));
  }

  /** The refined box of an answer, clipped to the window. */
  refinedBox(answer) { return this.A.refined.subarray(4 * answer, 4 * answer + 4); }

  /** Deltas of an answer's best class, in standard deviations. */
  deltasOf(answer) { return this.A.classDeltas.subarray(4 * answer, 4 * answer + 4); }

  /** A mask, bytes [M, M]; null: it was not asked. */
  mask(index) {
    const size = this.H.maskSide ** 2;
    return index < 0 ? null : this.A.masks.subarray(index * size, (index + 1) * size);
  }

  // Coordinates

  /** A normalised box in molded pixels. */
  pixels([y1, x1, y2, x2]) {
    const [h, w] = [this.height - 1, this.width - 1];
    return [y1 * h, x1 * w, y2 * h + 1, x2 * w + 1];
  }

  /** A normalised box in whole pixels of the original image. */
  original(box) {
    const { window, original } = this.H, sides = [this.height - 1, this.width - 1];
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
    const { H } = this, own = masks ? H.maskLevels : H.levels;
    const [changed, side] = [s.rounding !== H.settings.rounding, s.side !== H.settings.side];
    const rounding = changed ? s.rounding : own.rounding;
    const steps = (masks ? H.maskLevelSteps : H.levelSteps)[rounding];
    return { ...own, rounding, side: side ? s.side : own.side, steps };
  }

  /**
   * FPN's equation 1 for a box: its side in molded pixels, the level before rounding, the level.
   *
   * The level is read from the steps that Python found with the stage: the smallest quotient
   * side / canonical side, in float32, at which the stage returns the next level.
   */
  levelOf([y1, x1, y2, x2], { side: canonical, lowest, canonicalLevel, steps }) {
    const normalised = f(Math.sqrt(f(f(y2 - y1) * f(x2 - x1))));
    const quotient = f(normalised / f(f(canonical) / this.imageSide));
    const up = Number.isFinite(quotient) ? steps.filter((step) => quotient >= step).length : 0;
    const exact = canonicalLevel + Math.log2(quotient);
    return { side: f(normalised * this.imageSide), exact, level: lowest + up };
  }

  /** The sides, in molded pixels, at which a box reads the next level. */
  levelEdges({ side, rounding, lowest, highest, canonicalLevel }) {
    const half = rounding === "round" ? 0.5 : 0;
    return Array.from({ length: highest - lowest }, (_, i) => side * 2 ** (lowest + 1 + i - half - canonicalLevel));
  }

  /** Shape [h, w] of a level's map. */
  mapShape(level) { return this.H.pyramid[level - 2].slice(0, 2); }

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
    const [h, w] = this.mapShape(level), { low, step } = this.H.arrays[`p${level}`];
    const map = this.A[`p${level}`].subarray(channel * h * w, (channel + 1) * h * w);
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
    const { low, step } = this.H.arrays[name];
    return low[channel] + byte * step[channel];
  }

  // Decisions

  /** Everything that is decided from the network's answers, under some settings. */
  detect(s) {
    const { A, K } = this, rule = this.rule(s), all = Array.from({ length: K }, (_, c) => c);
    const first = this.given ? { kept: all, by: new Map(), reached: K } : nms(all, A.box, s.rpnNms, s.rois);
    const rois = first.kept, fit = rois.map((c) => this.levelOf(this.boxOf(c), rule));
    const answers = rois.map((c, r) => this.answerOf(fit[r].level, c));
    const padding = Math.max(0, (this.given ? A.runValid.length : s.rois) - rois.length);
    const filtered = this.filter(answers, this.answerOf(rule.lowest, K), padding, s);
    const maskRule = this.rule(s, true);
    const masks = filtered.found.map((r) => {
      const level = this.levelOf(this.refinedBox(answers[r]), maskRule).level;
      return { level, index: A.maskOf[4 * answers[r] + level - 2], original: this.original(this.refinedBox(answers[r])) };
    });
    return this.result({ settings: s, ...first, rois, fit, answers, padding, ...filtered, masks, rule });
  }

  /** Class, confidence, NMS per class, best D: what each ROI becomes. Padding takes part, as in the stage. */
  filter(answers, paddingAnswer, padding, s) {
    const { A, T } = this, count = answers.length, all = [...answers, ...Array(padding).fill(paddingAnswer)];
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

  /** The decisions of the run itself, as the trace holds them. */
  run() {
    const { A, H, K } = this, s = H.settings, rois = [...A.runCandidate].filter((c) => c < K);
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
      return { level: A.runMaskLevel[d], index: A.runMask[d], original: this.original(this.refinedBox(answers[r])) };
    });
    return this.result({
      settings: s, kept: rois, by, reached, rois, fit, answers, padding: A.runValid.length - rois.length,
      fate, found, paddingFound: place.size - found.length, masks, order: A.runOrder, rule: this.rule(s),
    });
  }

  /** What a view needs, from the decisions. */
  result({ order, ...decided }) {
    const { rois, fit, answers, padding, rule, fate } = decided, { A, T } = this;
    const level = fit.map(({ level }) => level);
    const stack = ROI_LEVELS.flatMap((k) => rois.map((_, r) => r).filter((r) => level[r] === k));
    // The padded ROIs read the lowest level, so their crops lie in the stack above the next level.
    const row = [];
    stack.forEach((r, at) => { row[r] = order ? order[r] : at + (level[r] > rule.lowest ? padding : 0); });
    return {
      ...decided, level, stack, row, rank: new Map(rois.map((c, r) => [c, r])),
      fate: fate.map((one) => ({ ...one, gate: GATES[one.kind] })),
      classId: answers.map((a) => (a < 0 ? -1 : A.topClass[a * T])),
      p: answers.map((a) => (a < 0 ? NaN : A.topScore[a * T])),
      box: answers.map((a) => (a < 0 ? null : this.refinedBox(a))),
      unknown: answers.filter((a) => a < 0).length, masksUnknown: decided.masks.filter(({ index }) => index < 0).length,
    };
  }

  /** What differs between two runs: ROIs by their candidates, detections by class and place. */
  differences(base, run) {
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

  /** The call of the toolkit that asks the same: model.resume(trace, …); "" if nothing changed. */
  resumeCall(s) {
    const stages = new Map();
    for (const { key, stage, argument } of this.H.controls) {
      if (s[key] === this.H.settings[key]) continue;
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
