"""Plots of detections: the filters that ROIs fall through, and who is left."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import DOTTED, FAINT, GOOD, INK, class_color
from mrcnn_explained.plots.style import (
    axes,
    draw_boxes,
    label_boxes,
    panels,
    quiet_axes,
    show_image,
    to_pixels,
)
from mrcnn_explained.stages.detections import Detections


def plot_cascade(
    detections: Detections, valid: Any, image: int = 0, ax: Axes | None = None
) -> Axes:
    """How many ROIs are left after each filter; what each one took stands beside it.

    valid    [B, N] of proposals: padded rows are no ROIs
    """
    real = np.asarray(valid[image])
    masks = (
        real,
        *(
            np.asarray(x[image])
            for x in (
                detections.is_foreground,
                detections.is_confident,
                detections.survives_nms,
                detections.kept,
            )
        ),
    )
    left = [int(np.logical_and.reduce(masks[: i + 1]).sum()) for i in range(len(masks))]
    names = ("ROIs", "not background", "confident", "after NMS per class", "detections")
    ax = quiet_axes(axes(ax, 7.5, 3.2))
    ax.barh(range(5), [left[0]] * 5, color=FAINT, height=0.62)
    ax.barh(range(5), left, color=GOOD, height=0.62)
    for row, count in enumerate(left):
        took = left[row - 1] - count if row else 0
        lost = f"  (-{took})" if took else ""
        ax.text(left[0] * 1.01, row, f"{count}{lost}", va="center", color=INK, weight="bold")
    ax.set_yticks(range(5), names)
    ax.invert_yaxis()
    ax.set_xlim(0, max(1, left[0]))
    ax.set_xlabel("ROIs left (in brackets: taken by this filter)")
    return ax


def plot_class_refinement(
    detections: Detections,
    rois: Any,
    pixels: Any,
    image: int = 0,
    count: int = 20,
    names: Sequence[str] = (),
) -> Figure:
    """The best ROIs of a class before (dotted) and after the deltas of that class.

    names    C class names, background first; without them, the numbers

    Left: the most confident ROIs that are not background. Right: the background ones that
    the RPN liked best.
    """
    scores = np.asarray(detections.class_scores[image])
    foreground = np.asarray(detections.is_foreground[image])
    real = np.asarray(rois[image]).any(axis=1)
    best = [r for r in np.argsort(-scores, kind="stable") if foreground[r] and real[r]][:count]
    rest = [r for r in range(len(scores)) if not foreground[r] and real[r]][:count]
    before, after = (to_pixels(x[image], pixels) for x in (rois, detections.refined_rois_clipped))
    class_ids = np.asarray(detections.class_ids[image])
    left, right = panels(1, 2, 5.2, 5.7)[0]
    show_image(left, pixels, fade=0.4)
    colors = [class_color(class_ids[r]) for r in best]
    draw_boxes(left, before[best], colors, linestyle=DOTTED, linewidth=1.4)
    draw_boxes(left, after[best], colors, linewidth=1.8)
    # One name a class and place: the ROIs of one object lie on top of each other.
    named = _apart(after, best, class_ids)
    words = [names[class_ids[r]] if names else f"class {class_ids[r]}" for r in named]
    label_boxes(left, after[named], words, [class_color(class_ids[r]) for r in named])
    left.set_title(f"{len(best)} ROIs before (dotted) and after (solid)", fontsize=11)
    show_image(right, pixels, fade=0.4)
    draw_boxes(right, before[rest], INK, linestyle=DOTTED, linewidth=1.4)
    right.set_title(f"{len(rest)} ROIs taken for background", fontsize=11)
    return left.figure


def _apart(boxes, rows, class_ids):
    """Those of some rows, best first, that meet no row of their class before them."""
    chosen = []
    for row in rows:
        same = [other for other in chosen if class_ids[other] == class_ids[row]]
        if not any(_meet(boxes[row], boxes[other]) for other in same):
            chosen.append(row)
    return chosen


def _meet(a, b):
    return (np.maximum(a[:2], b[:2]) < np.minimum(a[2:], b[2:])).all()


def plot_nms_by_class(
    detections: Detections, names: Sequence[str] = (), image: int = 0, ax: Axes | None = None
) -> Axes:
    """For each class with a confident ROI: how many there were, and how many NMS left."""
    class_ids, *masks = (
        np.asarray(x[image])
        for x in (
            detections.class_ids,
            detections.is_foreground,
            detections.is_confident,
            detections.survives_nms,
        )
    )
    before = masks[0] & masks[1]
    classes = np.unique(class_ids[before])
    ax = quiet_axes(axes(ax, 7, 1.1 + 0.32 * max(1, len(classes))))
    for row, c in enumerate(classes):
        counts = [int((mask & (class_ids == c)).sum()) for mask in (before, masks[2])]
        ax.barh(row, counts[0], color=FAINT, height=0.65)
        ax.barh(row, counts[1], color=class_color(c), height=0.65)
        ax.text(counts[0], row, f"  {counts[0]} → {counts[1]}", va="center", fontsize=9)
    ax.set_yticks(range(len(classes)), [names[c] if names else f"class {c}" for c in classes])
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set_xlabel("confident ROIs → after NMS" if len(classes) else "no ROI is confident")
    return ax


def plot_detections(
    detections: Detections,
    pixels: Any,
    names: Sequence[str] = (),
    image: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """The detections over the molded image, with class and score."""
    ax = show_image(axes(ax, 7, 7), pixels, fade=0.25)
    found = np.asarray(detections.detections[image])[np.asarray(detections.valid[image])]
    boxes, classes = to_pixels(found[:, :4], pixels), found[:, 4].astype(int)
    colors = [class_color(c) for c in classes]
    draw_boxes(ax, boxes, colors, linewidth=1.8)
    texts = [
        f"{names[c] if names else f'class {c}'} {score:.2f}"
        for c, score in zip(classes, found[:, 5], strict=True)
    ]
    label_boxes(ax, boxes, texts, colors)
    ax.set_title(f"{len(found)} detections", fontsize=10)
    return ax
