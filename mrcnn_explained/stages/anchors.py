"""Anchors: the fixed boxes that the RPN scores, a few on every cell of every level.

Paper    Faster R-CNN (arXiv:1506.01497), section 3.1.1; one scale per level: FPN, section 4.1
Input    the shape of the molded image, nothing else
Output   read by proposals.py; rows are in the order of the RPN's outputs
Shapes   A anchors: level by level, within a level row by row, within a cell ratio by ratio;
         a box is (y1, x1, y2, x2)
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Float64, Int32

from mrcnn_explained.boxes import norm_boxes


class Anchors(NamedTuple):
    """Every anchor and the cell it lies on. There is no batch axis: all images share them."""

    boxes_px: Annotated[
        Float32[tf.Tensor, "A 4"], "anchor boxes in molded pixels; they may reach outside the image"
    ]
    boxes: Annotated[Float32[tf.Tensor, "A 4"], "anchor boxes, normalised"]
    level: Annotated[Int32[tf.Tensor, "A"], "pyramid level of each anchor, 2…6"]
    row: Annotated[
        Int32[tf.Tensor, "A"], "row of each anchor's cell in the map of its level, from the top"
    ]
    column: Annotated[
        Int32[tf.Tensor, "A"], "column of each anchor's cell in the map of its level, from the left"
    ]
    scale: Annotated[
        Float32[tf.Tensor, "A"], "side of each anchor, sqrt(height * width), molded pixels"
    ]
    ratio: Annotated[Float32[tf.Tensor, "A"], "width / height of each anchor"]


def pyramid_anchors(
    image_shape: tuple[int, int],
    *,
    scales: Sequence[float] = (32, 64, 128, 256, 512),
    ratios: Sequence[float] = (0.5, 1, 2),
    strides: Sequence[int] = (4, 8, 16, 32, 64),
    anchor_stride: int = 1,
) -> Anchors:
    """Place anchors of one scale per level, in every ratio, on the cells of every level.

        height = scale / sqrt(ratio)        width = scale * sqrt(ratio)

    image_shape      (H, W) of the molded image, pixels
    scales           sides of the anchors in molded pixels, one per level, P2…P6
    ratios           width / height of the anchors on each cell
    strides          molded pixels per cell, one per level
    anchor_stride    cells from one anchor position to the next; 1 uses every cell

    A ratio of 0.5 is a tall box. The comment in Matterport's code says wide (deviation 23);
    the ratio of the papers is height / width. The centre of an anchor is the top-left corner
    of its cell, cell index times stride, not the middle of the cell (24): the box regression
    learns the difference.
    """
    levels = []
    for level, (scale, stride) in enumerate(zip(scales, strides, strict=True), start=2):
        map_shape = np.ceil(np.divide(image_shape, stride))
        levels.append(_level_anchors(level, scale, ratios, map_shape, stride, anchor_stride))

    def all_levels(field: str) -> np.ndarray:
        return np.concatenate([getattr(anchors, field) for anchors in levels])

    boxes = all_levels("boxes")
    shape = tf.constant(image_shape, tf.float64)
    return Anchors(
        boxes_px=tf.constant(boxes, tf.float32),
        boxes=tf.cast(norm_boxes(tf.constant(boxes, tf.float64), shape), tf.float32),
        level=tf.constant(all_levels("level"), tf.int32),
        row=tf.constant(all_levels("row"), tf.int32),
        column=tf.constant(all_levels("column"), tf.int32),
        scale=tf.constant(all_levels("scale"), tf.float32),
        ratio=tf.constant(all_levels("ratio"), tf.float32),
    )


class _LevelAnchors(NamedTuple):
    """The anchors of one level. Fields as in `Anchors`; boxes are in molded pixels."""

    boxes: Float64[np.ndarray, "n 4"]
    level: Float64[np.ndarray, "n"]
    row: Float64[np.ndarray, "n"]
    column: Float64[np.ndarray, "n"]
    scale: Float64[np.ndarray, "n"]
    ratio: Float64[np.ndarray, "n"]


def _level_anchors(
    level: int,
    scale: float,
    ratios: Sequence[float],
    map_shape: Float64[np.ndarray, "2"],
    stride: int,
    anchor_stride: int,
) -> _LevelAnchors:
    """Place the anchors of one level, whose map has `map_shape` cells."""
    rows = np.arange(0, map_shape[0], anchor_stride)
    columns = np.arange(0, map_shape[1], anchor_stride)
    grid = np.meshgrid(rows, columns, ratios, indexing="ij")
    row, column, ratio = (coordinate.ravel() for coordinate in grid)
    center = np.stack([row, column], axis=1) * stride
    size = np.stack([scale / np.sqrt(ratio), scale * np.sqrt(ratio)], axis=1)
    return _LevelAnchors(
        boxes=np.concatenate([center - 0.5 * size, center + 0.5 * size], axis=1),
        level=np.full_like(row, level),
        row=row,
        column=column,
        scale=np.full_like(row, scale),
        ratio=ratio,
    )
