"""The runs that the what-if explorer compares: one change of settings, everything else kept."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.compare import roi_states
from mrcnn_explained.explain.reading import mask_threshold
from mrcnn_explained.explorers.detections import select_again
from mrcnn_explained.stages.detections import Detections

KEPT = 12  # runs that are kept, so that a control that goes back is fast


class Variation(NamedTuple):
    """What the reader changed. Empty settings and level 0 change nothing."""

    proposals: dict[str, Any]
    levels: dict[str, Any]
    detections: dict[str, Any]
    roi: int  # row of the original run's rpn_rois whose level is forced
    level: int  # that it reads; 0: the one that is computed

    @property
    def upstream(self) -> dict[str, dict[str, Any]]:
        """The settings that change what the box head reads."""
        changed = {"proposals": self.proposals, "levels": self.levels}
        return {stage: settings for stage, settings in changed.items() if settings}

    @property
    def all(self) -> dict[str, Any]:
        """All settings that change, by stage."""
        last = {"detections": self.detections} if self.detections else {}
        return {**self.upstream, **last}


@dataclass
class Run:
    """A run up to the box head, whose detections can be selected again."""

    trace: Trace
    image: int
    masks: dict[int, np.ndarray] = field(default_factory=dict)  # ROI → mask [M, M] of its class

    def __post_init__(self) -> None:
        head = self.trace.box_head
        window, shape = self.trace.image.window, self.trace.image.molded.shape[1:3]
        self.inputs = (
            tf.constant(self._one(self.trace.proposals.rpn_rois)),
            tf.constant(self._one(head.mrcnn_class)),
            tf.constant(self._one(head.mrcnn_bbox)),
            norm_boxes(tf.constant(self._one(window), tf.float32), shape),
        )
        self.mask_threshold = mask_threshold(self.trace)
        self.keep_masks(self.trace)

    def _one(self, values: Any) -> np.ndarray:
        """The part of a batch's tensor that belongs to the image."""
        return np.asarray(values[self.image : self.image + 1])

    def keep_masks(self, trace: Trace) -> None:
        """Keep the masks of a run that differs in the last filters only: by ROI."""
        rois = np.asarray(trace.detections.detection_roi[self.image])
        masks = np.asarray(trace.mask_head.class_mask[self.image])
        self.masks |= {int(roi): mask for roi, mask in zip(rois, masks, strict=True) if roi >= 0}

    def detections(self, changed: dict[str, Any]) -> Detections:
        """Return the detections of this image alone, with some settings changed."""
        config = self.trace.config
        number = {
            "min_confidence": config.detection_min_confidence,
            "nms_threshold": config.detection_nms_threshold,
        } | changed
        found = select_again(
            *self.inputs,
            max_instances=config.detection_max_instances,
            std_dev=config.bbox_std_dev,
            **{name: tf.constant(value, tf.float32) for name, value in number.items()},
        )
        return tf.nest.map_structure(np.asarray, found)  # reading tensors takes longer


class WhatIfRuns:
    """The original run and the changed ones, each computed once.

    Raises InputError for changes that `MaskRCNN.resume` refuses.
    """

    def __init__(self, model: MaskRCNN, trace: Trace, image: int):
        self.model, self.trace, self.image = model, trace, image
        self.before = Run(trace, image)
        self._runs: dict[str, Run] = {}

    def run(self, change: Variation) -> Run:
        """Return the run of a change, with the original run's last filters."""
        if not change.upstream and not change.level:
            return self.before
        key = repr(change._replace(detections={}))
        if key not in self._runs:
            while len(self._runs) >= KEPT:
                self._runs.pop(next(iter(self._runs)))
            self._runs[key] = Run(self._resumed(change._replace(detections={})), self.image)
        return self._runs[key]

    def after(self, change: Variation) -> Trace:
        """Return the whole run of a change: what the call of `call(change)` returns."""
        if not change.all and not change.level:
            return self.trace
        return self._resumed(change)

    def found(self, change: Variation) -> tuple[Run, Detections]:
        """Return the run and the detections of a change; the run has the mask of each of them."""
        run = self.run(change)
        detections = run.detections(change.detections)
        rois = detections.detection_roi[0]
        if not set(rois[rois >= 0].tolist()) <= run.masks.keys():
            run.keep_masks(self.model.resume(run.trace, detections=change.detections))
        return run, detections

    def forced_row(self, change: Variation) -> int:
        """Return the row of the ROI whose level is forced, in the run with the other changes.

        Raises InputError if that run does not have it.
        """
        row = _partner(self.trace, self._upstream(change), self.image, change.roi)
        if row < 0:
            raise InputError(
                f"ROI {change.roi} is no ROI of the changed run, so its level cannot be forced: "
                "choose another ROI, or set the NMS threshold of the RPN back"
            )
        return row

    def _upstream(self, change: Variation) -> Trace:
        """The run of a change without the forced level."""
        return self.run(change._replace(level=0, detections={})).trace

    def _resumed(self, change: Variation) -> Trace:
        """Resume the original run; a forced level is an edit of `levels`."""
        if not change.level:
            return self.model.resume(self.trace, **change.all)
        first, row = self._upstream(change), self.forced_row(change)
        roi_level = np.array(first.levels.roi_level)
        roi_level[self.image, row] = change.level
        levels = first.levels._replace(roi_level=tf.constant(roi_level))
        last: dict[str, Any] = {"detections": change.detections} if change.detections else {}
        return self.model.resume(first._replace(levels=levels), after="levels", **last)

    def call(self, change: Variation) -> list[str]:
        """Return the lines of Python that compute `after(change)` from `model` and `trace`."""
        last = {"detections": change.detections} if change.detections else {}
        if not change.level:
            return [_call("after", "trace", change.all)] if change.all else []
        name, lines = "trace", []
        if change.upstream:
            name, lines = "first", [_call("first", "trace", change.upstream)]
        row = self.forced_row(change)
        return [
            *lines,
            f"roi_level = np.array({name}.levels.roi_level)",
            f"roi_level[{self.image}, {row}] = {change.level}",
            f"levels = {name}.levels._replace(roi_level=tf.constant(roi_level))",
            _call("after", f"{name}._replace(levels=levels)", last, 'after="levels"'),
        ]


def _call(name: str, trace: str, changes: dict[str, dict[str, Any]], after: str = "") -> str:
    """Return one call of `resume` as Python."""
    changed = [f"{stage}={settings!r}" for stage, settings in changes.items()]
    arguments = [trace, *([after] if after else []), *changed]
    return f"{name} = model.resume({', '.join(arguments)})"


def _partner(before: Trace, after: Trace, image: int, row: int) -> int:
    """Return the row of an ROI in another run, found by its anchor; -1: it is not there."""
    if before is after:
        return row
    keys = {state.row: key for key, state in roi_states(before, image).items()}
    state = roi_states(after, image).get(keys[row]) if row in keys else None
    return -1 if state is None else state.row
