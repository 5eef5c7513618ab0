"""Rows: what a survey keeps of one image, one row for every ROI, detection and object."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import UInt8

from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.evaluation.evaluate import Truth
from mrcnn_explained.explain.fates import FateKind
from mrcnn_explained.explain.rois import roi_rows
from mrcnn_explained.stages.image import mold_boxes
from mrcnn_explained.stages.levels import assign_levels

COLUMNS = {
    "image": "its name",
    "kind": "roi, detection or object (of the dataset)",
    "class": "of the ROI, the detection or the object",
    "y1": "top, pixels of the image as given",
    "x1": "left",
    "y2": "bottom, outside the box",
    "x2": "right, outside the box",
    "side": "sqrt(height x width), pixels of the molded image",
    "exact_level": "of the level equation, before rounding",
    "level": "pyramid level that it reads; an object: that a ROI which fits it reads",
    "to_boundary": "pixels that the side lies above (+) or below (-) the nearest level boundary",
    "fate": "of an ROI: detection, or the filter that dropped it; of an object: found, or the "
    "stage that lost it",
    "fate_row": "of an ROI: row of the detection, or the ROI that suppressed it; else empty",
    "fate_iou": "of an ROI: IoU with the ROI that suppressed it; else empty",
}


def survey_image(
    model: MaskRCNN,
    image: UInt8[np.ndarray, "h w 3"],
    name: str,
    truth: Truth | None = None,
    classes: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Run the model on an image and return a row, with the keys of COLUMNS, for every box.

    truth      the objects on it; class 0: of a class that the model does not know
    classes    their classes' names; None: the model's names of them
    """
    trace = model.trace(image).numpy()
    rows = [*_rois(trace), *_detections(trace), *(_objects(trace, truth, classes) if truth else ())]
    return [{"image": name, **row} for row in rows]


def _row(kind, class_name, box, levels, place, fate):
    side, exact, level, margin = (
        np.asarray(getattr(levels, field)).reshape(-1)[place].item()
        for field in ("side", "exact_level", "roi_level", "margin")
    )
    corners = dict(zip(("y1", "x1", "y2", "x2"), (int(v) for v in box), strict=True))
    return {
        "kind": kind,
        "class": class_name,
        **corners,
        "side": side,
        "exact_level": exact,
        "level": level,
        "to_boundary": margin,
        "fate": fate,
        "fate_row": None,
        "fate_iou": None,
    }


def _rois(trace: Trace):
    for row in roi_rows(trace):
        yield {"kind": "roi", **{key: row[key] for key in COLUMNS if key in row}}


def _detections(trace: Trace):
    """Each with the level that its mask reads."""
    found = trace.instances
    for row, box, class_id in zip(
        found.detection[0], found.rois[0], found.class_ids[0], strict=True
    ):
        name = trace.config.class_name(int(class_id))
        yield _row("detection", name, box, trace.mask_levels, int(row), FateKind.DETECTION.value)


def _objects(trace: Trace, truth: Truth, classes: Sequence[str] | None):
    """Each with the level of a ROI that fits it, and what became of it."""
    if not len(truth.boxes):
        return
    molded = tf.constant(mold_boxes(truth.boxes, trace.image, 0), tf.float32)[tf.newaxis]
    shape = tf.constant(trace.image.molded_shape[0, :2], tf.float32)
    levels = assign_levels(molded, shape, rounding=trace.config.level_rounding)
    for place, (box, class_id) in enumerate(zip(truth.boxes, truth.class_ids, strict=True)):
        missed = trace.why_missed(box, int(class_id) or None)
        fate = f"{missed.stage}: {missed.cause}" if missed.stage else "found"
        name = trace.config.class_name(int(class_id)) if class_id else "object"
        name = classes[place] if classes else name
        yield _row("object", name, box, levels, place, fate)
