"""Detection targets: which ROIs train the heads, and what should they say?

Paper    Fast R-CNN (arXiv:1504.08083), section 2.3; Mask R-CNN (arXiv:1703.06870), section 3.1;
         Matterport's DetectionTargetLayer
Input    rpn_rois of proposals.py, the objects of the training images
Output   rois is read by levels.py, the targets by losses.py
Shapes   B images, P ROIs to choose from, G objects, T ROIs chosen; M the side of a mask
         target, mh and mw the sides of the masks that came; boxes (y1, x1, y2, x2), normalised
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import box_refinement, iou
from mrcnn_explained.stages.rpn_targets import CROWD_IOU, at_least_one
from mrcnn_explained.stages.sampling import count, first, take

POSITIVE_IOU = 0.5  # a ROI with this overlap shows the object


class DetectionTargets(NamedTuple):
    """Every ROI with its best object, then the chosen ones: positives, negatives, padding."""

    candidates: Annotated[
        Float32[tf.Tensor, "B P 4"], "the ROIs, then the objects' boxes where asked for"
    ]
    overlaps: Annotated[Float32[tf.Tensor, "B P G"], "IoU; -1: a crowd, or padding on either side"]
    crowd_iou_max: Annotated[Float32[tf.Tensor, "B P"], "best IoU with a crowd; -1: there is none"]
    roi_iou_max: Annotated[Float32[tf.Tensor, "B P"], "best IoU with an object; -1: there is none"]
    is_positive: Annotated[Bool[tf.Tensor, "B P"], "before sampling: IoU of 0.5 or more"]
    is_negative: Annotated[Bool[tf.Tensor, "B P"], "before sampling: less, and clear of crowds"]
    roi_ix: Annotated[Int32[tf.Tensor, "B T"], "the candidate of each chosen ROI; -1: padding"]
    positive: Annotated[Bool[tf.Tensor, "B T"], "shows an object; first in each image"]
    negative: Annotated[Bool[tf.Tensor, "B T"], "shows background; padding is neither"]
    roi_gt_box_assignment: Annotated[
        Int32[tf.Tensor, "B T"], "the object of each positive; -1: none"
    ]
    rois: Annotated[Float32[tf.Tensor, "B T 4"], "the chosen ROIs; zero rows behind"]
    target_class_ids: Annotated[Int32[tf.Tensor, "B T"], "class of the object; 0 for all others"]
    target_bbox: Annotated[Float32[tf.Tensor, "B T 4"], "dy dx dh dw to the object, in std-devs"]
    mask_boxes: Annotated[
        Float32[tf.Tensor, "B T 4"], "the ROI within the mask that came, normalised to it"
    ]
    target_mask: Annotated[
        Float32[tf.Tensor, "B T M M"], "1 where the ROI shows the object; 0 for others"
    ]


def detection_targets(
    rois: Float32[tf.Tensor, "B N 4"],
    gt_class_ids: Int32[tf.Tensor, "B G"],
    gt_boxes: Float32[tf.Tensor, "B G 4"],
    gt_masks: Float32[tf.Tensor, "B mh mw G"],
    draws: Float32[tf.Tensor, "B P"],
    *,
    total: int = 200,
    positive_ratio: float = 0.33,
    std_dev: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
    mask_shape: tuple[int, int] = (28, 28),
    mini_masks: bool = True,
    add_objects: bool = False,
    fill_negatives: bool = False,
    stop_gradient: bool = False,
) -> DetectionTargets:
    """Choose ROIs by their overlap with objects; make class, box and mask targets.

    rois              zero rows are padding
    gt_class_ids      0 is padding, a crowd is negative
    gt_masks          of the whole image, or mini-masks: of the object's box alone
    draws             one number a candidate: the lowest are drawn (`sampling.lots`)
    total             T: ROIs to choose; positives are positive_ratio of them at most
    mini_masks        how gt_masks are to be read
    add_objects       the objects' own boxes are candidates too, as in Fast R-CNN's code;
                      Matterport's code leaves them out (deviation 37)
    fill_negatives    take negatives up to T, as the paper; Matterport's code takes
                      (1 / ratio - 1) for each positive and so none without one (35)
    stop_gradient     keep the box loss out of the RPN. In Matterport's code it leaks through
                      target_bbox, which is made of the ROIs, into rpn_bbox

    Where implementations differ: ROIs that overlap nothing are negatives, too (38); masks are
    resampled twice by way of mini-masks (41).
    """
    rois = tf.stop_gradient(rois) if stop_gradient else rois
    gt_class_ids, gt_boxes = at_least_one(gt_class_ids, gt_boxes)
    is_object = gt_class_ids > 0
    if add_objects:
        boxes = tf.where(is_object[..., tf.newaxis], gt_boxes, 0.0)
        rois = tf.concat([rois, boxes], axis=1)
    exists = tf.reduce_any(rois != 0, axis=2)

    overlaps = iou(rois, gt_boxes)
    crowds = exists[..., tf.newaxis] & (gt_class_ids < 0)[:, tf.newaxis]
    crowd_iou_max = tf.reduce_max(tf.where(crowds, overlaps, -1.0), axis=2)
    overlaps = tf.where(exists[..., tf.newaxis] & is_object[:, tf.newaxis], overlaps, -1.0)
    roi_iou_max = tf.reduce_max(overlaps, axis=2)
    is_positive = roi_iou_max >= POSITIVE_IOU
    is_negative = exists & ~is_positive & (crowd_iou_max < CROWD_IOU)

    roi_ix, positive = _draw(is_positive, is_negative, draws, total, positive_ratio, fill_negatives)
    best = tf.argmax(overlaps, axis=2, output_type=tf.int32)
    assignment = tf.where(positive, _rows(best, roi_ix), -1)
    chosen = tf.where((roi_ix >= 0)[..., tf.newaxis], _rows(rois, roi_ix), 0.0)

    gt = tf.maximum(assignment, 0)
    boxes = tf.where(positive[..., tf.newaxis], tf.gather(gt_boxes, gt, batch_dims=1), chosen)
    mask_boxes = _within(chosen, boxes) if mini_masks else chosen
    deltas = box_refinement(chosen, boxes) / tf.constant(std_dev, tf.float32)
    masks = _crop_masks(gt_masks, gt, mask_boxes, mask_shape)
    return DetectionTargets(
        candidates=rois,
        overlaps=overlaps,
        crowd_iou_max=crowd_iou_max,
        roi_iou_max=roi_iou_max,
        is_positive=is_positive,
        is_negative=is_negative,
        roi_ix=roi_ix,
        positive=positive,
        negative=(roi_ix >= 0) & ~positive,
        roi_gt_box_assignment=assignment,
        rois=chosen,
        target_class_ids=tf.where(positive, tf.gather(gt_class_ids, gt, batch_dims=1), 0),
        target_bbox=tf.where(positive[..., tf.newaxis], deltas, 0.0),
        mask_boxes=tf.where(positive[..., tf.newaxis], mask_boxes, 0.0),
        target_mask=tf.where(positive[..., tf.newaxis, tf.newaxis], masks, 0.0),
    )


def _draw(is_positive, is_negative, draws, total, positive_ratio, fill_negatives):
    """Draw rows of the candidates, [B, T], positives first; and say which are positive."""
    positives = take(is_positive, draws, int(total * positive_ratio))
    n = count(positives)
    ratio = tf.cast((1.0 / positive_ratio) * tf.cast(n, tf.float32), tf.int32)
    negatives = first(take(is_negative, draws, total), (total if fill_negatives else ratio) - n)
    rows = _padding_last(tf.concat([positives, negatives], axis=1))[:, :total]
    return rows, tf.range(total) < n[:, tf.newaxis]


def _padding_last(rows):
    """Move the padding, -1, behind the rows; their order stays."""
    order = tf.argsort(tf.cast(rows < 0, tf.int32), axis=1, stable=True)
    return tf.gather(rows, order, batch_dims=1)


def _rows(values, rows):
    """Gather along the second axis; where the row is -1, anything: there may be nothing."""
    one_more = tf.pad(values, [[0, 0], [0, 1], *([[0, 0]] * (values.shape.rank - 2))])
    return tf.gather(one_more, tf.maximum(rows, 0), batch_dims=1)


def _within(boxes, frames):
    """Boxes in units of their frames: (0, 0, 1, 1) is the frame itself."""
    corner, size = frames[..., :2], frames[..., 2:] - frames[..., :2]
    shift, scale = tf.concat([corner, corner], -1), tf.concat([size, size], -1)
    return tf.math.divide_no_nan(boxes - shift, scale)


def _crop_masks(gt_masks, gt, boxes, mask_shape):
    """Cut each ROI out of its object's mask, [B, T, M, M]; rounded back to 0 and 1."""
    masks = tf.transpose(tf.cast(gt_masks, tf.float32), [0, 3, 1, 2])
    b, g = tf.unstack(tf.shape(masks)[:2])
    masks = tf.pad(masks, [[0, 0], [0, tf.cast(g == 0, tf.int32)], [0, 0], [0, 0]])
    of_all = tf.reshape(masks, tf.concat([[-1], tf.shape(masks)[2:], [1]], axis=0))
    index = gt + tf.maximum(g, 1) * tf.range(b)[:, tf.newaxis]
    crops = tf.image.crop_and_resize(
        of_all, tf.reshape(boxes, [-1, 4]), tf.reshape(index, [-1]), mask_shape
    )
    shape = tf.concat([tf.shape(gt), mask_shape], axis=0)
    return tf.round(tf.reshape(tf.stop_gradient(crops), shape))
