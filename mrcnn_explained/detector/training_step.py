"""The training path: the map of one training step, and everything that it computed.

The inference path's stages, with targets in between: what model.py is for detecting. The
proposals are the RPN's own, the heads see ROIs that stage T2 chose from them.
"""

from typing import Any, NamedTuple

import tensorflow as tf
from jaxtyping import Float32, Int32

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.config import LOSSES
from mrcnn_explained.data.batch import Batch
from mrcnn_explained.stages.anchors import Anchors
from mrcnn_explained.stages.backbone import BackboneFeatures, ResNet
from mrcnn_explained.stages.box_head import BoxHeadOutput
from mrcnn_explained.stages.crops import LevelCrops
from mrcnn_explained.stages.detection_targets import DetectionTargets, detection_targets
from mrcnn_explained.stages.levels import LevelAssignment
from mrcnn_explained.stages.losses import (
    Losses,
    Sum,
    mrcnn_bbox_loss,
    mrcnn_class_loss,
    mrcnn_mask_loss,
    nothing_to_add,
    rpn_bbox_loss,
    rpn_class_loss,
    weight_decay,
)
from mrcnn_explained.stages.mask_head import MaskHeadOutput
from mrcnn_explained.stages.proposals import Proposals, given_rois, propose
from mrcnn_explained.stages.pyramid import PyramidFeatures
from mrcnn_explained.stages.pyramid_roi_align import pyramid_roi_align
from mrcnn_explained.stages.reorder import Reordered
from mrcnn_explained.stages.rpn import RpnScores
from mrcnn_explained.stages.rpn_targets import RpnTargets, rpn_targets
from mrcnn_explained.stages.sampling import random_draws

#: Parts of the model, as gradient norms are given.
PARTS = ("backbone", "pyramid", "rpn", "box_head", "mask_head")


class TrainingTrace(NamedTuple):
    """The stages' results of one training step, in the order of the data."""

    batch: Batch
    backbone: BackboneFeatures
    pyramid: PyramidFeatures
    anchors: Anchors
    rpn: RpnScores
    rpn_targets: RpnTargets
    proposals: Proposals
    detection_targets: DetectionTargets
    levels: LevelAssignment
    crops: LevelCrops
    reordered: Reordered
    box_head: BoxHeadOutput
    mask_levels: LevelAssignment
    mask_crops: LevelCrops
    mask_reordered: Reordered
    mask_head: MaskHeadOutput
    losses: Losses
    #: Norm of the total loss's gradient in each of PARTS; NaN where it was not asked for.
    gradient_norms: Float32[tf.Tensor, "5"]


def training_stages(
    model: Any,
    batch: Batch,
    anchors: Anchors,
    seeds: Int32[tf.Tensor, "B 2"],
    summed_over: Sum = nothing_to_add,
) -> TrainingTrace:
    """Run every stage of one training step, in the order of the data.

    model          a MaskRCNN: its config and its layers
    seeds          of each image: decide which anchors and ROIs are drawn
    summed_over    as in stages/losses.py
    """
    c = model.config
    image_shape = batch.image_meta[0, 4:6]  # of the first image, for all (deviation 9)
    gt_boxes = norm_boxes(batch.gt_boxes, image_shape)
    number = tf.shape(anchors.boxes)[0]
    candidates = c.post_nms_rois_training if c.use_rpn_rois else tf.shape(batch.rois)[1]
    if c.add_objects:
        candidates += tf.maximum(tf.shape(batch.gt_class_ids)[1], 1)
    draws = random_draws(seeds, number + candidates)

    backbone = BackboneFeatures(*_backbone(model, batch.molded))
    pyramid = model.pyramid(backbone[1:])
    rpn = model.rpn(pyramid.rpn_maps)
    anchor_targets = rpn_targets(
        anchors.boxes_px,
        batch.gt_class_ids,
        batch.gt_boxes,
        draws[:, :number],
        total=c.rpn_train_anchors_per_image,
        positive_share=c.rpn_positive_ratio,
        std_dev=c.rpn_bbox_std_dev,
        forced_box=c.forced_box,
    )
    proposals = (
        given_rois(batch.rois)
        if not c.use_rpn_rois
        else propose(
            rpn.rpn_class,
            rpn.rpn_bbox,
            anchors.boxes,
            count=c.post_nms_rois_training,
            pre_nms_limit=c.pre_nms_limit,
            nms_threshold=c.rpn_nms_threshold,
            std_dev=c.rpn_bbox_std_dev,
        )
    )
    targets = detection_targets(
        proposals.rpn_rois,
        batch.gt_class_ids,
        gt_boxes,
        batch.gt_masks,
        draws[:, number:],
        total=c.train_rois_per_image,
        positive_ratio=c.roi_positive_ratio,
        std_dev=c.bbox_std_dev,
        mask_shape=c.mask_shape,
        mini_masks=c.use_mini_mask,
        add_objects=c.add_objects,
        fill_negatives=c.fill_negatives,
        stop_gradient=c.stop_target_gradient,
    )
    setting = {"image_shape": image_shape, "maps": pyramid.roi_maps, "rounding": c.level_rounding}
    levels, crops, reordered = pyramid_roi_align(targets.rois, pool_size=c.pool_size, **setting)
    box_head = model.box_head(reordered.pooled, train_bn=c.train_bn)
    mask_levels, mask_crops, mask_reordered = pyramid_roi_align(
        targets.rois, pool_size=c.mask_pool_size, **setting
    )
    with_mask = targets.positive
    if c.train_masks_per_image:
        with_mask &= tf.range(c.train_rois_per_image) < c.train_masks_per_image
    mask_head = model.mask_head(
        mask_reordered.pooled, targets.target_class_ids, with_mask, train_bn=c.train_bn
    )

    losses = _losses(
        model, batch, rpn, anchor_targets, targets, box_head, mask_head, with_mask, summed_over
    )
    return TrainingTrace(
        *(batch, backbone, pyramid, anchors, rpn, anchor_targets, proposals, targets),
        *(levels, crops, reordered, box_head, mask_levels, mask_crops, mask_reordered, mask_head),
        losses=losses,
        gradient_norms=tf.fill([len(PARTS)], float("nan")),
    )


def _losses(
    model, batch, rpn, anchor_targets, targets, box_head, mask_head, with_mask, summed_over
):
    """The five losses, the weight decay and their weighted sum."""
    c, active_class_ids = model.config, batch.image_meta[:, 12:]
    class_ids, shared = targets.target_class_ids, {"summed_over": summed_over}
    real = targets.positive | targets.negative
    rows = real | c.padding_in_class_loss
    losses = (
        rpn_class_loss(anchor_targets.rpn_match, rpn.rpn_class_logits, **shared),
        rpn_bbox_loss(
            anchor_targets.rpn_bbox,
            anchor_targets.rpn_match,
            rpn.rpn_bbox,
            average_over=c.box_loss_average,
            **shared,
        ),
        mrcnn_class_loss(class_ids, box_head.mrcnn_class_logits, active_class_ids, rows, **shared),
        mrcnn_bbox_loss(
            targets.target_bbox,
            class_ids,
            box_head.mrcnn_bbox,
            real,
            average_over=c.box_loss_average,
            **shared,
        ),
        mrcnn_mask_loss(targets.target_mask, mask_head.class_mask, with_mask, **shared),
    )
    decay = weight_decay(
        (v for name, v in model.weights.items() if decays(name)),
        c.weight_decay,
        per=c.weight_decay_per,
    )
    weighted = [w * part.loss for w, part in zip(c.loss_weights, losses, strict=True)]
    return Losses(*losses, weight_decay=decay, total=tf.add_n([*weighted, decay]))


def image_seeds(seed: int, first: int, count: int) -> Int32[tf.Tensor, "B 2"]:
    """Return the seeds of `count` images, the first of which is number `first` of a run."""
    return tf.stack([tf.fill([count], seed), first + tf.range(count)], axis=1)


def gradients(
    model: Any, batch: Batch, anchors: Anchors, seeds: Int32[tf.Tensor, "B 2"]
) -> TrainingTrace:
    """Run `training_stages` and say how strongly each part of the model is pulled."""
    parts = [
        [v.value for v in getattr(getattr(model, part), "trainable_weights", ())] for part in PARTS
    ]
    with tf.GradientTape() as tape:
        trace = training_stages(model, batch, anchors, seeds)
    pulls = tape.gradient(trace.losses.total, parts, unconnected_gradients="zero")
    norms = [tf.linalg.global_norm(part) if part else tf.constant(0.0) for part in pulls]
    return trace._replace(gradient_norms=tf.stack(norms))


def loss_values(losses: Losses) -> dict[str, tf.Tensor]:
    """The scalars to watch: the five, what predicting zero boxes would cost, and the total."""
    values = {name: getattr(losses, name).loss for name in LOSSES}
    for name in ("rpn_bbox_loss", "mrcnn_bbox_loss"):
        values[f"{name}_of_zero"] = getattr(losses, name).loss_of_zero
    return {**values, "weight_decay": losses.weight_decay, "loss": losses.total}


def decays(name: str) -> bool:
    """Whether weight decay applies: to kernels and biases, not to BatchNorm's weights."""
    return not name.endswith(("gamma", "beta", "moving_mean", "moving_variance"))


def _backbone(model, molded):
    own = isinstance(model.backbone, ResNet)
    return model.backbone(molded, train_bn=model.config.train_bn) if own else model.backbone(molded)
