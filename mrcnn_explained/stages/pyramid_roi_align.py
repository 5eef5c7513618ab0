"""Stages 7 to 9 together: what Matterport calls PyramidROIAlign.

The model runs it twice: 7x7 for the box head on the ROIs, 14x14 for the mask head on the
detections. The mask of an object may therefore come from another level than its class
(deviation 11).
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import tensorflow as tf
from jaxtyping import Float, Float32

from mrcnn_explained.stages.crops import LevelCrops, crop_levels
from mrcnn_explained.stages.levels import LevelAssignment, Rounding, assign_levels
from mrcnn_explained.stages.reorder import Reordered, reorder


class PyramidROIAlign(NamedTuple):
    """The results of the three stages."""

    levels: LevelAssignment
    crops: LevelCrops
    reordered: Reordered


def call(name: str, stage: Callable[..., Any], /, *inputs: Any, **settings: Any) -> Any:
    """Call a stage: the simplest runner. detector/runner.py has the one that can do more."""
    return stage(*inputs, **settings)


def pyramid_roi_align(
    rois: Float32[tf.Tensor, "B N 4"],
    image_shape: Float[tf.Tensor, "2"],
    maps: Sequence[Float32[tf.Tensor, "B _ _ F"]],
    *,
    pool_size: int = 7,
    rounding: Rounding = "round",
    run: Callable[..., Any] = call,
    prefix: Literal["", "mask_"] = "",
) -> PyramidROIAlign:
    """Find the level of each ROI, crop it there, and put the crops in the order of the ROIs.

    rois           normalised
    image_shape    (H, W) of the molded image, pixels
    maps           P2…P5, finest first: Matterport's mrcnn_feature_maps
    run            calls each stage by its name in the trace
    prefix         of these names: "mask_" for the second pooling

    Source: Matterport's PyramidROIAlign; FPN (arXiv:1612.03144), section 4.2.
    """
    levels = run(f"{prefix}levels", assign_levels, rois, image_shape, rounding=rounding)
    crops = run(f"{prefix}crops", crop_levels, rois, levels.roi_level, maps, pool_size=pool_size)
    reordered = run(f"{prefix}reordered", reorder, crops.ix, crops.pooled, tf.shape(rois)[:2])
    return PyramidROIAlign(levels, crops, reordered)
