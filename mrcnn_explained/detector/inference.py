"""Inference: the map of detecting, from the molded image to the masks. One line per stage.

Its twin is training_step.py, the map of learning. Source: the "inference" branch of
Matterport's `MaskRCNN.build()`.
"""

from typing import Any, NamedTuple

import tensorflow as tf
from jaxtyping import Float32

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.network import Network
from mrcnn_explained.detector.runner import Runner
from mrcnn_explained.detector.settings import stage_settings
from mrcnn_explained.stages.backbone import BackboneFeatures
from mrcnn_explained.stages.box_head import BoxHeadOutput
from mrcnn_explained.stages.crops import LevelCrops
from mrcnn_explained.stages.detections import Detections, select_detections
from mrcnn_explained.stages.image_meta import unpack_meta
from mrcnn_explained.stages.levels import LevelAssignment
from mrcnn_explained.stages.mask_head import MaskHeadOutput
from mrcnn_explained.stages.proposals import Proposals, given_rois, propose
from mrcnn_explained.stages.pyramid import PyramidFeatures
from mrcnn_explained.stages.pyramid_roi_align import pyramid_roi_align
from mrcnn_explained.stages.reorder import Reordered
from mrcnn_explained.stages.rpn import RpnScores


class Inference(NamedTuple):
    """The results of the stages that run in the graph, in the order of the data."""

    backbone: BackboneFeatures
    pyramid: PyramidFeatures
    rpn: RpnScores
    proposals: Proposals
    levels: LevelAssignment
    crops: LevelCrops
    reordered: Reordered
    box_head: BoxHeadOutput
    detections: Detections
    mask_levels: LevelAssignment
    mask_crops: LevelCrops
    mask_reordered: Reordered
    mask_head: MaskHeadOutput


def infer(
    network: Network,
    run: Runner,
    molded: Float32[tf.Tensor, "B H W ch"],
    image_meta: Float32[tf.Tensor, "B meta"],
    anchors: Float32[tf.Tensor, "A 4"],
    rois: Float32[tf.Tensor, "B N 4"] | None = None,
) -> Inference:
    """Run every stage from the backbone to the mask head, in the order of the data.

    run           calls each stage by its name in a trace (runner.py)
    molded        images as the network sees them, of `mold_image`
    image_meta    of the same images, of `mold_image`
    anchors       boxes of `pyramid_anchors`, normalised
    rois          normalised boxes in place of the RPN's proposals; None: the proposals
    """
    c, norm = network.config, network.norm_settings(training=False)
    of = {name: stage_settings(c, name) for name in Inference._fields}
    meta = unpack_meta(image_meta)
    image_shape = meta.molded_shape[0, :2]  # of the first image, for all (deviation 9)
    window = norm_boxes(meta.window, image_shape)
    box_pooling = {**of["levels"], **of["crops"], "run": run}
    mask_pooling = {**of["mask_levels"], **of["mask_crops"], "run": run}

    backbone = run("backbone", network.extract_features, molded, **norm)
    pyramid = run("pyramid", network.pyramid, backbone.pyramid_maps)
    rpn = run("rpn", network.rpn, pyramid.rpn_maps)
    proposals = first_rois(run, rpn, anchors, rois, of["proposals"])

    pooling = pyramid_roi_align(proposals.rpn_rois, image_shape, pyramid.roi_maps, **box_pooling)
    box_head = run("box_head", network.box_head, pooling.reordered.pooled, **norm)
    scored_rois = (proposals.rpn_rois, box_head.mrcnn_class, box_head.mrcnn_bbox, window)
    detections = run("detections", select_detections, *scored_rois, **of["detections"])

    boxes, class_ids = detections.detection_boxes, detections.detection_class_ids
    masks = pyramid_roi_align(boxes, image_shape, pyramid.roi_maps, prefix="mask_", **mask_pooling)
    crops_and_classes = (masks.reordered.pooled, class_ids, detections.valid)
    mask_head = run("mask_head", network.mask_head, *crops_and_classes, **norm)
    return Inference(
        backbone=backbone,
        pyramid=pyramid,
        rpn=rpn,
        proposals=proposals,
        levels=pooling.levels,
        crops=pooling.crops,
        reordered=pooling.reordered,
        box_head=box_head,
        detections=detections,
        mask_levels=masks.levels,
        mask_crops=masks.crops,
        mask_reordered=masks.reordered,
        mask_head=mask_head,
    )


def first_rois(
    run: Runner,
    rpn: RpnScores,
    anchors: Float32[tf.Tensor, "A 4"],
    rois: Float32[tf.Tensor, "B N 4"] | None,
    settings: dict[str, Any],
) -> Proposals:
    """Return the ROIs of the second stage: the RPN's proposals, or boxes that were given.

    Both maps ask here. Source: Matterport's USE_RPN_ROIS decides between the two in training.
    """
    if rois is not None:
        return run.fixed("proposals", given_rois, rois)
    return run("proposals", propose, rpn.rpn_class, rpn.rpn_bbox, anchors, **settings)
