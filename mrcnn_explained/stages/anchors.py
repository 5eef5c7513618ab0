"""Anchors: the fixed boxes, a few on every cell of every level, that the RPN scores.

Paper    Faster R-CNN (arXiv:1506.01497), section 3.1.1; one scale a level: FPN, section 4.1
Input    the shape of the molded image, nothing else
Output   read by proposals.py; rows are in the order of the RPN's outputs
Shapes   A anchors: level by level, within a level row by row, within a cell ratio by ratio
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Int32

from mrcnn_explained.boxes import norm_boxes


class Anchors(NamedTuple):
    """Every anchor with where it comes from. There is no batch axis: all images share them."""

    boxes_px: Annotated[Float32[tf.Tensor, "A 4"], "pixels of the molded image; may reach outside"]
    boxes: Annotated[Float32[tf.Tensor, "A 4"], "normalised"]
    level: Annotated[Int32[tf.Tensor, "A"], "2…6"]
    row: Annotated[Int32[tf.Tensor, "A"], "cell of the level's map, from the top"]
    column: Annotated[Int32[tf.Tensor, "A"], "cell of the level's map, from the left"]
    scale: Annotated[Float32[tf.Tensor, "A"], "pixels: sqrt(height * width)"]
    ratio: Annotated[Float32[tf.Tensor, "A"], "width / height"]


def pyramid_anchors(
    image_shape: tuple[int, int],
    *,
    scales: Sequence[float] = (32, 64, 128, 256, 512),
    ratios: Sequence[float] = (0.5, 1, 2),
    strides: Sequence[int] = (4, 8, 16, 32, 64),
    anchor_stride: int = 1,
) -> Anchors:
    """Place anchors of one scale and every ratio on the cells of every level.

        height = scale / sqrt(ratio)        width = scale * sqrt(ratio)

    so a ratio of 0.5 is tall (the comment in Matterport's code says wide: deviation 23;
    the papers' ratio is height / width). An anchor's centre is its cell's top-left corner,
    cell index times stride, not the cell's middle (24): regression learns the difference.

    image_shape      (H, W) of the molded image, pixels
    anchor_stride    cells between anchors, 1 for one on every cell
    """
    levels = [
        _level_anchors(
            level, scale, ratios, np.ceil(np.divide(image_shape, stride)), stride, anchor_stride
        )
        for level, (scale, stride) in enumerate(zip(scales, strides, strict=True), start=2)
    ]
    boxes, *origin = (np.concatenate(column) for column in zip(*levels, strict=True))
    level, row, column, scale, ratio = origin
    shape = tf.constant(image_shape, tf.float64)
    return Anchors(
        boxes_px=tf.constant(boxes, tf.float32),
        boxes=tf.cast(norm_boxes(tf.constant(boxes, tf.float64), shape), tf.float32),
        level=tf.constant(level, tf.int32),
        row=tf.constant(row, tf.int32),
        column=tf.constant(column, tf.int32),
        scale=tf.constant(scale, tf.float32),
        ratio=tf.constant(ratio, tf.float32),
    )


def _level_anchors(level, scale, ratios, map_shape, stride, anchor_stride):
    """Anchors of one level: boxes [n, 4] in pixels and five columns of origin, float64."""
    rows = np.arange(0, map_shape[0], anchor_stride)
    columns = np.arange(0, map_shape[1], anchor_stride)
    row, column, ratio = (
        grid.ravel() for grid in np.meshgrid(rows, columns, ratios, indexing="ij")
    )
    center = np.stack([row, column], axis=1) * stride
    size = np.stack([scale / np.sqrt(ratio), scale * np.sqrt(ratio)], axis=1)
    boxes = np.concatenate([center - 0.5 * size, center + 0.5 * size], axis=1)
    return boxes, np.full_like(row, level), row, column, np.full_like(row, scale), ratio
