// Drawing the layers of a panel on its Surface. `focus` is {selected, hovered}, rows or null: the
// selected item has a frame of ink; the item under the pointer comes to the front and the others
// step back.

/** The least width of a line over an image, CSS pixels. */
const THINNEST = 1.2;

/**
 * Draw an image over its rectangle, on white, so that a faded image is bright in every theme.
 * @param {Surface} surface
 * @param {ImageLayer} layer
 * @param {HTMLCanvasElement | HTMLImageElement} image its pixels
 * @param {number} opacity of the view
 */
export function drawImage(surface, layer, image, opacity) {
  const { pen } = surface;
  const [x0, y0] = surface.toCanvas(layer.extent[0], layer.extent[1]);
  const [x1, y1] = surface.toCanvas(layer.extent[2], layer.extent[3]);
  const [width, height] = [x1 - x0, y1 - y0];
  if (layer === surface.ground && !layer.tint) {
    pen.fillStyle = surface.paper;
    pen.fillRect(x0, y0, width, height);
  }
  pen.globalAlpha = layer.uses_opacity ? opacity : layer.alpha ?? 1;
  pen.imageSmoothingEnabled = layer.smooth ?? false;
  // Scaling an image smoothly takes longer than drawing all other layers, so it is done once.
  const shown = layer.smooth ? surface.scaled(image, width, height) : image;
  pen.drawImage(shown, x0, y0, width, height);
  pen.globalAlpha = 1;
}

/** The positions of a layer's items in the order of drawing: what has the focus comes last. */
function inOrder(number, rows, { selected, hovered }) {
  const rank = (i) => (rows.length ? 2 * (rows[i] === hovered) + (rows[i] === selected) : 0);
  const all = Array.from({ length: number }, (_, i) => i);
  return all.map((i) => [rank(i), i]).sort(([a, i], [b, j]) => a - b || i - j);
}

/** Draw boxes. */
export function drawBoxes(surface, layer, focus) {
  const { values, rows } = layer;
  for (const [rank, i] of inOrder(values.length / 4, rows, focus)) {
    const box = values.subarray(4 * i, 4 * i + 4);
    const width = Math.max(layer.width ?? 1.6, THINNEST);
    const isSelected = rows.length && rows[i] === focus.selected;
    if (isSelected) surface.frame(box, { color: surface.ink, width: width + 5 });
    surface.frame(box, {
      color: surface.colorOf(layer, i),
      width: rank ? Math.max(width, 2.6) : width,
      dash: layer.dashes?.[i] ?? layer.dash,
      alpha: isSelected ? 1 : surface.alphaOf(rows[i], focus),
    });
  }
}

/** Draw dots. */
export function drawPoints(surface, layer, focus) {
  const { pen } = surface, { values, rows } = layer, drawn = new Set();
  for (const [rank, i] of inOrder(values.length / 2, rows, focus)) {
    const [x, y] = surface.toCanvas(values[2 * i], values[2 * i + 1]);
    if (typeof layer.color === "string" && !rank) {
      // Thousands may fall within half a pixel of each other: one dot shows them all.
      const halfPixel = Math.round(2 * x) * 65536 + Math.round(2 * y);
      if (drawn.has(halfPixel)) continue;
      drawn.add(halfPixel);
    }
    pen.globalAlpha = rank ? 1 : surface.alphaOf(rows[i], focus);
    pen.beginPath();
    pen.arc(x, y, rank ? Math.max(6, layer.radius ?? 0) : layer.radius ?? 2.5, 0, 7);
    pen.fillStyle = surface.colorOf(layer, i);
    pen.fill();
    if (rank || layer.halo || surface.onImage) {
      pen.strokeStyle = rank ? surface.ink : surface.paper;
      pen.lineWidth = rank ? 2 : 1;
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
}

/** Draw lines of one colour in one stroke; the one under the pointer alone, after the others. */
export function drawLines(surface, layer, focus) {
  const number = layer.values.length / 4, { rows } = layer;
  const lifted = rows.length ? rows.indexOf(focus.hovered) : -1;
  const others = Array.from({ length: number }, (_, i) => i).filter((i) => i !== lifted);
  const alpha = (layer.alpha ?? 1) * surface.alphaOf(undefined, focus);
  drawTogether(surface, layer, others, { alpha, width: layer.width ?? 1 });
  if (lifted >= 0) drawTogether(surface, layer, [lifted], { width: Math.max(layer.width ?? 1, 2) });
}

function drawTogether(surface, layer, items, { alpha, width }) {
  const path = new Path2D(), heads = new Path2D(), { values } = layer;
  for (const i of items) {
    const [x0, y0] = surface.toCanvas(values[4 * i], values[4 * i + 1]);
    const [x1, y1] = surface.toCanvas(values[4 * i + 2], values[4 * i + 3]);
    path.moveTo(x0, y0);
    path.lineTo(x1, y1);
    if (!layer.arrow || Math.hypot(x1 - x0, y1 - y0) <= 3) continue;
    const angle = Math.atan2(y1 - y0, x1 - x0);
    heads.moveTo(x1, y1);
    for (const turn of [2.6, -2.6]) {
      heads.lineTo(x1 + 7 * Math.cos(angle + turn), y1 + 7 * Math.sin(angle + turn));
    }
    heads.closePath();
  }
  const { pen } = surface, color = surface.colorOf(layer, 0);
  surface.stroke(path, { color, width, dash: layer.dash, alpha });
  pen.globalAlpha = alpha ?? 1;
  pen.fillStyle = color;
  pen.fill(heads);
  pen.globalAlpha = 1;
}
