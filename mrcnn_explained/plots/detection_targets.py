"""Plots of detection targets: which ROIs learn, what they should say, and their masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import (
    DOTTED,
    INK,
    LEVEL_COLORS,
    NEUTRAL,
    class_color,
    text_color,
)
from mrcnn_explained.plots.style import (
    axes,
    beside,
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
    """Chosen ROIs on the molded image: positives solid, by class; negatives dotted."""
    ax = show_image(axes(ax, 9.2, 6.6), pixels, fade=0.5)
    boxes = to_pixels(targets.rois[image], pixels)
    positive, negative = (np.asarray(x[image]) for x in (targets.positive, targets.negative))
    classes = np.asarray(targets.target_class_ids[image])
    draw_boxes(ax, boxes[negative], INK, linewidth=1.2, linestyle=DOTTED, alpha=0.75)
    colors = [class_color(c) for c in classes[positive]]
    draw_boxes(ax, boxes[positive], colors, linewidth=2)
    # One name an object: the ROIs of one lie on top of each other.
    gt = np.asarray(targets.roi_gt_box_assignment[image])[positive]
    _, first = np.unique(gt, return_index=True)
    words = [names[c] if names else f"class {c}" for c in classes[positive]]
    label_boxes(ax, boxes[positive][first], [words[i] for i in first], [colors[i] for i in first])
    padding = len(boxes) - positive.sum() - negative.sum()
    kinds = [
        (
            f"  {np.sum(classes[positive] == c)} {names[c] if names else f'class {c}'}",
            class_color(c),
        )
        for c in np.unique(classes[positive])
    ]
    beside(
        ax,
        [
            (f"solid: {positive.sum()} positive ROIs,\nin the colour of their class", INK),
            *kinds,
            (f"dotted: {negative.sum()} negative ROIs,\nwhich should say background", INK),
            (f"{padding} rows of padding", INK),
        ],
    )
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
    words = []
    for mask, color, label in (
        (real & ~drawn, NEUTRAL, "not drawn"),
        (real & drawn & (overlap >= POSITIVE_IOU), LEVEL_COLORS[2], "drawn as positive"),
        (real & drawn & (overlap < POSITIVE_IOU), LEVEL_COLORS[5], "drawn as negative"),
    ):
        ax.scatter(place[mask], overlap[mask], s=10, color=color)
        words.append((f"{mask.sum()} {label}", color))
    ax.axhline(POSITIVE_IOU, color=INK, lw=1)
    # Overlaps fall from left to right, so the upper right is empty.
    for row, (text, color) in enumerate(words):
        note(
            ax,
            text,
            x=0.99,
            y=0.98 - 0.07 * row,
            ha="right",
            color=text_color(color),
            weight="bold",
            fontsize=10,
        )
    ax.annotate(
        f"positive from {POSITIVE_IOU}",
        (1, POSITIVE_IOU),
        (-4, 3),
        ha="right",
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
    )
    ax.set(xlabel="candidates, best first", ylabel="IoU with the best object", ylim=(-0.02, 1.02))
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
