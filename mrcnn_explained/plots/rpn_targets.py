"""Plots of RPN targets: which anchors learn, and where their boxes should go."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.plots.style import (
    BAD,
    GOOD,
    INK,
    LEVEL_COLORS,
    QUIET,
    axes,
    draw_boxes,
    quiet_axes,
    show_picture,
)
from mrcnn_explained.stages.anchors import Anchors
from mrcnn_explained.stages.rpn_targets import NEGATIVE_IOU, POSITIVE_IOU, RpnTargets


def plot_rpn_targets(
    targets: RpnTargets, anchors: Anchors, picture: Any, *,
    std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2), image: int = 0, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Drawn anchors on the molded picture: positive ones dotted, what they should become solid.

    A positive anchor has the colour of its level; negatives are faint.
    """
    ax = show_picture(axes(ax, 8, 7), picture, fade=0.35)
    match = np.asarray(targets.rpn_match[image])
    boxes, level = np.asarray(anchors.boxes_px), np.asarray(anchors.level)
    draw_boxes(ax, boxes[match == -1], QUIET, linewidth=0.4, alpha=0.35)
    rows = np.asarray(targets.positive_anchors[image])
    rows = rows[rows >= 0]
    deltas = np.asarray(targets.rpn_bbox[image][: len(rows)]) * np.asarray(std_dev, np.float32)
    goals = apply_box_deltas(boxes[rows], deltas).numpy()
    colors = [LEVEL_COLORS[k] for k in level[rows]]
    draw_boxes(ax, boxes[rows], colors, linewidth=1, linestyle=":")
    draw_boxes(ax, goals, colors, linewidth=1.8)
    here = sorted(set(level[rows].tolist()))
    handles = [
        Line2D([], [], color=LEVEL_COLORS[k], label=f"P{k}: {(level[rows] == k).sum()} positive")
        for k in here
    ]
    handles.append(Line2D([], [], color=QUIET, lw=0.8, label=f"{(match == -1).sum()} negative"))
    _legend_below(ax, handles)
    return ax


def plot_anchor_overlaps(
    targets: RpnTargets, anchors: Anchors, *, image: int = 0, ax: Axes | None = None
) -> Axes:
    """How far anchors overlap their best object: a histogram, with the two thresholds."""
    ax = quiet_axes(axes(ax, 7, 4))
    overlap = np.asarray(targets.anchor_iou_max[image])
    level, forced = np.asarray(anchors.level), np.asarray(targets.forced[image])
    touching = overlap > 0
    edges = np.linspace(0, 1, 41)
    parts = [overlap[touching & (level == k)] for k in LEVEL_COLORS]
    names = [f"P{k}" for k in LEVEL_COLORS]
    ax.hist(parts, edges, stacked=True, color=list(LEVEL_COLORS.values()), label=names)
    ax.set_yscale("log")
    for threshold, color in ((NEGATIVE_IOU, BAD), (POSITIVE_IOU, GOOD)):
        ax.axvline(threshold, color=color, lw=1.5)
    weak = overlap[forced & (overlap < POSITIVE_IOU)]
    ax.plot(weak, np.full(len(weak), 0.7), "v", color=INK, markersize=6, clip_on=False)
    ax.set(xlabel="IoU with the best object", ylabel="anchors", xlim=(0, 1), ylim=(0.6, None))
    ax.set_title(
        f"negative below {NEGATIVE_IOU}, positive from {POSITIVE_IOU}\n"
        f"triangles: {len(weak)} best anchors of an object, positive all the same",
        fontsize=9, color=INK, loc="left",
    )  # fmt: skip
    ax.legend(frameon=False, fontsize=8)
    return ax


def _legend_below(ax, handles):
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=len(handles),
        frameon=False, fontsize=8, labelcolor=INK,
    )  # fmt: skip
