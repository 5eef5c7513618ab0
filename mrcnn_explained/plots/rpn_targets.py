"""Plots of RPN targets: which anchors learn, and where their boxes should go."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrcnn_explained.boxes import apply_box_deltas
from mrcnn_explained.plots.palette import DOTTED, INK, LEVEL_COLORS, text_color
from mrcnn_explained.plots.style import axes, beside, draw_boxes, quiet_axes, show_image
from mrcnn_explained.stages.anchors import Anchors
from mrcnn_explained.stages.rpn_targets import NEGATIVE_IOU, POSITIVE_IOU, RpnTargets

FLOOR = 0.6  # where an empty bin of a log histogram is drawn


def plot_rpn_targets(
    targets: RpnTargets,
    anchors: Anchors,
    pixels: Any,
    *,
    std_dev: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
    image: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Drawn anchors on the molded image: positive ones dotted, what they should become solid.

    A positive anchor has the colour of its level; negatives are thin and grey. What is what
    stands beside the image.
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
    beside(
        ax,
        [
            ("dotted: positive anchors,\nin the colour of their level", INK),
            *(
                (f"P{k}: {(level[rows] == k).sum()} positive", LEVEL_COLORS[k])
                for k in sorted(set(level[rows].tolist()))
            ),
            ("solid: the box that each\nshould become", INK),
            (f"thin: {(match == -1).sum()} negative anchors", INK),
        ],
    )
    return ax


def plot_anchor_overlaps(
    targets: RpnTargets, anchors: Anchors, *, image: int = 0, ax: Axes | None = None
) -> Axes:
    """How far anchors overlap their best object: a histogram a level, with the two thresholds.

    Anchors that touch no object are left out: nearly all would stand at 0.
    """
    ax = quiet_axes(axes(ax, 8, 4.6))
    overlap = np.asarray(targets.anchor_iou_max[image])
    level, forced = np.asarray(anchors.level), np.asarray(targets.forced[image])
    touching = overlap > 0
    edges = np.linspace(0, 1, 41)
    above = np.inf
    counts = {k: np.histogram(overlap[touching & (level == k)], edges)[0] for k in LEVEL_COLORS}
    for k in sorted(counts, key=lambda k: -counts[k][0]):
        # A log scale has no 0: an empty bin lies on the floor.
        ax.stairs(np.maximum(counts[k], FLOOR), edges, color=LEVEL_COLORS[k], lw=1.8, baseline=None)
        above = min(max(counts[k][0], FLOOR), above / 2)  # names stand apart
        ax.text(
            -0.01,
            above,
            f"P{k}",
            color=text_color(LEVEL_COLORS[k]),
            weight="bold",
            ha="right",
            va="center",
        )
    ax.set_yscale("log")
    for threshold, word in ((NEGATIVE_IOU, "negative below"), (POSITIVE_IOU, "positive from")):
        ax.axvline(threshold, color=INK, lw=1, ls="--")
        ax.text(
            threshold,
            1.01,
            f"{word} {threshold}",
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=10,
        )
    weak = overlap[forced & (overlap < POSITIVE_IOU)]
    ax.plot(weak, np.full(len(weak), 1.3 * FLOOR), "v", color=INK, markersize=6, clip_on=False)
    ax.set(xlabel="IoU with the best object", ylabel="anchors", xlim=(-0.06, 1), ylim=(FLOOR, None))
    if len(weak):
        ax.set_title(
            f"triangles: {len(weak)} best anchors of an object, positive all the same",
            fontsize=10,
            color=INK,
            loc="left",
            pad=22,
        )
    return ax
