"""What if: one image before and after a change of settings, with what was lost and gained."""

from collections import Counter
from typing import Any

import numpy as np

from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.compare import Comparison, RoiState, compare, roi_states
from mrcnn_explained.explain.objects import ObjectPair, pair_objects
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.explorers.explorer import (
    Controls,
    Selection,
    TraceExplorer,
    choice,
    slider,
)
from mrcnn_explained.explorers.what_if_runs import Run, Variation, WhatIfRuns
from mrcnn_explained.explorers.what_if_scene import Side, chart_of_change, image_of_change
from mrcnn_explained.plots.palette import LEVEL_COLORS
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.scenes.format import Scene, TextLine
from mrcnn_explained.scenes.scene import line
from mrcnn_explained.stages.detections import Detections
from mrcnn_explained.stages.levels import ROI_LEVELS, Rounding

Key = tuple[str, int]  # of an ROI, the same in both runs

MOST_LINES = 6  # lost or gained objects that the text lists


class WhatIfExplorer(TraceExplorer):
    """Change settings, and compare the run with the original one: drag the divider.

    model    that made the trace: it computes again what is downstream of a change
    trace    the original run

    Objects that only one of the runs finds are marked as lost or gained; the chart shows every
    ROI that reads another level. Click an object to choose its ROI: its level can be forced.
    Nothing but the changes differs: `after` is the run that `model.resume` returns for them, and
    the call is in the text. `result` is a Detections of this image alone.
    """

    selection_control = "roi"
    result: Detections

    def __init__(
        self, model: MaskRCNN, trace: Trace, *, image: int = 0, selection: Selection | None = None
    ):
        self.model = model
        self.change = Variation({}, {}, {}, -1, 0)
        self._made: tuple[Trace, int] | None = None
        super().__init__(trace, image=image, selection=selection)

    def controls(self) -> Controls:
        self.runs = WhatIfRuns(self.model, self.trace, self.image)
        self.states = roi_states(self.trace, self.image)
        self.rows = {state.row: key for key, state in self.states.items()}
        config, levels = self.config, level_settings(self.trace)
        most = max(self.rows, default=0)
        levels_to_force = [("as computed", 0), *((f"P{k}", k) for k in ROI_LEVELS)]
        controls = {
            "rounding": choice("rounding of levels", ["round", "floor"], levels["rounding"]),
            "canonical_side": _around("canonical side, px", levels["canonical_side"], 56, 896, 8),
            "rpn_nms": _around("NMS of the RPN: IoU at most", config.rpn_nms_threshold, 0.05, 0.99),
            "min_confidence": _around(
                "confidence at least", config.detection_min_confidence, 0.0, 1.0
            ),
            "nms": _around(
                "NMS of detections: IoU at most", config.detection_nms_threshold, 0.05, 0.99
            ),
            "roi": slider("ROI", -1, -1, most, 1),
            "level": choice("reads level", levels_to_force, 0),
        }
        controls["rpn_nms"].disabled = self.trace.has_given_rois  # these ROIs saw no NMS
        return controls

    def draw(
        self,
        rounding: Rounding,
        canonical_side: float,
        rpn_nms: float,
        min_confidence: float,
        nms: float,
        roi: int,
        level: int,
    ) -> Scene:
        config, own = self.config, level_settings(self.trace)
        if roi not in self.rows:
            level = 0
        self.change = Variation(
            proposals=_changed({"nms_threshold": (rpn_nms, config.rpn_nms_threshold)}),
            levels=_changed(
                {
                    "rounding": (rounding, own["rounding"]),
                    "canonical_side": (canonical_side, own["canonical_side"]),
                }
            ),
            detections=_changed(
                {
                    "min_confidence": (min_confidence, config.detection_min_confidence),
                    "nms_threshold": (nms, config.detection_nms_threshold),
                }
            ),
            roi=roi if level else -1,
            level=level,
        )
        run, self.result = self.runs.found(self.change)
        return self._scene(run)

    @property
    def after(self) -> Trace:
        """The whole changed run, every tensor of it."""
        return self.runs.after(self.change)

    @property
    def comparison(self) -> Comparison:
        """What differs between the two runs, stage by stage."""
        return compare(self.trace, self.after, image=self.image)

    def _scene(self, run: Run) -> Scene:
        """Return both runs as one scene."""
        before_run = self.runs.before
        first = before_run.detections({})
        before = _side(before_run, first, self.pixels)
        after = _side(run, self.result, self.pixels)
        states = roi_states(run.trace, self.image, self.result)
        pairs = pair_objects(before.boxes, before.class_ids, after.boxes, after.class_ids)
        rows = self._rows_of(states)
        panels = [
            image_of_change(self.pixels, before, after, pairs, rows, self._names),
            chart_of_change(run.trace, self.image, self.states, states, rows),
        ]
        text = [
            *self._counts(before, after, pairs, states),
            *self._levels_changed(states),
            *self._selected(states, rows),
            *self._call(),
        ]
        tips = {row: self._story(key, states) for key, row in rows.items()}
        return {"panels": panels, "text": text, "tips": tips}

    @property
    def _names(self) -> list[str]:
        """The names of all classes."""
        return [self.config.class_name(k) for k in range(self.config.num_classes)]

    def _rows_of(self, states: dict[Key, RoiState]) -> dict[Key, int]:
        """Return the row of each ROI: that of the original run, or the next free ones."""
        rows = {key: state.row for key, state in self.states.items()}
        free = max(rows.values(), default=-1) + 1
        new = [key for key in states if key not in rows]
        return rows | {key: free + i for i, key in enumerate(new)}

    def _counts(
        self,
        before: Side,
        after: Side,
        pairs: list[ObjectPair],
        states: dict[Key, RoiState],
    ) -> list[TextLine]:
        """Return how many objects each run finds, and why some are in one of them only."""
        lost = [pair.before for pair in pairs if pair.after < 0]
        gained = [pair.after for pair in pairs if pair.before < 0]
        number = len(pairs) - len(lost) - len(gained)
        text = [
            line(
                f"Detections: {len(before.boxes)} before, {len(after.boxes)} after. {number} "
                f"objects are found by both runs, {len(lost)} lost, {len(gained)} gained.",
                live=True,
            )
        ]
        for row in lost[:MOST_LINES]:
            state = states.get(before.keys[row])
            why = str(state.fate) if state else "its ROI is no proposal of the changed run"
            text.append(line(f"Lost: {self._name(before, row)}. Now: {why}."))
        for row in gained[:MOST_LINES]:
            state = self.states.get(after.keys[row])
            why = str(state.fate) if state else "its ROI was no proposal"
            text.append(line(f"Gained: {self._name(after, row)}. Before: {why}."))
        hidden = max(0, len(lost) - MOST_LINES) + max(0, len(gained) - MOST_LINES)
        return [*text, line(f"… and {hidden} more")] if hidden else text

    def _name(self, side: Side, row: int) -> str:
        """Class, score and ROI of a detection."""
        name, score = self._names[side.class_ids[row]], side.scores[row]
        return f"{name} {score:.2f} (ROI {side.rois[row]})"

    def _levels_changed(self, states: dict[Key, RoiState]) -> list[TextLine]:
        """Return how many ROIs read another level, and which ROIs only one run has."""
        moves = Counter(
            (state.level, states[key].level)
            for key, state in self.states.items()
            if key in states and states[key].level != state.level
        )
        both = len(self.states.keys() & states.keys())
        words = ", ".join(f"{n} from P{a} to P{b}" for (a, b), n in sorted(moves.items()))
        number = f"{sum(moves.values())} of the {both} ROIs that both runs have"
        text = [line(f"{number} changed level{': ' * bool(words)}{words}.")]
        gone, new = len(self.states) - both, len(states) - both
        if gone or new:
            text.append(line(f"{gone} ROIs are gone and {new} are new."))
        return text

    def _selected(self, states: dict[Key, RoiState], rows: dict[Key, int]) -> list[TextLine]:
        """Return what became of the selected ROI in both runs."""
        keys = {row: key for key, row in rows.items()}
        row = self.view.selected if self.view.selected >= 0 else self.settings["roi"].value
        key = keys.get(row)
        if key is None:
            return [line("Click an object to choose its ROI, then force the level that it reads.")]
        level = (states.get(key) or self.states[key]).level
        text = [line(self._story(key, states), LEVEL_COLORS[level])]
        if self.change.level:
            text.append(line("The mask is pooled from the level of the detection's own box."))
        return text

    def _story(self, key: Key, states: dict[Key, RoiState]) -> str:
        """Return level, class and fate of an ROI in both runs."""
        before, after = self.states.get(key), states.get(key)
        words = [
            f"P{state.level}, {self._names[state.class_id]}, {state.fate}" if state else ""
            for state in (before, after)
        ]
        if before is None:
            return f"A new ROI: {words[1]}."
        name = f"ROI {before.row}"
        if after is None:
            return f"{name}: {words[0]}. It is no ROI of the changed run."
        if words[0] == words[1]:
            return f"{name}: {words[0]}, in both runs."
        return f"{name}: before {words[0]}; after {words[1]}."

    def _call(self) -> list[TextLine]:
        """Return the Python that computes the changed run."""
        lines = self.runs.call(self.change)
        if not lines:
            return [line("Nothing is changed yet: move a control.")]
        return [line("The same run in Python:"), *(line(text, code=True) for text in lines)]


def _side(run: Run, found: Detections, pixels: np.ndarray) -> Side:
    """Return the detections of one run."""
    rois = found.detection_roi[0]
    rois = rois[rois >= 0]
    keys = {state.row: key for key, state in roi_states(run.trace, run.image, found).items()}
    return Side(
        boxes=to_pixels(found.refined_rois_clipped[0][rois], pixels),
        class_ids=found.class_ids[0][rois],
        scores=found.class_scores[0][rois],
        rois=rois,
        keys=[keys.get(int(roi), ("row", int(roi))) for roi in rois],
        masks=[run.masks[int(roi)] for roi in rois],
        threshold=run.mask_threshold,
    )


def _changed(values: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Return the settings whose value differs from the original one."""
    return {
        name: value
        for name, (value, original) in values.items()
        if not (value == original or (not isinstance(value, str) and np.isclose(value, original)))
    }


def _around(text: str, value: float, low: float, high: float, step: float = 0.01) -> Any:
    """Return a slider with room for the value of the original run."""
    return slider(text, float(value), min(low, value), max(high, value), step)
