// Non-maximum suppression, in float32 and in the order of operations of TensorFlow's kernel: a box
// exactly at the threshold gets the answer that the detector gives.

const f32 = Math.fround;

/** Top, left, bottom, right and area of box `row`, whichever corner comes first. */
function corners(boxes, row) {
  const [y1, x1, y2, x2] = boxes.subarray(4 * row, 4 * row + 4);
  const [top, left] = [Math.min(y1, y2), Math.min(x1, x2)];
  const [bottom, right] = [Math.max(y1, y2), Math.max(x1, x2)];
  return { top, left, bottom, right, area: f32(f32(bottom - top) * f32(right - left)) };
}

/** Intersection over union of two boxes, each four numbers. */
export function iou(a, b) {
  const boxes = Float32Array.of(...a, ...b);
  const [first, second] = [corners(boxes, 0), corners(boxes, 1)];
  if (!(first.area > 0 && second.area > 0)) return 0;
  const high = f32(Math.min(first.bottom, second.bottom) - Math.max(first.top, second.top));
  const wide = f32(Math.min(first.right, second.right) - Math.max(first.left, second.left));
  const shared = f32(Math.max(high, 0) * Math.max(wide, 0));
  return f32(shared / f32(f32(first.area + second.area) - shared));
}

/** The kept boxes of one group, in columns: the innermost loop reads them in order. */
class Kept {
  constructor(most) {
    this.count = 0;
    this.rows = new Int32Array(most);
    for (const name of ["top", "left", "bottom", "right", "area"]) this[name] = new Float32Array(most);
  }

  add(row, box) {
    this.rows[this.count] = row;
    for (const name of ["top", "left", "bottom", "right", "area"]) this[name][this.count] = box[name];
    this.count += 1;
  }

  /** The first kept box that overlaps this one by more than the threshold, or null. */
  rivalOf(box, threshold) {
    const { top, left, bottom, right, area } = this;
    if (!(box.area > 0)) return null;
    for (let i = 0; i < this.count; i++) {
      const high = f32(Math.min(box.bottom, bottom[i]) - Math.max(box.top, top[i]));
      if (!(high > 0)) continue;
      const wide = f32(Math.min(box.right, right[i]) - Math.max(box.left, left[i]));
      if (!(wide > 0)) continue;
      const shared = f32(high * wide);
      const overlap = f32(shared / f32(f32(box.area + area[i]) - shared));
      if (overlap > threshold && area[i] > 0) return { by: this.rows[i], iou: overlap };
    }
    return null;
  }
}

/**
 * Greedy NMS: rows in order of score; each is kept unless it overlaps a better kept one of its group.
 *
 * @param rows       rows of `boxes`, best first
 * @param boxes      Float32Array, four numbers per row
 * @param threshold  highest IoU with a kept box that a kept box may have
 * @param limit      how many are kept at most, per group
 * @param groups     group of each row of `boxes`; null: all rows are one group
 * @returns kept rows; `by`: suppressed row → { by, iou }; `reached`: how many rows were taken up
 */
export function nms(rows, boxes, threshold, limit, groups = null) {
  const [kept, by, most] = [[], new Map(), Math.min(limit, rows.length)];
  const [groupsFound, at] = [new Map(), f32(threshold)];
  let reached = 0;
  for (const row of rows) {
    const group = groups ? groups[row] : 0;
    if (!groupsFound.has(group)) groupsFound.set(group, new Kept(most));
    const rivals = groupsFound.get(group);
    if (rivals.count >= limit) {
      if (!groups) break;
      continue;
    }
    reached += 1;
    const box = corners(boxes, row), rival = rivals.rivalOf(box, at);
    if (rival) by.set(row, rival);
    else {
      rivals.add(row, box);
      kept.push(row);
    }
  }
  return { kept, by, reached };
}
