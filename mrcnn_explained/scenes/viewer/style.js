// The style of a view, and of the explorer around it: controls, readout and panels in a grid that
// fills what it gets. The view's own box is no part of the layout (`display: contents`), so that
// its readout can lie below the controls and beside the panels.

import { INK, WHITE } from "./palette.js";  // bundle.py writes it

export const STYLE = `
.mx { font: 13px/1.45 system-ui, sans-serif; color: var(--jp-ui-font-color1, inherit); }
.mx-stage { position: relative; min-width: 0; }
.mx-panels { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
.mx-panel { position: relative; max-width: 100%; }
.mx-break { flex-basis: 100%; height: 0; margin-top: -16px; }
.mx-title { font-weight: 600; margin: 0 0 3px; }
.mx-note { font-size: 12px; }
.mx canvas { display: block; max-width: 100%; border-radius: 3px; outline-offset: 2px; }
.mx-frame { position: relative; }
.mx-target { position: absolute; pointer-events: none; outline-offset: 3px; }
.mx-code { font-family: ui-monospace, monospace; font-size: 12px; }
.mx-divider { position: absolute; top: 0; bottom: 0; width: 24px; margin-left: -12px; cursor: ew-resize;
  touch-action: none; background: linear-gradient(${WHITE}, ${WHITE}) center / 4px 100% no-repeat;
  filter: drop-shadow(0 0 1px ${INK}); }
.mx-divider span { position: absolute; left: 50%; bottom: 8px; padding: 2px 8px; white-space: nowrap;
  background: ${INK}; color: ${WHITE}; border-radius: 9px; font-size: 12px; user-select: none; }
.mx-player { margin: 4px 0 8px; min-height: 28px; }
.mx-player button { font: inherit; padding: 2px 12px; margin-right: 6px; cursor: pointer; }
.mx-now { outline: 3px solid currentColor; outline-offset: 4px; border-radius: 3px; }
.mx-dim { opacity: 0.35; }
@media (prefers-reduced-motion: no-preference) { .mx-panel { transition: opacity 0.3s; } }
.mx-titled { padding-left: 6px; border-left: 4px solid; }
.mx-tip { position: absolute; pointer-events: none; z-index: 5; padding: 3px 7px; display: none;
  box-sizing: border-box; width: max-content; max-width: 100%; white-space: pre-wrap;
  background: ${INK}; color: ${WHITE}; border-radius: 3px; font-size: 12px; }
.mx-text { margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.mx-line { padding-left: 9px; border-left: 4px solid transparent; }
.mx-line + .mx-line { margin-top: 3px; }
.mx-busy { position: absolute; right: 0; top: 0; z-index: 6; padding: 3px 10px; visibility: hidden;
  background: ${INK}; color: ${WHITE}; border: 1px solid ${WHITE}; border-radius: 9px; font-size: 12px; }
.mx-computing .mx-busy { visibility: visible; transition: visibility 0s 150ms; }

.mx-room { container-type: inline-size; width: 100%; }
.mx-explorer.widget-box { display: grid; gap: 4px 24px; overflow: visible; align-items: start;
  grid-template: "controls" auto "panels" auto "text" auto "lower" auto / minmax(0, 1fr); }
.mx-explorer > .mx { display: contents; }
.mx-controls { grid-area: controls; min-width: 0; overflow: visible; }
.mx-explorer .mx-stage { grid-area: panels; }
.mx-explorer .mx-text { grid-area: text; }
.mx-explorer .mx-lower { grid-area: lower; }
.mx-controls .widget-inline-hbox { width: auto; height: auto; min-height: 30px; margin: 1px 0;
  align-items: center; }
.mx-controls .widget-label { flex: none; width: 44%; height: auto; line-height: 1.25;
  text-align: left; white-space: normal; padding-right: 8px; }
.mx-controls .widget-readout { flex: none; width: 3.6em; min-width: 3.6em; text-align: right; }
@container (min-width: 620px) {
  .mx-explorer.widget-box { grid-template: "controls text" auto "panels panels" auto
    "lower lower" auto / minmax(290px, 2fr) minmax(0, 3fr); }
  /* Of one height, so that the panels below do not move while a box is drawn. */
  .mx-explorer .mx-text { height: 17em; overflow-y: auto; }
}
@container (min-width: 1120px) {
  .mx-explorer.widget-box { grid-template: "controls panels" auto "text panels" 1fr
    "lower lower" auto / 330px minmax(0, 1fr); }
  .mx-explorer .mx-text { height: auto; overflow: visible; }
}
`;
