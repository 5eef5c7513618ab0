"""Plots of detection targets: which ROIs learn, what they should say, and their masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.style import (
    INK,
    LEVEL_COLORS,
    QUIET,
    axes,
    class_color,
    draw_boxes,
    label_boxes,
    note,
    panels,
    pixels,
    quiet_axes,
    show_map,
    show_picture,
)
from mrcnn_explained.stages.detection_targets import POSITIVE_IOU, DetectionTargets


def plot_detection_targets(
    targets: DetectionTargets, picture: Any, names: Sequence[str] = (), *, image: int = 0,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Chosen ROIs on the molded picture: positives by class, negatives faint."""
    ax = show_picture(axes(ax, 8, 7), picture, fade=0.35)
    boxes = pixels(targets.rois[image], picture)
    positive, negative = (np.asarray(x[image]) for x in (targets.positive, targets.negative))
    classes = np.asarray(targets.target_class_ids[image])
    draw_boxes(ax, boxes[negative], QUIET, linewidth=0.7, linestyle=":")
    colors = [class_color(c) for c in classes[positive]]
    draw_boxes(ax, boxes[positive], colors, linewidth=1.6)
    # One name an object: the ROIs of one lie on top of each other.
    gt = np.asarray(targets.roi_gt_box_assignment[image])[positive]
    _, first = np.unique(gt, return_index=True)
    words = [names[c] if names else f"class {c}" for c in classes[positive]]
    label_boxes(ax, boxes[positive][first], [words[i] for i in first], [colors[i] for i in first])
    padding = len(boxes) - positive.sum() - negative.sum()
    text = f"{positive.sum()} positive, {negative.sum()} negative, {padding} rows of padding"
    note(ax, text, y=-0.01)
    return ax


def plot_roi_overlaps(targets: DetectionTargets, *, image: int = 0, ax: Axes | None = None) -> Axes:
    """Every candidate's best IoU in order of size, and who was drawn."""
    ax = quiet_axes(axes(ax, 7, 4))
    overlap = np.asarray(targets.roi_iou_max[image])
    order = np.argsort(-overlap)
    place = np.argsort(order)
    chosen = np.asarray(targets.roi_ix[image])
    drawn = np.zeros(len(overlap), bool)
    drawn[chosen[chosen >= 0]] = True
    real = overlap >= 0
    for mask, color, label in (
        (real & ~drawn, "#C3C9CF", "not drawn"),
        (real & drawn & (overlap >= POSITIVE_IOU), LEVEL_COLORS[2], "drawn as positive"),
        (real & drawn & (overlap < POSITIVE_IOU), LEVEL_COLORS[5], "drawn as negative"),
    ):
        ax.scatter(place[mask], overlap[mask], s=10, color=color, label=f"{mask.sum()} {label}")
    ax.axhline(POSITIVE_IOU, color=INK, lw=1)
    ax.set(xlabel="candidates, best first", ylabel="IoU with the best object", ylim=(-0.02, 1.02))
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_mask_targets(
    targets: DetectionTargets, names: Sequence[str] = (), *, image: int = 0, count: int = 8
) -> Figure:
    """The mask targets of the first positive ROIs: what the mask head should draw."""
    masks = np.asarray(targets.target_mask[image])[np.asarray(targets.positive[image])][:count]
    classes = np.asarray(targets.target_class_ids[image])
    columns = min(4, max(1, len(masks)))
    grid = panels(max(1, -(-len(masks) // columns)), columns, 2, 2.2)
    for ax in grid.flat:
        ax.set_axis_off()
    for ax, mask, c in zip(grid.flat, masks, classes, strict=False):
        show_map(ax, mask, names[c] if names else f"class {c}", vmin=0, vmax=1)
    if not len(masks):
        note(grid[0, 0], "no positive ROI")
    return grid[0, 0].figure
