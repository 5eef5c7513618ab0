"""Plots of detections: the filters, what each of them removes, and the detections."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import DOTTED, FAINT, INK, QUIET, class_color
from mrcnn_explained.plots.style import (
    axes,
    class_label,
    draw_boxes,
    label_boxes,
    overlap,
    panels,
    quiet_axes,
    show_image,
    to_pixels,
)
from mrcnn_explained.stages.detections import Detections


def plot_cascade(
    detections: Detections, valid: Any, image: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw how many ROIs are left after each filter; in brackets, how many it removed.

    valid    [B, N] of proposals.py: padded rows are not ROIs
    """
    filters = {
        "ROIs": valid,
        "not background": detections.is_foreground,
        "confident": detections.is_confident,
        "after NMS per class": detections.survives_nms,
        "detections": detections.kept,
    }
    passed, left = np.asarray(valid[image]), []
    for mask in filters.values():
        passed = passed & np.asarray(mask[image])
        left.append(int(passed.sum()))
    ax = quiet_axes(axes(ax, 7.5, 3.2))
    ax.barh(range(5), [left[0]] * 5, color=FAINT, height=0.62)
    ax.barh(range(5), left, color=QUIET, height=0.62)
    for row, count in enumerate(left):
        removed = left[row - 1] - count if row else 0
        lost = f"  (-{removed})" if removed else ""
        ax.text(left[0] * 1.01, row, f"{count}{lost}", va="center", color=INK, weight="bold")
    ax.set_yticks(range(5), list(filters))
    ax.invert_yaxis()
    ax.set_xlim(0, max(1, left[0]))
    ax.set_xlabel("ROIs left (in brackets: removed by this filter)")
    return ax


def plot_class_refinement(
    detections: Detections,
    rois: Any,
    pixels: Any,
    image: int = 0,
    count: int = 20,
    names: Sequence[str] = (),
) -> Figure:
    """Draw ROIs before (dotted) and after (solid) the deltas of their class.

    rois      [B, N, 4], normalised
    pixels    the molded image
    count     how many ROIs to draw in each panel
    names     C class names, background first; without them, numbers are shown

    Left: the most confident ROIs that are not background. Right: the background ROIs with
    the best RPN score.
    """
    scores = np.asarray(detections.class_scores[image])
    foreground = np.asarray(detections.is_foreground[image])
    real = (np.asarray(rois[image]) != 0).sum(axis=1) > 0
    by_score = np.argsort(-scores, kind="stable")
    best = by_score[(foreground & real)[by_score]][:count]
    rest = np.flatnonzero(~foreground & real)[:count]
    before = to_pixels(rois[image], pixels)
    after = to_pixels(detections.refined_rois_clipped[image], pixels)
    class_ids = np.asarray(detections.class_ids[image])
    left, right = panels(1, 2, 5.2, 5.7)[0]
    show_image(left, pixels, fade=0.4)
    colors = [class_color(class_ids[r]) for r in best]
    draw_boxes(left, before[best], colors, linestyle=DOTTED, linewidth=1.4)
    draw_boxes(left, after[best], colors, linewidth=1.8)
    # One label per class and place: the ROIs of one object lie on top of each other.
    labelled = _not_overlapping(after, best, class_ids)
    texts = [class_label(class_ids[r], names) for r in labelled]
    label_boxes(left, after[labelled], texts, [class_color(class_ids[r]) for r in labelled])
    left.set_title(f"{len(best)} ROIs before (dotted) and after (solid)", fontsize=11)
    show_image(right, pixels, fade=0.4)
    draw_boxes(right, before[rest], INK, linestyle=DOTTED, linewidth=1.4)
    right.set_title(f"{len(rest)} ROIs classified as background", fontsize=11)
    return left.figure


def _not_overlapping(boxes: np.ndarray, rows: Iterable[int], class_ids: np.ndarray) -> list[int]:
    """Return the rows, best first, whose box overlaps no earlier box of their class."""
    chosen: list[int] = []
    for row in rows:
        same_class = [other for other in chosen if class_ids[other] == class_ids[row]]
        if not any(overlap(boxes[row], boxes[other]) for other in same_class):
            chosen.append(row)
    return chosen


def plot_nms_by_class(
    detections: Detections, names: Sequence[str] = (), image: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw, for each class with a confident ROI, the number of ROIs before and after NMS.

    names    C class names, background first; without them, numbers are shown
    """
    class_ids = np.asarray(detections.class_ids[image])
    confident = np.asarray(detections.is_confident[image])
    before = np.asarray(detections.is_foreground[image]) & confident
    after = np.asarray(detections.survives_nms[image])
    classes = np.unique(class_ids[before])
    ax = quiet_axes(axes(ax, 7, 1.1 + 0.32 * max(1, len(classes))))
    for row, c in enumerate(classes):
        of_class = class_ids == c
        candidates, kept = int((before & of_class).sum()), int((after & of_class).sum())
        ax.barh(row, candidates, color=FAINT, height=0.65)
        ax.barh(row, kept, color=class_color(c), height=0.65)
        ax.text(candidates, row, f"  {candidates} → {kept}", va="center", fontsize=9)
    ax.set_yticks(range(len(classes)), [class_label(c, names) for c in classes])
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
    """Draw the detections on the molded image, with class and score.

    pixels    the molded image
    names     C class names, background first; without them, numbers are shown
    """
    ax = show_image(axes(ax, 7, 7), pixels, fade=0.25)
    found = np.asarray(detections.detections[image])[np.asarray(detections.valid[image])]
    boxes, classes = to_pixels(found[:, :4], pixels), found[:, 4].astype(int)
    colors = [class_color(c) for c in classes]
    draw_boxes(ax, boxes, colors, linewidth=1.8)
    texts = [f"{class_label(c, names)} {s:.2f}" for c, s in zip(classes, found[:, 5], strict=True)]
    label_boxes(ax, boxes, texts, colors)
    ax.set_title(f"{len(found)} detections", fontsize=10)
    return ax
