"""Plot of anchors: the anchors at one point, on every level."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mrcnn_explained.plots.palette import INK, LEVEL_COLORS, QUIET, text_color
from mrcnn_explained.plots.style import (
    Look,
    beside,
    draw_boxes,
    figure,
    show_image,
)
from mrcnn_explained.stages.anchors import Anchors

ZOOMED = (2, 3)  # levels whose anchors are too small to distinguish on the image


def plot_cell_anchors(
    anchors: Anchors,
    pixels: Any,
    at: tuple[float, float] = (0.5, 0.5),
    ax: Axes | None = None,
) -> Axes:
    """Draw the anchors of the cell that contains one point, for every level.

    pixels    the molded image
    at        (y, x) of the point as fractions of the image
    ax        None: a new figure, in which P2 and P3 are shown again, enlarged

    A dot marks the common centre of the anchors of a level. It is the top-left corner of the
    cell, not the middle (deviation 24): on coarse levels it is visibly away from the point.
    """
    zooms: list[Axes] = []
    if ax is None:
        ax, *zooms = _axes_with_zooms()
    show_image(ax, pixels, fade=0.45)
    boxes, level = np.asarray(anchors.boxes_px), np.asarray(anchors.level)
    scale = np.asarray(anchors.scale)
    remarks, drawn = [], []
    for k, color in LEVEL_COLORS.items():
        cell = boxes[_in_cell(anchors, k, at)]
        draw_boxes(ax, cell, color, linewidth=2)
        drawn.extend(cell)
        y, x = _centre(cell)
        ax.plot(x, y, "o", color=color, markersize=5)
        count, side = np.sum(level == k), scale[level == k][0]
        remarks.append((f"P{k}: {count:,} anchors of {side:g} px", color))
    beside(ax, [*remarks, ("dots: their centres, the\ntop-left corners of the cells", INK)])
    height, width = np.asarray(pixels).shape[:2]
    margin = 0.15 * max(height, width)
    y1, x1, y2, x2 = np.transpose(drawn)
    ax.set_xlim(max(-margin, min(0, *x1)), min(width + margin, max(width, *x2)))
    ax.set_ylim(min(height + margin, max(height, *y2)), max(-margin, min(0, *y1)))
    for zoom, k in zip(zooms, ZOOMED, strict=False):
        _draw_enlarged(zoom, anchors, k, at, pixels)
    return ax


def _axes_with_zooms() -> list[Axes]:
    """Return large axes for the image and two small axes, side by side, on its right."""
    fig = figure(12.6, 6.2)
    # Placed by hand: a layout engine would shrink the image to make room for the text.
    fig.set_layout_engine("none")
    places = ((0.005, 0.02, 0.48, 0.96), (0.5, 0.02, 0.24, 0.48), (0.755, 0.02, 0.24, 0.48))
    return [fig.add_axes(place) for place in places]


def _in_cell(anchors: Anchors, level: int, at: tuple[float, float]) -> np.ndarray:
    """Mark the anchors, bool [A], of the cell of one level that contains the point `at`."""
    of_level = np.asarray(anchors.level) == level
    row, column = np.asarray(anchors.row), np.asarray(anchors.column)
    rows, columns = row[of_level].max() + 1, column[of_level].max() + 1
    y, x = at
    return of_level & (row == int(y * rows)) & (column == int(x * columns))


def _centre(boxes: np.ndarray) -> np.ndarray:
    """Return (y, x) of the common centre of the anchors of a cell."""
    return (boxes[0, :2] + boxes[0, 2:]) / 2


def _draw_enlarged(
    ax: Axes, anchors: Anchors, level: int, at: tuple[float, float], pixels: Any
) -> None:
    """Draw the anchors of one cell with their ratios, the cell, and the grid of cells."""
    cell, color = _in_cell(anchors, level, at), LEVEL_COLORS[level]
    boxes, ratios = np.asarray(anchors.boxes_px)[cell], np.asarray(anchors.ratio)[cell]
    y, x = _centre(boxes)
    rows = np.asarray(anchors.row)[np.asarray(anchors.level) == level].max() + 1
    stride = np.asarray(pixels).shape[0] / rows
    reach = 0.75 * (boxes[:, 2:] - boxes[:, :2]).max()
    show_image(ax, pixels, fade=0.6)
    steps = np.arange(-np.ceil(reach / stride), np.ceil(reach / stride) + 1) * stride
    ax.vlines(x + steps, y - reach, y + reach, color=QUIET, lw=0.4, alpha=0.6)
    ax.hlines(y + steps, x - reach, x + reach, color=QUIET, lw=0.4, alpha=0.6)
    ax.add_patch(Rectangle((x, y), stride, stride, color=color, alpha=0.5, linewidth=0))
    draw_boxes(ax, boxes, color, linewidth=2)
    ax.plot(x, y, "o", color=color, markeredgecolor="white", markersize=8)
    look: Look = {"color": text_color(color), "weight": "bold", "fontsize": 10}
    place: Look = {"textcoords": "offset points", "ha": "left", "va": "bottom"}
    for (top, left, _, _), ratio in zip(boxes, ratios, strict=True):
        ax.annotate(f"{ratio:g}", (left, top), (2, 2), **place, **look)
    ax.set_xlim(x - reach, x + reach)
    ax.set_ylim(y + reach, y - reach)
    title = (
        f"P{level}: one cell (tinted, {stride:g} px), its\nanchors and their ratios, width / height"
    )
    ax.set_title(title, fontsize=10.5, color=text_color(color))
