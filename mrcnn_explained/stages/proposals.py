"""Proposals: from scored anchors to the ROIs that the second stage looks at.

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
from mrcnn_explained.stages.nms import NmsVerdict, nms_keep, nms_verdict


class Proposals(NamedTuple):
    """Every candidate with its fate, then the ROIs. Rows of K are in order of score."""

    scores: Annotated[Float32[tf.Tensor, "B K"], "probability of an object"]
    top_ix: Annotated[Int32[tf.Tensor, "B K"], "the anchor of each candidate"]
    pre_nms_anchors: Annotated[Float32[tf.Tensor, "B K 4"], "its box"]
    deltas: Annotated[Float32[tf.Tensor, "B K 4"], "dy dx dh dw, times the standard deviations"]
    refined_anchors: Annotated[Float32[tf.Tensor, "B K 4"], "after the deltas"]
    refined_anchors_clipped: Annotated[Float32[tf.Tensor, "B K 4"], "inside (0, 0, 1, 1)"]
    nms: Annotated[NmsVerdict, "rows are candidates"]
    post_nms_ix: Annotated[
        Int32[tf.Tensor, "B N"], "the candidate of each ROI, best first; -1: none"
    ]
    rpn_rois: Annotated[
        Float32[tf.Tensor, "B N 4"], "best first; zero rows where there are fewer than N"
    ]
    valid: Annotated[Bool[tf.Tensor, "B N"], "False for zero-padded rows"]


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
    """Take the best anchors, refine and clip their boxes, and drop those that overlap.

    count            N: ROIs to return, padded with zeros
    pre_nms_limit    K: anchors that go on, all levels together
    nms_threshold    IoU with a better box above which a candidate goes
    std_dev          deltas are learnt in these units, so they are multiplied back

    Where implementations differ: one top-k and one NMS over all levels (the papers' code:
    per level, deviation 30), clipping to the padded image and not to its window (32),
    small boxes stay (31).
    """
    limit = min(pre_nms_limit, anchors.shape[0])
    scores, top_ix = tf.math.top_k(rpn_class[:, :, 1], k=limit, sorted=True)
    pre_nms_anchors = tf.gather(anchors, top_ix)
    deltas = tf.gather(rpn_bbox * tf.constant(std_dev, tf.float32), top_ix, batch_dims=1)
    refined = apply_box_deltas(pre_nms_anchors, deltas)
    clipped = clip_boxes(refined, tf.constant([0.0, 0.0, 1.0, 1.0]))

    setting = {"threshold": nms_threshold, "limit": count}
    everyone = tf.ones_like(scores, tf.bool)
    keep = tf.map_fn(
        lambda image: nms_keep(*image, **setting),
        (clipped, scores, everyone),
        fn_output_signature=tf.TensorSpec([count], tf.int32),
    )
    verdict = tf.map_fn(
        lambda image: nms_verdict(*image, **setting),
        (clipped, scores, everyone, keep),
        fn_output_signature=NmsVerdict(tf.int32, tf.int32, tf.float32, tf.bool),
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
    """Pass the caller's own boxes on as ROIs: no candidate, nothing suppressed.

    Matterport's USE_RPN_ROIS = False. Zero rows count as padding.
    """
    boxes, numbers = rois[:, :0], tf.zeros_like(rois[:, :0, 0])
    ints = tf.cast(numbers, tf.int32)
    return Proposals(
        scores=numbers,
        top_ix=ints,
        pre_nms_anchors=boxes,
        deltas=boxes,
        refined_anchors=boxes,
        refined_anchors_clipped=boxes,
        nms=NmsVerdict(ints, ints, numbers, tf.cast(numbers, tf.bool)),
        post_nms_ix=tf.fill(tf.shape(rois)[:2], -1),
        rpn_rois=rois,
        valid=tf.reduce_any(rois != 0, axis=-1),
    )
