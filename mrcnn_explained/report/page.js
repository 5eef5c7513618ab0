// What the page of a report adds to the viewer: a stand-in for a notebook's model, filters, and
// the choice of what is drawn. report/explorable.py has computed everything that is shown.

import { decodeFloats, decodeRows, selectItems } from "../scenes/viewer/layers.js";
import { addElement } from "../scenes/viewer/panel.js";
import { render } from "../scenes/viewer/view.js";

/** ROIs that are drawn until the reader asks for more. */
const BEST = 12;

/** The five calls of a notebook's model that the viewer makes. */
class Model {
  constructor(values) {
    this.values = values;
    this.listeners = {};
  }

  get(name) { return this.values[name]; }

  set(name, value) {
    if (this.values[name] === value) return;
    this.values[name] = value;
    for (const listener of this.listeners[`change:${name}`] || []) listener();
  }

  save_changes() {}

  on(event, listener) { (this.listeners[event] ??= []).push(listener); }

  off(event, listener) {
    this.listeners[event] = (this.listeners[event] || []).filter((other) => other !== listener);
  }
}

/** A layer reduced to the wanted rows; a layer without rows stays whole. */
function pick(layer, wanted) {
  if (!layer.rows || !layer.rows.length) return layer;
  layer.rows = decodeRows(layer);  // decoded once, not at every move of a control
  layer.values ??= decodeFloats(layer.data);
  const kept = layer.rows.flatMap((row, i) => (wanted.has(row) ? [i] : []));
  const { values, ...picked } = selectItems(layer, kept, layer.values.length / layer.rows.length);
  return { ...picked, data: values };
}

const picked = (panel, wanted) => ({
  ...panel,
  boxes: (panel.boxes || []).map((layer) => pick(layer, wanted)),
  lines: (panel.lines || []).map((layer) => pick(layer, wanted)),
  points: (panel.points || []).map((layer) => pick(layer, wanted)),
  labels: (panel.labels || []).filter((label) => label.row === undefined || wanted.has(label.row)),
});

class Page {
  constructor(data, element, controls) {
    this.data = data;
    this.stamp = 0;
    this.samples = [decodeFloats(data.sample_y), decodeFloats(data.sample_x)];
    this.place = new Map(data.rois.roi.map((roi, i) => [roi, i]));
    this.makeControls(controls);
    this.model = new Model({
      selected: data.main, images: { image: data.image }, scene: null, drawn_box: [],
    });
    this.model.set("scene", this.scene());
    render({ model: this.model, el: element });
    this.model.on("change:selected", () => this.draw());
  }

  draw() { this.model.set("scene", this.scene()); }

  makeControls(parent) {
    const { data } = this;
    const redraws = (input) => { input.addEventListener("input", () => this.draw()); return input; };
    const labelled = (text, input, format) => {
      const label = addElement(parent, "label");
      label.append(text, redraws(input));
      if (format) {
        const value = addElement(label, "output");
        const update = () => { value.textContent = format(input.value); };
        input.addEventListener("input", update);
        update();
      }
      return input;
    };
    const levels = addElement(parent, "div");
    levels.setAttribute("role", "group");
    levels.setAttribute("aria-label", "pyramid levels");
    levels.append("levels ");
    this.levels = data.levels.map(({ value, text, count, color }) => {
      const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
      input.style.accentColor = color;
      input.dataset.level = value;
      const label = addElement(levels, "label");
      label.append(redraws(input), `${text} (${count})`);
      return [value, input];
    });
    const select = (name, options, all) => {
      const input = Object.assign(document.createElement("select"), { name });
      for (const { value, text, count } of [{ value: "", text: all }, ...options]) {
        input.append(new Option(count === undefined ? text : `${text} (${count})`, value));
      }
      return input;
    };
    const range = (name, max, value) =>
      Object.assign(document.createElement("input"), { type: "range", name, min: 0, max, value });
    this.classes = labelled("class ", select("class", data.classes, "all"));
    this.fates = labelled("fate ", select("fate", data.fates, "all"));
    this.score = labelled("class score at least ", range("score", 100, 0), (value) => (value / 100).toFixed(2));
    const number = data.rois.roi.length;
    this.most = labelled("ROIs drawn, best first ", range("most", number, Math.min(BEST, number)), String);
    if (data.thresholds.length) {
      this.confidence = labelled(
        "confidence of a detection ", range("confidence", data.thresholds.length - 1, data.threshold),
        (value) => data.thresholds[value].confidence.toFixed(2),
      );
    }
  }

  /** The ROIs that pass all filters, whatever their number. */
  passing() {
    const { rois } = this.data;
    const levels = new Set(this.levels.filter(([, input]) => input.checked).map(([value]) => value));
    const score = this.score.value / 100;
    return new Set(rois.roi.filter((_, i) => levels.has(rois.level[i])
      && rois.probability[i] >= score
      && (!this.classes.value || String(rois.class_id[i]) === this.classes.value)
      && (!this.fates.value || rois.fate[i] === this.fates.value)));
  }

  /** Where the crop of the chosen ROI is sampled. */
  grid(i) {
    const size = this.data.pool_size;
    const [y, x] = this.samples.map((all) => all.subarray(i * size, (i + 1) * size));
    const data = Float32Array.from([...y].flatMap((row) => [...x].flatMap((column) => [column, row])));
    return { data, rows: [], color: "ink", radius: 2, halo: true };
  }

  scene() {
    const { data } = this;
    const passing = this.passing(), most = Number(this.most.value);
    const wanted = new Set(data.rois.roi.filter((roi, i) => i < most && passing.has(roi)));
    const selected = this.model ? this.model.get("selected") : data.main;
    const here = this.place.get(selected);
    // The selected ROI is drawn besides the best ones.
    const shown = here !== undefined && passing.has(selected);
    const drawn = shown ? new Set([...wanted, selected]) : wanted;
    const panels = data.scene.panels.map((panel) => picked(panel, drawn));
    if (shown) panels[0].points.push(this.grid(here));
    const chosen = here === undefined ? ""
      : `; ROI ${selected} is selected${shown ? "" : ", but hidden by the filters"}`;
    const text = [{
      text: `${wanted.size} of ${data.rois.roi.length} ROIs are shown${chosen}`, live: true,
    }];
    if (this.confidence) {
      const { confidence, rois } = data.thresholds[this.confidence.value];
      panels.push({
        ...picked(data.detections, new Set(rois)),
        title: `${rois.length} detections at a confidence of ${confidence.toFixed(2)}`,
      });
    }
    if (here === undefined) text.push({ text: "Click an ROI, or use the arrow keys, to see its lineage." });
    else {
      const color = data.levels.find(({ value }) => value === data.rois.level[here]).color;
      text.push({ text: `The lineage of ROI ${selected}:`, color });
      data.lineage[here].forEach(([stage, step], i) =>
        text.push({ text: `${i + 1}. ${stage}: ${step}`, color }));
    }
    this.stamp += 1;
    return { panels, text, tips: data.scene.tips, stamp: this.stamp };
  }
}

const found = JSON.parse(document.getElementById("explorable").textContent);
if (found.rois.roi.length) {
  new Page(found, document.getElementById("explorer"), document.getElementById("filters"));
} else {
  document.getElementById("explorer").textContent = "This run has no ROIs.";
}
