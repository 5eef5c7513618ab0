"""Plots of detection targets: which ROIs are trained on, their classes and their masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import (
    DOTTED,
    GOOD,
    INK,
    NEUTRAL,
    class_color,
    text_color,
)
from mrcnn_explained.plots.style import (
    Look,
    axes,
    beside,
    class_label,
    draw_boxes,
    label_boxes,
    note,
    panels,
    quiet_axes,
    show_image,
    show_map,
    to_pixels,
)
from mrcnn_explained.stages.detection_targets import POSITIVE_IOU, DetectionTargets


def plot_detection_targets(
    targets: DetectionTargets,
    pixels: Any,
    names: Sequence[str] = (),
    *,
    image: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the sampled ROIs on the molded image: positives solid, negatives dotted.

    pixels    the molded image
    names     C class names, background first; without them, numbers are shown

    Positive ROIs have the colour of their class.
    """
    ax = show_image(axes(ax, 9.2, 6.6), pixels, fade=0.5)
    boxes = to_pixels(targets.rois[image], pixels)
    positive, negative = np.asarray(targets.positive[image]), np.asarray(targets.negative[image])
    classes = np.asarray(targets.target_class_ids[image])
    draw_boxes(ax, boxes[negative], INK, linewidth=1.2, linestyle=DOTTED, alpha=0.75)
    colors = [class_color(c) for c in classes[positive]]
    draw_boxes(ax, boxes[positive], colors, linewidth=2)
    # One label per object: the ROIs of an object lie on top of each other.
    gt = np.asarray(targets.roi_gt_box_assignment[image])[positive]
    _, first = np.unique(gt, return_index=True)
    words = [class_label(c, names) for c in classes[positive][first]]
    label_boxes(ax, boxes[positive][first], words, [colors[i] for i in first])
    lines = [(f"solid: {positive.sum()} positive ROIs,\nin the colour of their class", INK)]
    for c in np.unique(classes[positive]):
        count = np.sum(classes[positive] == c)
        lines.append((f"  {count} {class_label(c, names)}", class_color(c)))
    lines.append((f"dotted: {negative.sum()} negative ROIs,\nwith background as target", INK))
    lines.append((f"{len(boxes) - positive.sum() - negative.sum()} rows of padding", INK))
    beside(ax, lines)
    return ax


def plot_roi_overlaps(targets: DetectionTargets, *, image: int = 0, ax: Axes | None = None) -> Axes:
    """Draw the highest IoU of every candidate with an object, and which were sampled.

    Candidates are in descending order of IoU.
    """
    ax = quiet_axes(axes(ax, 7, 4))
    overlap = np.asarray(targets.roi_iou_max[image])
    order = np.argsort(-overlap)
    place = np.argsort(order)
    chosen = np.asarray(targets.roi_ix[image])
    sampled = np.zeros(len(overlap), bool)
    sampled[chosen[chosen >= 0]] = True
    real, positive = overlap >= 0, overlap >= POSITIVE_IOU
    words = []
    for mask, color, face, label in (
        (real & ~sampled, NEUTRAL, NEUTRAL, "not sampled (grey)"),
        (real & sampled & positive, GOOD, GOOD, "sampled as positive (filled)"),
        (real & sampled & ~positive, INK, "none", "sampled as negative (hollow)"),
    ):
        ax.scatter(place[mask], overlap[mask], s=14, edgecolors=color, facecolors=face)
        words.append((f"{mask.sum()} {label}", color))
    ax.axhline(POSITIVE_IOU, color=INK, lw=1)
    # Overlaps fall from left to right, so the upper right is empty.
    for row, (text, color) in enumerate(words):
        look: Look = {"color": text_color(color), "weight": "bold", "fontsize": 10}
        note(ax, text, x=0.99, y=0.98 - 0.07 * row, ha="right", **look)
    place_at: Look = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points"}
    ax.annotate(f"positive from {POSITIVE_IOU}", (1, POSITIVE_IOU), (-4, 3), ha="right", **place_at)
    ax.set(xlabel="candidates, highest IoU first", ylabel="IoU with the best object")
    ax.set_ylim(-0.02, 1.02)
    return ax


def plot_mask_targets(
    targets: DetectionTargets, names: Sequence[str] = (), *, image: int = 0, count: int = 8
) -> Figure:
    """Draw the target masks of the first positive ROIs whose objects have a mask.

    names    C class names, background first; without them, numbers are shown
    count    how many masks to draw
    """
    shown = np.asarray(targets.positive[image]) & np.asarray(targets.has_mask[image])
    masks = np.asarray(targets.target_mask[image])[shown][:count]
    classes = np.asarray(targets.target_class_ids[image])[shown]
    columns = min(4, max(1, len(masks)))
    grid = panels(max(1, -(-len(masks) // columns)), columns, 2, 2.2)
    for ax in grid.flat:
        ax.set_axis_off()
    for ax, mask, c in zip(grid.flat, masks, classes, strict=False):
        show_map(ax, mask, class_label(c, names), vmin=0, vmax=1)
    if not len(masks):
        note(grid[0, 0], "no positive ROI with a mask")
    return grid[0, 0].figure
