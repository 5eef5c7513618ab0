// Play: the selection walks through its stages, at most 12 seconds. With reduced motion it steps.

import { paintCrop, paintImage, paintMask } from "./draw.js";
import { lengthsOf } from "./path.js";
import { boxOf, endOf, fateOf, levelIn } from "./words.js";

const STEP = 950, MOVE = 550;  // milliseconds a stage: twelve stages take 11.4 s
const TOKEN = { x: 0, y: 0, w: 80, h: 80 };

/** Start at the first stage; `onStep(stage)` writes the words, `onEnd` puts things back. */
export class Player {
  constructor(map) { this.map = map; this.frame = null; this.step = -1; }

  get playing() { return this.frame !== null; }

  start(c) {
    const { map } = this, begin = performance.now(), end = endOf(map.placeOf("image").v, c);
    this.step = -1;
    this.reached = map.path ? lengthsOf(map.path) : [];
    map.e.map.classList.add("playing");
    const tick = (now) => {
      const elapsed = Math.max(0, now - begin), step = Math.floor(elapsed / STEP);
      if (step > end) { this.stop(); return; }
      if (step !== this.step) this.enter(step, c);
      const part = map.calm.matches ? 1 : Math.min(1, (elapsed % STEP) / MOVE);
      if (map.path) this.move(step, part * part * (3 - 2 * part));
      this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  /** A new stage: light it, say what it does, show what the object is by now. */
  enter(step, c) {
    const { map } = this, { places } = map.e;
    this.step = step;
    places.forEach(({ section }, i) => { section.classList.toggle("lit", i <= step); section.classList.toggle("now", i === step); });
    drawToken(map, step, c);
    map.say(places[step].stage.id);
    if (map.size !== "wide") places[step].section.scrollIntoView({ block: "nearest", behavior: map.calm.matches ? "auto" : "smooth" });
  }

  move(step, part) {
    const { map, reached } = this, { node } = map.path, from = step ? reached[step - 1] : 0;
    const at = from + (reached[step] - from) * part, { x, y } = node.getPointAtLength(at);
    node.style.strokeDasharray = `${at} ${node.getTotalLength() + 1}`;
    const right = map.e.map.clientWidth - 48;
    map.e.token.style.transform = `translate(${Math.max(2, Math.min(right, x - 20))}px, ${y + (y < 200 ? 12 : -54)}px)`;
  }

  stop() {
    if (!this.playing) return;
    cancelAnimationFrame(this.frame);
    this.frame = null;
    this.map.e.map.classList.remove("playing");
    for (const { section } of this.map.e.places) section.classList.remove("lit", "now");
    this.map.refresh();
  }
}

/** Pixels first, then a crop, then a mask. */
function drawToken(map, step, c) {
  const ctx = map.e.token.getContext("2d"), v = { ...map.placeOf("crops").v, ctx };
  ctx.clearRect(0, 0, TOKEN.w, TOKEN.h);
  if (step < 6) {
    const [y1, x1, y2, x2] = boxOf(v, c);
    paintImage(v, TOKEN, 0, [y1, x1, Math.max(y2, y1 + 1e-3), Math.max(x2, x1 + 1e-3)]);
  } else if (step < 10) paintCrop(v, levelIn(v, c), boxOf(v, c), v.H.pool[0], TOKEN);
  else paintMask({ ...v, base: map.e.scratch }, v.run.masks[fateOf(v, c).detection], TOKEN);
}
