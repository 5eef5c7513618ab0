"""Plot of anchors: those of one place on every level."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, QUIET, text_color
from mrcnn_explained.plots.style import beside, draw_boxes, figure, show_image
from mrcnn_explained.stages.anchors import Anchors

ZOOMED = (2, 3)  # levels whose anchors are too small to be told apart on the image


def plot_cell_anchors(
    anchors: Anchors,
    image: Any,
    at: tuple[float, float] = (0.5, 0.5),
    ax: Axes | None = None,
) -> Axes:
    """The anchors of the cell that holds one point, on every level, over the molded image.

    at    (y, x) of the point as fractions of the image
    ax    None: a figure of its own, where P2 and P3 are shown once more, larger

    A dot marks the centre that the anchors of a level share, the cell's top-left corner and
    not its middle (deviation 24): on the coarse levels it lies visibly off the point.
    """
    zooms = ()
    if ax is None:
        ax, *zooms = _axes_with_zooms()
    show_image(ax, image, fade=0.45)
    boxes, level = np.asarray(anchors.boxes_px), np.asarray(anchors.level)
    remarks, drawn = [], []
    for k, color in LEVEL_COLORS.items():
        chosen = boxes[_cell(anchors, k, at)]
        draw_boxes(ax, chosen, color, linewidth=2)
        drawn.extend(chosen)
        y, x = _centre(chosen)
        ax.plot(x, y, "o", color=color, markersize=5)
        scale = np.asarray(anchors.scale)[level == k][0]
        remarks.append((f"P{k}: {np.sum(level == k):,} anchors of {scale:g} px", color))
    beside(ax, [*remarks, ("dots: their centres, the\ntop-left corners of the cells", INK)])
    height, width = np.asarray(image).shape[:2]
    margin = 0.15 * max(height, width)
    y1, x1, y2, x2 = np.transpose(drawn)
    ax.set_xlim(max(-margin, min(0, *x1)), min(width + margin, max(width, *x2)))
    ax.set_ylim(min(height + margin, max(height, *y2)), max(-margin, min(0, *y1)))
    for zoom, k in zip(zooms, ZOOMED, strict=False):
        _zoom(zoom, anchors, k, at, image)
    return ax


def _axes_with_zooms():
    """A large place for the image, and two small ones above each other at its right."""
    fig = figure(12.6, 6.2)
    # By hand: a layout engine would shrink the image to make room for the words beside it.
    fig.set_layout_engine("none")
    places = ((0.005, 0.02, 0.48, 0.96), (0.78, 0.51, 0.21, 0.41), (0.78, 0.01, 0.21, 0.41))
    return [fig.add_axes(place) for place in places]


def _cell(anchors, level, at):
    """Which anchors are those of the cell of one level that holds the point `at`."""
    here = np.asarray(anchors.level) == level
    for side, share in zip((anchors.row, anchors.column), at, strict=True):
        side = np.asarray(side)
        here = here & (side == int(share * (side[np.asarray(anchors.level) == level].max() + 1)))
    return here


def _centre(boxes):
    """(y, x) of the centre that the anchors of a cell share."""
    return (boxes[0, :2] + boxes[0, 2:]) / 2


def _zoom(ax, anchors, level, at, image):
    """The anchors of one cell with their ratios, the cell itself, and its neighbours' edges."""
    here, color = _cell(anchors, level, at), LEVEL_COLORS[level]
    boxes, ratios = np.asarray(anchors.boxes_px)[here], np.asarray(anchors.ratio)[here]
    y, x = _centre(boxes)
    stride = np.asarray(image).shape[0] / (
        np.asarray(anchors.row)[np.asarray(anchors.level) == level].max() + 1
    )
    reach = 0.75 * (boxes[:, 2:] - boxes[:, :2]).max()
    show_image(ax, image, fade=0.6)
    steps = np.arange(-np.ceil(reach / stride), np.ceil(reach / stride) + 1) * stride
    ax.vlines(x + steps, y - reach, y + reach, color=QUIET, lw=0.4, alpha=0.6)
    ax.hlines(y + steps, x - reach, x + reach, color=QUIET, lw=0.4, alpha=0.6)
    ax.add_patch(Rectangle((x, y), stride, stride, color=color, alpha=0.5, linewidth=0))
    draw_boxes(ax, boxes, color, linewidth=2)
    ax.plot(x, y, "o", color=color, markeredgecolor="white", markersize=8)
    for (top, left, _, _), ratio in zip(boxes, ratios, strict=True):
        ax.annotate(
            f"{ratio:g}",
            (left, top),
            (2, 2),
            textcoords="offset points",
            ha="left",
            va="bottom",
            color=text_color(color),
            weight="bold",
            fontsize=10,
        )
    ax.set_xlim(x - reach, x + reach)
    ax.set_ylim(y + reach, y - reach)
    told = (
        f"P{level}: its cell (tinted, {stride:g} px) and the\nratios of its anchors, width / height"
    )
    ax.set_title(told, fontsize=9.5, color=text_color(color))
