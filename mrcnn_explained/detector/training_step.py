"""Training step: the map of learning, from a batch to the five losses. One line per stage.

Its twin is inference.py, the map of detecting. Here the ROIs pass through stage T2, which
chooses those to learn from, and the losses take the place of the filters. Source: the
"training" branch of Matterport's `MaskRCNN.build()`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float32, Int32

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.config import LOSSES, Config
from mrcnn_explained.data.batch import Batch
from mrcnn_explained.detector.inference import first_rois
from mrcnn_explained.detector.network import PARTS, Network
from mrcnn_explained.detector.runner import Runner
from mrcnn_explained.detector.settings import stage_settings
from mrcnn_explained.errors import TrainingError
from mrcnn_explained.stages.anchors import Anchors
from mrcnn_explained.stages.backbone import BackboneFeatures
from mrcnn_explained.stages.box_head import BoxHeadOutput
from mrcnn_explained.stages.crops import LevelCrops
from mrcnn_explained.stages.detection_targets import DetectionTargets, detection_targets
from mrcnn_explained.stages.image_meta import unpack_meta
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
from mrcnn_explained.stages.proposals import Proposals
from mrcnn_explained.stages.pyramid import PyramidFeatures
from mrcnn_explained.stages.pyramid_roi_align import pyramid_roi_align
from mrcnn_explained.stages.reorder import Reordered
from mrcnn_explained.stages.rpn import RpnScores
from mrcnn_explained.stages.rpn_targets import RpnTargets, rpn_targets
from mrcnn_explained.stages.sampling import random_draws


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
    gradient_norms: Annotated[
        Float32[tf.Tensor, "5"],
        "norm of the total loss's gradient in each of PARTS; NaN if it was not asked for",
    ]


def training_step(
    network: Network,
    run: Runner,
    batch: Batch,
    anchors: Anchors,
    seeds: Int32[tf.Tensor, "B 2"],
    summed_over: Sum = nothing_to_add,
) -> TrainingTrace:
    """Run every stage of one training step, in the order of the data.

    run            calls each stage by its name in the trace (runner.py)
    batch          images and their objects
    anchors        of `pyramid_anchors`, for images of this size
    seeds          per image: decide which anchors and ROIs are drawn
    summed_over    as in stages/losses.py
    """
    c, norm = network.config, network.norm_settings(training=True)
    of = {name: stage_settings(c, name, training=True) for name in TrainingTrace._fields}
    image_shape = unpack_meta(batch.image_meta).molded_shape[0, :2]  # of all (deviation 9)
    gt_boxes = norm_boxes(batch.gt_boxes, image_shape)
    box_pooling = {**of["levels"], **of["crops"], "run": run}
    mask_pooling = {**of["mask_levels"], **of["mask_crops"], "run": run}

    backbone = run("backbone", network.extract_features, batch.molded, **norm)
    pyramid = run("pyramid", network.pyramid, backbone.pyramid_maps)
    rpn = run("rpn", network.rpn, pyramid.rpn_maps)
    anchor_draws, roi_draws = _draw(network, batch, anchors, seeds)
    objects = (batch.gt_class_ids, batch.gt_boxes)
    anchor_targets = run(
        "rpn_targets", rpn_targets, anchors.boxes_px, *objects, anchor_draws, **of["rpn_targets"]
    )
    given = None if c.use_rpn_rois else batch.rois
    proposals = first_rois(run, rpn, anchors.boxes, given, of["proposals"])
    heads_see = tf.shape(batch.gt_masks)[3]  # the first K objects (data/batch.py)
    truth = (batch.gt_class_ids[:, :heads_see], gt_boxes[:, :heads_see], batch.gt_masks)
    has_mask = batch.gt_has_mask[:, :heads_see]
    targets = run(
        "detection_targets",
        detection_targets,
        proposals.rpn_rois,
        *truth,
        roi_draws,
        has_mask,
        **of["detection_targets"],
    )

    pooling = pyramid_roi_align(targets.rois, image_shape, pyramid.roi_maps, **box_pooling)
    box_head = run("box_head", network.box_head, pooling.reordered.pooled, **norm)
    masks = pyramid_roi_align(
        targets.rois, image_shape, pyramid.roi_maps, prefix="mask_", **mask_pooling
    )
    with_mask = _rois_with_mask(network, targets)
    crops_and_classes = (masks.reordered.pooled, targets.target_class_ids, with_mask)
    mask_head = run("mask_head", network.mask_head, *crops_and_classes, **norm)

    heads = (rpn, anchor_targets, targets, box_head, mask_head, with_mask)
    losses = _losses(network, batch, *heads, summed_over)
    return TrainingTrace(
        batch=batch,
        backbone=backbone,
        pyramid=pyramid,
        anchors=anchors,
        rpn=rpn,
        rpn_targets=anchor_targets,
        proposals=proposals,
        detection_targets=targets,
        levels=pooling.levels,
        crops=pooling.crops,
        reordered=pooling.reordered,
        box_head=box_head,
        mask_levels=masks.levels,
        mask_crops=masks.crops,
        mask_reordered=masks.reordered,
        mask_head=mask_head,
        losses=losses,
        gradient_norms=tf.fill([len(PARTS)], float("nan")),
    )


def _draw(
    network: Network, batch: Batch, anchors: Anchors, seeds: Int32[tf.Tensor, "B 2"]
) -> tuple[Float32[tf.Tensor, "B A"], Float32[tf.Tensor, "B R"]]:
    """Return random numbers for every anchor and every ROI: they decide who is sampled."""
    c = network.config
    number = tf.shape(anchors.boxes)[0]
    candidates = c.post_nms_rois_training if c.use_rpn_rois else tf.shape(batch.rois)[1]
    if c.add_objects:
        candidates += tf.maximum(tf.shape(batch.gt_masks)[3], 1)
    draws = random_draws(seeds, number + candidates)
    return draws[:, :number], draws[:, number:]


def _rois_with_mask(network: Network, targets: DetectionTargets) -> Bool[tf.Tensor, "B T"]:
    """Return which ROIs go through the mask head: those with a mask, as far as they may."""
    most = network.config.train_masks_per_image
    if not most:
        return targets.has_mask
    place = tf.cumsum(tf.cast(targets.has_mask, tf.int32), axis=1)
    return targets.has_mask & (place <= most)


def _losses(
    network: Network,
    batch: Batch,
    rpn: RpnScores,
    anchor_targets: RpnTargets,
    targets: DetectionTargets,
    box_head: BoxHeadOutput,
    mask_head: MaskHeadOutput,
    with_mask: Bool[tf.Tensor, "B T"],
    summed_over: Sum,
) -> Losses:
    """Return the five losses, the weight decay and their weighted sum."""
    c, active_class_ids = network.config, unpack_meta(batch.image_meta).active_class_ids
    class_ids, deltas = targets.target_class_ids, box_head.mrcnn_bbox
    rpn_match, rpn_box = anchor_targets.rpn_match, anchor_targets.rpn_bbox
    real = targets.positive | targets.negative
    rows = real | c.padding_in_class_loss
    over: Any = {"summed_over": summed_over}
    box_over = {**over, "average_over": c.box_loss_average}

    rpn_class = rpn_class_loss(rpn_match, rpn.rpn_class_logits, **over)
    rpn_bbox = rpn_bbox_loss(rpn_box, rpn_match, rpn.rpn_bbox, **box_over)
    logits = box_head.mrcnn_class_logits
    mrcnn_class = mrcnn_class_loss(class_ids, logits, active_class_ids, rows, **over)
    mrcnn_bbox = mrcnn_bbox_loss(targets.target_bbox, class_ids, deltas, real, **box_over)
    mrcnn_mask = mrcnn_mask_loss(targets.target_mask, mask_head.class_mask, with_mask, **over)

    decayed = (v for name, v in network.weights.items() if decays(name))
    decay = weight_decay(decayed, c.weight_decay, per=c.weight_decay_per)
    five = [rpn_class.loss, rpn_bbox.loss, mrcnn_class.loss, mrcnn_bbox.loss, mrcnn_mask.loss]
    weighted = [weight * loss for weight, loss in zip(c.loss_weights, five, strict=True)]
    return Losses(
        rpn_class_loss=rpn_class,
        rpn_bbox_loss=rpn_bbox,
        mrcnn_class_loss=mrcnn_class,
        mrcnn_bbox_loss=mrcnn_bbox,
        mrcnn_mask_loss=mrcnn_mask,
        weight_decay=decay,
        total=tf.add_n([*weighted, decay]),
    )


def check_rois(config: Config, count: int) -> None:
    """Raise TrainingError if the second stage would train on padding alone.

    count    ROIs that the batches hold for each image
    """
    if not (config.use_rpn_rois or config.add_objects or count):
        raise TrainingError(
            "use_rpn_rois is False, so the ROIs to train on must be in the batches, and they hold "
            "none: data.pipeline.batches makes no ROIs. Set use_rpn_rois to True, or put ROIs into "
            "each batch: map(lambda batch: batch._replace(rois=...), batches(...)), "
            "normalised, [B, N, 4]"
        )


def image_seeds(seed: int, first: int, count: int) -> Int32[tf.Tensor, "B 2"]:
    """Return the seeds of `count` images, the first of which is number `first` of a run."""
    return tf.stack([tf.fill([count], seed), first + tf.range(count)], axis=1)


def gradients(
    network: Network,
    run: Runner,
    batch: Batch,
    anchors: Anchors,
    seeds: Int32[tf.Tensor, "B 2"],
) -> TrainingTrace:
    """Run `training_step` and add the norm of the gradient in each part of the network."""
    parts = [
        [v.value for v in getattr(getattr(network, part), "trainable_weights", ())]
        for part in PARTS
    ]
    with tf.GradientTape() as tape:
        trace = training_step(network, run, batch, anchors, seeds)
    found = tape.gradient(trace.losses.total, parts, unconnected_gradients="zero")
    norms = [tf.linalg.global_norm(part) if part else tf.constant(0.0) for part in found]
    return trace._replace(gradient_norms=tf.stack(norms))


@contextmanager
def unchanged_statistics(network: Network) -> Iterator[None]:
    """Put BatchNorm's stored statistics back at the end: nothing is learned in between.

    A layer that uses the statistics of its batch also moves the stored ones. Detecting,
    tracing a training step and validating must not.
    """
    if network.config.train_bn is False:
        yield
        return
    stored = ("moving_mean", "moving_variance")
    variables = [v for name, v in network.weights.items() if name.endswith(stored)]
    before = [np.array(v) for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def loss_values(losses: Losses) -> dict[str, tf.Tensor]:
    """Return the scalars to watch: the five, the box losses of zero boxes, and the total."""
    values = {name: getattr(losses, name).loss for name in LOSSES}
    for name in ("rpn_bbox_loss", "mrcnn_bbox_loss"):
        values[f"{name}_of_zero"] = getattr(losses, name).loss_of_zero
    return {**values, "weight_decay": losses.weight_decay, "loss": losses.total}


def decays(name: str) -> bool:
    """Return whether weight decay applies: to kernels and biases, not to BatchNorm's weights."""
    return not name.endswith(("gamma", "beta", "moving_mean", "moving_variance"))
