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
from mrcnn_explained.stages.nms import VERDICT_TYPES, NmsVerdict, nms_keep, nms_verdict


class Detections(NamedTuple):
    """Every ROI with the answer of each filter, then the detections, best score first."""

    class_ids: Annotated[
        Int32[tf.Tensor, "B N"], "most probable class of each ROI; 0 is background"
    ]
    class_scores: Annotated[Float32[tf.Tensor, "B N"], "probability of that class"]
    deltas_specific: Annotated[
        Float32[tf.Tensor, "B N 4"],
        "deltas (dy, dx, dh, dw) for that class, in standard deviations: not yet multiplied by "
        "them",
    ]
    refined_rois: Annotated[Float32[tf.Tensor, "B N 4"], "ROIs after those deltas, normalised"]
    refined_rois_clipped: Annotated[
        Float32[tf.Tensor, "B N 4"], "refined ROIs clipped to the window of the image, normalised"
    ]
    is_foreground: Annotated[Bool[tf.Tensor, "B N"], "filter 1: the class is not background"]
    is_confident: Annotated[Bool[tf.Tensor, "B N"], "filter 2: the score is min_confidence or more"]
    nms: Annotated[
        NmsVerdict, "filter 3: verdict of NMS within each class on ROIs that passed 1 and 2"
    ]
    survives_nms: Annotated[Bool[tf.Tensor, "B N"], "True for ROIs that passed filters 1 to 3"]
    kept: Annotated[Bool[tf.Tensor, "B N"], "filter 4: True for the D best of them"]
    detection_roi: Annotated[
        Int32[tf.Tensor, "B D"], "ROI that became each detection; -1 for padding"
    ]
    detections: Annotated[
        Float32[tf.Tensor, "B D 6"],
        "rows y1 x1 y2 x2 class score, best first, then rows of zeros; boxes normalised",
    ]
    valid: Annotated[Bool[tf.Tensor, "B D"], "True for detections, False for zero-padded rows"]

    @property
    def detection_boxes(self) -> Float32[tf.Tensor, "B D 4"]:
        """Columns 0 to 3 of `detections`: (y1, x1, y2, x2), normalised."""
        return self.detections[..., :4]

    @property
    def detection_class_ids(self) -> Int32[tf.Tensor, "B D"]:
        """Column 4 of `detections` as whole numbers."""
        return tf.cast(self.detections[..., 4], tf.int32)

    @property
    def detection_scores(self) -> Float32[tf.Tensor, "B D"]:
        """Column 5 of `detections`: probability of the class."""
        return self.detections[..., 5]


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

    rois              normalised
    window            part of the molded image that holds the original, normalised
    min_confidence    lowest probability that passes; 0 lets every ROI pass
    nms_threshold     IoU with a kept box of the same class above which an ROI is suppressed
    max_instances     D: detections to return, and how many NMS keeps per class
    std_dev           standard deviations of the deltas: the box head predicts deltas divided
                      by these, so they are multiplied back

    Where implementations differ: only the most probable class of an ROI can become a
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

    def keep_in_image(image: tuple[tf.Tensor, ...]) -> Bool[tf.Tensor, "N"]:
        boxes, scores, candidates, classes = image
        return _nms_per_class(boxes, scores, candidates, classes, nms_threshold, max_instances)

    def explain_image(image: tuple[tf.Tensor, ...]) -> NmsVerdict:
        boxes, scores, candidates, kept, classes = image
        return nms_verdict(
            boxes,
            scores,
            candidates,
            kept,
            threshold=nms_threshold,
            limit=max_instances,
            groups=classes,
        )

    survives = tf.map_fn(
        keep_in_image,
        (clipped, class_scores, candidates, class_ids),
        fn_output_signature=tf.TensorSpec([rois.shape[1]], tf.bool),
    )
    verdict = tf.map_fn(
        explain_image,
        (clipped, class_scores, candidates, _rows_of(survives), class_ids),
        fn_output_signature=VERDICT_TYPES,
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


def _nms_per_class(
    boxes: Float32[tf.Tensor, "N 4"],
    scores: Float32[tf.Tensor, "N"],
    candidates: Bool[tf.Tensor, "N"],
    class_ids: Int32[tf.Tensor, "N"],
    threshold: float,
    limit: int,
) -> Bool[tf.Tensor, "N"]:
    """Run NMS within each class that has a candidate; mark the ROIs of one image that are kept."""
    classes, _ = tf.unique(tf.boolean_mask(class_ids, candidates))

    def keep_in_class(c: Int32[tf.Tensor, ""]) -> Int32[tf.Tensor, "limit"]:
        of_class = candidates & (class_ids == c)
        return nms_keep(boxes, scores, of_class, threshold=threshold, limit=limit)

    keep = tf.map_fn(keep_in_class, classes, fn_output_signature=tf.TensorSpec([limit], tf.int32))
    return _marked(tf.reshape(keep, [1, -1]), tf.size(scores))[0]


def _marked(rows: Int32[tf.Tensor, "B n"], count: Int32[tf.Tensor, ""]) -> Bool[tf.Tensor, "B N"]:
    """Return a mask of `count` columns, True at the given rows; -1 is padding."""
    return tf.reduce_any(tf.one_hot(rows, count, on_value=True, off_value=False), axis=1)


def _rows_of(mask: Bool[tf.Tensor, "B N"]) -> Int32[tf.Tensor, "B N"]:
    """Return the index of each row where a mask is True, and -1 for the others."""
    return tf.where(mask, tf.range(tf.shape(mask)[1])[tf.newaxis], -1)


def _top_rows(
    scores: Float32[tf.Tensor, "B N"], mask: Bool[tf.Tensor, "B N"], count: int
) -> Int32[tf.Tensor, "B count"]:
    """Return the rows of highest score within a mask, best first, padded with -1."""
    best = min(count, scores.shape[1])
    values, rows = tf.math.top_k(tf.where(mask, scores, -1.0), k=best)
    rows = tf.where(values >= 0, rows, -1)
    return tf.pad(rows, [[0, 0], [0, count - best]], constant_values=-1)
