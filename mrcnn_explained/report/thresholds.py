"""Thresholds: which ROIs would be detections of a run at other confidence thresholds."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.settings import stage_settings
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.stages.detections import Detections, select_detections

CONFIDENCES = tuple(round(0.05 * i, 2) for i in range(21))  # tried in addition to the run's own


class Thresholds(NamedTuple):
    """What each confidence threshold leaves of a run."""

    table: list[dict[str, Any]]  # per threshold: `confidence`, and `rois`, best first
    own: int  # place of the run's own threshold in the table; -1: the table is empty


def thresholds_of(trace: Trace) -> Thresholds:
    """Select the detections of image 0 at each of CONFIDENCES and at the run's own threshold.

    The table is empty if the stage does not compute the run's own detections again: they were
    edited, or another function made them. What the stage would select is not about this run then.
    """
    settings = stage_settings(trace.config, "detections")
    own = float(settings.pop("min_confidence"))
    if _selected(trace, own, settings) != _kept(trace.detections, trace):
        return Thresholds([], -1)
    confidences = sorted({*CONFIDENCES, own})
    table = [{"confidence": c, "rois": _selected(trace, c, settings)} for c in confidences]
    return Thresholds(table, confidences.index(own))


def _selected(trace: Trace, confidence: float, settings: dict[str, Any]) -> list[int]:
    """The ROIs that would be detections at a confidence threshold, best first."""
    shape = trace.image.resized[0].shape[:2]
    detections = select_detections(
        tf.constant(trace.proposals.rpn_rois[:1]),
        tf.constant(trace.box_head.mrcnn_class[:1]),
        tf.constant(trace.box_head.mrcnn_bbox[:1]),
        norm_boxes(tf.constant(trace.image.window[:1], tf.float32), shape),
        min_confidence=confidence,
        **settings,
    )
    return _kept(detections, trace)


def _kept(detections: Detections, trace: Trace) -> list[int]:
    """The ROIs that became detections, best first, without padded rows."""
    rois = np.asarray(detections.detection_roi[0]).tolist()
    return [roi for roi in rois if roi >= 0 and trace.proposals.valid[0][roi]]
