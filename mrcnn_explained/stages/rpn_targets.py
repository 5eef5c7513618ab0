"""RPN targets: for every anchor, is it an object, background or ignored, and which deltas?

Paper    Faster R-CNN (arXiv:1506.01497), section 3.1.2; Matterport's build_rpn_targets
Input    anchors of anchors.py, the objects of the training images
Output   rpn_match and rpn_bbox are read by losses.py
Shapes   B images, A anchors, G ground-truth objects, T anchors to train on; boxes are
         (y1, x1, y2, x2), molded pixels
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import box_refinement, iou
from mrcnn_explained.stages.sampling import count, first, marked, take

POSITIVE_IOU = 0.7  # from this IoU with an object on, an anchor is positive
NEGATIVE_IOU = 0.3  # below this IoU with every object, it is negative; in between it is ignored
CROWD_IOU = 0.001  # from this IoU with a crowd on, an anchor is never negative


class RpnTargets(NamedTuple):
    """Every anchor with its best object, its match before and after sampling, and its target."""

    anchor_iou_max: Annotated[
        Float32[tf.Tensor, "B A"], "highest IoU of each anchor with an object; -1 without objects"
    ]
    anchor_iou_argmax: Annotated[Int32[tf.Tensor, "B A"], "object with which that IoU is reached"]
    gt_iou_max: Annotated[
        Float32[tf.Tensor, "B G"],
        "highest IoU of each object with an anchor; -1 for crowds and padding",
    ]
    forced: Annotated[
        Bool[tf.Tensor, "B A"],
        "True if the anchor is the best one of an object: it is positive at any IoU",
    ]
    crowd_iou_max: Annotated[
        Float32[tf.Tensor, "B A"], "highest IoU of each anchor with a crowd; -1 without crowds"
    ]
    match_before_sampling: Annotated[
        Int32[tf.Tensor, "B A"], "match of each anchor: 1 positive, -1 negative, 0 ignored"
    ]
    rpn_match: Annotated[
        Int32[tf.Tensor, "B A"], "match of each sampled anchor; 0 for anchors not sampled"
    ]
    matched_gt: Annotated[
        Int32[tf.Tensor, "B A"],
        "object whose box each sampled positive anchor is trained on; -1 for the others",
    ]
    positive_anchors: Annotated[
        Int32[tf.Tensor, "B T"], "sampled positive anchors in ascending order, padded with -1"
    ]
    rpn_bbox: Annotated[
        Float32[tf.Tensor, "B T 4"],
        "target deltas (dy, dx, dh, dw) of `positive_anchors` in standard deviations, then rows "
        "of zeros",
    ]


def rpn_targets(
    anchors: Float32[tf.Tensor, "A 4"],
    gt_class_ids: Int32[tf.Tensor, "B G"],
    gt_boxes: Float32[tf.Tensor, "B G 4"],
    draws: Float32[tf.Tensor, "B A"],
    *,
    total: int = 256,
    positive_share: float = 0.5,
    std_dev: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
    forced_box: Literal["best", "forcing"] = "best",
) -> RpnTargets:
    """Match anchors with objects and sample the anchors to train on.

    anchors           molded pixels
    gt_class_ids      class of each object; negative for a crowd, 0 for padding
    gt_boxes          molded pixels
    draws             one number per anchor: the lowest are sampled (`sampling.random_draws`)
    total             T: anchors to sample, positive and negative together
    positive_share    highest share of positive anchors in T
    std_dev           standard deviations by which the target deltas are divided
    forced_box        target of an anchor that is the best one of an object but overlaps
                      another object more. "best": the box of that other object, as in
                      Matterport's code (deviation 28). "forcing": the box of the object
                      whose best anchor it is

    Where implementations differ: targets are computed from boxes in pixels but decoded on
    normalised boxes (27), and divided by std_dev (26); anchors that reach outside the image
    take part (25). An object without area would make every anchor a forced one: leave out
    such boxes.

    Raises ValueError for another forced_box.
    """
    if forced_box not in ("best", "forcing"):
        raise ValueError(f"forced_box must be 'best' or 'forcing', not {forced_box!r}")
    gt_class_ids, gt_boxes = at_least_one(gt_class_ids, gt_boxes)
    overlaps = iou(anchors, gt_boxes)  # [B, A, G]
    with_objects = tf.where((gt_class_ids > 0)[:, tf.newaxis], overlaps, -1.0)
    crowd_iou_max = tf.reduce_max(
        tf.where((gt_class_ids < 0)[:, tf.newaxis], overlaps, -1.0), axis=2
    )
    anchor_iou_max = tf.reduce_max(with_objects, axis=2)
    anchor_iou_argmax = tf.argmax(with_objects, axis=2, output_type=tf.int32)
    gt_iou_max = tf.reduce_max(with_objects, axis=1)
    forces = (with_objects == gt_iou_max[:, tf.newaxis]) & (gt_class_ids > 0)[:, tf.newaxis]
    forced = tf.reduce_any(forces, axis=2)

    negative = (anchor_iou_max < NEGATIVE_IOU) & (crowd_iou_max < CROWD_IOU)
    positive = forced | (anchor_iou_max >= POSITIVE_IOU)
    negative &= ~positive

    places = int(total * positive_share)
    drawn = take(positive, draws, places)
    size = tf.shape(anchors)[0]
    is_positive = marked(drawn, size)
    is_negative = marked(first(take(negative, draws, total), total - count(drawn)), size)

    best = anchor_iou_argmax
    if forced_box == "forcing":
        best = tf.where(forced, tf.argmax(forces, axis=2, output_type=tf.int32), best)
    in_order = tf.sort(tf.where(drawn >= 0, drawn, size), axis=1)  # by anchor, padding last
    positive_anchors = tf.where(in_order < size, in_order, -1)
    positive_anchors = tf.pad(positive_anchors, [[0, 0], [0, total - places]], constant_values=-1)
    row = tf.maximum(positive_anchors, 0)
    target = tf.gather(gt_boxes, tf.gather(best, row, batch_dims=1), batch_dims=1)
    deltas = box_refinement(tf.gather(anchors, row), target) / tf.constant(std_dev, tf.float32)
    return RpnTargets(
        anchor_iou_max=anchor_iou_max,
        anchor_iou_argmax=anchor_iou_argmax,
        gt_iou_max=gt_iou_max,
        forced=forced,
        crowd_iou_max=crowd_iou_max,
        match_before_sampling=_signs(positive, negative),
        rpn_match=_signs(is_positive, is_negative),
        matched_gt=tf.where(is_positive, best, -1),
        positive_anchors=positive_anchors,
        rpn_bbox=tf.where((positive_anchors >= 0)[..., tf.newaxis], deltas, 0.0),
    )


def at_least_one(
    gt_class_ids: Int32[tf.Tensor, "B g"], gt_boxes: Float32[tf.Tensor, "B g 4"]
) -> tuple[Int32[tf.Tensor, "B G"], Float32[tf.Tensor, "B G 4"]]:
    """Add one row of padding to a batch without any object: a maximum needs one element."""
    missing = tf.cast(tf.shape(gt_class_ids)[1] == 0, tf.int32)
    return (
        tf.pad(gt_class_ids, [[0, 0], [0, missing]]),
        tf.pad(gt_boxes, [[0, 0], [0, missing], [0, 0]]),
    )


def _signs(positive: Bool[tf.Tensor, "B A"], negative: Bool[tf.Tensor, "B A"]) -> tf.Tensor:
    """Return 1 for positive, -1 for negative and 0 for other anchors: Int32 [B, A]."""
    return tf.cast(positive, tf.int32) - tf.cast(negative, tf.int32)
