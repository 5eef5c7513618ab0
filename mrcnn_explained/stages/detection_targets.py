"""Detection targets: which ROIs train the heads, and with which class, box and mask?

Paper    Fast R-CNN (arXiv:1504.08083), section 2.3; Mask R-CNN (arXiv:1703.06870), section 3.1;
         Matterport's DetectionTargetLayer
Input    rpn_rois of proposals.py, the objects of the training images
Output   rois is read by levels.py, the targets by losses.py
Shapes   B images, N ROIs, Q candidates (ROIs, and objects' boxes with add_objects), G
         ground-truth objects that the heads are trained on, T sampled ROIs, M side of a mask
         target, mh x mw ground-truth masks; boxes are (y1, x1, y2, x2), normalised
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32, Num

from mrcnn_explained.boxes import box_refinement, iou
from mrcnn_explained.stages.rpn_targets import CROWD_IOU, at_least_one
from mrcnn_explained.stages.sampling import count, first, take

POSITIVE_IOU = 0.5  # from this IoU with an object on, an ROI is positive


class DetectionTargets(NamedTuple):
    """Every candidate with its best object, then the sampled ROIs: positive, negative, padding."""

    candidates: Annotated[
        Float32[tf.Tensor, "B Q 4"],
        "boxes to sample from: the ROIs, then the objects' boxes with add_objects; normalised",
    ]
    overlaps: Annotated[
        Float32[tf.Tensor, "B Q G"],
        "IoU of each candidate with each object; -1 for crowds and for padding",
    ]
    crowd_iou_max: Annotated[
        Float32[tf.Tensor, "B Q"], "highest IoU of each candidate with a crowd; -1 without crowds"
    ]
    roi_iou_max: Annotated[
        Float32[tf.Tensor, "B Q"], "highest IoU of each candidate with an object; -1 without one"
    ]
    is_positive: Annotated[
        Bool[tf.Tensor, "B Q"], "True for an IoU of 0.5 or more with an object, before sampling"
    ]
    is_negative: Annotated[
        Bool[tf.Tensor, "B Q"], "True for a lower IoU and no overlap with a crowd, before sampling"
    ]
    roi_ix: Annotated[Int32[tf.Tensor, "B T"], "candidate of each sampled ROI; -1 for padding"]
    positive: Annotated[
        Bool[tf.Tensor, "B T"], "True for sampled ROIs that show an object; they come first"
    ]
    negative: Annotated[
        Bool[tf.Tensor, "B T"], "True for sampled ROIs that show background; False for padding"
    ]
    roi_gt_box_assignment: Annotated[
        Int32[tf.Tensor, "B T"], "object of each positive ROI; -1 for the others"
    ]
    rois: Annotated[Float32[tf.Tensor, "B T 4"], "sampled ROIs, then rows of zeros; normalised"]
    target_class_ids: Annotated[
        Int32[tf.Tensor, "B T"], "class of each positive ROI's object; 0 for the others"
    ]
    target_bbox: Annotated[
        Float32[tf.Tensor, "B T 4"],
        "target deltas (dy, dx, dh, dw) of each positive ROI in standard deviations; 0 for the "
        "others",
    ]
    has_mask: Annotated[
        Bool[tf.Tensor, "B T"],
        "True for positive ROIs whose object has a mask: those that train the mask head",
    ]
    mask_boxes: Annotated[
        Float32[tf.Tensor, "B T 4"],
        "part of the ground-truth mask that each ROI with `has_mask` covers, normalised to that "
        "mask",
    ]
    target_mask: Annotated[
        Float32[tf.Tensor, "B T M M"],
        "target mask of each ROI with `has_mask`, 1 on the object and 0 elsewhere; 0 for other "
        "ROIs",
    ]


def detection_targets(
    rois: Float32[tf.Tensor, "B N 4"],
    gt_class_ids: Int32[tf.Tensor, "B G"],
    gt_boxes: Float32[tf.Tensor, "B G 4"],
    gt_masks: Float32[tf.Tensor, "B mh mw G"],
    draws: Float32[tf.Tensor, "B Q"],
    gt_has_mask: Bool[tf.Tensor, "B G"] | None = None,
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
    """Sample ROIs by their overlap with objects; make class, box and mask targets.

    rois              normalised; rows of zeros are padding
    gt_class_ids      class of each object; negative for a crowd, 0 for padding
    gt_boxes          normalised
    gt_masks          masks of the whole image, or mini-masks: of the object's box alone
    draws             one number per candidate: the lowest are sampled (`sampling.random_draws`)
    gt_has_mask       False for objects with a box only: they train class and box, not the mask.
                      None: every object has a mask
    total             T: ROIs to sample
    positive_ratio    highest share of positive ROIs in T
    std_dev           standard deviations by which the target deltas are divided
    mask_shape        (M, M) of a mask target
    mini_masks        True if gt_masks are mini-masks
    add_objects       the objects' own boxes are candidates as well, as in Fast R-CNN's code;
                      Matterport's code leaves them out (deviation 37)
    fill_negatives    sample negatives up to T, as the paper does; Matterport's code samples
                      (1 / ratio - 1) per positive, and so none without a positive (35)
    stop_gradient     keep the box loss out of the RPN. In Matterport's code its gradient
                      reaches rpn_bbox through target_bbox, which is computed from the ROIs

    Where implementations differ: ROIs that overlap no object are negatives (38); masks are
    resampled twice, by way of mini-masks (41).
    """
    rois = tf.stop_gradient(rois) if stop_gradient else rois
    if gt_has_mask is None:
        gt_has_mask = tf.ones_like(gt_class_ids, tf.bool)
    gt_has_mask = tf.pad(gt_has_mask, [[0, 0], [0, 1]])  # one row at least
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

    roi_ix, positive = _sample(
        is_positive, is_negative, draws, total, positive_ratio, fill_negatives
    )
    best = tf.argmax(overlaps, axis=2, output_type=tf.int32)
    assignment = tf.where(positive, _rows(best, roi_ix), -1)
    chosen = tf.where((roi_ix >= 0)[..., tf.newaxis], _rows(rois, roi_ix), 0.0)

    gt = tf.maximum(assignment, 0)
    boxes = tf.where(positive[..., tf.newaxis], tf.gather(gt_boxes, gt, batch_dims=1), chosen)
    mask_boxes = _within(chosen, boxes) if mini_masks else chosen
    deltas = box_refinement(chosen, boxes) / tf.constant(std_dev, tf.float32)
    has_mask = positive & tf.gather(gt_has_mask, gt, batch_dims=1)
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
        has_mask=has_mask,
        mask_boxes=tf.where(has_mask[..., tf.newaxis], mask_boxes, 0.0),
        target_mask=tf.where(has_mask[..., tf.newaxis, tf.newaxis], masks, 0.0),
    )


def _sample(
    is_positive: Bool[tf.Tensor, "B Q"],
    is_negative: Bool[tf.Tensor, "B Q"],
    draws: Float32[tf.Tensor, "B Q"],
    total: int,
    positive_ratio: float,
    fill_negatives: bool,
) -> tuple[Int32[tf.Tensor, "B T"], Bool[tf.Tensor, "B T"]]:
    """Sample candidates, positives first; return their rows and which of them are positive."""
    positives = take(is_positive, draws, int(total * positive_ratio))
    n = count(positives)
    by_ratio = tf.cast((1.0 / positive_ratio) * tf.cast(n, tf.float32), tf.int32)
    places = total if fill_negatives else by_ratio  # for positives and negatives together
    negatives = first(take(is_negative, draws, total), places - n)
    rows = _padding_last(tf.concat([positives, negatives], axis=1))[:, :total]
    return rows, tf.range(total) < n[:, tf.newaxis]


def _padding_last(rows: Int32[tf.Tensor, "B n"]) -> Int32[tf.Tensor, "B n"]:
    """Move the padding, -1, to the end and keep the order of the other rows."""
    order = tf.argsort(tf.cast(rows < 0, tf.int32), axis=1, stable=True)
    return tf.gather(rows, order, batch_dims=1)


def _rows(values: Num[tf.Tensor, "B Q *v"], rows: Int32[tf.Tensor, "B T"]) -> tf.Tensor:
    """Gather rows along the second axis: [B, T, *v]. Where the row is -1, values are arbitrary."""
    other_axes = [[0, 0]] * (values.shape.rank - 2)
    one_more = tf.pad(values, [[0, 0], [0, 1], *other_axes])  # there may be no row at all
    return tf.gather(one_more, tf.maximum(rows, 0), batch_dims=1)


def _within(
    boxes: Float32[tf.Tensor, "B T 4"], frames: Float32[tf.Tensor, "B T 4"]
) -> Float32[tf.Tensor, "B T 4"]:
    """Normalise each box to its frame: (0, 0, 1, 1) is the frame itself."""
    corner, size = frames[..., :2], frames[..., 2:] - frames[..., :2]
    shift, scale = tf.concat([corner, corner], -1), tf.concat([size, size], -1)
    return tf.math.divide_no_nan(boxes - shift, scale)


def _crop_masks(
    gt_masks: Float32[tf.Tensor, "B mh mw G"],
    gt: Int32[tf.Tensor, "B T"],
    boxes: Float32[tf.Tensor, "B T 4"],
    mask_shape: tuple[int, int],
) -> Float32[tf.Tensor, "B T M M"]:
    """Crop each ROI from the mask of its object; round to 0 and 1."""
    masks = tf.transpose(tf.cast(gt_masks, tf.float32), [0, 3, 1, 2])
    b, g = tf.unstack(tf.shape(masks)[:2])
    masks = tf.pad(masks, [[0, 0], [0, tf.cast(g == 0, tf.int32)], [0, 0], [0, 0]])
    all_masks = tf.reshape(masks, tf.concat([[-1], tf.shape(masks)[2:], [1]], axis=0))
    index = gt + tf.maximum(g, 1) * tf.range(b)[:, tf.newaxis]
    crops = tf.image.crop_and_resize(
        all_masks, tf.reshape(boxes, [-1, 4]), tf.reshape(index, [-1]), mask_shape
    )
    shape = tf.concat([tf.shape(gt), mask_shape], axis=0)
    return tf.round(tf.reshape(tf.stop_gradient(crops), shape))
