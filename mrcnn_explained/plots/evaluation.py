"""Plots of an evaluation: the precision-recall curves, predictions against the truth."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes

from mrcnn_explained.boxes import iou
from mrcnn_explained.evaluation.coco import FOUND_IOU
from mrcnn_explained.evaluation.evaluate import Evaluation, match
from mrcnn_explained.plots.palette import BAD, CLASS_COLORS, DOTTED, GOOD, INK, text_color
from mrcnn_explained.plots.style import (
    axes,
    beside,
    draw_boxes,
    label_boxes,
    note,
    quiet_axes,
    show_image,
)


def plot_precision_recall(found: Evaluation, ax: Axes | None = None) -> Axes:
    """Precision over recall at IoU 0.5, 0.75 and 0.95; the area under a curve is its AP."""
    ax = quiet_axes(axes(ax, 7.4, 4.5))
    above = 1.08
    for place, (row, threshold) in enumerate(((0, 0.5), (5, 0.75), (9, 0.95))):
        curve, color = found.precision[row], CLASS_COLORS[place]
        ax.plot(found.recall, curve, color=color, lw=2.2)
        # Every curve ends at the right, so its name stands there, with a thread to the place
        # where it last was half as high as at first.
        end = int(np.flatnonzero(curve >= curve.max(initial=0) / 2)[-1])
        above = min(above - 0.08, curve[end])  # names stand apart
        ax.annotate(
            f"IoU {threshold:.2f}: AP {curve.mean():.3f}",
            (found.recall[end], curve[end]),
            (1.05, above),
            textcoords=ax.get_yaxis_transform(),
            color=text_color(color),
            weight="bold",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.8, "shrinkB": 0},
        )
    ax.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="recall", ylabel="precision, mean over classes")
    ax.set_title(
        f"boxes of {found.objects} objects on {found.images} images: AP {found.bbox['AP']:.3f}",
        fontsize=10,
        color=INK,
        loc="left",
    )
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
    """Predictions (rows) against objects (columns): IoU, and which pairs match."""
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
        hit = of_detection[row] == column
        wrong = overlaps[row, column] >= FOUND_IOU and class_ids[row] != gt_class_ids[column]
        word = "match" if hit else "wrong" if wrong else ""
        ax.text(
            column,
            row,
            f"{overlaps[row, column]:.2f}\n{word}".strip(),
            ha="center",
            va="center",
            fontsize=7,
            color=INK,
            weight="bold" if hit else "normal",
        )
    name = partial(_name, names)
    ax.set_yticks(
        range(rows),
        [f"{name(c)} {s:.2f}" for c, s in zip(class_ids, scores, strict=True)],
        fontsize=8,
    )
    ax.set_xticks(range(columns), [name(c) for c in gt_class_ids], rotation=60, fontsize=8)
    ax.set(xlabel="objects", ylabel="predictions, best first")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def plot_differences(
    image: Any,
    gt_boxes: Any,
    gt_class_ids: Any,
    boxes: Any,
    class_ids: Any,
    scores: Any,
    names: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Found, missed and invented: objects and predictions on the image, in three styles.

    gt_boxes, boxes    (y1, x1, y2, x2), pixels of the image
    """
    gt_class_ids, class_ids = np.asarray(gt_class_ids), np.asarray(class_ids)
    ax = show_image(axes(ax, 9, 6.8), image)
    of_object, of_detection = match(gt_boxes, gt_class_ids, boxes, class_ids)
    found, missed, invented = of_object >= 0, of_object < 0, of_detection < 0
    name = partial(_name, names)
    labelled = []
    for rows, whose, ids, color, style, word in (
        (found, gt_boxes, gt_class_ids, GOOD, "-", ""),
        (missed, gt_boxes, gt_class_ids, BAD, "--", "missed: "),
        (invented, boxes, class_ids, INK, DOTTED, "invented: "),
    ):
        chosen = np.asarray(whose, np.float64).reshape(-1, 4)[rows]
        draw_boxes(ax, chosen, [color] * len(chosen), linewidth=2.2, linestyle=style)
        labelled += [
            (box, f"{word}{name(c)}", color) for box, c in zip(chosen, ids[rows], strict=True)
        ]
    if labelled:  # together, so that all keep clear of each other
        label_boxes(ax, *zip(*labelled, strict=True))
    beside(
        ax,
        [
            (f"{found.sum()} found (solid)", GOOD),
            (f"{missed.sum()} missed (dashed)", BAD),
            (f"{invented.sum()} invented (dotted)", INK),
        ],
    )
    return ax


def _name(names, class_id):
    return names[class_id] if names else f"class {class_id}"
