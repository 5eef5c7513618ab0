"""Plot of the reorder: crops leave the stack of their level and move home to their ROI."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from mrcnn_explained.plots.style import LEVEL_COLORS, axes, note
from mrcnn_explained.stages.levels import LOWEST
from mrcnn_explained.stages.reorder import Reordered


def plot_reorder(
    reordered: Reordered, ix: Sequence[Any], image: int = 0, ax: Axes | None = None
) -> Axes:
    """Rows moving home, for one picture: left the stack level by level, right ROI by ROI.

    ix    (picture, ROI) of each level's rows, of `LevelCrops`

    A line that arrives at another ROI than its own would be drawn in black.
    """
    ax = axes(ax, 6.5, 6.5)
    level_of_row = np.concatenate([np.full(len(x), k) for k, x in enumerate(ix, LOWEST)])
    home = np.asarray(reordered.home[image])
    order = np.asarray(reordered.final_order).reshape(np.asarray(reordered.home).shape)[image]
    ours = np.flatnonzero(np.asarray(reordered.box_to_level)[:, 0] == image)
    left = np.searchsorted(ours, order)  # place among this picture's rows of the stack
    levels = level_of_row[order]

    lines = [((0, start), (1, roi)) for roi, start in enumerate(left)]
    colors = [
        LEVEL_COLORS[k] if at_home else "black" for k, at_home in zip(levels, home, strict=True)
    ]
    width, alpha = (1.4, 0.9) if len(lines) <= 60 else (0.5, 0.6)
    ax.add_collection(LineCollection(lines, colors=colors, linewidths=width, alpha=alpha))
    for k in np.unique(levels):
        rows = left[levels == k]
        ax.plot([-0.02, -0.02], [rows.min() - 0.4, rows.max() + 0.4], color=LEVEL_COLORS[k], lw=6,
                solid_capstyle="butt")  # fmt: skip
        ax.text(-0.05, rows.mean(), f"P{k}: {len(rows)}", color=LEVEL_COLORS[k], ha="right",
                va="center", weight="bold")  # fmt: skip
    ax.scatter(np.full(len(levels), 1.02), np.arange(len(levels)), s=6, marker="s", linewidths=0,
               color=[LEVEL_COLORS[k] for k in levels])  # fmt: skip
    ax.set(xlim=(-0.22, 1.2), ylim=(len(order) + 0.5, -1.5))
    ax.set_axis_off()
    for x, text in ((0, "row of the stack"), (1, "row of the ROI")):
        ax.text(x, -0.035 * len(order) - 1, text, ha="center", va="bottom")
    for roi in sorted({0, len(order) - 1}):
        ax.text(1.05, roi, f"ROI {roi}", va="center", fontsize=9)
    wrong = int((~home).sum())
    note(ax, "every crop is home" if not wrong else f"{wrong} crops at a wrong ROI", x=0.58, y=0.0,
         ha="center", va="top")  # fmt: skip
    return ax
