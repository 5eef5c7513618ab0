"""Proposals: from scored anchors to the ROIs that the second stage classifies.

Paper    Faster R-CNN (arXiv:1506.01497), section 3.3; Matterport's ProposalLayer
Input    rpn_class and rpn_bbox of rpn.py, boxes of anchors.py
Output   rpn_rois is read by levels.py and crops.py
Shapes   B images, A anchors, K candidates, N ROIs; boxes are (y1, x1, y2, x2), normalised
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import apply_box_deltas, clip_boxes
from mrcnn_explained.stages.nms import VERDICT_TYPES, NmsVerdict, nms_keep, nms_verdict


class Proposals(NamedTuple):
    """Every candidate with the verdict on it, then the ROIs. Candidates are in order of score."""

    scores: Annotated[Float32[tf.Tensor, "B K"], "object probability of each candidate"]
    top_ix: Annotated[Int32[tf.Tensor, "B K"], "index of each candidate's anchor"]
    pre_nms_anchors: Annotated[
        Float32[tf.Tensor, "B K 4"], "anchor box of each candidate, normalised"
    ]
    deltas: Annotated[
        Float32[tf.Tensor, "B K 4"],
        "deltas (dy, dx, dh, dw) of each candidate, already multiplied by the standard deviations",
    ]
    refined_anchors: Annotated[
        Float32[tf.Tensor, "B K 4"], "candidate boxes after the deltas, normalised"
    ]
    refined_anchors_clipped: Annotated[
        Float32[tf.Tensor, "B K 4"],
        "refined boxes clipped to the molded image, (0, 0, 1, 1), normalised",
    ]
    nms: Annotated[NmsVerdict, "verdict of NMS on each candidate"]
    post_nms_ix: Annotated[
        Int32[tf.Tensor, "B N"], "candidate that became each ROI; -1 for padding and given ROIs"
    ]
    rpn_rois: Annotated[
        Float32[tf.Tensor, "B N 4"], "ROIs, best score first, then rows of zeros; normalised"
    ]
    valid: Annotated[Bool[tf.Tensor, "B N"], "True for ROIs, False for zero-padded rows"]


def propose(
    rpn_class: Float32[tf.Tensor, "B A 2"],
    rpn_bbox: Float32[tf.Tensor, "B A 4"],
    anchors: Float32[tf.Tensor, "A 4"],
    *,
    count: int = 1000,
    pre_nms_limit: int = 6000,
    nms_threshold: float = 0.7,
    std_dev: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
) -> Proposals:
    """Take the anchors of highest score, refine and clip their boxes, and apply NMS.

    anchors          normalised
    count            N: ROIs to return; zero rows fill up if there are fewer
    pre_nms_limit    K: candidates that NMS sees, over all levels together
    nms_threshold    IoU with a kept box above which a candidate is suppressed
    std_dev          standard deviations of the deltas: the RPN predicts deltas divided by
                     these, so they are multiplied back

    Where implementations differ: one top-k and one NMS over all levels (the papers' code
    has one per level, deviation 30); boxes are clipped to the padded image, not to the
    window (32); small boxes are kept (31).
    """
    limit = tf.minimum(pre_nms_limit, tf.shape(anchors)[0])
    scores, top_ix = tf.math.top_k(rpn_class[:, :, 1], k=limit, sorted=True)
    pre_nms_anchors = tf.gather(anchors, top_ix)
    deltas = tf.gather(rpn_bbox * tf.constant(std_dev, tf.float32), top_ix, batch_dims=1)
    refined = apply_box_deltas(pre_nms_anchors, deltas)
    clipped = clip_boxes(refined, tf.constant([0.0, 0.0, 1.0, 1.0]))

    def keep_in_image(image: tuple[tf.Tensor, ...]) -> Int32[tf.Tensor, "N"]:
        boxes, scores, candidates = image
        return nms_keep(boxes, scores, candidates, threshold=nms_threshold, limit=count)

    def explain_image(image: tuple[tf.Tensor, ...]) -> NmsVerdict:
        boxes, scores, candidates, keep = image
        return nms_verdict(boxes, scores, candidates, keep, threshold=nms_threshold, limit=count)

    all_take_part = tf.ones_like(scores, tf.bool)
    keep = tf.map_fn(
        keep_in_image,
        (clipped, scores, all_take_part),
        fn_output_signature=tf.TensorSpec([count], tf.int32),
    )
    verdict = tf.map_fn(
        explain_image, (clipped, scores, all_take_part, keep), fn_output_signature=VERDICT_TYPES
    )
    valid = keep >= 0
    rois = tf.gather(clipped, tf.maximum(keep, 0), batch_dims=1)
    return Proposals(
        scores=scores,
        top_ix=top_ix,
        pre_nms_anchors=pre_nms_anchors,
        deltas=deltas,
        refined_anchors=refined,
        refined_anchors_clipped=clipped,
        nms=verdict,
        post_nms_ix=keep,
        rpn_rois=tf.where(valid[..., tf.newaxis], rois, 0.0),
        valid=valid,
    )


def given_rois(rois: Float32[tf.Tensor, "B N 4"]) -> Proposals:
    """Use the caller's own boxes as ROIs: there are no candidates, and NMS does not run.

    rois    normalised; rows of zeros count as padding

    This is Matterport's USE_RPN_ROIS = False.
    """
    no_boxes = rois[:, :0]  # [B, 0, 4]
    no_floats = tf.zeros_like(rois[:, :0, 0])  # [B, 0]
    no_ints, no_bools = tf.cast(no_floats, tf.int32), tf.cast(no_floats, tf.bool)
    return Proposals(
        scores=no_floats,
        top_ix=no_ints,
        pre_nms_anchors=no_boxes,
        deltas=no_boxes,
        refined_anchors=no_boxes,
        refined_anchors_clipped=no_boxes,
        nms=NmsVerdict(
            rank=no_ints, suppressed_by=no_ints, suppressed_iou=no_floats, reached=no_bools
        ),
        post_nms_ix=tf.fill(tf.shape(rois)[:2], -1),
        rpn_rois=rois,
        valid=tf.reduce_any(rois != 0, axis=-1),
    )
