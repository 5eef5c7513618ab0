"""Plots of RPN targets: which anchors are trained on, and their target boxes."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.plots.palette import DOTTED, INK, LEVEL_COLORS, text_color
from mrcnn_explained.plots.style import (
    Look,
    axes,
    beside,
    draw_boxes,
    quiet_axes,
    show_image,
)
from mrcnn_explained.stages.anchors import Anchors
from mrcnn_explained.stages.rpn_targets import NEGATIVE_IOU, POSITIVE_IOU, RpnTargets

FLOOR = 0.6  # height of an empty bin: a log scale has no 0


def plot_rpn_targets(
    targets: RpnTargets,
    anchors: Anchors,
    pixels: Any,
    *,
    std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
    image: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the sampled anchors on the molded image: positives dotted, their targets solid.

    pixels     the molded image
    std_dev    standard deviations that the targets were divided by

    Positive anchors have the colour of their level; negative anchors are thin and grey.
    """
    ax = show_image(axes(ax, 9.2, 6.6), pixels, fade=0.5)
    match = np.asarray(targets.rpn_match[image])
    boxes, level = np.asarray(anchors.boxes_px), np.asarray(anchors.level)
    draw_boxes(ax, boxes[match == -1], INK, linewidth=0.7, alpha=0.4)
    rows = np.asarray(targets.positive_anchors[image])
    rows = rows[rows >= 0]
    deltas = np.asarray(targets.rpn_bbox[image][: len(rows)]) * np.asarray(std_dev, np.float32)
    goals = apply_box_deltas(boxes[rows], deltas).numpy()
    colors = [LEVEL_COLORS[k] for k in level[rows]]
    draw_boxes(ax, goals, colors, linewidth=2.4)
    draw_boxes(ax, boxes[rows], colors, linewidth=1.8, linestyle=DOTTED)
    lines = [("dotted: positive anchors,\nin the colour of their level", INK)]
    for k in sorted(set(level[rows].tolist())):
        lines.append((f"P{k}: {(level[rows] == k).sum()} positive", LEVEL_COLORS[k]))
    lines.append(("solid: their target boxes", INK))
    lines.append((f"thin: {(match == -1).sum()} negative anchors", INK))
    beside(ax, lines)
    return ax


def plot_anchor_overlaps(
    targets: RpnTargets, anchors: Anchors, *, image: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw histograms of the anchors' highest IoU with an object, one per level.

    Dashed lines are the two thresholds. Anchors that overlap no object are left out: they
    are nearly all.
    """
    ax = quiet_axes(axes(ax, 8, 4.6))
    overlap = np.asarray(targets.anchor_iou_max[image])
    level, forced = np.asarray(anchors.level), np.asarray(targets.forced[image])
    touching = overlap > 0
    edges = np.linspace(0, 1, 41)
    label_y = np.inf
    counts = {k: np.histogram(overlap[touching & (level == k)], edges)[0] for k in LEVEL_COLORS}
    for k in sorted(counts, key=lambda k: -counts[k][0]):
        ax.stairs(np.maximum(counts[k], FLOOR), edges, color=LEVEL_COLORS[k], lw=1.8, baseline=None)
        label_y = min(max(counts[k][0], FLOOR), label_y / 2)  # keeps labels apart
        look: Look = {"color": text_color(LEVEL_COLORS[k]), "weight": "bold"}
        ax.text(-0.01, label_y, f"P{k}", ha="right", va="center", **look)
    ax.set_yscale("log")
    for threshold, word in ((NEGATIVE_IOU, "negative below"), (POSITIVE_IOU, "positive from")):
        ax.axvline(threshold, color=INK, lw=1, ls="--")
        place: Look = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        ax.text(threshold, 1.01, f"{word} {threshold}", fontsize=10, **place)
    weak = overlap[forced & (overlap < POSITIVE_IOU)]
    ax.plot(weak, np.full(len(weak), 1.3 * FLOOR), "v", color=INK, markersize=6, clip_on=False)
    ax.set(xlabel="IoU with the best object", ylabel="anchors", xlim=(-0.06, 1), ylim=(FLOOR, None))
    if len(weak):
        title = f"triangles: {len(weak)} best anchors of an object, positive at any IoU"
        ax.set_title(title, fontsize=10, color=INK, loc="left", pad=22)
    return ax
