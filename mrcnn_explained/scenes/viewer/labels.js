// Texts on a panel: labels and the tags of boxes. None is smaller than SMALLEST, and none covers
// another one: a text without room is not drawn, and the panel says how many those are.

import { inkOn, textColor } from "./pixels.js";

const SMALLEST = 11;  // CSS pixels

/** Boxes of less than so many times the square of a label's height are not covered. */
const SMALL = 12;

const overlap = (a, b) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Whether a divider keeps two texts apart. */
const onOtherSide = (a, b) => Boolean(a.side && b.side && a.side !== b.side);

/** Draw all labels of a panel: those of the focus first, so that they have their places. */
export function drawLabels(surface, labels, boxes, focus) {
  const isFocus = ({ row }) => row !== undefined && (row === focus.hovered || row === focus.selected);
  surface.smallBoxes = boxes.flatMap(({ values }) =>
    Array.from({ length: values.length / 4 }, (_, i) =>
      surface.frameOf(values.subarray(4 * i, 4 * i + 4))))
    .filter(({ left, top, right, bottom }) =>
      (right - left) * (bottom - top) < SMALL * (SMALLEST + 4) ** 2);
  for (const label of [...labels.filter(isFocus), ...labels.filter((one) => !isFocus(one))]) {
    surface.pen.globalAlpha = label.row === undefined ? 1 : surface.alphaOf(label.row, focus);
    drawLabel(surface, label);
  }
  surface.pen.globalAlpha = 1;
}

/** Draw the tags of boxes; those without room are left out, as the box itself shows its level. */
export function drawTags(surface, layer, focus) {
  const { values, rows, tags } = layer;
  if (!tags) return;
  const isFocus = (i) => rows.length && (rows[i] === focus.hovered || rows[i] === focus.selected);
  const all = tags.map((_, i) => i).reverse();  // boxes on top come last
  for (const i of [...all.filter(isFocus), ...all.filter((one) => !isFocus(one))]) {
    const [y1, x1, y2] = values.subarray(4 * i, 4 * i + 4);
    surface.pen.globalAlpha = rows.length ? surface.alphaOf(rows[i], focus) : 1;
    const text = { text: tags[i], x: x1, y: y1, box_bottom: y2, size: SMALLEST,
      bold: true, background: surface.colorOf(layer, i), side: layer.side };
    drawText(surface, text, (size) => tagPlaces(surface, text, size), isFocus(i));
  }
  surface.pen.globalAlpha = 1;
}

function drawLabel(surface, label) {
  if (!drawText(surface, label, (size) => labelPlaces(surface, label, size))) surface.hidden += 1;
}

/**
 * Draw a text at the first of its places that is free, and return whether there was one.
 * @param {Surface} surface
 * @param {Label} label
 * @param {(size: number[]) => number[][]} places [x, y] of the left end and the middle line
 * @param {boolean} [always] draw it at its first place if none is free
 */
function drawText(surface, label, places, always = false) {
  const { pen } = surface;
  const size = Math.max(label.size ?? 12, SMALLEST), height = size + 3;
  pen.font = `${label.bold ? "600 " : ""}${size}px system-ui, sans-serif`;
  const width = pen.measureText(label.text).width;
  // The background is wider than the text by 3 pixels on either side.
  const frameAt = ([x, y]) =>
    ({ left: x - 3, right: x + width + 3, top: y - height / 2, bottom: y + height / 2 });
  const found = places([width, height]);
  const isFree = (place) => !surface.frames.some((other) =>
    overlap(frameAt(place), other) && !onOtherSide(label, other));
  const hidesNone = (place) => !surface.smallBoxes?.some((other) => overlap(frameAt(place), other));
  const place = found.find((one) => isFree(one) && hidesNone(one)) ?? found.find(isFree)
    ?? (always ? found[0] : undefined);
  if (!place) return false;
  const frame = frameAt(place);
  surface.frames.push({ ...frame, side: label.side });
  if (label.background || surface.onImage) {
    pen.fillStyle = surface.shade(label.background || surface.paper);
    pen.fillRect(frame.left, frame.top, frame.right - frame.left, height);
  }
  pen.fillStyle = inkOf(surface, label);
  pen.textBaseline = "middle";
  pen.fillText(label.text, ...place);
  return true;
}

/** The colour of a text: its own, or readable on its background, or that of the page. */
function inkOf(surface, { color, background }) {
  const ground = surface.shade(background || surface.paper), own = color && surface.shade(color);
  if (own && own !== surface.ink) return textColor(own, ground);
  if (!background || own) return surface.ink;
  return ground === surface.ink ? surface.paper : inkOn(ground);
}

/** Where a label may lie, best place first, all inside the panel. */
function labelPlaces(surface, label, [width, height]) {
  const [anchorX, anchorY] = surface.toCanvas(label.x, label.y);
  const shift = { left: 0, center: width / 2, right: width }[label.align || "left"];
  const x = Math.min(Math.max(anchorX - shift, 3), Math.max(surface.width - width - 3, 3));
  const top = height / 2, bottom = surface.height - height / 2;
  const inside = (y) => Math.min(Math.max(y, top), bottom);
  const steps = Array.from({ length: Math.ceil(surface.height / 2) }, (_, i) => 2 * i);
  if (label.box_bottom !== undefined) {
    const above = anchorY - top - 2;
    const below = surface.toCanvas(label.x, label.box_bottom)[1] + top + 2;
    return steps.flatMap((step) => [[x, above - step], [x, below + step]])
      .filter(([, y]) => y >= top && y <= bottom);
  }
  const y = inside(anchorY);
  return label.avoids_labels
    ? steps.map((step) => [x, y + step]).filter((place) => place[1] <= bottom) : [[x, y]];
}

/** Where the tag of a box may lie: at its corners, outside and inside. */
function tagPlaces(surface, { x, y, box_bottom }, [width, height]) {
  const [left, top] = surface.toCanvas(x, y), bottom = surface.toCanvas(x, box_bottom)[1];
  const clampX = Math.min(Math.max(left + 2, 3), surface.width - width - 3);
  const lines = [top - height / 2 - 2, top + height / 2 + 1, bottom + height / 2 + 2,
    bottom - height / 2 - 1];
  const inside = lines.filter((line) => line >= height / 2 && line <= surface.height - height / 2);
  return (inside.length ? inside : [height / 2]).map((line) => [clampX, line]);
}
