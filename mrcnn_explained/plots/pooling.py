"""Plot of one ROI that is read three ways: ROI Pooling, ROIAlign and `crop_and_resize`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import DASHED, INK, WHITE
from mrcnn_explained.plots.style import Look, draw_boxes, panels, show_map
from mrcnn_explained.stages.crops import (
    AlignedCrops,
    PooledRegions,
    crop_levels,
    roi_align,
    roi_pool,
)
from mrcnn_explained.stages.levels import LOWEST

ROOM = 2  # cells of the map to show around the ROI


def plot_pooling(
    features: Any, box: Sequence[float], image_shape: Sequence[int], pool_size: int = 7
) -> Figure:
    """Draw what three ways of pooling read of one ROI, and the crops that they return.

    features       a map, [1, Hk, Wk, F]
    box            the ROI, normalised
    image_shape    (H, W) of the molded image, pixels
    pool_size      cells along each side of the crop

    Above: the mean absolute activation around the ROI, one square per cell; the ROI is dashed.
    ROI Pooling reads whole cells: the frame shows them, lines are the edges of its bins. The
    dots of the others are their samples. Below: the crops, on one colour scale.
    """
    features = tf.convert_to_tensor(features, tf.float32)
    boxes, images = tf.constant([box], tf.float32), tf.constant([0])
    pooled = roi_pool(features, boxes, images, image_shape, pool_size=pool_size)
    aligned = roi_align(features, boxes, images, image_shape, pool_size=pool_size)
    level = tf.constant([[LOWEST]])
    sampled = crop_levels(boxes[tf.newaxis], level, [features], pool_size=pool_size)
    crops = [pooled.pooled[0], aligned.pooled[0], sampled.pooled[0][0]]
    means = [np.abs(np.asarray(crop)).mean(axis=-1) for crop in crops]

    true = _true_box(aligned)
    near, extent = _around(np.abs(np.asarray(features[0])).mean(axis=-1), true)
    values = np.concatenate([near.ravel(), *(mean.ravel() for mean in means)])
    scale = {"vmin": values.min(), "vmax": values.max()}
    grid = panels(2, 3, 4.2, 4.3)
    for ax in grid[0]:
        show_map(ax, near, extent=extent, **scale)
    height, width = true[2] - true[0], true[3] - true[1]
    rows, columns = _draw_bins(grid[0, 0], pooled)
    _draw_samples(grid[0, 1], aligned.sample_y[0], aligned.sample_x[0])
    _draw_bin_edges(grid[0, 1], true, pool_size)
    _draw_samples(grid[0, 2], sampled.sample_y[0][0], sampled.sample_x[0][0])
    count = len(aligned.sample_y[0]) // pool_size
    titles = (
        f"ROI Pooling: {rows} x {columns} whole cells\nfor an ROI of {height:.1f} x {width:.1f}",
        f"ROIAlign: no rounding, the mean of\n{count} x {count} samples in each bin",
        "crop_and_resize: no rounding, one\nsample per cell, from edge to edge",
    )
    for ax in grid[0]:
        draw_boxes(ax, [true], INK, linestyle=DASHED, linewidth=2.0)
    for ax, below, mean, title in zip(*grid, means, titles, strict=True):
        ax.set_title(title, fontsize=11)
        drawn = show_map(below, mean, f"crop, {pool_size} x {pool_size}", **scale)
        below.title.set_fontsize(11)
    figure = grid[0, 0].figure
    figure.colorbar(drawn, ax=list(grid.flat), shrink=0.5, label="mean |activation| over channels")
    return figure


def _true_box(aligned: AlignedCrops) -> tuple[float, float, float, float]:
    """Return the ROI in cells of the map, without any rounding: its samples and half a step."""
    ys, xs = np.asarray(aligned.sample_y[0]), np.asarray(aligned.sample_x[0])
    half = (ys[1] - ys[0]) / 2, (xs[1] - xs[0]) / 2
    return ys[0] - half[0], xs[0] - half[1], ys[-1] + half[0], xs[-1] + half[1]


def _around(
    values: np.ndarray, box: Sequence[float]
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Return the part of a map around a box in cells, and its extent for `imshow`."""
    first = [max(0, int(np.floor(side)) - ROOM) for side in box[:2]]
    last = [min(n, int(np.ceil(s)) + ROOM + 1) for s, n in zip(box[2:], values.shape, strict=True)]
    part = values[first[0] : last[0], first[1] : last[1]]
    return part, (first[1] - 0.5, last[1] - 0.5, last[0] - 0.5, first[0] - 0.5)


def _draw_bins(ax: Axes, pooled: PooledRegions) -> tuple[int, int]:
    """Draw the cells that ROI Pooling reads, and its bins; return how many rows and columns."""
    rows, columns = np.asarray(pooled.row_bins[0]), np.asarray(pooled.column_bins[0])
    top, bottom = rows.min() - 0.5, rows.max() - 0.5
    left, right = columns.min() - 0.5, columns.max() - 0.5
    look: Look = {"color": WHITE, "linewidth": 1.2}
    ax.hlines(np.unique(rows[1:, 0]) - 0.5, left, right, **look)
    ax.vlines(np.unique(columns[1:, 0]) - 0.5, top, bottom, **look)
    draw_boxes(ax, [(top, left, bottom, right)], WHITE, linewidth=2.5)
    return rows.max() - rows.min(), columns.max() - columns.min()


def _draw_bin_edges(ax: Axes, box: Sequence[float], pool_size: int) -> None:
    """Draw the edges of ROIAlign's bins: equal parts of the ROI."""
    look: Look = {"color": WHITE, "linewidth": 1.2}
    ax.hlines(np.linspace(box[0], box[2], pool_size + 1), box[1], box[3], **look)
    ax.vlines(np.linspace(box[1], box[3], pool_size + 1), box[0], box[2], **look)


def _draw_samples(ax: Axes, ys: Any, xs: Any) -> None:
    """Draw a dot at each sample."""
    grid_x, grid_y = np.meshgrid(np.asarray(xs), np.asarray(ys))
    look: Look = {"color": "white", "markeredgecolor": INK, "markersize": 4.5, "mew": 0.8}
    ax.plot(grid_x, grid_y, "o", clip_on=False, **look)
