// Play: the steps of a scene one after the other, each with its panel in front and a sentence.
// Any key and any click stop it. Where the system asks for less motion, it never moves by itself:
// the reader goes from step to step.

import { addElement } from "./panel.js";

/**
 * One step of a story that a scene tells.
 * @typedef {object} StoryStep
 * @property {number} panel number of the panel that it is about
 * @property {string} text one sentence
 */

/** The longest time that Play takes, and the longest time of one step, in milliseconds. */
const LONGEST = 11000, LONGEST_STEP = 2000;

/** The buttons and the sentence of a scene's steps; nothing for scenes without steps. */
export class Player {
  /**
   * @param {View} view whose panels it brings to the front
   * @param {HTMLElement} parent that holds the buttons
   */
  constructor(view, parent) {
    this.view = view;
    this.bar = addElement(parent, "div", "mx-player");
    this.playButton = addElement(this.bar, "button");
    this.stepButton = addElement(this.bar, "button");
    this.stepButton.textContent = "Step";
    this.sentence = addElement(this.bar, "span", "mx-sentence");
    this.sentence.setAttribute("aria-live", "polite");
    this.steps = [];
    this.playButton.addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    this.stepButton.addEventListener("click", () => this.next());
    this.stopAtKey = (event) => {
      this.stop();
      event.preventDefault();
      event.stopPropagation();
    };
    this.stopAtPress = (event) => { if (event.target !== this.playButton) this.stop(); };
    this.end();
  }

  get calm() { return matchMedia("(prefers-reduced-motion: reduce)").matches; }

  /** Offer the steps of a scene. Those of another object end what is playing. */
  show(steps) {
    const changed = JSON.stringify(steps) !== JSON.stringify(this.steps);
    this.steps = steps;
    this.bar.style.display = steps.length ? "" : "none";
    this.playButton.style.display = this.calm ? "none" : "";
    if (changed) this.end();
    else this.highlight();
  }

  play() {
    this.end();
    this.playButton.textContent = "Stop";
    document.addEventListener("keydown", this.stopAtKey, true);
    document.addEventListener("pointerdown", this.stopAtPress, true);
    const pause = Math.min(LONGEST_STEP, LONGEST / this.steps.length);
    this.timer = setInterval(() => this.next(), pause);
    this.next();
  }

  /** Go to the next step; after the last one, show all panels again. */
  next() {
    this.at += 1;
    if (this.at >= this.steps.length) this.end();
    else this.highlight();
  }

  /** Stay at the present step. */
  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playButton.textContent = "Play";
    document.removeEventListener("keydown", this.stopAtKey, true);
    document.removeEventListener("pointerdown", this.stopAtPress, true);
  }

  /** Show all panels alike. */
  end() {
    this.stop();
    this.at = -1;
    this.highlight();
  }

  /** Bring the panel of the present step to the front, and write its sentence. */
  highlight() {
    const step = this.steps[this.at];
    const count = `${this.at + 1} of ${this.steps.length}`;
    const text = step ? `${count}: ${step.text}` : "";
    if (this.sentence.textContent !== text) this.sentence.textContent = text;
    this.view.panels.forEach(({ element }, i) => {
      element.classList.toggle("mx-now", Boolean(step) && i === step.panel);
      element.classList.toggle("mx-dim", Boolean(step) && i !== step.panel);
    });
  }
}
