"""Detections: from scored ROIs to the objects that the detector reports.

Paper    Faster R-CNN (arXiv:1506.01497), section 3.3; Matterport's DetectionLayer
Input    rpn_rois of proposals.py, mrcnn_class and mrcnn_bbox of box_head.py
Output   read by levels.py again, for the masks, and by instances.py
Shapes   B images, N ROIs, C classes, D detections; boxes are (y1, x1, y2, x2), normalised
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import apply_box_deltas, clip_boxes
from mrcnn_explained.stages.nms import NmsVerdict, nms_keep, nms_verdict


class Detections(NamedTuple):
    """Every ROI with each filter's answer, then the detections, best first."""

    class_ids: Annotated[Int32[tf.Tensor, "B N"], "the most probable class; 0 is background"]
    class_scores: Annotated[Float32[tf.Tensor, "B N"], "its probability"]
    deltas_specific: Annotated[Float32[tf.Tensor, "B N 4"], "its dy dx dh dw, in std-devs"]
    refined_rois: Annotated[Float32[tf.Tensor, "B N 4"], "after those deltas"]
    refined_rois_clipped: Annotated[Float32[tf.Tensor, "B N 4"], "inside the image's window"]
    is_foreground: Annotated[Bool[tf.Tensor, "B N"], "filter 1: not background"]
    is_confident: Annotated[Bool[tf.Tensor, "B N"], "filter 2: score >= min_confidence"]
    nms: Annotated[
        NmsVerdict, "filter 3, among ROIs of one class that passed 1 and 2; rows are ROIs"
    ]
    survives_nms: Annotated[Bool[tf.Tensor, "B N"], "passed filters 1 to 3"]
    kept: Annotated[Bool[tf.Tensor, "B N"], "filter 4: among the D best"]
    detection_roi: Annotated[Int32[tf.Tensor, "B D"], "the ROI of each detection; -1: none"]
    detections: Annotated[
        Float32[tf.Tensor, "B D 6"], "y1 x1 y2 x2 class score; zero rows at the end"
    ]
    valid: Annotated[Bool[tf.Tensor, "B D"], "False for zero-padded rows"]


def select_detections(
    rois: Float32[tf.Tensor, "B N 4"],
    mrcnn_class: Float32[tf.Tensor, "B N C"],
    mrcnn_bbox: Float32[tf.Tensor, "B N C 4"],
    window: Float32[tf.Tensor, "B 4"],
    *,
    min_confidence: float = 0.7,
    nms_threshold: float = 0.3,
    max_instances: int = 100,
    std_dev: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
) -> Detections:
    """Give each ROI its class and box, then filter: background, score, NMS per class, top D.

    window            part of the molded image that holds the original, normalised
    min_confidence    probability of the chosen class; 0 lets all of them pass
    nms_threshold     IoU with a better box of the same class above which a ROI goes

    Where implementations differ: only the most probable class of a ROI can become a
    detection (the papers' code tries every class above 0.05: deviation 48), and the
    thresholds are 0.7 and 0.3 instead of 0.05 and 0.5 (49).
    """
    class_ids = tf.argmax(mrcnn_class, axis=-1, output_type=tf.int32)
    class_scores = tf.gather(mrcnn_class, class_ids, batch_dims=2)
    deltas = tf.gather(mrcnn_bbox, class_ids, batch_dims=2)
    refined = apply_box_deltas(rois, deltas * tf.constant(std_dev, tf.float32))
    clipped = clip_boxes(refined, window[:, tf.newaxis])

    is_foreground = class_ids > 0
    is_confident = class_scores >= min_confidence
    candidates = is_foreground & is_confident

    setting = {"threshold": nms_threshold, "limit": max_instances}
    survives = tf.map_fn(
        lambda image: _nms_per_class(*image, **setting),
        (clipped, class_scores, candidates, class_ids),
        fn_output_signature=tf.TensorSpec([rois.shape[1]], tf.bool),
    )
    verdict = tf.map_fn(
        lambda image: nms_verdict(*image[:4], groups=image[4], **setting),
        (clipped, class_scores, candidates, _rows_of(survives), class_ids),
        fn_output_signature=NmsVerdict(tf.int32, tf.int32, tf.float32, tf.bool),
    )
    detection_roi = _top_rows(class_scores, survives, max_instances)
    valid = detection_roi >= 0
    rows = tf.concat(
        [clipped, tf.cast(class_ids, tf.float32)[..., None], class_scores[..., None]], axis=-1
    )
    found = tf.gather(rows, tf.maximum(detection_roi, 0), batch_dims=1)
    return Detections(
        class_ids=class_ids,
        class_scores=class_scores,
        deltas_specific=deltas,
        refined_rois=refined,
        refined_rois_clipped=clipped,
        is_foreground=is_foreground,
        is_confident=is_confident,
        nms=verdict,
        survives_nms=survives,
        kept=_marked(detection_roi, tf.shape(survives)[1]),
        detection_roi=detection_roi,
        detections=tf.where(valid[..., None], found, 0.0),
        valid=valid,
    )


def _nms_per_class(boxes, scores, candidates, class_ids, *, threshold, limit):
    """NMS within each class that has a candidate: a mask over the ROIs of one image."""
    classes, _ = tf.unique(tf.boolean_mask(class_ids, candidates))
    keep = tf.map_fn(
        lambda c: nms_keep(
            boxes, scores, candidates & (class_ids == c), threshold=threshold, limit=limit
        ),
        classes,
        fn_output_signature=tf.TensorSpec([limit], tf.int32),
    )
    return _marked(tf.reshape(keep, [1, -1]), tf.size(scores))[0]


def _marked(rows, count):
    """A mask [B, count] that is True at the given rows [B, …]; -1 is padding."""
    return tf.reduce_any(tf.one_hot(rows, count, on_value=True, off_value=False), axis=1)


def _rows_of(mask):
    """The rows where a mask [B, N] is True, the others as -1: Int32 [B, N]."""
    return tf.where(mask, tf.range(tf.shape(mask)[1])[tf.newaxis], -1)


def _top_rows(scores, mask, count):
    """The rows [B, count] of the best scores within the mask, best first, padded with -1."""
    best = min(count, scores.shape[1])
    values, rows = tf.math.top_k(tf.where(mask, scores, -1.0), k=best)
    return tf.pad(tf.where(values >= 0, rows, -1), [[0, 0], [0, count - best]], constant_values=-1)
