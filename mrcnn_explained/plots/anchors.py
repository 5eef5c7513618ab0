"""Plot of anchors: those of one place on every level."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from mrcnn_explained.plots.style import LEVEL_COLORS, axes, draw_boxes, note, show_picture
from mrcnn_explained.stages.anchors import Anchors


def plot_cell_anchors(
    anchors: Anchors,
    picture: Any,
    at: tuple[float, float] = (0.5, 0.5),
    ax: Axes | None = None,
) -> Axes:
    """The anchors of the cell that holds one point, on every level, over the molded picture.

    at    (y, x) of the point as fractions of the picture

    A dot marks the centre that the anchors of a level share, the cell's top-left corner:
    on the coarse levels it lies visibly off the point.
    """
    ax = show_picture(axes(ax, 9.5, 6), picture, fade=0.45)
    boxes, level, row, column = (np.asarray(x) for x in (anchors.boxes_px, *anchors[2:5]))
    remarks = []
    for k, color in LEVEL_COLORS.items():
        here = level == k
        cell = [int(f * (side[here].max() + 1)) for f, side in zip(at, (row, column), strict=True)]
        chosen = here & (row == cell[0]) & (column == cell[1])
        draw_boxes(ax, boxes[chosen], color, linewidth=2)
        y1, x1, y2, x2 = boxes[chosen][0]
        ax.plot((x1 + x2) / 2, (y1 + y2) / 2, "o", color=color, markersize=4)
        scale = np.asarray(anchors.scale)[here][0]
        remarks.append((f"P{k}: {here.sum():,} anchors of {scale:g} px", color))
    ax.set_anchor("W")
    for i, (text, color) in enumerate(remarks):
        note(ax, text, x=1.02, y=0.95 - 0.07 * i, color=color, weight="bold")
    reach = boxes[np.isin(level, list(LEVEL_COLORS))]
    height, width = np.asarray(picture).shape[:2]
    margin = 0.15 * max(height, width)
    ax.set_xlim(max(-margin, reach[:, 1].min()), min(width + margin, reach[:, 3].max()))
    ax.set_ylim(min(height + margin, reach[:, 2].max()), max(-margin, reach[:, 0].min()))
    return ax
