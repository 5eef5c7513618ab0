"""Oracle: how much precision would be gained if one stage were perfect?

One stage after the other is replaced by the truth, and everything downstream of it runs as usual.
A large gain shows where precision is lost; gains do not add up.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Int64, UInt8

from mrcnn_explained.boxes import box_refinement, iou
from mrcnn_explained.data.dataset import AnyDataset
from mrcnn_explained.data.ground_truth import GroundTruth
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.evaluation.coco import FOUND_IOU
from mrcnn_explained.evaluation.evaluate import Evaluation, Run, evaluate, trace_of
from mrcnn_explained.stages.image import scale_image
from mrcnn_explained.stages.instances import original_boxes
from mrcnn_explained.stages.molded_boxes import mold_boxes
from mrcnn_explained.stages.proposals import given_rois

Image = UInt8[np.ndarray, "h w 3"]


class OracleRow(NamedTuple):
    """The evaluation of a detector with one stage replaced by the truth."""

    stage: str  # what was perfect: a key of ORACLES
    found: Evaluation
    bbox_gain: float  # AP of boxes minus that of the detector as it is
    segm_gain: float  # AP of masks, likewise


def perfect_proposals(model: MaskRCNN, image: Image, truth: GroundTruth) -> Trace:
    """Use the objects' own boxes as ROIs; no ROI if there is no object."""
    if len(truth.boxes):
        return model.trace(image, rois=truth.boxes)
    trace = model.trace(image)
    nothing = given_rois(tf.zeros([1, 1, 4]))
    return model.resume(trace._replace(proposals=nothing), after="proposals")


def perfect_classes(model: MaskRCNN, image: Image, truth: GroundTruth) -> Trace:
    """Give each ROI the class of the object that it overlaps most, with IoU 0.5 or more.

    All scores are 1 then, so NMS cannot tell a tight box from a loose one: the better ROI of the
    RPN stays. AP can even fall.
    """
    trace = model.trace(image)
    object_of, _ = _nearest_objects(trace, trace.proposals.rpn_rois[0], truth)
    class_ids = np.append(truth.class_ids, 0)  # the last one, at -1: background
    classes = class_ids[object_of]
    one_hot = tf.one_hot(classes, model.config.num_classes)[tf.newaxis]
    head = trace.box_head._replace(mrcnn_class=one_hot)
    return model.resume(trace._replace(box_head=head), after="box_head")


def perfect_boxes(model: MaskRCNN, image: Image, truth: GroundTruth) -> Trace:
    """Give each ROI the deltas that lead to the box of the object that it overlaps most."""
    trace = model.trace(image)
    rois = trace.proposals.rpn_rois[0]
    object_of, boxes = _nearest_objects(trace, rois, truth)
    rows = np.flatnonzero(object_of >= 0)
    deltas = trace.box_head.mrcnn_bbox.numpy().copy()
    if len(rows):
        exact = box_refinement(tf.gather(rois, rows), tf.gather(boxes, object_of[rows]))
        scaled = exact / np.array(model.config.bbox_std_dev, np.float32)
        deltas[0, rows] = scaled.numpy()[:, np.newaxis]  # the same for every class
    head = trace.box_head._replace(mrcnn_bbox=tf.constant(deltas))
    return model.resume(trace._replace(box_head=head), after="box_head")


def perfect_masks(model: MaskRCNN, image: Image, truth: GroundTruth) -> Trace:
    """Give each detection the mask of its object, with as many cells as the mask head has."""
    trace = model.trace(image)
    boxes = trace.detections.detections[0, :, :4]
    object_of, _ = _nearest_objects(trace, boxes, truth)
    molded, masks = trace.image, trace.mask_head.class_mask.numpy().copy()
    corners = original_boxes(
        boxes.numpy(), molded.original_shape[0], molded.molded_shape[0], molded.window[0]
    )
    has_mask = np.append(truth.has_mask, False)  # the last one, at -1: no object
    has_object = has_mask[object_of] & trace.detections.valid[0].numpy()
    for row in np.flatnonzero(has_object):
        y1, x1, y2, x2 = corners[row]
        object_mask = truth.masks[y1:y2, x1:x2, object_of[row]].astype(np.float64)
        if object_mask.size:
            masks[0, row] = scale_image(object_mask, masks.shape[2:])
    head = trace.mask_head._replace(class_mask=tf.constant(masks))
    return model.resume(trace._replace(mask_head=head), after="mask_head")


#: What is perfect → the function that makes such a trace.
ORACLES: dict[str, Run] = {
    "as it is": trace_of,
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

    progress    called before each image: what is perfect, images done, all

    The other arguments and the errors are those of `evaluate`. Crowds are not objects.
    """
    rows: list[OracleRow] = []
    for stage, run in ORACLES.items():
        found = evaluate(
            model, dataset, image_ids=image_ids, run=run, progress=partial(progress, stage)
        )
        as_it_is = rows[0].found if rows else found
        bbox_gain = found.bbox["AP"] - as_it_is.bbox["AP"]
        segm_gain = found.segm["AP"] - as_it_is.segm["AP"]
        rows.append(OracleRow(stage, found, bbox_gain, segm_gain))
    return tuple(rows)


def _nearest_objects(
    trace: Trace, boxes: Float32[tf.Tensor, "n 4"], truth: GroundTruth
) -> tuple[Int64[np.ndarray, "n"], Float32[tf.Tensor, "g 4"]]:
    """Return the object that each box overlaps most, -1 below IoU 0.5, and the objects' boxes.

    All boxes are normalised to the molded image.
    """
    objects = tf.constant(mold_boxes(truth.boxes, trace.image, 0), tf.float32)
    if not len(truth.boxes):
        return np.full(len(boxes), -1), objects
    overlap = iou(boxes, objects).numpy()
    best = overlap.argmax(axis=1)
    return np.where(overlap.max(axis=1) >= FOUND_IOU, best, -1), objects
