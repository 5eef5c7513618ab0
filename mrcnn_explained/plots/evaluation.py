"""Plots of an evaluation: precision-recall curves, and predictions against ground truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes

from mrcnn_explained.boxes import iou
from mrcnn_explained.evaluation.coco import FOUND_IOU
from mrcnn_explained.evaluation.evaluate import Evaluation, match
from mrcnn_explained.plots.palette import (
    BAD,
    CURVE_COLORS,
    DASHED,
    DOTTED,
    GOOD,
    INK,
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
    quiet_axes,
    show_image,
)


def plot_precision_recall(found: Evaluation, ax: Axes | None = None) -> Axes:
    """Draw precision over recall at IoU 0.5, 0.75 and 0.95; the area under a curve is its AP."""
    ax = quiet_axes(axes(ax, 7.4, 4.5))
    label_y = 1.08
    for place, (row, threshold) in enumerate(((0, 0.5), (5, 0.75), (9, 0.95))):
        curve, color = found.precision[row], CURVE_COLORS[place]
        ax.plot(found.recall, curve, color=color, lw=2.2)
        # All curves end at the right, so the labels are there. A thin line leads to the last
        # point where the curve is at half its maximum or more.
        end = int(np.flatnonzero(curve >= curve.max(initial=0) / 2)[-1])
        label_y = min(label_y - 0.08, curve[end])  # keeps labels apart
        line: Look = {"arrowstyle": "-", "color": color, "lw": 0.8, "shrinkB": 0}
        look: Look = {"color": text_color(color), "weight": "bold", "va": "center"}
        ax.annotate(
            f"IoU {threshold:.2f}: AP {curve.mean():.3f}",
            (found.recall[end], curve[end]),
            (1.05, label_y),
            textcoords=ax.get_yaxis_transform(),
            annotation_clip=False,
            arrowprops=line,
            **look,
        )
    ax.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="recall", ylabel="precision, mean over classes")
    counts = f"boxes of {found.objects} objects on {found.images} images"
    ax.set_title(f"{counts}: AP {found.bbox['AP']:.3f}", fontsize=10, color=INK, loc="left")
    return ax


def plot_overlaps(
    gt_boxes: Any,
    gt_class_ids: Any,
    boxes: Any,
    class_ids: Any,
    scores: Any,
    names: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw the IoU of predictions (rows) with objects (columns), and which pairs match.

    gt_boxes, boxes            [n, 4] and [m, 4], (y1, x1, y2, x2), in the same pixels
    gt_class_ids, class_ids    [n] and [m]
    scores                     [m]
    names                      C class names, background first; without them, numbers are shown
    """
    gt_class_ids, class_ids = np.asarray(gt_class_ids), np.asarray(class_ids)
    rows, columns = len(class_ids), len(gt_class_ids)
    ax = axes(ax, 2.5 + 0.7 * max(columns, 3), 1.5 + 0.34 * max(rows, 3))
    if not rows or not columns:
        note(ax, "no detection" if not rows else "no object")
        return ax
    overlaps = iou(tf.constant(boxes, tf.float32), tf.constant(gt_boxes, tf.float32)).numpy()
    _, of_detection = match(gt_boxes, gt_class_ids, boxes, class_ids)
    ax.imshow(overlaps, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
    for row, column in zip(*np.nonzero(overlaps > 0), strict=True):
        overlap = overlaps[row, column]
        matches = of_detection[row] == column
        wrong_class = class_ids[row] != gt_class_ids[column]
        word = "match" if matches else "wrong" if overlap >= FOUND_IOU and wrong_class else ""
        look: Look = {"fontsize": 7, "color": INK, "weight": "bold" if matches else "normal"}
        ax.text(column, row, f"{overlap:.2f}\n{word}".strip(), ha="center", va="center", **look)
    rows_text = [f"{class_label(c, names)} {s:.2f}" for c, s in zip(class_ids, scores, strict=True)]
    columns_text = [class_label(c, names) for c in gt_class_ids]
    ax.set_yticks(range(rows), rows_text, fontsize=8)
    ax.set_xticks(range(columns), columns_text, rotation=60, fontsize=8)
    ax.set(xlabel="objects", ylabel="predictions, best first")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def plot_differences(
    pixels: Any,
    gt_boxes: Any,
    gt_class_ids: Any,
    boxes: Any,
    class_ids: Any,
    scores: Any,
    names: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw found, missed and invented objects on an image, in three styles.

    pixels             the image
    gt_boxes, boxes    [n, 4] and [m, 4], (y1, x1, y2, x2), pixels of the image

    Other arguments as in `plot_overlaps`. An invented object is a prediction without a match.
    """
    gt_class_ids, class_ids = np.asarray(gt_class_ids), np.asarray(class_ids)
    ax = show_image(axes(ax, 9, 6.8), pixels)
    of_object, of_detection = match(gt_boxes, gt_class_ids, boxes, class_ids)
    found, missed, invented = of_object >= 0, of_object < 0, of_detection < 0
    label_at, labels, label_colors = [], [], []
    for rows, all_boxes, ids, color, style, word in (
        (found, gt_boxes, gt_class_ids, GOOD, "-", ""),
        (missed, gt_boxes, gt_class_ids, BAD, DASHED, "missed: "),
        (invented, boxes, class_ids, INK, DOTTED, "invented: "),
    ):
        chosen = np.asarray(all_boxes, np.float64).reshape(-1, 4)[rows]
        draw_boxes(ax, chosen, [color] * len(chosen), linewidth=2.2, linestyle=style)
        label_at += list(chosen)
        labels += [f"{word}{class_label(c, names)}" for c in ids[rows]]
        label_colors += [color] * len(chosen)
    label_boxes(ax, label_at, labels, label_colors)  # in one call: labels avoid each other
    lines = [
        (f"{found.sum()} found (solid)", GOOD),
        (f"{missed.sum()} missed (dashed)", BAD),
        (f"{invented.sum()} invented (dotted)", INK),
    ]
    beside(ax, lines)
    return ax
