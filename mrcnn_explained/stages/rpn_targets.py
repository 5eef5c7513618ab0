"""RPN targets: for every anchor, should it say "object", and how should it move its box?

Paper    Faster R-CNN (arXiv:1506.01497), section 3.1.2; Matterport's build_rpn_targets
Input    anchors of anchors.py, the objects of the training images
Output   rpn_match and rpn_bbox are read by losses.py
Shapes   B images, A anchors, G objects, T anchors to train on; boxes (y1, x1, y2, x2), pixels
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import box_refinement, iou
from mrcnn_explained.stages.sampling import count, first, marked, take

POSITIVE_IOU = 0.7  # an anchor with this overlap finds the object
NEGATIVE_IOU = 0.3  # one below this finds none; in between it is left alone
CROWD_IOU = 0.001  # an anchor that overlaps a crowd this much cannot be called background


class RpnTargets(NamedTuple):
    """Every anchor with its best object, its match before and after sampling, its target."""

    anchor_iou_max: Annotated[
        Float32[tf.Tensor, "B A"], "best IoU with an object; -1: there is none"
    ]
    anchor_iou_argmax: Annotated[Int32[tf.Tensor, "B A"], "the object of that IoU"]
    gt_iou_max: Annotated[
        Float32[tf.Tensor, "B G"], "best IoU of each object with an anchor; -1: none"
    ]
    forced: Annotated[Bool[tf.Tensor, "B A"], "is the best anchor of an object, however poor"]
    crowd_iou_max: Annotated[Float32[tf.Tensor, "B A"], "best IoU with a crowd; -1: there is none"]
    match_before_sampling: Annotated[
        Int32[tf.Tensor, "B A"], "1 positive, -1 negative, 0 left alone"
    ]
    rpn_match: Annotated[
        Int32[tf.Tensor, "B A"], "the same for the anchors that were drawn; 0 for others"
    ]
    matched_gt: Annotated[
        Int32[tf.Tensor, "B A"], "the object that a drawn positive should find; -1: none"
    ]
    positive_anchors: Annotated[
        Int32[tf.Tensor, "B T"], "the drawn positives in order; -1: padding"
    ]
    rpn_bbox: Annotated[
        Float32[tf.Tensor, "B T 4"], "their dy dx dh dw, in std-devs; zero rows behind"
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
    """Match anchors with objects and draw those that are trained on.

    gt_class_ids      0 is padding, a crowd is negative
    draws             one number an anchor: the lowest are drawn (`sampling.lots`)
    total             T: anchors to draw, positives and negatives together
    positive_share    of T, at most
    forced_box        which object the best anchor of an object is trained to find, when it
                      overlaps another one more: "best" takes that other one, as the explained
                      code does (deviation 28); "forcing" the object whose best anchor it is

    Where implementations differ: the targets are made of boxes in pixels, but decoded on
    normalised ones (27), and divided by std_dev (26); anchors beyond the image take part
    (25). An object of no area would force every anchor: keep such boxes out.
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
    """Give a batch without any object one row of padding: a maximum needs something."""
    missing = tf.cast(tf.shape(gt_class_ids)[1] == 0, tf.int32)
    return (
        tf.pad(gt_class_ids, [[0, 0], [0, missing]]),
        tf.pad(gt_boxes, [[0, 0], [0, missing], [0, 0]]),
    )


def _signs(positive, negative):
    return tf.cast(positive, tf.int32) - tf.cast(negative, tf.int32)
