"""Rows: what a survey keeps of one image, one row per ROI, detection and object."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Num, UInt8

from mrcnn_explained.data.ground_truth import GroundTruth
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.fates import FateKind
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.explain.rois import roi_rows
from mrcnn_explained.explain.why_missed import why_missed
from mrcnn_explained.stages.levels import LevelAssignment, assign_levels
from mrcnn_explained.stages.molded_boxes import mold_boxes
from mrcnn_explained.survey.formats import COLUMNS

Row = dict[str, Any]  # with the keys of COLUMNS


def survey_image(
    model: MaskRCNN,
    image: UInt8[np.ndarray, "h w 3"],
    name: str,
    truth: GroundTruth | None = None,
    class_names: Sequence[str] | None = None,
) -> list[Row]:
    """Run the model on an image and return one row, with the keys of COLUMNS, for every box.

    truth          the objects on the image; class 0: a class that the model does not know
    class_names    the name of each object's class; None: the model's names
    """
    trace = model.trace(image).numpy()
    rows = [*_rois(trace), *_detections(trace)]
    if truth:
        rows += _objects(trace, truth, class_names)
    return [{"image": name, **row} for row in rows]


def _row(
    kind: str,
    class_name: str,
    box: Num[np.ndarray, "4"],
    levels: LevelAssignment,
    index: int,
    fate: str,
) -> Row:
    """Return the row of one box.

    box       (y1, x1, y2, x2), pixels of the original image
    levels    where the box has the row `index`, in the only image
    """
    y1, x1, y2, x2 = (int(value) for value in box)
    return {
        "kind": kind,
        "class": class_name,
        "y1": y1,
        "x1": x1,
        "y2": y2,
        "x2": x2,
        "side": float(levels.side[0, index]),
        "exact_level": float(levels.exact_level[0, index]),
        "level": int(levels.roi_level[0, index]),
        "to_boundary": float(levels.margin[0, index]),
        "fate": fate,
        "fate_row": None,
        "fate_iou": None,
    }


def _rois(trace: Trace) -> Iterator[Row]:
    """Yield the row of each ROI."""
    for row in roi_rows(trace):
        yield {"kind": "roi", **{key: value for key, value in row.items() if key in COLUMNS}}


def _detections(trace: Trace) -> Iterator[Row]:
    """Yield the row of each detection, with the level that its mask reads."""
    found = trace.instances
    for row, box, class_id in zip(
        found.detection[0], found.rois[0], found.class_ids[0], strict=True
    ):
        name = trace.config.class_name(int(class_id))
        yield _row("detection", name, box, trace.mask_levels, int(row), FateKind.DETECTION.value)


def _objects(trace: Trace, truth: GroundTruth, class_names: Sequence[str] | None) -> Iterator[Row]:
    """Yield the row of each object, with the level of an ROI that fits it, and its fate."""
    if not len(truth.boxes):
        return
    normalised = tf.constant(mold_boxes(truth.boxes, trace.image, 0), tf.float32)[tf.newaxis]
    molded_size = tf.constant(trace.image.molded_shape[0, :2], tf.float32)
    levels = assign_levels(normalised, molded_size, **level_settings(trace))
    for index, box in enumerate(truth.boxes):
        class_id = int(truth.class_ids[index])
        missed = why_missed(trace, box, class_id or None)
        fate = f"{missed.stage}: {missed.cause}" if missed.stage else "found"
        if class_names:
            name = class_names[index]
        else:
            name = trace.config.class_name(class_id) if class_id else "object"
        yield _row("object", name, box, levels, index, fate)
