"""Oracle: how much would be gained if one stage were perfect?

One stage after the other is replaced by the truth, everything behind it runs as it does. A large
gain says where the precision is lost; gains do not add up.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mrcnn_explained.boxes import box_refinement, iou
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.evaluation.evaluate import FOUND_IOU, Evaluation, Truth, evaluate
from mrcnn_explained.stages.image import mold_boxes, scale_image
from mrcnn_explained.stages.instances import original_boxes
from mrcnn_explained.stages.proposals import given_rois

Run = Callable[[MaskRCNN, Any, Truth], Trace]


class OracleRow(NamedTuple):
    """One stage replaced by the truth."""

    stage: str  # "as it is", or what was perfect
    found: Evaluation
    bbox_gain: float  # AP of boxes, over the detector as it is
    segm_gain: float  # AP of masks, likewise


def as_it_is(model: MaskRCNN, image: Any, truth: Truth) -> Trace:
    """The detector itself."""
    return model.trace(image)


def perfect_proposals(model: MaskRCNN, image: Any, truth: Truth) -> Trace:
    """The objects' own boxes as ROIs; where there is no object, none."""
    if len(truth.boxes):
        return model.trace(image, rois=truth.boxes)
    trace = model.trace(image)
    nothing = given_rois(tf.zeros([1, 1, 4]))
    return model.resume(trace._replace(proposals=nothing), after="proposals")


def perfect_classes(model: MaskRCNN, image: Any, truth: Truth) -> Trace:
    """Each ROI has the class of the object that it overlaps most, from IoU 0.5 on.

    All scores are 1 then, so NMS cannot tell a tight box from a loose one: the better ROI of the
    RPN stays. AP may even fall.
    """
    trace = model.trace(image)
    object_of, _ = _objects(trace, trace.proposals.rpn_rois[0], truth)
    classes = np.where(object_of >= 0, np.append(truth.class_ids, 0)[object_of], 0)
    one_hot = tf.one_hot(classes, model.config.num_classes)[tf.newaxis]
    head = trace.box_head._replace(mrcnn_class=one_hot)
    return model.resume(trace._replace(box_head=head), after="box_head")


def perfect_boxes(model: MaskRCNN, image: Any, truth: Truth) -> Trace:
    """The deltas of each ROI lead to the box of the object that it overlaps most."""
    trace = model.trace(image)
    rois = trace.proposals.rpn_rois[0]
    object_of, boxes = _objects(trace, rois, truth)
    rows = np.flatnonzero(object_of >= 0)
    deltas = trace.box_head.mrcnn_bbox.numpy().copy()
    if len(rows):
        right = box_refinement(tf.gather(rois, rows), tf.gather(boxes, object_of[rows]))
        deltas[0, rows] = (right / np.float32(model.config.bbox_std_dev)).numpy()[:, np.newaxis]
    head = trace.box_head._replace(mrcnn_bbox=tf.constant(deltas))
    return model.resume(trace._replace(box_head=head), after="box_head")


def perfect_masks(model: MaskRCNN, pixels: Any, truth: Truth) -> Trace:
    """Each detection has the mask of its object, in as many cells as the mask head has."""
    trace = model.trace(pixels)
    boxes = trace.detections.detections[0, :, :4]
    object_of, _ = _objects(trace, boxes, truth)
    image, masks = trace.image, trace.mask_head.class_mask.numpy().copy()
    pixels = original_boxes(
        boxes.numpy(), image.original_shape[0], image.molded_shape[0], image.window[0]
    )
    for row in np.flatnonzero((object_of >= 0) & trace.detections.valid[0].numpy()):
        y1, x1, y2, x2 = pixels[row]
        own = truth.masks[y1:y2, x1:x2, object_of[row]].astype(np.float64)
        if own.size:
            masks[0, row] = scale_image(own, masks.shape[2:])
    head = trace.mask_head._replace(class_mask=tf.constant(masks))
    return model.resume(trace._replace(mask_head=head), after="mask_head")


ORACLES: dict[str, Run] = {
    "as it is": as_it_is,
    "proposals": perfect_proposals,
    "classes": perfect_classes,
    "boxes": perfect_boxes,
    "masks": perfect_masks,
}


def oracle_report(
    model: MaskRCNN,
    dataset: AnyDataset,
    *,
    image_ids: Sequence[int] | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[OracleRow, ...]:
    """Evaluate the detector as it is, then with one stage after the other made perfect.

    Arguments and errors are those of `evaluate`; crowds are no truth. `progress` gets the stage,
    the images done and their number.
    """
    rows: list[OracleRow] = []
    for stage, run in ORACLES.items():
        found = evaluate(
            model,
            dataset,
            image_ids=image_ids,
            run=run,
            progress=lambda done, total, stage=stage: progress(stage, done, total),
        )
        first = rows[0].found if rows else found
        gains = (getattr(found, k)["AP"] - getattr(first, k)["AP"] for k in ("bbox", "segm"))
        rows.append(OracleRow(stage, found, *gains))
    return tuple(rows)


def _objects(trace, boxes, truth):
    """For each box (normalised) the object that it overlaps most, -1 below IoU 0.5; their boxes."""
    molded = tf.constant(mold_boxes(truth.boxes, trace.image, 0), tf.float32)
    if not len(truth.boxes):
        return np.full(len(boxes), -1), molded
    overlap = iou(boxes, molded).numpy()
    best = overlap.argmax(axis=1)
    return np.where(overlap.max(axis=1) >= FOUND_IOU, best, -1), molded
