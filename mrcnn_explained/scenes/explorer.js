// The one view of all explorers: panels of images, boxes, points and lines on a canvas.
//
// A scene is plain data (explorers/scene.py makes it): this file draws and selects, and
// computes nothing of the detector. Hover tells, a click selects, arrow keys go on, and a
// panel that says so lets its reader draw a box. The view's threshold and opacity act here at
// once: what is worth less, or has a lower value, is not drawn. No dependency and no request.

const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37],
];


const STYLE = `
.mx { font: 13px/1.45 system-ui, sans-serif; color: var(--jp-ui-font-color1, inherit); }
.mx-panels { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-start; }
.mx-panel { position: relative; max-width: 100%; }
.mx-break { flex-basis: 100%; height: 0; }
.mx-title { font-weight: 600; margin: 0 0 3px; }
.mx canvas { display: block; max-width: 100%; border-radius: 3px; outline-offset: 2px; }
.mx-titled { padding-left: 6px; border-left: 4px solid; }
.mx-tip { position: absolute; pointer-events: none; z-index: 5; padding: 3px 7px; display: none;
  box-sizing: border-box; width: max-content; max-width: 100%; white-space: pre-wrap;
  background: #1B1F24; color: #fff; border-radius: 3px; font-size: 12px; }
.mx-text { margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.mx-line { padding-left: 9px; border-left: 4px solid transparent; }
`;

// A notebook sends DataViews, the page of a report holds base64.
const bytes = (view) => (typeof view === "string"
  ? Uint8Array.from(atob(view), (letter) => letter.charCodeAt(0))
  : new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
const floats = (view) =>
  view === undefined ? new Float32Array(0)
    : new Float32Array(bytes(view).slice().buffer);
const doubles = (view) => new Float64Array(bytes(view).slice().buffer);
const rowsOf = ({ rows }) => {
  if (rows === undefined || Array.isArray(rows)) return rows || [];
  return [...new Int32Array(bytes(rows).slice().buffer)];
};

/** An image of bytes, or values that are cut, as a canvas that can be drawn at any size. */
function paint(layer, threshold) {
  const { width, height, channels, tint, cut } = layer;
  const source = cut
    ? Uint8Array.from(doubles(layer.data), (value) => (value >= threshold ? 255 : 0))
    : bytes(layer.data);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);  // ABGR: every browser's machine is little-endian
  const palette = tint ? shades(tint) : HEAT;
  for (let i = 0; i < width * height; i++) {
    pixels[i] = channels === 3
      ? abgr([source[3 * i], source[3 * i + 1], source[3 * i + 2]], 255) : palette[source[i]];
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function viridis(x) {
  const place = Math.min(Math.max(x, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.floor(place), high = Math.min(low + 1, VIRIDIS.length - 1);
  return VIRIDIS[low].map((v, i) => v + (VIRIDIS[high][i] - v) * (place - low));
}

const abgr = ([r, g, b], alpha) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
const every = (color) => Uint32Array.from({ length: 256 }, (_, value) => color(value));
const HEAT = every((value) => abgr(viridis(value / 255).map(Math.round), 255));
const shades = (hex) => {
  const rgb = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return every((value) => abgr(rgb, value));
};

/** A group's boxes or lines, without those that are worth less than the threshold. */
function worthy(group, threshold) {
  const fours = floats(group.data), rows = rowsOf(group);
  if (group.worth === undefined) return { fours, rows };
  const kept = [];
  const least = Math.fround(threshold);  // scores are float32, and numpy compares them as such
  floats(group.worth).forEach((worth, i) => { if (worth >= least) kept.push(i); });
  return {
    fours: Float32Array.from(kept.flatMap((i) => [...fours.subarray(4 * i, 4 * i + 4)])),
    rows: rows.length ? kept.map((i) => rows[i]) : rows,
    color: Array.isArray(group.color) ? kept.map((i) => group.color[i]) : group.color,
  };
}

/** Black or white, whichever is easier to read on a colour: as plots/style.py's ink_on. */
function inkOn(hex) {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const v = parseInt(hex.slice(i, i + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

class Panel {
  constructor(view, element) {
    this.view = view;
    this.element = element;
    this.title = add(element, "div", "mx-title");
    this.canvas = add(element, "canvas");
    this.tip = add(element, "div", "mx-tip");
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerleave", () => { this.tip.style.display = "none"; });
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(panel) {
    this.panel = panel;
    const { threshold } = this.view;
    this.groups = (panel.boxes || []).map((group) => ({ ...group, ...worthy(group, threshold) }));
    this.lines = (panel.lines || []).map((group) => ({ ...group, ...worthy(group, threshold) }));
    this.points = (panel.points || []).map(
      (group) => ({ ...group, xy: floats(group.data), rows: rowsOf(group) }));
    this.title.textContent = panel.title || "";
    // A bar and not the letters: no level's colour is easy to read on white and on dark.
    this.title.classList.toggle("mx-titled", Boolean(panel.color));
    this.title.style.borderLeftColor = panel.color || "";
    this.announce();
    this.draw();
  }

  /** What a screen reader says of the canvas. One with nothing to choose is a mere image. */
  announce() {
    const acts = this.panel.draws
      || [...this.groups, ...this.points].some((group) => group.rows.length);
    const title = this.panel.title || "figure";
    const said = acts ? {
      role: "application", "aria-roledescription": "image to choose from",
      "aria-label": `${title}. Arrow keys choose, Escape lets go.`,
    } : { role: "img", "aria-label": title };
    this.canvas.removeAttribute("aria-roledescription");
    for (const [name, value] of Object.entries(said)) this.canvas.setAttribute(name, value);
    this.canvas.tabIndex = acts ? 0 : -1;
  }

  /** Pixels of the canvas for a place in the panel's own units. */
  at(x, y) {
    const [x0, y0, x1, y1] = this.panel.extent;
    return [((x - x0) / (x1 - x0)) * this.width, ((y - y0) / (y1 - y0)) * this.height];
  }

  place(event) {
    const [x0, y0, x1, y1] = this.panel.extent;
    const frame = this.canvas.getBoundingClientRect();
    return [
      x0 + ((event.clientX - frame.left) / frame.width) * (x1 - x0),
      y0 + ((event.clientY - frame.top) / frame.height) * (y1 - y0),
    ];
  }

  draw() {
    const { panel, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    [this.width, this.height] = panel.size;
    if (canvas.width !== Math.round(this.width * ratio)
        || canvas.height !== Math.round(this.height * ratio)) {
      canvas.width = Math.round(this.width * ratio);
      canvas.height = Math.round(this.height * ratio);
      canvas.style.width = `${this.width}px`;
      canvas.style.aspectRatio = `${this.width} / ${this.height}`;
    }
    const pen = this.pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.ink = getComputedStyle(this.element).color || "#1B1F24";  // "": not on the page yet
    for (const layer of panel.images || []) this.drawImage(layer);
    for (const group of this.lines) this.drawLines(group);
    for (const group of this.groups) this.drawBoxes(group);
    for (const group of this.points) this.drawPoints(group);
    this.taken = [];
    for (const label of panel.labels || []) this.drawLabel(label);
    if (this.drawn) this.frame(this.drawn, this.ink, 2, [5, 3]);
  }

  drawImage(layer) {
    const image = this.view.image(layer);
    if (!image) return;
    const [x0, y0] = this.at(layer.extent[0], layer.extent[1]);
    const [x1, y1] = this.at(layer.extent[2], layer.extent[3]);
    const [width, height] = [x1 - x0, y1 - y0];
    this.pen.globalAlpha = layer.fades ? this.view.opacity : layer.alpha ?? 1;
    this.pen.imageSmoothingEnabled = layer.smooth ?? false;
    // Scaling an image smoothly takes longer than all the rest, so that is done once.
    const shown = layer.smooth ? this.scaled(image, width, height) : image;
    this.pen.drawImage(shown, x0, y0, width, height);
    this.pen.globalAlpha = 1;
  }

  /** An image at the size that it has on the canvas, in the canvas' own pixels. */
  scaled(image, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const size = [width, height].map((side) => Math.max(1, Math.round(side * ratio)));
    if (this.kept?.image !== image || String(this.kept.size) !== String(size)) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = size;
      const pen = canvas.getContext("2d");
      pen.drawImage(image, 0, 0, ...size);
      this.kept = { image, size, canvas };
    }
    return this.kept.canvas;
  }

  drawBoxes(group) {
    const chosen = this.view.selected;
    for (let i = 0; i < group.fours.length / 4; i++) {
      const here = group.rows.length && group.rows[i] === chosen;
      if (!here) this.frame(group.fours.subarray(4 * i, 4 * i + 4), this.color(group, i), group.width ?? 1.2, group.dash);
    }
    const i = group.rows.indexOf(chosen);
    if (i >= 0) {
      const box = group.fours.subarray(4 * i, 4 * i + 4);
      this.frame(box, "#ffffff", 5);
      this.frame(box, this.color(group, i), 3, group.dash);
    }
  }

  color(group, i) {
    const name = Array.isArray(group.color) ? group.color[i] : group.color;
    return name === "ink" ? this.ink : name;
  }

  frame([top, left, bottom, right], color, width, dash) {
    const [x0, y0] = this.at(left, top), [x1, y1] = this.at(right, bottom);
    this.pen.setLineDash(dash || []);
    this.pen.strokeStyle = color;
    this.pen.lineWidth = width;
    this.pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    this.pen.setLineDash([]);
  }

  drawPoints(group) {
    const { xy } = group, drawn = new Set();
    for (let i = 0; i < xy.length / 2; i++) {
      const [x, y] = this.at(xy[2 * i], xy[2 * i + 1]);
      const here = group.rows[i] === this.view.selected;
      if (typeof group.color === "string" && !here) {
        // Thousands may fall within half a pixel of each other: one dot shows them all.
        const place = Math.round(2 * x) * 65536 + Math.round(2 * y);
        if (drawn.has(place)) continue;
        drawn.add(place);
      }
      this.pen.beginPath();
      this.pen.arc(x, y, here ? 6 : group.radius ?? 2.5, 0, 7);
      this.pen.fillStyle = this.color(group, i);
      this.pen.fill();
      if (here || group.halo) {
        this.pen.strokeStyle = here ? this.ink : "#ffffff";
        this.pen.lineWidth = here ? 2 : 1;
        this.pen.stroke();
      }
    }
  }

  drawLines(group) {
    const ends = group.fours;
    this.pen.strokeStyle = this.pen.fillStyle = group.color === "ink" ? this.ink : group.color;
    this.pen.lineWidth = group.width ?? 1;
    this.pen.globalAlpha = group.alpha ?? 1;
    this.pen.setLineDash(group.dash || []);
    const heads = [];
    this.pen.beginPath();
    for (let i = 0; i < ends.length; i += 4) {
      const [x0, y0] = this.at(ends[i], ends[i + 1]), [x1, y1] = this.at(ends[i + 2], ends[i + 3]);
      this.pen.moveTo(x0, y0);
      this.pen.lineTo(x1, y1);
      if (group.arrow && Math.hypot(x1 - x0, y1 - y0) > 3) {
        heads.push([x1, y1, Math.atan2(y1 - y0, x1 - x0)]);
      }
    }
    this.pen.stroke();
    this.pen.beginPath();
    for (const [x, y, angle] of heads) {
      this.pen.moveTo(x, y);
      for (const turn of [2.6, -2.6]) {
        this.pen.lineTo(x + 6 * Math.cos(angle + turn), y + 6 * Math.sin(angle + turn));
      }
    }
    this.pen.fill();
    this.pen.setLineDash([]);
    this.pen.globalAlpha = 1;
  }

  drawLabel(label) {
    const [px, py] = this.at(label.x, label.y);
    this.pen.font = `${label.bold ? "600 " : ""}${label.size ?? 12}px system-ui, sans-serif`;
    const width = this.pen.measureText(label.text).width, height = (label.size ?? 12) + 3;
    const shift = { left: 0, center: width / 2, right: width }[label.align || "left"];
    // Kept inside the panel: a label that is cut off tells nothing.
    const x = Math.min(Math.max(px - shift, 2), Math.max(this.width - width - 2, 2));
    const first = height / 2, last = this.height - height / 2;
    let y = Math.min(Math.max(py, first), last);
    // The background is wider than the text by 2 pixels on either side.
    const free = (at) => at >= first && at <= last && !this.taken.some(
      ([a, b, end]) => x - 2 < end && a < x + width + 2 && Math.abs(at - b) < height);
    if (label.foot !== undefined) {
      const above = py - first - 1, below = this.at(label.x, label.foot)[1] + first + 1;
      const steps = Array.from({ length: Math.ceil(this.height / 2) }, (_, i) => 2 * i);
      const tried = steps.flatMap((step) => [above - step, below + step]);
      y = tried.find(free) ?? Math.min(Math.max(above, first), last);
    } else if (label.apart) {
      while (!free(y) && y < this.height - height) y += 2;
    }
    if (label.apart) this.taken.push([x - 2, y, x + width + 2]);
    if (label.background) {
      this.pen.fillStyle = label.background;
      this.pen.fillRect(x - 2, y - height / 2, width + 4, height);
    }
    const color = label.color || (label.background ? inkOn(label.background) : "ink");
    this.pen.fillStyle = color === "ink" ? this.ink : color;
    this.pen.textBaseline = "middle";
    this.pen.fillText(label.text, x, y);
  }

  /** The smallest box, or the nearest point, under a place. */
  under([x, y]) {
    let best = null, least = Infinity;
    for (const group of this.groups) {
      for (let i = 0; i < group.rows.length; i++) {
        const [top, left, bottom, right] = group.fours.subarray(4 * i, 4 * i + 4);
        const area = (bottom - top) * (right - left);
        if (x >= left && x <= right && y >= top && y <= bottom && area < least) {
          [best, least] = [group.rows[i], area];
        }
      }
    }
    if (best !== null) return best;
    const [px, py] = this.at(x, y);
    least = 12;
    for (const group of this.points) {
      const { xy } = group;
      group.rows.forEach((row, i) => {
        const [qx, qy] = this.at(xy[2 * i], xy[2 * i + 1]);
        const far = Math.hypot(px - qx, py - qy);
        if (far < least) [best, least] = [row, far];
      });
    }
    return best;
  }

  move(event) {
    if (this.start) {
      const [x, y] = this.place(event);
      const [a, b] = this.start;
      this.drawn = [Math.min(y, b), Math.min(x, a), Math.max(y, b), Math.max(x, a)];
      this.view.drawnBox(this.drawn);
      this.draw();
      return;
    }
    const row = this.under(this.place(event));
    const text = row === null ? undefined : (this.view.scene.tips || {})[row];
    this.tip.style.display = text ? "block" : "none";
    if (!text) return;
    this.tip.textContent = text;
    const frame = this.element.getBoundingClientRect();
    const right = event.clientX - frame.left + 14;
    this.tip.style.left = `${Math.min(right, Math.max(0, frame.width - this.tip.offsetWidth))}px`;
    this.tip.style.top = `${event.clientY - frame.top + 14}px`;
  }

  press(event) {
    this.pressed = true;
    if (!this.panel.draws) return;
    this.start = this.place(event);
    this.canvas.setPointerCapture(event.pointerId);
  }

  release(event) {
    if (!this.pressed) return;  // pressed elsewhere, let go here
    const [start, end] = [this.start, this.place(event)];
    [this.start, this.pressed] = [null, false];
    if (start && Math.hypot(...this.at(...start).map((v, i) => v - this.at(...end)[i])) > 4) {
      this.drawn = null;  // the box comes back with the next scene
      return;
    }
    const row = this.under(end);
    this.view.select(row === null ? -1 : row);
  }

  key(event) {
    const rows = [...new Set([...this.groups, ...this.points]
      .flatMap((group) => group.rows))].sort((a, b) => a - b);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.view.select(-1);
    else if (step && rows.length) {
      const now = rows.indexOf(this.view.selected);
      const next = now < 0 ? (step > 0 ? 0 : rows.length - 1) : (now + step + rows.length) % rows.length;
      this.view.select(rows[next]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function add(parent, tag, name = "") {
  const element = document.createElement(tag);
  element.className = name;
  parent.appendChild(element);
  return element;
}

class View {
  constructor(model, element) {
    this.model = model;
    this.element = element;
    this.painted = new Map();
    this.panels = [];
    this.looks = 0;
    element.classList.add("mx");
    add(element, "style").textContent = STYLE;
    this.row = add(element, "div", "mx-panels");
    this.text = add(element, "div", "mx-text");
    this.below = add(element, "div", "mx-panels");
  }

  get scene() { return this.model.get("scene"); }
  get selected() { return this.model.get("selected"); }
  get opacity() { return this.model.get("opacity"); }
  get threshold() { return this.model.get("threshold"); }

  image(layer) {
    if (layer.data) return paint(layer);
    if (layer.cut) return paint({ ...this.model.get("maps")[layer.name], ...layer }, this.threshold);
    if (!this.painted.has(layer.name)) {
      const image = this.model.get("images")[layer.name];
      if (!image) return null;
      this.painted.set(layer.name, image.src ? this.load(image.src) : paint(image));
    }
    const painted = this.painted.get(layer.name);
    return painted.complete === false ? null : painted;
  }

  /** An image that the browser decodes; drawn once it has. */
  load(src) {
    const image = new Image();
    image.onload = () => { for (const panel of this.panels) panel.draw(); };
    image.src = src;
    return image;
  }

  select(row) {
    this.model.set("selected", row);
    this.model.save_changes();
  }

  drawnBox(box) {
    this.model.set("drawn", box.map((v) => Math.round(v * 10) / 10));
    this.model.save_changes();
  }

  show() {
    const { scene } = this;
    if (!scene || !scene.panels) return;
    while (this.panels.length > scene.panels.length) this.panels.pop().element.remove();
    while (this.panels.length < scene.panels.length) {
      this.panels.push(new Panel(this, add(this.row, "div", "mx-panel")));
    }
    for (const old of this.row.querySelectorAll(".mx-break")) old.remove();
    scene.panels.forEach((panel, i) => {
      const { element } = this.panels[i];
      const home = panel.below ? this.below : this.row;
      if (element.parentNode !== home) home.append(element);  // moving it would lose the focus
      if (panel.starts_row) element.before(Object.assign(document.createElement("div"), { className: "mx-break" }));
      this.panels[i].show(panel);
    });
    this.tell(scene.text || []);
    this.element.dataset.stamp = `${scene.stamp}.${this.looks}`;
  }

  /** Write the lines of text. One that stays is left alone, so that it is not read out again. */
  tell(lines) {
    // Where a scene says which line a screen reader follows, it does not read out the others.
    const chosen = lines.some(({ live }) => live);
    this.text.setAttribute("aria-live", chosen ? "off" : "polite");
    while (this.text.children.length > lines.length) this.text.lastChild.remove();
    lines.forEach(({ text, color, live }, i) => {
      const line = this.text.children[i] || add(this.text, "div", "mx-line");
      if (live) line.setAttribute("aria-live", "polite");
      else line.removeAttribute("aria-live");
      if (line.textContent !== text) line.textContent = text;
      line.style.borderLeftColor = color || "transparent";
    });
  }

  /** The same scene with another threshold or opacity. */
  lookAgain() {
    this.looks += 1;
    this.show();
  }

  selectAgain() {
    for (const panel of this.panels) panel.draw();
    this.element.dataset.selected = this.selected;
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    const show = () => view.show();
    const again = () => view.selectAgain();
    const look = () => view.lookAgain();
    const heard = { scene: show, selected: again, threshold: look, opacity: look };
    for (const [name, call] of Object.entries(heard)) model.on(`change:${name}`, call);
    view.show();
    requestAnimationFrame(again);  // on the page now: the colour of its text is known
    // The ink is the page's, and changes with its theme: the system's, or JupyterLab's own.
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const theme = () => requestAnimationFrame(again);
    const watcher = new MutationObserver(theme);
    dark.addEventListener("change", theme);
    watcher.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
    return () => {
      dark.removeEventListener("change", theme);
      watcher.disconnect();
      for (const [name, call] of Object.entries(heard)) model.off(`change:${name}`, call);
    };
  },
};
