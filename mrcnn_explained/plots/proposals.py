"""Plots of proposals: candidates in refinement, clipping and NMS."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import DOTTED, GOOD, INK, LOST, NEUTRAL, QUIET
from mrcnn_explained.plots.style import (
    Look,
    axes,
    draw_boxes,
    label_boxes,
    note,
    panels,
    quiet_axes,
    show_image,
    to_pixels,
)
from mrcnn_explained.stages.proposals import Proposals

FOLLOWED = 4  # kept candidates that have a number in `plot_refinement`


def plot_refinement(proposals: Proposals, pixels: Any, image: int = 0, count: int = 25) -> Figure:
    """Draw the best candidates in four panels: as anchors, refined, clipped, and after NMS.

    pixels    the molded image
    count     how many boxes to draw in each panel

    Some boxes have a number, which they keep in all panels: the first kept ones, and the first
    suppressed one, which is dotted after NMS. Refined boxes may reach outside the image (grey
    frame); clipped boxes end at its edge.
    """
    rois = np.asarray(proposals.rpn_rois[image])[np.asarray(proposals.valid[image])]
    steps = {
        f"{count} best anchors": proposals.pre_nms_anchors[image][:count],
        "refined by their deltas": proposals.refined_anchors[image][:count],
        "clipped to the image": proposals.refined_anchors_clipped[image][:count],
        f"{count} best after NMS": rois[:count],
    }
    row = panels(1, 4, 3.6, 3.8)[0]
    height, width = np.asarray(pixels).shape[:2]
    followed, lost = _followed(proposals, image, count)
    of_step = (
        proposals.pre_nms_anchors[image],
        proposals.refined_anchors[image],
        proposals.refined_anchors_clipped[image],
        proposals.refined_anchors_clipped[image],
    )
    for ax, (title, boxes), places in zip(row, steps.items(), of_step, strict=True):
        show_image(ax, pixels, fade=0.35)
        draw_boxes(ax, [(0, 0, height, width)], QUIET, linewidth=0.8)
        plain: Look = {"linewidth": 0.9, "path_effects": []}  # the numbered ones stand out
        draw_boxes(ax, to_pixels(boxes, pixels), QUIET, **plain)
        ax.set_title(title, fontsize=11)
        ax.set_xlim(-0.12 * width, 1.12 * width)
        ax.set_ylim(1.12 * height, -0.12 * height)
        numbered = to_pixels(np.asarray(places)[followed], pixels)
        for candidate, box in zip(followed, numbered, strict=True):
            gone = ax is row[-1] and candidate in lost
            style: Look = {"linestyle": DOTTED} if gone else {}
            draw_boxes(ax, [box], LOST if gone else GOOD, linewidth=2.2, **style)
        inks = [LOST if ax is row[-1] and candidate in lost else GOOD for candidate in followed]
        label_boxes(ax, numbered, [str(candidate) for candidate in followed], inks, size=10)
    return row[0].figure


def _followed(proposals: Proposals, image: int, count: int) -> tuple[list[int], list[int]]:
    """Return the candidates to number, of the first `count`, and those of them that NMS dropped."""
    kept = np.flatnonzero(np.asarray(proposals.nms.rank[image])[:count] >= 0)
    lost = np.flatnonzero(np.asarray(proposals.nms.suppressed_by[image])[:count] >= 0)[:1]
    by = np.asarray(proposals.nms.suppressed_by[image])[lost]
    first = [i for i in kept if i not in by][: FOLLOWED - len(by)]
    return sorted(int(i) for i in (*by, *first, *lost)), [int(i) for i in lost]


def plot_suppression(
    proposals: Proposals, pixels: Any, image: int = 0, kept: int | None = None, count: int = 12
) -> Axes:
    """Draw one kept box and the candidates that it suppressed, with their IoU.

    pixels    the molded image
    kept      row of the kept candidate; None takes the one that suppressed most
    count     how many suppressed candidates to draw

    The small image shows where the enlarged part lies.
    """
    suppressed_by = np.asarray(proposals.nms.suppressed_by[image])
    overlap = np.asarray(proposals.nms.suppressed_iou[image])
    ax = show_image(axes(None, 9.2, 5.8), pixels, fade=0.45)
    ax.set_anchor("W")
    if kept is None:
        if not (suppressed_by >= 0).any():
            note(ax, "NMS suppressed no candidate")
            return ax
        kept = int(np.bincount(suppressed_by[suppressed_by >= 0]).argmax())
    suppressed = np.flatnonzero(suppressed_by == kept)
    shown = suppressed[:count]
    boxes = to_pixels(proposals.refined_anchors_clipped[image], pixels)
    draw_boxes(ax, boxes[shown], LOST, linestyle=DOTTED, linewidth=1.5)
    draw_boxes(ax, boxes[[kept]], GOOD, linewidth=2.5)
    scores = np.asarray(proposals.scores[image])
    others = "1 other" if len(suppressed) == 1 else f"{len(suppressed)} others"
    title = f"Candidate {kept} (score {scores[kept]:.3f}) suppresses {others}"
    ax.set_title(title, fontsize=12, color=GOOD, loc="left")
    frame = _zoom(ax, boxes[[kept, *shown]], np.array(np.asarray(pixels).shape[:2]))
    small = show_image(ax.inset_axes((1.03, 0.0, 0.3, 0.3)), pixels, fade=0.45)
    height, width = np.asarray(pixels).shape[:2]
    draw_boxes(small, [(0, 0, height, width)], QUIET, linewidth=1.0)
    draw_boxes(small, [frame], INK, linewidth=1.5)
    # The list is beside the image: on it, it would cover boxes.
    lines = ["dotted: suppressed, best first"]
    lines += [f"candidate {i}, score {scores[i]:.3f}: IoU {overlap[i]:.2f}" for i in shown]
    if len(suppressed) > count:
        lines.append(f"… and {len(suppressed) - count} more")
    look: Look = {"color": INK, "fontsize": 10.5, "linespacing": 1.5}
    note(ax, "\n".join(lines), x=1.02, **look)
    return ax


def _zoom(ax: Axes, boxes: np.ndarray, size: np.ndarray) -> tuple[float, ...]:
    """Show the part of the image around some boxes; return it as (y1, x1, y2, x2).

    size    (height, width) of the image, pixels

    A square with a margin, moved into the image; the whole image if it is not larger.
    """
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = np.minimum(1.6 * max(high - low), size)
    start = np.clip((low + high) / 2 - side / 2, 0, size - side)
    frame = (*start, *(start + side))
    ax.set_xlim(frame[1], frame[3])
    ax.set_ylim(frame[2], frame[0])
    return frame


def plot_fates(proposals: Proposals, image: int = 0, ax: Axes | None = None) -> Axes:
    """Draw every candidate as a tick in the row of its fate, with the counts.

    The horizontal axis is the rank by score. After NMS has kept enough, it reaches no more
    candidates.
    """
    ax = quiet_axes(axes(ax, 9, 2.6))
    scores, nms = np.asarray(proposals.scores[image]), proposals.nms
    lanes = {
        "kept": (np.asarray(nms.rank[image]) >= 0, GOOD),
        "suppressed": (np.asarray(nms.suppressed_by[image]) >= 0, LOST),
        "never reached": (~np.asarray(nms.reached[image]), NEUTRAL),
    }
    for row, (mask, color) in enumerate(lanes.values()):
        places = np.flatnonzero(mask)
        ax.vlines(places, row - 0.32, row + 0.32, color=color, lw=0.8, alpha=0.8)
    ax.set_yticks(range(3), [f"{mask.sum():,} {name}" for name, (mask, _) in lanes.items()])
    ax.invert_yaxis()
    ax.set_xlim(-len(scores) / 100, len(scores) * 1.01)
    ax.set_xlabel(f"candidate, by score from {scores[0]:.3f} to {scores[-1]:.3f}")
    return ax


def plot_corners(proposals: Proposals, pixels: Any, image: int = 0) -> Figure:
    """Draw the corners of all ROIs in molded pixels: (y1, x1) left, (y2, x2) right.

    pixels    the molded image; only its shape is read
    """
    valid = np.asarray(proposals.valid[image])
    boxes = to_pixels(np.asarray(proposals.rpn_rois[image])[valid], pixels)
    row = panels(1, 2, 4.4, 4.8)[0]
    height, width = np.asarray(pixels).shape[:2]
    corners = {"top left": boxes[:, :2], "bottom right": boxes[:, 2:]}
    for ax, (name, corner) in zip(row, corners.items(), strict=True):
        look: Look = {"s": 6, "color": GOOD, "linewidths": 0, "alpha": 0.5}
        quiet_axes(ax).scatter(corner[:, 1], corner[:, 0], **look)
        ax.set(xlim=(-5, width + 5), ylim=(height + 5, -5), aspect="equal")
        ax.set_xlabel("x, molded pixels")
        ax.set_title(f"{len(boxes)} {name} corners", fontsize=11, color=INK)
    row[0].set_ylabel("y, molded pixels")
    return row[0].figure
